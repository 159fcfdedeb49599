#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# passtctl: each of its commands, what fits into 80 columns, and how it fails

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun

control=$T/user/control
ctl()
{
	COLUMNS=80 timeout 30 "$PASST_BIN_DIR/passtctl" "$@" 2>&1
}
# as many bytes as characters: all of it is ASCII
narrow()
{
	! grep -qE '.{81}' "$1"
}

spawn world socat TCP6-LISTEN:7000,ipv6only=0,reuseaddr,fork SYSTEM:cat
spawn world sh -c 'socat -u /dev/zero TCP4-LISTEN:7001,reuseaddr,fork'
wait_port world tcp 7000
wait_port world tcp 7001
out=$(ctl "$control" flows)
is "$? $out" "1 Couldn't connect to $control: No such file or directory (was the daemon started with --control?)" \
	'no socket'
pasta_up --config-net -t 8080:80 -u none -T none -U none --control "$control"
spawn "ns:$ns" sh -c "{ echo four; sleep 1000; } |
	socat - TCP4:$WORLD4:7000 >'$T/user/v4'"
spawn "ns:$ns" sh -c "{ echo six; sleep 1000; } |
	socat - 'TCP6:[$WORLD6]:7000' >'$T/user/v6'"
ok 'two connections' wait_for '[ -s "$T/user/v4" ] && [ -s "$T/user/v6" ]'

# flows
ctl "$control" flows >"$T/flows"
is $? 0 'flows'
is "$(head -n 1 "$T/flows" | tr -s ' ' | sed 's/ $//')" \
	'PROTO STATE WAITS FOR AGE IDLE SENT RCVD ID' '... a heading'
is "$(grep -c ESTABLISHED "$T/flows")" 2 '... both'
ok '... with its ends' grep -qE "^ +$HOST4:[0-9]+ -> $WORLD4:7000\$" "$T/flows"
ok '... of IPv6' grep -qF -- "-> [$WORLD6]:7000" "$T/flows"
ok '... within 80 columns' narrow "$T/flows"
ctl "$control" flows all >"$T/flows"
is "$(grep -c 'rtt .* window .* retransmitted 0' "$T/flows")" 4 \
	'... with the ways to both peers'
ok '... likewise' narrow "$T/flows"
is "$(ctl "$control" flows state established address "$WORLD4" | wc -l)" 3 \
	'... by state and address'
is "$(ctl "$control" flows udp port 7000 | wc -l)" 1 '... by protocol and port'
line=$(env -u COLUMNS "$PASST_BIN_DIR/passtctl" "$control" flows address "$WORLD6" |
	tail -n 1)
like "$line" "tcp *ESTABLISHED *data * 4 * 4 *[0-9].[0-9]* *\[$HOST6\]:* -> \[$WORLD6\]:7000" \
	'... one per line, where nobody looks'
# the longest ones that there are
cat >"$T/long.py" <<'P'
import json, socket, sys
addr = "2001:db8:ffff:ffff:ffff:ffff:ffff:{:x}".format
side = {"our": addr(1), "our_port": 65535, "peer": addr(2), "peer_port": 65534,
        "bytes": 2**63, "rtt_us": 4000000000, "window": 4000000000,
        "our_window": 4000000000, "queued": 4000000000,
        "retransmitted": 4000000000}
flow = {"id": "131071.65535", "proto": "icmpv6", "state": "SYN_DEFERRED",
        "waits_for": "guest-connect", "age": 10**9, "idle": 999999,
        "spliced": False, "begun_by": "guest", "guest": side,
        "host": dict(side, peer="\u009b31m" + addr(3)[5:])}
rule = {"id": 4294967295, "option": "-t", "open": 65535, "text":
        f"TCP [{addr(1)}]%fifteen-letters:10000-20000  =>  "
        f"[{addr(2)}]:30000-40000  (best effort)"}
answers = {"flows": {"flows": [flow]}, "rules": {"rules": [rule]}}
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(8)
while True:
    s, _ = listener.accept()
    what = json.loads(s.makefile("rb").readline())["execute"]
    s.sendall(json.dumps({"return": answers[what]}).encode() + b"\n"
              if what in answers else b"nonsense\n")
    s.close()
P
spawn host python3 "$T/long.py" "$T/user/long"
ok 'a daemon with much to tell' wait_for '[ -S "$T/user/long" ]'
ctl "$T/user/long" flows all >"$T/long"
is $? 0 '... it is told' || diag "$(cat "$T/long")"
ok '... the longest flow is within 80 columns' narrow "$T/long" ||
	diag "$(cat "$T/long")"
ok '... all of it' grep -qF '[2001:db8:ffff:ffff:ffff:ffff:ffff:2]:65534' \
	"$T/long"
not_ok '... nothing that steers a terminal' grep -qP '[\x00-\x08\x0b-\x1f\x7f-\xff]' \
	"$T/long"
