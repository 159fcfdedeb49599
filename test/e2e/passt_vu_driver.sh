#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 400
#
# vhost-user, a Linux guest in QEMU, from its start to its end: its driver is taken away
# and put back, the daemon is another one, the machine is paused, suspended, gets more
# memory, is reset, and killed.
#
# By the machine's own QEMU only the first half of that; passt_vu_qemu10.sh does all.
#
#	VU_ALL		1: all of it here, too
#	VU_PAUSE	seconds that it is paused and suspended (3)
#	VM_BACKEND	where its memory is, see test/lib/vm.sh

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
VM_LINK=vu
# passt_vu_qemu10.sh: the same with another QEMU. For this one as in passt_vm_vu.sh
VM_NIC=${VM_NIC-,vectors=0}
VM_IMAGE=image
# shellcheck source=test/lib/vm.sh
. "$TOP/test/lib/vm.sh"

world_up
vm_build || bail 'no guest'
diag "$(qemu-system-x86_64 --version | head -n 1)"

case $(qemu-system-x86_64 --version) in
*' 7.'* | *' 8.'*)	reconnect=reconnect=1 ;;
*)	reconnect='reconnect-ms=100' ;;
esac

bulk_serve world 10

# how often a driver has started at daemon $1
starts()
{
	grep -c 'driver started' "$T/$1.err"
}

qmp_socket=$T/qmp1
qmp()
{
	vm_qmp "$qmp_socket" "$@"
}

# bulk NAME: both ways, by IPv4 and IPv6
bulk()
{
	is "$(vm_sh bulk 120)" "$sum  -
$sum  -" "$1: bulk both ways, v4 and v6" || diag "$(tail -n 5 "$vm_console")"
}

vm_functions
cat >>"$T/vmfs/functions" <<E
bulk()
{
	for a in "$WORLD4" "[$WORLD6]"; do
		socat -u -b 65536 "TCP:\$a:9001" OPEN:/tmp/file,creat,trunc
		socat -t 60 -b 65536 - "TCP:\$a:9002" </tmp/file
	done
}
# KiB that the guest has
memory()
{
	sed -n 's/^MemTotal: *\\([0-9]*\\).*/\\1/p' /proc/meminfo
}
# the host bridge's register for the 64 KiB below 1 MiB: 000 is the BIOS, 060 is memory,
# which is one region with what follows
shadow()
{
	printf "\\\\\$1" | dd bs=1 seek=144 conv=notrunc \
		of=/sys/bus/pci/devices/0000:00:00.0/config 2>/dev/null
}
rebind()
{
	cd /sys/bus/virtio/drivers/virtio_net
	for d in virtio*; do
		echo \$d >unbind
		echo \$d >bind
	done
	cd /
}
E
# come_up N: the guest has started for the Nth time
come_up()
{
	wait_for "[ \"\$(vm_output | grep -cx SHELL)\" -ge $1 ]" 120 &&
		vm_sh '. /functions; link' 60 ||
		diag "$(vm_output | tail; tail "$vm_console" "$T/vm$vm_n.qemu")"
}

vu_passt a -t 9003
a=$pid
mac=52:54:00:12:34:56
# shellcheck disable=SC2046 # words
set -- -action reboot=reset -m "slots=2,maxmem=2G" \
	-global ICH9-LPC.disable_s3=0
# shellcheck disable=SC2046 # words
vm_start_shell -- "$@" -qmp "unix:$T/qmp1,server=on,wait=off" \
	$(vm_memory) $(vm_nic n "$T/user/a" $mac ,$reconnect) ||
	bail "no guest: $(cat "$T/vm1.qemu" "$vm_console")"
ok 'a guest has its addresses' come_up 1
bulk 'at first'

### many answers at once: none hangs, whatever the ring has room for

cat >"$T/bin/answer" <<'E'
#!/bin/sh
cr=$(printf '\r')
while read -r line && [ "$line" != "$cr" ]; do :; done
printf 'HTTP/1.0 200 OK\r\n\r\n'
exec flock -s /run/test/hold cat /run/test/answer
E
chmod 755 "$T/bin/answer"
make_file "$T/answer" 1
truncate -s 64K "$T/answer"
: >"$T/hold"
exec 7<"$T/hold"
flock 7
spawn world socat TCP6-LISTEN:9006,reuseaddr,fork,backlog=256 \
	"EXEC:$T/bin/answer,nofork"
wait_port world tcp 9006
vm_sh "curl -Z --parallel-immediate --parallel-max 200 -o '/tmp/answer#1' 'http://$WORLD4:9006/?[1-200]' 2>/dev/null & job=\$!" \
	>/dev/null
ok '200 requests' wait_for '[ "$(pgrep -cx flock)" -eq 200 ]' 60
flock -u 7
is "$(vm_sh 'wait $job; sha256sum /tmp/answer* | cut -d " " -f 1 | sort | uniq -c' 60)" \
	"$(printf '%7d %s' 200 "$(sha256 "$T/answer")")" '... 200 answers at once'
