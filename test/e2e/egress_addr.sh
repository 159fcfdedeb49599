#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Egress policy by addresses: what is allowed works, what isn't is told at once,
# whichever way it takes; what comes in is answered.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
world_dns || bail 'no name server'
world_greets || bail 'no services'
peer=$TOP/test/tools/peer
spawn world "$peer" serve 4242 >"$T/serve"
spawn host "$peer" serve 5353 >"$T/serve.host"
wait_for "grep -q ready '$T/serve' && grep -q ready '$T/serve.host'"

# get URL: the page, or how curl ended
get()
{
	in_ns "$ns" curl -gsS -m 5 --noproxy '*' "$1" 2>/dev/null ||
		echo "curl $?"
}
tcp()
{
	in_ns "$ns" timeout 5 "$peer" ask "$1" "$2" hello 2>&1 |
		sed 's/^ask: //;q'
}
udp()
{
	in_ns "$ns" timeout 5 "$peer" udpask "$1" "$2" hello 2>&1 | head -1
}
at_once()	# CMD...: its output, and whether it took less than 2 s
{
	at_begin=$(date +%s%N)
	"$@"
	[ $(($(date +%s%N) - at_begin)) -lt 2000000000 ] || echo "(late)"
}

# one address, one port
pasta_up -d --config-net --allow "$WORLD4:80" -t 2001 -T auto -U auto
is "$(get "http://$WORLD4/hello")" "hello from the world" 'allowed: curl gets it'
is "$(at_once get "http://$WORLD4:8000/")" 'curl 7' \
	'another port: refused at once'
is "$(at_once get "http://[$WORLD6]/hello")" 'curl 7' \
	'IPv6, where IPv4 was allowed: refused at once'
like "$(at_once udp "$WORLD4" 4242)" '*No route to host*' \
	'UDP: ICMP says why, at once'
like "$(at_once udp "$WORLD6" 4242)" '*Permission denied*' '  IPv6'
like "$(in_ns "$ns" ping -nc1 -W3 "$WORLD4" 2>&1)" \
	'*Packet filtered*' 'ping: prohibited'
like "$(in_ns "$ns" ping -nc1 -W3 "$WORLD6" 2>&1)" \
	'*Administratively prohibited*' '  IPv6'
is "$(at_once tcp "$GW4" 7777)" '[Errno 111] Connection refused' \
	"the host's loopback, by the gateway's address"
is "$(at_once tcp 127.0.0.1 7777 | sed 's/.*reset.*/refused/')" refused \
	"the host's loopback, past the interface"
is "$(in_ns "$ns" timeout 3 "$peer" dns udp "$DNS4" www.example.org A 2>&1 |
	sed 's/.*No route.*/refused/')" refused 'the resolver'
spawn "ns:$ns" "$peer" serve 2001 >"$T/serve.in"
wait_for "grep -q ready '$T/serve.in'"
is "$(in_world "$peer" ask "$HOST4" 2001 hello)" hello \
	'what comes in is answered'
like "$(cat "$T/pasta$pasta_n.err")" '*TCP * denied by default*' \
	'the log tells'
pasta_down

# classes
pasta_up --config-net --allow public -T auto
is "$(get "http://$WORLD4/hello")" "hello from the world" 'public: the world'
is "$(get "http://[$WORLD6]/hello")" "hello from the world" '  IPv6'
like "$(in_ns "$ns" ping -nc1 -W3 "$WORLD4")" '*1 received*' '  ping'
is "$(tcp "$GW4" 7777)" '[Errno 111] Connection refused' \
	"not the host's loopback"
is "$(tcp "$GW6LL%$(in_ns "$ns" ip -o link | sed -n 's/^[0-9]*: \([^l][^:@]*\)[:@].*/\1/p')" \
	7777)" '[Errno 111] Connection refused' '  IPv6'
is "$(tcp 127.0.0.1 7777 | sed 's/.*reset.*/refused/')" refused '  spliced'
pasta_down
pasta_up --config-net --allow host:7777 -T auto
is "$(in_ns "$ns" socat -u "TCP:$GW4:7777" -)" loopback \
	'host: its loopback, by the gateway'