ctl "$T/user/long" rules >"$T/long"
ok '... the longest rule' narrow "$T/long" || diag "$(cat "$T/long")"
out=$(ctl "$T/user/long" net)
is "$?" 1 '... what makes no sense is an error'
like "$out" "*isn't the control socket*" '... told'

# rules
is "$(ctl "$control" add -t 8081:81 -u8082)" '' 'add'
ctl "$control" rules >"$T/rules"
is "$(tail -n +2 "$T/rules" | tr -s ' ')" " 1 -t 1 TCP [*]:8080 => 80
 2 -t 1 TCP [*]:8081 => 81
 3 -u 1 UDP [*]:8082 => 8082" 'rules'
ok '... the port is open' listening host tcp 8081
out=$(ctl "$control" add -t 8081:9)
is $? 1 'one that is at odds with another: status 1'
like "$out" 'Forwarding configuration conflict: TCP *(Refused)' '... told why'
out=$(ctl "$control" add -t x)
is "$?" 1 'no ports'
like "$out" "*'x'* (BadArgument)" '... told'
is "$(ctl "$control" delete -t 8081:81 3)" '' 'delete, as it was added and by id'
not_ok '... the port is closed' listening host tcp 8081
out=$(ctl "$control" delete 3)
is "$? $out" '1 There is no rule 3 (NotFound)' '... once more'

# events, and the end of a flow
spawn host env COLUMNS=80 "$PASST_BIN_DIR/passtctl" "$control" events flow rules \
	>"$T/events"
ok 'subscribed' wait_for 'ctl "$control" status | grep -q "subscribers *1\$"'
id=$(ctl "$control" flows address "$WORLD6" | sed -n 's/ *$//; 2s/.* //p')
is "$(ctl "$control" reset "$id")" '' 'reset'
ok '... is an event' wait_for 'grep -q "flow-end" "$T/events"'
ctl "$control" add -t 8083 >/dev/null
ok '... as are rules' wait_for 'grep -q "rules\$" "$T/events"'
like "$(grep flow-end "$T/events")" \
	" *[0-9].[0-9]*  flow-end *tcp *$id *\[$HOST6\]:*" '... with its ends'
ok '... within 80 columns' narrow "$T/events"
stop "$pid"
out=$(ctl "$control" reset "$id")
is "$? $out" "1 Flow $id has ended (NotFound)" '... once more'

# the others
ctl "$control" net >"$T/net"
ok 'net' grep -qE "^  guest +$HOST4\$" "$T/net"
ok '... the guest' grep -q '^guest$' "$T/net"
ok '... within 80 columns' narrow "$T/net"
like "$(ctl "$control" status)" "*mode *pasta*" 'status'
in_ns "$ns" socat -u OPEN:/dev/null "TCP4:$WORLD4:1" 2>/dev/null
ctl "$control" drops >"$T/drops"
is "$(grep -A 1 refused: "$T/drops" | tr -s ' ')" \
	" 1 refused: connections refused by the host that they are for
 nobody listens there" 'drops, and what can be done' ||
	diag "$(cat "$T/drops")"
ctl "$control" drops all >"$T/drops"
ok '... all that there could be' [ "$(grep -c . "$T/drops")" -gt 60 ]
ok '... within 80 columns' narrow "$T/drops"
ctl "$control" counters >"$T/counters"
ok 'counters' grep -q ' turns: ' "$T/counters"
ok '... within 80 columns' narrow "$T/counters"
is "$(ctl "$control" log-level debug | tr -s ' ')" 'level debug
was warn' 'log-level'
ctl "$control" log-level warn >/dev/null
ok 'another command of the daemon' sh -c "
	'$PASST_BIN_DIR/passtctl' '$control' commands | grep -q 'rule-add'"
is "$(ctl --json "$control" rule-delete option=-t spec=8083)" \
	'{"return":{"ids":[],"warning":null}}' '... with arguments'
is "$(ctl --json "$control" subscribe 'events:=["net"]')" '{"return":{}}' \
	'... that are JSON'
is "$(ctl --json "$control" rules)" "$(echo '{"execute":"rules"}' |
	socat -t 5 - "UNIX-CONNECT:$control")" '--json: what the socket gives'
out=$(ctl --json "$control" reset 1.x)
is "$?" 1 '... an error, too'
like "$out" '{"error":{"class":"NotFound",*' '... is given'

# the way that moves most stands first
spawn "ns:$ns" socat -u "TCP4:$WORLD4:7001" OPEN:/dev/null
ok 'a transfer' wait_for 'ctl "$control" flows port 7001 | grep -q EST'
LINES=24 ctl "$control" top 1 2 >"$T/top.out"
is $? 0 'top'
is "$(grep -c '^[0-9]* flows, bytes per second' "$T/top.out")" 2 '... twice'
like "$(tail -n +4 "$T/top.out" | head -n 1)" "*-> $WORLD4:7001" \
	'... the fastest one is first' || diag "$(cat "$T/top.out")"
like "$(tail -n +3 "$T/top.out" | head -n 1)" "tcp *ESTABLISHED *[0-9][MG] *" \
	'... with its rate'
