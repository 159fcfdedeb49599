#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 400
#
# vhost-user, a Linux guest in QEMU: its driver is taken away and put back, the machine
# is paused in the middle of a transfer, and it is reset.

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
VM_LINK=vu
# as in passt_vm_vu.sh
VM_NIC=,vectors=0
# shellcheck source=test/lib/vm.sh
. "$TOP/test/lib/vm.sh"

[ "$(uname -m)" = x86_64 ] || skip_all 'guests are x86-64'
world_up
vm_build || bail 'no guest'

make_file "$T/file" 30
sum=$(sha256 "$T/file")
spawn world socat TCP6-LISTEN:9001,reuseaddr,fork "EXEC:cat $T/file,nofork"
wait_port world tcp 9001

sock=$T/user/passt.socket
spawn user passt --vhost-user -d -f -s "$sock" -t 9003 >"$T/passt.err" 2>&1
passt=$pid
wait_for "[ -S '$sock' ]" || bail "passt: $(cat "$T/passt.err")"

cat >"$T/script" <<E
link()
{
	busybox udhcpc -q -f -n -t 10 -T 1 -i eth0 >/dev/null 2>&1
	ping -c 1 -W 15 $GW4 >/dev/null
}
link && echo FIRST
for i in 1 2 3; do
	cd /sys/bus/virtio/drivers/virtio_net
	for d in virtio*; do
		echo \$d >unbind
		echo \$d >bind
	done
	ip link set eth0 up
	link && echo "AGAIN \$i"
done
echo "SUM \$(socat -u -b 262144 TCP:$WORLD4:9001 - | sha256sum)"
echo served >/tmp/served
socat TCP6-LISTEN:9003,reuseaddr,fork "EXEC:cat /tmp/served,nofork" &
until netstat -ltn | grep -q ":9003 "; do sleep 0.1; done
echo READY
echo "SUM \$(socat -u -b 16384 TCP:$WORLD4:9001 - | sha256sum)"
echo LAST
sleep 300
E
# shellcheck disable=SC2046 # words
vm_start "$T/script" -- $(vm_net "$sock") -action reboot=reset \
	-qmp "unix:$T/qmp,server=on,wait=off"
# qmp COMMAND
qmp()
{
	printf '{"execute":"qmp_capabilities"}{"execute":"%s"}' "$1" |
		socat -t 1 - "UNIX-CONNECT:$T/qmp" >"$T/qmp.out"
}
starts()
{
	grep -c 'driver started' "$T/passt.err"
}
sums()
{
	vm_output | grep -c "^SUM $sum  -"
}
ok 'it has its addresses' vm_said FIRST 120
for i in 1 2 3; do
	ok "driver taken away and put back, $i" vm_said "AGAIN $i" 60
done
ok '... ready' vm_said READY 60
is "$(sums)" 1 'a download afterwards' || diag "$(vm_output | tail -n 10)"
before=$(starts)
ok "the driver has started four times, or more: $before" [ "$before" -ge 4 ]

# paused, wherever the second download is
qmp stop
ok 'paused' grep -q '"return": {}' "$T/qmp.out"
spawn world sh -c "timeout 60 socat -u TCP:$HOST4:9003 - >'$T/served'"
served=$pid
pause 3
qmp cont
ok '... and on again: the download goes to its end' vm_said LAST 120
is "$(sums)" 2 '... as it should be'
wait_gone "$served" 70
is "$(cat "$T/served")" served '... and who connected meanwhile is served'

qmp system_reset
ok 'reset: the guest comes up again' \
	wait_for "[ \"\$(vm_output | grep -c FIRST)\" -ge 2 ]" 150
ok '... and its driver' [ "$(starts)" -gt "$before" ]
ok 'nothing has ended the connection' sh -c \
	"! grep 'ending the connection' '$T/passt.err'"
stop "$vm_pid"
kill -TERM "$passt"
wait_gone "$passt"
wait "$passt"
is $? 0 'exit status'
done_testing
