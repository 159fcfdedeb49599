#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 180
#
# The control socket: requests and their answers, events, lists that are long, and
# clients that are many, slow, silent or mean no good.

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun

control=$T/user/control
pasta_up --config-net -t 8080:80 -u none -T none -U none --control "$control"
is "$(stat -c '%a %F' "$control")" '600 socket' 'a socket for its owner'
cat >"$T/echo.py" <<'P'
import selectors, socket
waits = selectors.DefaultSelector()
listener = socket.create_server(("", 80), backlog=1024)
waits.register(listener, selectors.EVENT_READ)
def echo(s):
    try:
        data = s.recv(4096)
        s.sendall(data)
        return data
    except ConnectionError:
        return b""
while True:
    for key, _ in waits.select():
        if key.fileobj is listener:
            waits.register(listener.accept()[0], selectors.EVENT_READ)
        elif not echo(key.fileobj):
            waits.unregister(key.fileobj)
            key.fileobj.close()
P
spawn "ns:$ns" /usr/bin/python3 "$T/echo.py"
wait_port "ns:$ns" tcp 80

cat >"$T/client.py" <<'P'
import os, socket, sys, time
from concurrent.futures import ThreadPoolExecutor
from checks import *
path, host4, daemon = sys.argv[1:]

def Client():
    return Control(path)

c = Client()
commands = c.ask("commands")["return"]["commands"]
ok(commands == sorted(commands) and "flows" in commands, "commands", commands)
ok(c.ask("status")["return"]["mode"] == "pasta", "status")

net = c.ask("net")["return"]
ok(net["ipv4"]["guest"] == host4 and net["mtu"] == 65520, "net", net)
ok(net["ipv4"]["resolvers"] and net["search"] == ["example.org"], "resolvers", net)

rules = c.ask("rules")["return"]["rules"]
ok(len(rules) == 1 and rules[0] == {
    "id": 1, "option": "-t", "proto": "tcp", "listen": "*", "interface": None,
    "first": 8080, "last": 8080, "target": None, "to": 80, "best_effort": False,
    "auto": False, "open": 1, "text": "TCP [*]:8080  =>  80"}, "rules", rules)
got = c.ask("rule-add", option="-t", spec="8081-8082,8090:90")
ok(got == {"return": {"ids": [2, 3], "warning": None}}, "rule-add", got)
socket.create_connection(("127.0.0.1", 8082)).close()
got = c.ask("rule-add", option="-t", spec="8081-8082")
ok(got == {"return": {"ids": [2], "warning": None}}, "once more", got)
got = c.ask("rule-add", option="-t", spec="8082:9")
ok(error(got) == "Refused", "another one there", got)
got = c.ask("rule-add", option="-T", spec="8083")
ok(got["return"]["ids"] == [4], "inside", got)
got = c.ask("rule-delete", id=3)
ok(got == {"return": {"ids": [], "warning": None}}, "rule-delete", got)
got = c.ask("rule-delete", option="-t", spec="8081-8082")
ok("return" in got, "rule-delete by what it says", got)
ok(error(c.ask("rule-delete", id=3)) == "NotFound", "one that has gone")
ok(error(c.ask("rule-delete", option="-t", spec="8081-8082")) == "NotFound",
   "likewise")
ok([r["id"] for r in c.ask("rules")["return"]["rules"]] == [1, 4], "the others")
busy = socket.create_server(("127.0.0.1", 0))
port = busy.getsockname()[1]
got = c.ask("rule-add", option="-t", spec=f"9000,{port}")
ok(error(got) == "Refused" and "Address already in use" in got["error"]["desc"],
   "a port that is busy", got)
ok([r["id"] for r in c.ask("rules")["return"]["rules"]] == [1, 4],
   "nothing has changed")

