#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The resolver of a policy with names has ports on the host's loopback: it listens to
# the guest alone, and costs nothing when there are no descriptors.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
world_greets

ask()	# COMMAND...: dig's answer
{
	"$@" +tries=1 +time=2 www.example.org A +short 2>&1 | awk '
		/reset|end of file|closed/ { print "closed"; exit }
		/timed out|could be reached/ { print "no answer"; exit }
		/^[0-9]/'
}
stranger()
{
	ask in_host dig "@127.0.0.1" -p "$@"
}
# processor time, in milliseconds
cpu()
{
	awk -v hz="$(getconf CLK_TCK)" '{ print int(($14 + $15) * 1000 / hz) }' \
		"/proc/$pasta_pid/stat"
}

spawn world socat -u TCP4-LISTEN:4300,fork,backlog=100 -
wait_port world tcp 4300
pasta_with='prlimit --nofile=64:64'
pasta_up --config-net -T none -U none -t none -u none --allow www.example.org
for how in +notcp +tcp; do
	is "$(ask in_ns "$ns" dig "@$DNS4" $how)" "$WORLD4" "the guest asks, $how"
done
udp=$(ss -Hlun src 127.0.0.1 | awk '{ sub(/.*:/, "", $4); print $4 }')
tcp=$(ss -Hltn src 127.0.0.1 not sport = :7777 |
	awk '{ sub(/.*:/, "", $4); print $4 }')
like "$udp $tcp" '[0-9]* [0-9]*' 'the ports of its resolver'
before=$(grep -c 'query\[A\] www' "$T/dnsmasq.log")
is "$(stranger "$udp" +notcp)" 'no answer' 'somebody on the host asks: nothing'
is "$(stranger "$tcp" +tcp)" closed '  by TCP: closed'
is "$(grep -c 'query\[A\] www' "$T/dnsmasq.log")" "$before" \
	'  and nobody else is asked'
is "$(ask in_ns "$ns" dig -b "0.0.0.0#5300" "@$DNS4")" "$WORLD4" \
	'the guest asks again'

# no descriptor for a connection that waits
spawn "ns:$ns" python3 -c "
import socket, time
all = []
try:
    for i in range(100):
        all.append(socket.create_connection(('$WORLD4', 4300), 5))
except OSError:
    print('no more', flush=True)
time.sleep(100)" >"$T/many"
many=$pid
wait_for "grep -q 'no more' '$T/many'" || bail 'descriptors are left'
spawn host socat -u "TCP:127.0.0.1:$tcp" -
waits=$pid
# shellcheck disable=SC2016 # for wait_for
wait_for '[ "$(ss -Hltn src "127.0.0.1:$tcp" | awk "{ print \$2 }")" = 1 ]'
begin=$(cpu)
sleep 2
spent=$(($(cpu) - begin))
ok "out of descriptors: $spent ms of 2 s" [ "$spent" -le 200 ]
stop "$many"
ok 'then it is accepted, and closed' wait_gone "$waits"
is "$(ask in_ns "$ns" dig "@$DNS4" +tcp)" "$WORLD4" 'the guest asks by TCP'
pasta_down

done_testing
