#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 300
#
# vhost-user, a Linux guest moves from one QEMU to another one, each with a daemon of
# its own, while data comes for it. What the first daemon writes to its memory must
# get there, too; connections don't, and end when the guest next sends on them.

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck disable=SC2016 # text is for other shells
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
VM_LINK=vu
# passt_vu_migrate10.sh: the same with another QEMU. For this one as in passt_vm_vu.sh
VM_NIC=${VM_NIC-,vectors=0}
VM_IMAGE=image
# QEMU before 9 loses what emulated processors write while a guest moves, and the guest
# panics, with any network or none. Where memory isn't a multiple of 256 KiB, QEMU reads
# its own log in another, right way.
VM_MEMORY=$((384 * 1024 + 8))
# shellcheck source=test/lib/vm.sh
. "$TOP/test/lib/vm.sh"

world_up
vm_build || bail 'no guest'
diag "$(qemu-system-x86_64 --version | head -n 1)"

bulk_serve world 4
sums="$sum  -
$sum  -"
spawn world socat TCP6-LISTEN:9003,reuseaddr,fork EXEC:cat,nofork
wait_port world tcp 9003

# qmp source|target COMMAND [ARGUMENTS]
qmp()
{
	qmp_of=$T/qmp.$1
	shift
	vm_qmp "$qmp_of" "$@"
}

# is QEMU source|target in STATE?
is_state()
{
	qmp "$1" query-status | grep -q "\"status\": \"$2\""
}

vm_functions
cat >>"$T/vmfs/functions" <<E
# KiB that the guest has
memory()
{
	sed -n 's/^MemTotal: *\\([0-9]*\\).*/\\1/p' /proc/meminfo
}
bulk()
{
	for a in "$WORLD4" "[$WORLD6]"; do
		socat -u -b 65536 "TCP:\$a:9001" OPEN:/tmp/\$1,creat,trunc
		socat -t 60 -b 65536 - "TCP:\$a:9002" </tmp/\$1
	done
}
# memory is written to, and data comes and goes, without end
busy()
{
	while :; do
		dd if=/dev/zero of=/tmp/zero bs=1M count=8 conv=notrunc
		sleep 0.05
	done >/dev/null 2>&1 &
	busy=\$!
	while :; do
		bulk busy
	done >/dev/null 2>&1 &
	busy="\$busy \$!"
}
# how many connections have got all, of which little was read
queued()
{
	netstat -tn | awk '\$2 > 4000000 && \$6 == "CLOSE_WAIT"' | wc -l
}
# what has come stays in the socket's queue, where the daemon wrote it, until /tmp/go
unread()
{
	for a in "$WORLD4" "[$WORLD6]"; do
		socat -u "TCP:\$a:9001,rcvbuf=33554432" - | {
			until [ -e /tmp/go ]; do sleep 0.1; done
			sha256sum
		} &
	done >/tmp/sums
	eventually '[ \$(queued) -eq 2 ]'
}
# a connection that can be written to as /tmp/to, and what comes from it is /tmp/from
hold()
{
	mkfifo /tmp/to
	socat -d - TCP:$WORLD4:9003 </tmp/to >/tmp/from 2>/tmp/why &
	held=\$!
	exec 5>/tmp/to
	echo before >&5
	eventually 'grep -q before /tmp/from'
}
# hundredths of seconds
now()
{
	sed 's/ .*//; s/[.]//' /proc/uptime
}
# how long until it has ended, if something is sent
sent()
{
	start=\$(now)
	echo after >&5
	wait \$held
	echo \$((\$(now) - start))
}
E

vu_passt source -1 -t 9005
from=$pid
mac=52:54:00:12:34:56
# shellcheck disable=SC2046 # words
vm_start_shell -- -m slots=2,maxmem=2G $(vm_memory) \
	$(vm_nic n "$T/user/source" $mac) \
	-qmp "unix:$T/qmp.source,server=on,wait=off" ||
	bail "no guest: $(cat "$T/vm1.qemu" "$vm_console")"
ok 'a guest has its addresses' vm_sh \
	'. /functions; sysctl -qw net.core.rmem_max=67108864; link' 60

### more memory, far from the rest

more=
case $(qemu-system-x86_64 --version) in
*' 7.'* | *' 8.'*)
	skip 'this QEMU would lose what is written to memory plugged in' 2 ;;