for arguments, name in (
        ({"option": "-t"}, "no spec"), ({"spec": "80"}, "no option"),
        ({"option": "-x", "spec": "80"}, "no such option"),
        ({"option": "-t", "spec": "x"}, "no port"),
        ({"option": "-t", "spec": 80}, "a number"),
        ({"option": ["-t"], "spec": "80"}, "a list"),
        ({"option": "-t", "spec": "8" * 3000}, "too long"),
        ({"option": "-T", "spec": "127.0.0.1/80"}, "an address inside")):
    got = c.ask("rule-add", **arguments)
    ok(error(got) == "BadArgument", f"rule-add: {name}", got)
for line, want, name in (
        (b"x\n", "BadRequest", "no JSON"),
        (b"[]\n", "BadRequest", "no object"),
        (b"{}\n", "BadRequest", "nothing to do"),
        (b'{"execute":1}\n', "BadRequest", "a number to do"),
        (b'{"execute":"x"}\n', "UnknownCommand", "no such command"),
        (b'{"execute":"net","arguments":1}\n', "BadRequest", "no arguments"),
        (b"\xff\xfe\n", "BadRequest", "no text")):
    got = c.raw(line)
    ok(error(got) == want, f"{name}", got)
ok(c.raw(b'\n \r\n{"execute":"status"}\r\n')["return"], "blank lines")
c.s.sendall(b'{"execute":"status"}\n' * 100)
ok(all("return" in c.line() for _ in range(100)), "a hundred at once")
c.s.sendall(b'{"execute":"net"}')
c.s.shutdown(socket.SHUT_WR)
ok("return" in c.line() and c.line() is None, "the last one without a line's end")
c = Client()
ok(error(c.raw(b"x" * ((4 << 20) + 1))) == "BadRequest" and c.line() is None,
   "a line that doesn't end")

c = Client()
ok(c.ask("log-level")["return"]["level"] == "warn", "log-level: of a command's")
got = c.ask("log-level", level="info")["return"]
ok(got == {"level": "info", "was": "warn"}, "another one", got)
ok(c.ask("log-level", level="warn")["return"]["was"] == "info", "and back")
ok(error(c.ask("log-level", level="loud")) == "BadArgument", "no such level")

# events
e = Client()
ok(e.ask("subscribe", events=["flow", "rules"]) == {"return": {}}, "subscribe")
s = socket.create_connection(("127.0.0.1", 8080))
mine = s.getsockname()[1]
got = e.line()
ok(got["event"] == "flow-begin" and got["data"]["proto"] == "tcp" and
   mine in (got["data"]["host"]["peer_port"],), "a flow begins", got)
flows = c.ask("flows", port=mine)["return"]["flows"]
ok(len(flows) == 1 and flows[0]["id"] == got["data"]["id"], "it is listed", flows)
ok(c.ask("flows", port=mine, proto="udp") == {"return": {"flows": []}},
   "not among those of UDP")
ok(len(c.ask("flows", address="127.0.0.1")["return"]["flows"]) >= 1,
   "by its address")
ok(error(c.ask("flows", address="x")) == "BadArgument", "no address")
ok(error(c.ask("flows", proto="x")) == "BadArgument", "no protocol")
begun = got["data"]["id"]
ok(flows[0]["state"] and flows[0].get("idle", 0) < 60,
   "its state", flows)
c.ask("rule-add", option="-t", spec="8085")
ok(e.line()["event"] == "rules", "rules change")
ok(c.ask("reset", id=begun) == {"return": {}}, "reset")
got = e.line()
ok(got["event"] == "flow-end" and got["data"]["id"] == begun, "it ends", got)
try:
    got = s.recv(1)
except ConnectionResetError:
    got = "reset"
ok(got == "reset", "its client is told", got)
ok(error(c.ask("reset", id=begun)) == "NotFound", "once more")
ok(error(c.ask("reset", id="x")) == "NotFound", "no flow")
ok(error(c.ask("reset")) == "BadArgument", "no id")

