#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the control socket tells of flows: both ends, bytes, times, the ways to both
# peers and what a flow waits for; filters; states as metrics.

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun

control=$T/user/control
spawn world socat TCP6-LISTEN:7000,ipv6only=0,reuseaddr,fork SYSTEM:cat
spawn world socat UDP6-LISTEN:7000,ipv6only=0,reuseaddr,fork SYSTEM:cat
spawn world socat -u /dev/zero TCP4-LISTEN:7001,reuseaddr,fork
cat >"$T/mute.py" <<'P'
import socket, time
listener = socket.create_server(("", 7002))
s, _ = listener.accept()
time.sleep(100000)
P
spawn world python3 "$T/mute.py"
for port in 7000 7001 7002; do
	wait_port world tcp "$port"
done
pasta_up --config-net -t 8080:80 -u none -T none -U none --control "$control"
spawn "ns:$ns" socat TCP-LISTEN:80,reuseaddr,fork SYSTEM:cat
wait_port "ns:$ns" tcp 80

# guests: one that talks and stays, one that doesn't read, one that only writes, one
# that has closed its end
cat >"$T/guests.py" <<'P'
import socket, sys, time
world4, world6 = sys.argv[1:]
def talk(s):
    s.sendall(b"hello")
    assert s.recv(100) == b"hello"
    return s
talk(socket.create_connection((world4, 7000)))  # and ends
held = [talk(socket.create_connection((world4, 7000))),
        talk(socket.create_connection((world6, 7000))),
        socket.create_connection((world4, 7001))]
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.connect((world4, 7000))
held.append(talk(u))
s = socket.create_connection((world4, 7002))
s.setblocking(False)
idle = 0
while idle < 20:
    try:
        s.send(b"x" * 65536)
        idle = 0
    except BlockingIOError:
        idle += 1
        time.sleep(0.02)
for h in held:
    print(*h.getsockname()[:2], flush=True)
print(*s.getsockname()[:2], flush=True)
time.sleep(100000)
P
spawn "ns:$ns" /usr/bin/python3 "$T/guests.py" "$WORLD4" "$WORLD6" \
	>"$T/guests.out" 2>&1
ok 'connections' wait_for '[ "$(wc -l <"$T/guests.out")" = 5 ]' 30 ||
	diag "$(cat "$T/guests.out")"

cat >"$T/flows.py" <<'P'
import os, socket, subprocess, sys, time
from checks import *
path, out, host4, world4, world6 = sys.argv[1:]
c = Control(path)

def flows(**arguments):
    return c.ask("flows", **arguments)["return"]["flows"]

def until(want, **arguments):
    """The one flow, once it is so; or as it is after a while."""
    deadline = time.monotonic() + 15
    while True:
        f = flows(**arguments)
        if len(f) == 1 and want(f[0]) or time.monotonic() > deadline:
            return f[0] if f else {}
        time.sleep(0.05)

names = [line.split() for line in open(out)]
(a4, p4), (a6, p6), (_, stalled), (_, udp), (_, writer) = [
    (a, int(p)) for a, p in names]

f = until(lambda f: f["waits_for"] == "data", port=p4, proto="tcp")
ok(f["state"] == "ESTABLISHED" and f["waits_for"] == "data", "a talk", f)
ok(f["guest"]["peer"] == host4 and f["guest"]["our"] == world4 and
   f["guest"]["our_port"] == 7000, "its guest's side", f)
ok(f["host"]["peer"] == world4 and f["host"]["peer_port"] == 7000 and
   f["host"]["our"] == host4, "its host's side", f)
known = subprocess.run(["ss", "-Htn", f"sport = :{f['host']['our_port']}"],
                       capture_output=True, text=True, check=True).stdout
ok(f"{world4}:7000" in known, "our port there is the kernel's", (f, known))
ok(f["guest"]["bytes"] == 5 and f["host"]["bytes"] == 5, "bytes of both", f)
ok(0 < f["guest"]["rtt_us"] < 10**6 and 0 < f["host"]["rtt_us"] < 10**6,
   "round trip times", f)
