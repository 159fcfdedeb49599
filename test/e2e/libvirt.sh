#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 280
#
# libvirt 11 and QEMU 10, by an ordinary user, with passt as the network of their
# guests. From a Debian 13 tree, whatever this machine has.

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck disable=SC2016 # text is for other shells
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/tree.sh
. "$(dirname "$0")/../lib/tree.sh"
tree_guest
tree_enter "$@"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/rootless.sh
. "$TOP/test/lib/rootless.sh"
# shellcheck source=test/lib/vm.sh
. "$TOP/test/lib/vm.sh"

world_up
rootless_up
"$T/bin/passt" --version >/dev/null 2>&1 ||
	skip_all "our program, from this machine, doesn't run in the tree"
world_greets
vm_build
# whoever starts guests need not get to where the source is
cp "$vm_dir/kernel" "$T/kernel"
chmod 644 "$T/kernel"

# domain FILE TYPE INTERFACE: a guest with that script as /script, and that interface
domain()
{
	memory=
	# which who serves it must see
	[ "$2" != vhostuser ] || memory="<memoryBacking><source type='memfd'/>
		<access mode='shared'/></memoryBacking>"
	vm_initrd "$T/script" "$T/user/initrd"
	cat >"$1" <<-E
		<domain type='qemu'>
		<name>guest</name>
		<memory unit='KiB'>$VM_MEMORY</memory>
		$memory
		<os>
			<type arch='x86_64' machine='q35'>hvm</type>
			<kernel>$T/kernel</kernel>
			<initrd>$T/user/initrd</initrd>
			<cmdline>$VM_CMDLINE</cmdline>
		</os>
		<cpu mode='maximum'/>
		<on_reboot>destroy</on_reboot>
		<devices>
			<interface type='$2'>
				<mac address='52:54:00:12:34:56'/>
				<model type='virtio'/>
				<rom enabled='no'/>
				$3
			</interface>
			<serial type='file'><source path='$T/user/console'/>
				<target port='0'/></serial>
			<serial type='file'><source path='$T/user/out'/>
				<target port='1'/></serial>
			<controller type='usb' model='none'/>
			<memballoon model='none'/>
		</devices>
		</domain>
	E
	chmod 644 "$1" "$T/user/initrd"
}

virsh()
{
	as_user timeout 60 virsh -q -c qemu:///session "$@"
}

# said WORD: what the guest says: "WORD value"
said()
{
	tr -d '\r' <"$T/user/out" | sed -n "s/^$1 //p" | tail -n 1
}

spawn user libvirtd >"$T/libvirtd.log" 2>&1
ok 'libvirtd' wait_for 'virsh version >/dev/null 2>&1' 30
diag "$(virsh version 2>&1 | sed -n 's/^Running hypervisor: //p')"

### what libvirt passes on