*)	vm_sh 'had=$(memory)' >/dev/null
	vm_sh 'echo online_kernel >/sys/devices/system/memory/auto_online_blocks' \
		>/dev/null
	qmp source object-add '{"qom-type": "memory-backend-memfd", "id": "more",
		"size": 134217728, "share": true}' >/dev/null
	ok 'memory is plugged in' qmp source device_add '{"driver": "pc-dimm",
		"id": "dimm", "memdev": "more"}'
	ok '... the guest has it' vm_sh \
		'eventually "[ \$(memory) -ge $((had + 131072)) ]"' 60
	more="-object memory-backend-memfd,id=more,size=128M,share=on"
	more="$more -device pc-dimm,id=dimm,memdev=more" ;;
esac

### it moves

vu_passt target -1 -t 9006:9005
to=$pid
# shellcheck disable=SC2046,SC2086 # words
vm_incoming -- -m slots=2,maxmem=2G $(vm_memory) $more \
	$(vm_nic n "$T/user/target" $mac) -incoming "unix:$T/move" \
	-qmp "unix:$T/qmp.target,server=on,wait=off"
ok 'another QEMU is there' \
	wait_for '[ -S "$T/move" ] && [ -S "$T/qmp.target" ]' 30 ||
	bail "$(cat "$T/vm1.qemu")"

ok 'the guest has a connection' vm_sh hold
vm_sh 'socat TCP-LISTEN:9005,reuseaddr,fork EXEC:cat,nofork &' >/dev/null
ok '... and a server' vm_sh 'eventually "netstat -ltn | grep -q :9005"'
spawn world socat -u "TCP:$HOST4:9005" -
outside=$pid
ok '... that somebody is connected to' vm_sh \
	'eventually "netstat -tn | grep -q :9005.*ESTABLISHED"'
vm_sh busy >/dev/null

rounds()
{
	qmp source query-migrate |
		sed -n 's/.*"dirty-sync-count": \([0-9]*\).*/\1/p'
}
# rate BYTES MS: how many a second are sent, and how long the guest may stand still: it
# moves when all that it has written to meanwhile can be sent in that time
rate()
{
	qmp source migrate-set-parameters \
		"{\"max-bandwidth\": $1, \"downtime-limit\": $2}" >/dev/null
}
# little more than a page, so that it doesn't before it is let
rate 6291456 1
ok 'the move begins' qmp source migrate "{\"uri\": \"unix:$T/move\"}"
ok '... all memory has been sent once' wait_for '[ "$(rounds)" -ge 2 ]' 60
ok '... and is written to by the daemon' vm_sh unread 60 ||
	bail "not written to: $(qmp source query-migrate; cat "$vm_console")"
like "$(qmp source query-migrate)" '*"status": "active"*' '... before it moves'
rate 1073741824 2000
ok '... it ends' wait_for 'is_state target running' 30 ||
	bail "$(qmp source query-migrate; cat "$T/vm1.qemu")"
diag "$(qmp source query-migrate)"
vm_moved

### at its new place

ok 'its daemon is told' wait_for 'grep -q "at a new place" "$T/target.err"'
is "$(vm_sh 'kill $busy; : >/tmp/go; eventually "[ \$(grep -c . /tmp/sums) -eq 2 ]"; cat /tmp/sums' 40)" \
	"$sums" 'what came meanwhile is right' || diag "$(cat "$vm_console")"
t=$(vm_sh sent)
like "$(vm_sh 'cat /tmp/why')" '*Connection reset by peer' 'its connection is reset'
ok "... when it sends: $t/100 s" [ "$t" -lt 200 ]
is "$(vm_sh 'bulk file' 60)" "$sums" 'new ones, both ways'
is "$(echo served | in_world timeout 20 socat -t 20 - "TCP:$HOST4:9006")" served \
	'... and by the forwarding of this place'
ok 'the old QEMU holds the other end' alive "$outside"
qmp source quit >/dev/null
ok '... its own end is that of its daemon' wait_gone "$from"
wait "$from"
is $? 0 '... whose status is 0'
ok '... and of who was connected' wait_gone "$outside"
for d in source target; do
	not_ok "$d: nothing has gone wrong" \
		grep 'ending the connection' "$T/$d.err"
done
ok 'all goes on' alive "$to"
done_testing
