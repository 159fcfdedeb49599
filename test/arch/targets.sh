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
#	root		where its libraries and headers are, from mksysroot

# shellcheck disable=SC2034 # for the caller
ALL_TARGETS='i386 armhf aarch64 riscv64 s390x musl'

target()
{
	debian=$1 release=bookworm tuple=$1-linux-gnu emulator=qemu-$1
	case $1 in
	i386)	tuple=i686-linux-gnu emulator= ;;
	armhf)	tuple=arm-linux-gnueabihf emulator=qemu-arm ;;
	aarch64)	debian=arm64 ;;
	riscv64)	release=trixie ;;
	s390x)	;;
	musl)	debian=source emulator= ;;
	*)	return 1 ;;
	esac
	case $1 in
	i386)	multiarch=i386-linux-gnu ;;
	*)	multiarch=$tuple ;;
	esac
	root=$(cd "$(dirname "$0")/../.." && pwd)/build/arch/$1
}
