# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# Architectures and C libraries other than this machine's.
#
#	target NAME	sets the variables below; fails if there's no such one
#	ALL_TARGETS	their names
#
#	debian		Debian's name of the architecture
#	release		of Debian, from which its libraries come
#	tuple		of the compiler
#	multiarch	directory of its libraries
#	emulator	QEMU's, for one program; empty: this machine runs it
#	system		QEMU's, for a whole machine, with its arguments
#	kernel		Debian's package of a kernel for that
#	console		the machine's
#	root		where its libraries and headers are, from mksysroot

# shellcheck disable=SC2034 # for the caller
ALL_TARGETS='i386 armhf aarch64 riscv64 s390x musl'

target()
{
	debian=$1 release=bookworm tuple=$1-linux-gnu emulator=qemu-$1
	system= kernel=
	case $1 in
	i386)	tuple=i686-linux-gnu emulator= ;;
	armhf)	tuple=arm-linux-gnueabihf emulator=qemu-arm
		system='qemu-system-arm -M virt,highmem=off -cpu cortex-a15'
		kernel=linux-image-armmp console=ttyAMA0 ;;
	# as the algorithm says, signed pointers take most of the time
	aarch64)	debian=arm64 emulator='qemu-aarch64 -cpu max,pauth-impdef=on'
		system='qemu-system-aarch64 -M virt -cpu max,pauth-impdef=on'
		kernel=linux-image-cloud-arm64 console=ttyAMA0 ;;
	riscv64)	release=trixie
		system='qemu-system-riscv64 -M virt'
		kernel=linux-image-riscv64 console=ttyS0 ;;
	s390x)	system='qemu-system-s390x -M s390-ccw-virtio'
		kernel=linux-image-s390x console=ttysclp0 ;;
	musl)	debian=source emulator= ;;
	*)	return 1 ;;
	esac
	case $1 in
	i386)	multiarch=i386-linux-gnu ;;
	*)	multiarch=$tuple ;;
	esac
	root=$(cd "$(dirname "$0")/../.." && pwd)/build/arch/$1
}