is "$(in_ns "$ns" socat -u TCP:127.0.0.1:7777 -)" loopback '  spliced'
is "$(get "http://$WORLD4/hello")" 'curl 7' 'not the world'
pasta_down
# a guest with an address of its own sees the host by the host's
pasta_up --config-net -a "${FREE4%0}9/24" -g "${FREE4%0}1" --allow public
is "$(tcp "$HOST4" 5353)" '[Errno 111] Connection refused' \
	"public: not the host's own address"
pasta_down
pasta_up --config-net -a "${FREE4%0}9/24" -g "${FREE4%0}1" --allow host
is "$(tcp "$HOST4" 5353)" hello "host: its own address"
# …and others that it gets while we run
for late in "${FREE4%0}77" "${FREE6}77"; do
	case $late in *:*) len=128 ;; *) len=32 ;; esac
	is "$(tcp "$late" 5353)" '[Errno 111] Connection refused' \
		"an address that nobody has: $late"
	ip address add "$late/$len" dev lo
	wait_for "[ \"\$(tcp '$late' 5353)\" = hello ]"
	is "$(tcp "$late" 5353)" hello '  that the host has'
	ip address del "$late/$len" dev lo
	wait_for "[ \"\$(tcp '$late' 5353)\" != hello ]"
	is "$(tcp "$late" 5353)" '[Errno 111] Connection refused' \
		'  and no longer'
done
pasta_down
pasta_up --config-net -a "${FREE4%0}9/24" -g "${FREE4%0}1" --allow host \
	--no-follow-host
ip address add 10.77.0.1/32 dev lo
is "$(tcp 10.77.0.1 5353)" '[Errno 111] Connection refused' \
	'--no-follow-host: those of the start'
ip address del 10.77.0.1/32 dev lo
pasta_down

# order, files, networks
cat >"$T/user/policy" <<-E
	# all but the mail
	deny any:25,8000
	deny private
	allow ${WORLD4%.*}.0/24/tcp
	allow [${WORLD6%::*}::/48]:80
E
pasta_up --config-net --policy "$T/user/policy"
is "$(get "http://$WORLD4/hello")" "hello from the world" 'a file: a network'
is "$(get "http://[$WORLD6]/hello")" "hello from the world" '  IPv6'
is "$(get "http://$WORLD4:8000/")" 'curl 7' '  denied before'
like "$(udp "$WORLD4" 4242)" '*No route to host*' '  another protocol'
pasta_down
pasta_up --config-net --deny "$WORLD4" --deny "any:25"
is "$(get "http://$WORLD4/hello")" 'curl 7' 'deny alone'
is "$(get "http://[$WORLD6]/hello")" "hello from the world" '  the rest goes'
pasta_down

# nothing at all
pasta_up --config-net --deny any -t 2001
like "$(in_ns "$ns" ip -o -4 addr show scope global)" "*$HOST4*" \
	'deny any: the interface is configured'
is "$(get "http://$WORLD4/hello")" 'curl 7' '  nothing goes out'
spawn "ns:$ns" "$peer" serve 2001 >"$T/serve.in2"
wait_for "grep -q ready '$T/serve.in2'"
is "$(in_world "$peer" ask "$HOST4" 2001 hello)" hello '  what comes in does'
is "$(in_world "$peer" ask "$HOST6" 2001 hello)" hello '  IPv6'
pasta_down

# silence
pasta_up --config-net --allow public:80 --deny-silently
is "$(in_ns "$ns" curl -sS -m 1 "http://$WORLD4:8000/" >/dev/null 2>&1
	echo $?)" 28 '--deny-silently: curl waits'
is "$(in_ns "$ns" ping -nqc1 -W1 "$WORLD4" | sed -n 's/.*errors.*/told/p')" '' \
	'  ping waits'
pasta_down

# a stranger that sends first doesn't open a way to itself
pasta_up --config-net --allow "$WORLD4:4242/udp"
from="UDP:$WORLD4:4242,sourceport=6001"
is "$(in_ns "$ns" sh -c "echo hi | socat -T1 - $from")" hi \
	'allowed: UDP, and the answer'
in_world sh -c "echo stranger | socat -u - UDP:$HOST4:6001,sourceport=9"
like "$(in_ns "$ns" sh -c \
	"echo out | socat -T1 - UDP:$WORLD4:9,sourceport=6001" 2>&1)" \
	'*No route to host*' 'a stranger sends first: no way back'
pasta_down

done_testing
