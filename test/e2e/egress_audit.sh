#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The record: each flow's beginning and end, what is denied and refused, as JSON;
# bounded, and nobody waits for it.
# timeout 180

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
world_greets
world_peer 4242
log=$T/user/audit

# lines PYTHON: the lines e of the record for which that is true, by some fields
lines()
{
	python3 - "$log" "$1" <<-'E'
		import json, sys
		for text in open(sys.argv[1]):
		    e = json.loads(text)
		    if eval(sys.argv[2], {"e": e, "get": e.get}):
		        print(*(e[k] for k in ("event", "verdict", "rule", "proto",
		              "to", "via", "name", "type", "sent", "received", "end")
		              if k in e))
	E
}

pasta_up --config-net --audit "$log" -t 2001 -u 2001 -T auto -U auto \
	--allow www.example.org:80 \
	--allow "$WORLD4:4242" --allow "$WORLD4/icmp" --allow host:7777
in_ns "$ns" curl -gsS -m 5 -o "$T/user/page" http://www.example.org/hello
in_ns "$ns" curl -gsS -m 5 "http://$WORLD4/" >"$T/x" 2>&1
in_ns "$ns" curl -gsS -m 5 "http://$WORLD4:8000/" >"$T/x" 2>&1
in_ns "$ns" curl -gsS -m 5 http://v4.example.org/ >"$T/x" 2>&1
like "$(in_ns "$ns" "$peer" udpask "$WORLD4" 4242 hello)" 'hello *' 'UDP'
ok 'ping' in_ns "$ns" ping -qnc1 "$WORLD4"
is "$(in_ns "$ns" socat -u "TCP:$GW4:7777" -)" loopback 'by the gateway'
is "$(in_ns "$ns" socat -u TCP:127.0.0.1:7777 -)" loopback 'spliced'
wait_for "[ \"\$(lines 'get(\"end\") == \"closed\"' | wc -l)\" -ge 3 ]"
like "$(lines 'get("name") == "www.example.org" and e["event"] == "begin" and e["proto"] == "tcp"' |
	head -1)" "begin allow allow www.example.org:80 tcp *:80 www.example.org" \
	'begin: rule, place and name'
id=$(lines 'get("name") == "www.example.org" and e["event"] == "name"')
is "$id" 'name www.example.org' 'the name that was verified'
sent=$(lines 'get("end") == "closed" and e["sent"] > 70')
like "$sent" 'end * closed' 'end: bytes and how'
ok '  more came back than the page has' sh -c \
	"[ $(echo "$sent" | head -1 | cut -d ' ' -f 3) -gt 20 ]"
like "$(lines 'get("rule") == "resolver"' | sed -n 1p)" \
	"begin allow resolver udp $DNS4:53 127.0.0.1:*" 'a query, to our resolver'
is "$(lines 'e["event"] == "deny" and get("to") == "'"$WORLD4:80"'"')" \
	"deny deny default tcp $WORLD4:80 $WORLD4" 'denied: another name'
is "$(lines 'get("to") == "'"$WORLD4:8000"'"')" \
	"deny deny default tcp $WORLD4:8000 www.example.org" '  by no rule'
like "$(lines 'e["event"] == "query"' | sort -u)" \
	'query deny default v4.example.org 1*' '  a query'
is "$(lines 'get("rule") == "allow '"$WORLD4:4242"'"')" \
	"begin allow allow $WORLD4:4242 udp $WORLD4:4242 www.example.org" 'UDP'
is "$(lines 'get("proto") == "icmp" and e["event"] == "begin"')" \
	"begin allow allow $WORLD4/icmp icmp $WORLD4 www.example.org" 'ping'
is "$(lines 'get("to") == "'"$GW4:7777"'"')" \
	"begin allow allow host:7777 tcp $GW4:7777 127.0.0.1:7777" \
	'by the gateway: where it leads'
is "$(lines 'get("to") == "127.0.0.1:7777"')" \
	'begin allow allow host:7777 tcp 127.0.0.1:7777' 'spliced'
# what comes in, by the interface and between loopbacks
spawn "ns:$ns" "$peer" serve 2001 >"$T/serve.in"
wait_for "grep -q ready '$T/serve.in'"
is "$(in_world "$peer" ask "$HOST4" 2001 hello)" hello 'it comes in'
is "$(in_world "$peer" udpask "$HOST4" 2001 hello | cut -d ' ' -f 1)" hello \
	'  UDP'
is "$("$peer" ask 127.0.0.1 2001 hello)" hello '  spliced'
is "$("$peer" udpask 127.0.0.1 2001 hello | cut -d ' ' -f 1)" hello \
	'  spliced UDP'
stop "$pid"
in_world "$peer" refused "$HOST4" 2001 >"$T/x" 2>&1
wait_for "[ \"\$(lines 'get(\"end\") == \"refused\"' | wc -l)\" -ge 1 ]"
is "$(lines 'get("end") == "refused"')" 'end 0 0 refused' '  refused by the guest'
for proto in tcp udp; do
	is "$(lines 'get("begun_by") == "host" and e["proto"] == "'$proto'"' |
		sort -u)" "begin allow forwarded $proto 127.0.0.1:2001 $HOST4:2001
begin allow forwarded $proto $HOST4:2001" "  on record: $proto"
done
is "$(lines 'get("begun_by") == "guest" and e["rule"] == "forwarded"')" '' \
	'  apart from what the guest begins'
n=$(lines True | wc -l)
for _ in 1 2 3; do
	in_ns "$ns" sh -c "echo x | socat -u - UDP:$WORLD4:9,sourceport=99" \
		2>/dev/null
done
wait_for "[ \"\$(lines True | wc -l)\" -gt $n ]"
is "$(lines 'get("to") == "'"$WORLD4:9"'"')" "deny deny default udp $WORLD4:9 www.example.org" \
	'what is denied again is told once'
pasta_down
is "$(lines 'e["event"] in ("begin", "end")' |
	awk '{ n[$1]++ } END { if (n["begin"] >= n["end"] && n["end"] > 3) print 1 }')" \
	1 'no end without a beginning'

# bounded
pasta_up --config-net --audit "$log" --log-size 65536 --allow "$WORLD4:80"
in_ns "$ns" sh -c "for i in \$(seq 1 700); do
	socat -u OPEN:/dev/null TCP:$WORLD4:80,connect-timeout=3; done" 2>/dev/null
size=$(stat -c %s "$log")
ok "a small file stays small: $size" [ "$size" -le 65536 ]
ok '  and has the last lines' [ "$size" -gt 20000 ]
is "$(lines 'e["event"] not in ("begin", "end")')" '' '  whole ones'
pasta_down

# a pipe that nobody reads
mkfifo -m 666 "$T/user/fifo"
spawn host sh -c "exec 3<>'$T/user/fifo'; exec sleep 1000"
reader=$pid
pasta_up --config-net --audit "$T/user/fifo" --allow "$WORLD4:80"
in_ns "$ns" sh -c "for i in \$(seq 1 600); do
	socat -u OPEN:/dev/null TCP:$WORLD4:80,connect-timeout=3; done" 2>/dev/null
is "$(in_ns "$ns" curl -gsS -m 5 "http://$WORLD4/hello")" \
	'hello from the world' 'a pipe that nobody reads stops nothing'
stop "$reader"
pasta_down

done_testing
