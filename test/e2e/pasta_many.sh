#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# All ports: how long it takes, what is told of those that can't be had, and of a
# limit that is too low for them.
# serial

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
peer=$TOP/test/tools/peer

# the machine may allow fewer files than there are ports: all, here, are those up
# to 7999, the ephemeral ones left out
sysctl -qw net.ipv4.ip_local_port_range='8000 65535'
spawn host socat TCP6-LISTEN:5001,reuseaddr,fork EXEC:true
wait_port host tcp 5001
as_user prlimit --nofile=17000 true 2>/dev/null ||
	skip_all 'the hard limit of open files is below 17000'

start=$(date +%s%N)
pasta_up --config-net -t all -u all -T none -U none
ms=$((($(date +%s%N) - start) / 1000000))
d=$(pgrep -x pasta | head -n 1)
ticks=$(sed 's/.*) //' "/proc/$d/stat" | awk '{ print $12 + $13 }')
diag "ready after $ms ms, $((ticks * 10)) of them at work"
# how long it waited for a processor is the machine's affair
ok 'all ports: ready soon' test "$ticks" -lt 100 -a "$ms" -lt 10000
is "$(ss -Hltn | wc -l)" $((7999 - 1023)) 'TCP ports that are listened at'
is "$(ss -Hlun | wc -l)" $((7999 - 1023)) 'UDP ports that are bound'
is "$(grep -v nobody "$T/pasta$pasta_n.err")" "Couldn't listen on 2047 of \
15998 ports: TCP 1-1023 (Permission denied), 5001 (Address already in use), \
UDP 1-1023 (Permission denied)" 'what is missing, in one line'
diag "$(find "/proc/$d/fd" -type l 2>/dev/null | wc -l) descriptors," \
	"$(awk '/^VmRSS/ { print $2 }' "/proc/$d/status") KiB resident"
spawn "ns:$ns" "$peer" serve 7777 >"$T/serve"
wait_for "grep -q ready '$T/serve'"
is "$(in_world "$peer" ask "$HOST4" 7777 hello)" hello 'one of them, by TCP'
like "$(in_world "$peer" udpask "$HOST4" 7777 hello)" 'hello *' '... by UDP'
pasta_down

# too low a limit
out=$(as_user prlimit --nofile=1000 timeout 10 pasta --config-net -t all -u all \
	-T none -U none -- true 2>&1)
is $? 1 'a limit of 1000 files: status'
like "$out" '*15998 ports to forward need as many descriptors, and the limit is 1000 open files: raise it*' \
	'... a line that says so'
out=$(as_user prlimit --nofile=1000 timeout 10 pasta --config-net \
	-t 2000-2499 -T none -U none -u none -- true 2>&1)
is $? 0 'five hundred ports fit'
like "$out" '*limit of 1000 open files leaves room for few connections*' \
	'... with a warning of what is left'

# nothing at all can be had
out=$(as_user timeout 10 pasta --config-net -t all,~1024-65535 -u none \
	-- true 2>&1)
is $? 1 'none of them: status'
like "$out" '*port \*/1: Permission denied*' '... says why'

done_testing