ok(f["guest"]["window"] > 5000 and f["host"]["window"] > 5000 and
   f["guest"]["our_window"] > 5000, "windows", f)
ok(f["guest"]["queued"] == f["host"]["queued"] == 0 ==
   f["host"]["retransmitted"], "nothing on its way", f)
before = f["age"], f["idle"]
time.sleep(0.3)
f = flows(port=p4, proto="tcp")[0]
ok(0.3 <= f["age"] - before[0] < 5 and f["age"] + 1 >= f["idle"] > before[1],
   "age and idle time", (before, f))

f = flows(port=p6, address=world6)[0]
ok(f["guest"]["our"] == world6 == f["host"]["peer"], "IPv6", f)
f = until(lambda f: f["waits_for"] == "guest-window", port=stalled)
ok(f["waits_for"] == "guest-window" and f["host"]["bytes"] > 10000,
   "a guest that doesn't read", f)
f = until(lambda f: f["waits_for"] == "host-window", port=writer)
ok(f["waits_for"] == "host-window" and f["host"]["queued"] > 10000 and
   f["host"]["window"] <= f["host"]["queued"], "a server that doesn't read", f)
ok(f["guest"]["bytes"] > 10000 and f["host"]["bytes"] == 0,
   "which has got something", f)
f = flows(proto="udp")
ok(len(f) == 1 and f[0]["state"] == "BOTH_WAYS" and
   f[0]["guest"]["peer_port"] == udp and f[0]["guest"]["bytes"] == 5 and
   f[0]["host"]["bytes"] == 5 and "rtt_us" not in f[0]["host"], "UDP", f)

s = socket.create_connection(("127.0.0.1", 8080))
s.sendall(b"x" * 1000)
got = 0
while got < 1000:
    got += len(s.recv(1000))
f = flows(state="connected")
ok(len(f) == 1 and f[0]["spliced"] and f[0]["guest"]["bytes"] == 1000 and
   f[0]["host"]["bytes"] == 1000 and f[0]["begun_by"] == "host", "spliced", f)
ok(f[0]["host"]["rtt_us"] > 0 and f[0]["guest"]["rtt_us"] > 0 and
   f[0]["guest"]["our_port"] > 0, "which are two sockets", f)
s.shutdown(socket.SHUT_WR)
ok(s.recv(1) == b"", "its end")
s.close()
deadline = time.monotonic() + 10
while flows(state="CONNECTED") and time.monotonic() < deadline:
    time.sleep(0.02)
ok(not flows(state="CONNECTED"), "no longer there")

tcp = len(flows(proto="tcp"))
ok(len(flows(state="established")) == tcp - len(flows(state="time-wait")) == 4,
   "by state", flows(proto="tcp"))
ok(flows(state="SYN-SENT") == [], "none of that state")
ok(c.ask("flows", state="x")["error"]["class"] == "BadArgument", "no such state")
c.close()
m = subprocess.run(["curl", "-s", "--unix-socket", path, "http://x/metrics"],
                   capture_output=True, text=True, check=True).stdout
ok('passt_tcp_connections{state="ESTABLISHED"} 4\n' in m, "states are metrics",
   [line for line in m.splitlines() if "state" in line])
ok('passt_flows{type="udp"} 1\n' in m, "types, too")
for line in ('{type="tcp",state="ESTABLISHED"} 4', '{type="udp",state="BOTH_WAYS"} 1',
             '{type="splice",state="CONNECTED"} 0', '{type="ping",state="ONE_WAY"} 0'):
    ok(f"passt_flow_states{line}\n" in m, f"both: {line}",
       [line for line in m.splitlines() if "flow_states" in line])
finish()
P
spawn host python3 "$T/flows.py" "$control" "$T/guests.out" "$HOST4" \
	"$WORLD4" "$WORLD6" >"$T/flows.out" 2>&1
wait "$pid"
is $? 0 'facts of flows' || diag "$(cat "$T/flows.out")"
diag "$(grep -c '^ok' "$T/flows.out") held"

ok 'the daemon lives' alive "$pasta_pid"
pasta_down
done_testing