ok '... within 80 columns' narrow "$T/top.out"
stop "$pid"

# what makes no sense is told, with status 2, and nothing happens
while read -r words; do
	# shellcheck disable=SC2086 # words
	out=$(ctl $words 2>&1)
	is $? 2 "no sense: $words" || diag "$out"
done <<W
$control
--nonsense $control flows
$control flows nonsense
$control flows state
$control flows port x
$control flows port 65536
$control reset
$control add
$control add 8080
$control add -t
$control delete
$control delete x
$control drops x
$control net 1
$control top 0
$control top 1 0
$control drain now
$control policy x
$control policy x:=y
$control policy =y
$control policy set
$control policy set a b
W
is "$(ctl "$control" rules | wc -l)" 2 'nothing has changed'
out=$(ctl "$control" nonsense a=1)
is "$?" 1 'a command that nobody knows'
is "$out" 'There is no such command (UnknownCommand)' '... told'
like "$(ctl --help)" 'Usage: passtctl *' '--help'
like "$(ctl --version)" 'passtctl *' '--version'
out=$(ctl "$control" flows 2>&1 >/dev/full)
is $? 1 'a full disk'

# the policy
like "$(ctl "$control" policy)" '    HITS  RULE
*  allow by default' 'policy: none'
cat >"$T/user/policy" <<-E
	# "quoted"
	allow www.example.org:80
	allow $WORLD4:7000-7001
	allow [$WORLD6]:7000
	allow any:$(seq -s , 1 2 39)
	deny any:25
E
is "$(ctl "$control" policy set "$T/user/policy")" \
	'Rules that are set: 5; flows that they ended: 0' '... set'
is "$(ctl "$control" policy set - <"$T/user/policy")" \
	'Rules that are set: 5; flows that they ended: 0' '... from standard input'
ctl "$control" policy >"$T/policy"
like "$(cat "$T/policy")" "    HITS  RULE
       0  allow www.example.org:80
*deny any:25
       0  deny by default" '... shown'
ok '... in 80 columns' narrow "$T/policy"
out=$(echo 'allow 192.0.2.1/33' | ctl "$control" policy set -)
is "$? ${out#*: }" \
	"1 '192.0.2.1/33': a network of IPv4 has a length of 0 to 32, as in 10.0.0.0/8 (BadArgument)" \
	'... a mistake'
out=$(ctl "$control" policy set /nonexistent)
is "$? $out" "1 Couldn't read /nonexistent: No such file or directory" \
	'... no file'
is "$(ctl "$control" policy | wc -l)" "$(wc -l <"$T/policy")" \
	'... nothing has changed'
is "$({ cat "$T/user/policy"; seq -f 'allow 10.0.0.1:%.0f' 1 10000; } |
	ctl "$control" policy set -)" \
	'Rules that are set: 10005; flows that they ended: 0' '... a long one'
like "$(ctl "$control" policy set - </dev/null 2>&1)" 'no rule is in it*' \
	'... none at all'
is "$(echo 'allow any' | ctl "$control" policy set -)" \
	'Rules that are set: 1; flows that they ended: 0' '... all is allowed'

# completion
cat >"$T/complete.sh" <<'B'
. "$TOP/contrib/completion/passtctl"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
PATH=$PASST_BIN_DIR:$PATH
_passtctl
echo "${COMPREPLY[@]}"
B
completes()
{
	PASST_BIN_DIR=$PASST_BIN_DIR bash "$T/complete.sh" passtctl "$@"
}
is "$(completes "$control" dr)" 'drops drain' 'completion: a command'
is "$(completes --j)" '--json' '... an option'
is "$(completes "$control" flows state time)" 'time_wait' '... a state'
is "$(completes "$control" add -)" '-t -u -T -U' '... an option of rules'
like "$(completes "$control" delete '')" '*1*' '... the id of a rule'
like "$(completes "$control" reset '')" '*[0-9].[0-9]*' '... that of a flow'
like "$(completes "$control" rule)" '*rules rule-add rule-delete*' \
	'... what the daemon knows'

# the end
spawn host "$PASST_BIN_DIR/passtctl" "$control" drain wait >"$T/drain"
drain=$pid
ok 'drain' wait_for 'grep -q "^Draining: [1-9]" "$T/drain"'
# others come until each that was idle has had to make room: the oldest first
timeout 60 python3 - "$control" <<'P'
import select, socket, sys
clients = []
for _ in range(300):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    clients.append(s)
sys.exit(not select.select(clients, [], [], 30)[0])
P
is $? 0 '... whose client makes room for others'
ok '... and goes on to wait' alive "$drain"
for id in $(ctl --json "$control" flows | grep -o '"id":"[0-9.]*"' |
	cut -d '"' -f 4); do
	ctl "$control" reset "$id" >/dev/null
done
ok '... until the last one has gone' wait_gone "$drain" 30
wait "$drain"
is $? 0 '... status 0'
ok '... and the daemon' wait_gone "$pasta_pid" 30
done_testing