vm_sh 'rm /tmp/answer*' >/dev/null

### the driver, the daemon

for i in 1 2 3; do
	ok "driver taken away and put back, $i" vm_sh 'rebind; link' 60
done
n=$(starts a)
ok "the driver has started four times, or more: $n" [ "$n" -ge 4 ]
kill -TERM "$a"
wait_gone "$a"
wait "$a"
is $? 0 'the daemon is ended: its status'
vu_passt a -1 -t 9003
a=$pid
ok 'another one at the same place' wait_for "[ \"\$(starts a)\" -gt $n ]"
bulk '... the guest goes on'

the_end()
{
	not_ok 'nothing has ended a connection' grep 'ending the connection' "$T/a.err"
	kill -KILL "$vm_pid"
	ok 'QEMU is killed: --one-off ends' wait_gone "$a"
	wait "$a"
	is $? 0 '... with status 0'
	done_testing
	exit
}
[ "${VU_ALL:-}" = 1 ] || the_end

### more memory, while the rings run

# hotplug N: 128 MiB more
hotplug()
{
	qmp object-add '{"qom-type": "memory-backend-memfd", "id": "mem'"$1"'",
		"size": 134217728, "share": true}' >/dev/null &&
	qmp device_add '{"driver": "pc-dimm", "id": "dimm'"$1"'",
		"memdev": "mem'"$1"'"}' >/dev/null
}
mapped()
{
	grep -c '/memfd:' "/proc/$1/maps"
}
n=$(mapped "$a")
vm_sh 'had=$(memory)' >/dev/null
vm_sh 'echo online_kernel >/sys/devices/system/memory/auto_online_blocks' >/dev/null
ok 'memory is plugged in' hotplug 1
ok '... the daemon has it' wait_for "[ \"\$(mapped $a)\" -eq $((n + 1)) ]"
ok '... the guest, too' vm_sh \
	'eventually "[ \$(memory) -ge $((had + 131072)) ]"' 60
bulk '... it is used'

# transfer: bulk() in the background; transferred NAME: has come to its end
transfer()
{
	vm_sh 'bulk >/tmp/sums 2>&1 & job=$!' >/dev/null
}
transferred()
{
	is "$(vm_sh 'wait $job; cat /tmp/sums' 120)" "$sum  -
$sum  -" "$1: the transfer goes to its end"
}

### memory is taken away, and what the rings are in becomes another region

vm_sh 'echo online_movable >/sys/devices/system/memory/auto_online_blocks' >/dev/null
ok 'more is plugged in' hotplug 2
ok '... the guest has it' vm_sh \
	'eventually "[ \$(memory) -ge $((had + 2 * 131072)) ]"' 60
transfer
qmp device_del '{"id": "dimm2"}' >/dev/null
ok '... unplugged' wait_for '! qmp query-memory-devices | grep -q dimm2' 60
ok '... the daemon has it no more' \
	wait_for "[ \"\$(mapped $a)\" -eq $((n + 1)) ]"
transferred '... meanwhile'

transfer
for i in 000 060 000 060; do
	ok "the 64 KiB below 1 MiB are $i" vm_sh "shadow $i"
done
transferred '... meanwhile'

### paused, suspended, in the middle of a transfer

vm_sh 'echo served >/tmp/served' >/dev/null
vm_sh 'socat TCP6-LISTEN:9003,reuseaddr,fork "EXEC:cat /tmp/served,nofork" &' \
	>/dev/null
ok 'a server in the guest' vm_sh \
	'eventually "netstat -ltn | grep -q :9003"' 60

is_state()
{
	qmp query-status | grep -q "\"status\": \"$1\""
}
# somebody comes, and it stays as it is for a while
meanwhile()
{
	spawn world sh -c \
		"timeout 900 socat -u TCP:$HOST4:9003 - >'$T/served'"
	served=$pid
	pause "${VU_PAUSE:-3}"
}
goes_on()
{
	transferred "$1"
	wait_gone "$served" 70
	is "$(cat "$T/served")" served '... and who connected meanwhile is served'
}

transfer
qmp stop >/dev/null
ok 'paused' is_state paused
meanwhile
qmp cont >/dev/null
goes_on '... and on again'

if vm_sh 'grep -qw mem /sys/power/state'; then
	transfer
	vm_sh 'echo mem >/sys/power/state' 1000 >/dev/null &
	sleeps=$!
	ok 'suspended (S3)' wait_for 'is_state suspended' 30
	meanwhile
	qmp system_wakeup >/dev/null
	# its serial line is deaf until then
	wait "$sleeps"
	is $? 0 '... woken up'
	goes_on '... and woken up'
else
	skip 'this kernel has no S3' 4
fi

### reset; the end

qmp system_reset >/dev/null
ok 'reset: the guest comes up again' come_up 2
bulk '... and its network'
the_end