counters = c.ask("counters")["return"]["counters"]
values = {(n["name"], n["label"]): n["value"] for n in counters}
ok(values["turns", None] > 0 and len(values) == len(counters), "counters", values)
ok(e.ask("status")["return"]["subscribers"] == 1, "requests in between")
ok(error(c.ask("subscribe", events=["x"])) == "BadArgument", "no such event")
ok(error(c.ask("subscribe", events="flow")) == "BadArgument", "no list")

# who doesn't read misses something, and is told how much
for _ in range(3000):
    c.ask("rule-add", option="-t", spec="8086")
    c.ask("rule-delete", option="-t", spec="8086")
seen = lost = 0
e.s.settimeout(2)
try:
    while seen + lost < 6000:
        got = e.line()
        seen += got["event"] == "rules"
        lost += got.get("count", 0)
except socket.timeout:
    pass
ok(seen + lost == 6000 and lost, "events that were missed are counted",
   (seen, lost))
e.close()
deadline = time.monotonic() + 10
while c.ask("status")["return"]["subscribers"] and time.monotonic() < deadline:
    time.sleep(0.01)
ok(c.ask("status")["return"]["subscribers"] == 0, "it has gone")

# who wants other events isn't told that those of flows were lost; who wants them is,
# of each one
e, r = Client(), Client()
e.ask("subscribe", events=["flow"])
r.ask("subscribe", events=["rules"])
for _ in range(2000):
    socket.create_connection(("127.0.0.1", 8080)).close()
c.ask("rule-add", option="-t", spec="8086")
got = r.line()
ok(got["event"] == "rules", "rules alone, after 2000 flows", got)
seen = lost = 0
e.s.settimeout(10)
try:
    while seen + lost < 4000:
        got = e.line()
        seen += got["event"] in ("flow-begin", "flow-end")
        lost += got.get("count", 0)
except socket.timeout:
    pass
ok(seen + lost == 4000 and seen, "4000 events of flows, seen or counted",
   (seen, lost))
print(f"ok {seen} events of flows seen, {lost} lost")
e.close()
r.close()

# a list that is long
held = [socket.create_connection(("127.0.0.1", 8080)) for _ in range(400)]
for s in held:                          # each has been accepted, and answers
    s.sendall(b"x")
for s in held:
    s.recv(1)
flows = c.ask("flows", proto="tcp")["return"]["flows"]
ok(len({f["id"] for f in flows}) == len(flows) >= 400, "400 flows", len(flows))

# many clients; all of them slow to take a long answer; and others meanwhile
many = [Client() for _ in range(200)]
for m in many:
    m.send("flows")
# nobody has read yet, and a list is more than a socket takes
ok("return" in c.ask("net"), "another one meanwhile")
# all at once: who doesn't read for a while is dropped
with ThreadPoolExecutor(200) as pool:
    lists = list(pool.map(Control.line, many))
counts = {len(l["return"]["flows"]) if l else None for l in lists}
ok(None not in counts and min(counts) >= 400, "200 clients have them all", counts)
more = [Client() for _ in range(200)]
ok(all("return" in m.ask("status") for m in more), "200 more: idle ones make room")
for m in many + more:
    m.close()
for s in held:
    s.close()

# those that mean no good cost nothing, once they are in
rough = []
for i in range(200):
    r = Client()
    r.s.sendall((b"", b'{"execute":', b"x" * 4095,
                 b'{"execute":"counters"}\n' * 100)[i % 4])
    if i % 8 == 7:
        r.s.shutdown(socket.SHUT_WR)
    if i % 16 > 13:
        r.close()
    else:
        rough.append(r)
time.sleep(0.5)
n = worked(daemon, 2)
ok(n < 0.2, "200 that are silent, slow or don't read", n)
ok("return" in Client().ask("status"), "another one beside them")
for r in rough:
    r.close()
begin = time.monotonic()
slow = Client()
slow.s.sendall(b'{"execute":')
ok(slow.line() is None and 5 < time.monotonic() - begin < 25,
   "who doesn't end his line is dropped", time.monotonic() - begin)