cat >"$T/script" <<E
busybox udhcpc -q -f -n -t 10 -T 1 -i eth0 -O mtu
. /run/udhcpc.bound
echo "dhcp \$ip/\$mask \$mtu"
echo "web \$(curl -sS -m 20 http://v4.example.org/hello)"
socat TCP-LISTEN:22,reuseaddr,fork 'SYSTEM:echo forwarded' &
socat TCP-LISTEN:81,reuseaddr,fork 'SYSTEM:echo range' &
until [ \$(netstat -ltn | grep -cE ':(22|81) ') -eq 2 ]; do sleep 0.1; done
echo READY
sleep 600
E
# by the stream socket, and by vhost-user
source=
for type in user vhostuser; do
	rm -f "$T/user/console" "$T/user/out" "$T/user/passt.log"
	[ $type = user ] || source="<source dev='eth0'/>"
	domain "$T/domain.xml" "$type" "
		<ip family='ipv4' address='203.0.113.77' prefix='24'/>
		$source<backend type='passt' logFile='$T/user/passt.log'/>
		<portForward proto='tcp'>
			<range start='8022' to='22'/>
			<range start='8080' end='8089' to='80'/>
			<range start='8083' exclude='yes'/>
		</portForward>
		<portForward proto='tcp' address='$HOST4' dev='eth0'>
			<range start='8122' to='22'/>
		</portForward>
		<portForward proto='udp' address='::1'>
			<range start='8053' to='53'/>
		</portForward>"
	ok "$type: a guest starts" virsh create "$T/domain.xml"
	diag "$(tr '\0' ' ' <"/proc/$(pgrep -x passt)/cmdline")"
	for p in 8022 8080 8089; do
		ok "... TCP port $p" listening host tcp "$p"
	done
	not_ok '... not the one left out' listening host tcp 8083
	ok '... UDP port 8053' listening host udp 8053
	like "$(cat "$T/user/passt.log")" 'passt *' '... its log'
	if wait_for 'tr -d "\r" <"$T/user/out" | grep -qx READY' 120; then
		pass '... gets to its end'
	else
		fail '... gets to its end'
		diag "$(tail -n 20 "$T/user/console" "$T/user/out")"
	fi
	is "$(said dhcp)" '203.0.113.77/24 65520' '... address, MTU'
	is "$(said web)" 'hello from the world' '... the world, by name'
	is "$(ask_tcp in_host 127.0.0.1:8022)" forwarded '... a port'
	is "$(ask_tcp in_world "$HOST4:8081")" range '... one of a range, from the world'
	is "$(ask_tcp in_world "$HOST4:8122")" forwarded \
		'... one of an address and interface'
	passt=$(pgrep -x passt)
	ok '... destroyed' virsh destroy guest
	ok '... passt ends with it' wait_gone "$passt"
	# libvirt 11.3 leaves those of vhost-user where they are
	[ $type = vhostuser ] ||
		is "$(find "$XDG_RUNTIME_DIR/libvirt" -name '*passt.pid' -o \
			-name '*.socket')" '' '... no file is left'
done

### the same ports, again and again

failed=
for i in $(seq 10); do
	virsh create "$T/domain.xml" >"$T/err" 2>&1 ||
		failed="$failed $i: $(cat "$T/err")"
	virsh destroy guest >/dev/null 2>&1
done
is "$failed" '' 'created and destroyed 10 times'
virsh create "$T/domain.xml" >/dev/null
passt=$(pgrep -x passt)
kill -KILL "$(pgrep -f '^/usr/bin/qemu-system-x86_64 ')"
ok 'QEMU is killed: passt ends' wait_gone "$passt"
ok '... libvirt notices' wait_for '! virsh list --name | grep -q guest'
spawn host socat TCP6-LISTEN:8022,reuseaddr,fork EXEC:true
wait_port host tcp 8022
not_ok 'a port that is taken: no guest' virsh create "$T/domain.xml"
like "$tap_out" '*Listen failed for HOST TCP port \*/8022: Address already in use*' \
	'... libvirt says why'
stop "$pid"
ok '... nothing is left of it' wait_for '! pgrep -x "passt|qemu.*"'

### QEMU 10 by itself, which connects again by itself

cat >"$T/script" <<E
busybox udhcpc -q -f -n -t 10 -T 1 -i eth0
echo READY
while :; do
	curl -sS -m 2 http://$WORLD4/hello && echo "again \$((n += 1))"
	sleep 0.2
done
E
sock=$T/user/sock
as_user passt -q -s "$sock" -P "$T/user/pid"
# shellcheck disable=SC2046 # words
set -- $(vm_net "$sock")
vm_start "$T/script" -- "$1" "$2,reconnect-ms=100" "$3" "$4"
ok 'QEMU 10: its guest reaches the world' vm_said 'again 1' 120 ||
	diag "$(vm_output | tail; tail "$vm_console" "$T/vm$vm_n.qemu")"
for i in 1 2 3; do
	kill "$(cat "$T/user/pid")"
	wait_gone "$(cat "$T/user/pid")"
	ok "another passt at the same socket, $i" as_user passt -q -s "$sock" \
		-P "$T/user/pid"
	n=$(vm_output | grep -c '^again')
	ok '... the guest goes on' vm_said "again $((n + 2))" 60
done
stop "$vm_pid"
kill "$(cat "$T/user/pid")"

done_testing
