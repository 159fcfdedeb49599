#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 300
#
# vhost-user with the drivers of firmware: iPXE, from SeaBIOS, gets a Linux by HTTP and
# starts it, whose driver takes more; UEFI's shell has an address by its own driver, and
# gets a file by HTTP.

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
VM_LINK=vu
# shellcheck source=test/lib/vm.sh
. "$TOP/test/lib/vm.sh"

world_up
world_greets
vm_build || bail 'no guest'

# machine NAME WITHOUT ARGS: with a daemon, and a serial line which is a pair of FIFOs;
# WITHOUT is what its interface doesn't have
machine()
{
	name=$1 without=$2
	shift 2
	spawn user passt --vhost-user -1 -d -f -s "$T/user/$name" \
		>"$T/$name.err" 2>&1
	passt=$pid
	wait_for "[ -S '$T/user/$name' ]" || bail "passt: $(cat "$T/$name.err")"
	mkfifo "$T/$name.in" "$T/$name.out"
	exec 8<>"$T/$name.in"
	spawn host cat "$T/$name.out" >"$T/$name.text"
	# shellcheck disable=SC2046 # words
	spawn host qemu-system-x86_64 -M q35,graphics=off $(vm_accel) \
		-m "${VM_MEMORY}K" -display none -no-reboot -nodefaults \
		-no-user-config -chardev "pipe,id=out,path=$T/$name" \
		-serial chardev:out $(vm_memory) \
		$(vm_nic n "$T/user/$name" '' | sed "s/${without:-^}//") \
		"$@" >"$T/$name.qemu" 2>&1
	qemu=$pid
}
# without the codes that move a cursor
says()
{
	tr -d '\r' <"$T/$name.text" | sed 's/\x1b\[[0-9;]*[A-Za-z]//g'
}
features()
{
	sed -n 's/.*a driver takes features //p' "$T/$name.err"
}

# types WORD...: to its keyboard, whose buffer is small
types()
{
	for word; do
		printf '%s' "$word" >&8
		wait_for "says | tail -n 1 | grep -qF '$word'" 20 || return 1
	done
	printf '\r' >&8
}

### iPXE

VM_NIC=,bootindex=0,vectors=0
cat >"$T/script" <<E
busybox udhcpc -q -f -n -t 10 -T 1 -i eth0 -O dns >/dev/null 2>&1
curl -sS -m 20 http://v4.example.org/hello
E
vm_initrd "$T/script" "$T/web/initrd"
cp "$vm_dir/image" "$T/web/kernel"
cat >"$T/web/go" <<E
#!ipxe
kernel /kernel $VM_CMDLINE initrd=initrd
initrd /initrd
boot
E
machine ipxe romfile=, -chardev "file,id=script,path=$T/script.out" \
	-device isa-serial,chardev=script
ok 'iPXE can be told what to do' \
	wait_for "printf '\\002' >&8; pause 0.5; says | grep -q 'iPXE>'" 60
types dhcp
ok '... has an address' wait_for 'says | grep -q "^Configuring.* ok"' 30
types chain ' http://' "$WORLD4" /go
ok '... gets a kernel by HTTP, which comes to its end' wait_gone "$qemu" 120
like "$(tr -d '\r' <"$T/script.out")" '*hello from the world*' \
	'... with its own driver for the network'
# shellcheck disable=SC2046 # numbers
set -- $(features)
is $# 2 '... two drivers'
is "${1:-}" 0x140000000 '... one of them takes no feature but version 1'
ok '... the other one more' [ "$((${2:-0}))" -gt "$((${1:-0}))" ]
ok '... the daemon ends with the machine' wait_gone "$passt"
[ "$tap_failed" -eq 0 ] || diag "$(says | tail; tail "$T/$name.err")"

### UEFI: its shell

VM_NIC=,vectors=0
ovmf=/usr/share/OVMF
[ -e $ovmf/OVMF_VARS_4M.fd ] || { skip 'no UEFI firmware here' 5; done_testing; exit; }
mkdir "$T/fat"
printf 'fs0:\nconnect -r\nifconfig -s eth0 dhcp\n' >"$T/fat/startup.nsh"
cp "$ovmf/OVMF_VARS_4M.fd" "$T/vars"
machine uefi '' \
	-drive "if=pflash,format=raw,readonly=on,file=$ovmf/OVMF_CODE_4M.fd" \
	-drive "if=pflash,format=raw,file=$T/vars" \
	-drive "if=none,id=fat,file=fat:rw:$T/fat,format=raw" \
	-device ide-hd,drive=fat,bootindex=0
# it would wait for five seconds
ok 'UEFI: its shell' wait_for 'says | grep -q "Press ESC"' 60
printf '\r' >&8
ok '... asks for an address, and takes it' \
	wait_for "grep -q 'REQUEST from .*, for $HOST4: answered' '$T/$name.err'" 60
is "$(features)" 0x40000000 '... its driver is one of old, which takes nothing'
types ping ' -n 1 ' "$WORLD4"
ok '... somebody answers it' wait_for 'says | grep -q "1 received"' 30
types http " http://$WORLD4/hello"
types type ' hello'
ok '... gets a file by HTTP' wait_for 'says | grep -q "^hello from the world"' 30
stop "$qemu"
[ "$tap_failed" -eq 0 ] || diag "$(says | tail -n 60; tail "$T/$name.err")"
done_testing