for data in (os.urandom(4000) + b"\n") * 3, b"\0" * 4096, b"{" * 4000 + b"\n":
    r = Client()
    try:
        r.s.sendall(data)
        r.line()
    except (OSError, ValueError):
        pass
    r.close()
c = Client()
ok("return" in c.ask("status"), "after all that")
finish()
P
http()
{
	printf '%s %s HTTP/1.1\r\nHost: x\r\n\r\n' "${2:-GET}" "$1" |
		timeout 20 socat -t 20 - "UNIX-CONNECT:$control"
}
http /metrics >"$T/metrics"
like "$(head -n 1 "$T/metrics")" 'HTTP/1.1 200 OK?' 'metrics'
sed '1,/^.$/d' "$T/metrics" >"$T/text"
ok '... as Prometheus wants them' promtool check metrics <"$T/text"
is "$(promtool check metrics <"$T/text" 2>&1)" '' '... to the letter'
for name in passt_dropped_total passt_flows passt_flow_states passt_turn_seconds_bucket; do
	ok "... $name" grep -q "^$name{" "$T/text"
done
ok '... by curl, too' curl -sf --unix-socket "$control" http://x/metrics \
	-o "$T/curled"
is "$(grep -c ^passt_ "$T/curled")" "$(grep -c ^passt_ "$T/text")" \
	'... the same ones'
like "$(http /)" 'HTTP/1.1 404 *' 'no other page'
is "$(http /metrics HEAD)" "$(sed '/^.$/q' "$T/metrics")" \
	'... and what comes before it alone'
like "$(http /metrics PUT)" 'HTTP/1.1 404 *' 'no other method'

spawn host python3 "$T/client.py" "$control" "$HOST4" "$pasta_pid" \
	>"$T/client.out" 2>&1
wait "$pid"
is $? 0 'a client' || diag "$(cat "$T/client.out")"
diag "$(grep -c '^ok' "$T/client.out") held"
ok 'the daemon lives' alive "$pasta_pid"
pasta_down
ok 'the socket has gone' wait_for '[ ! -e "$control" ]'

# draining: what is there goes on, nothing new comes, and that's the end
rm -f "$T/user/go" "$T/user/long"
pasta_up --config-net -t 8080:80 -u none -T none -U none --control "$control"
spawn "ns:$ns" socat TCP-LISTEN:80,reuseaddr,fork SYSTEM:cat
wait_port "ns:$ns" tcp 80
spawn world socat TCP4-LISTEN:7000,reuseaddr,fork SYSTEM:cat
wait_port world tcp 7000
spawn "ns:$ns" sh -c "(echo one; while [ ! -e '$T/user/go' ]; do sleep 0.05; done;
	echo two) | socat -t 10 - TCP4:$WORLD4:7000 >'$T/user/long'"
client=$pid
wait_for '[ -s "$T/user/long" ]'
ask()
{
	printf '%s\n' "$1" | timeout 20 socat -t 20 - "UNIX-CONNECT:$control"
}
is "$(ask '{"execute":"drain"}')" '{"return":{"flows":1}}' 'drain: one is left'
not_ok '... no port is open' listening host tcp 8080
is "$(in_ns "$ns" "$TOP/test/tools/peer" fails tcp "$WORLD4" 7000 2>&1)" \
	'Network is unreachable' '... nobody gets out, and is told at once'
like "$(ask '{"execute":"status"}')" '*"draining":true,"flows":1*' '... status'
like "$(ask '{"execute":"rule-add","arguments":{"option":"-t","spec":"8081"}}')" \
	'*"Refused"*port */8081: no port is opened any more, we are draining*' \
	'... no new rule'
: >"$T/user/go"
wait_gone "$client"
is "$(tr '\n' ' ' <"$T/user/long")" 'one two ' '... what was there went on'
ok '... the end' wait_gone "$pasta_pid" 30
done_testing
