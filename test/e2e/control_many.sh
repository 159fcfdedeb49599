#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 180
#
# A list of 100 000 flows, again and again, while there is a transfer: it is whole,
# and the transfer hardly notices.

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun

control=$T/user/control
in_world ip route add blackhole "$FREE4/24"
spawn world socat -u /dev/zero TCP4-LISTEN:7001,reuseaddr,fork
wait_port world tcp 7001
pasta_up --config-net -t none -u none -T none -U none --control "$control"

# from one socket, to 100 000 places where nobody is: a flow each, while they last
cat >"$T/flows.py" <<'P'
import socket, sys, time
net = sys.argv[1].rsplit(".", 1)[0]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    for n in range(100000):
        s.sendto(b"", (f"{net}.{1 + n % 250}", 1000 + n // 250))
        if n % 100 == 0:
            time.sleep(0.001)
P
spawn "ns:$ns" /usr/bin/python3 "$T/flows.py" "$FREE4"
flows=$pid

cat >"$T/measure.py" <<'P'
import socket, sys, threading, time
from checks import *
path, seconds, daemon = sys.argv[1], float(sys.argv[2]), sys.argv[3]

c = Control(path)
def flows():
    return c.ask("status")["return"]["flows"]
deadline = time.monotonic() + 60
while flows() < 100000 and time.monotonic() < deadline:
    time.sleep(0.05)
print("flows", flows())

def received():
    return c.ask("flows", port=7001)["return"]["flows"][0][
        "host"]["bytes"]
# the filter walks the table, too: asked for twice only. Bytes per second, and per
# second of work, whatever else this machine does.
def rates():
    at, worked, before = time.monotonic(), cpu_seconds(daemon), received()
    time.sleep(seconds)
    moved = received() - before
    return moved / (time.monotonic() - at), moved / (cpu_seconds(daemon) - worked)

begin = time.monotonic()
c.send("flows")
n = c.f.readline().count(b'"id":')
print("list", n, "in", int(1000 * (time.monotonic() - begin)), "ms")

def read_all(s):
    try:
        while s.recv(1 << 20):
            pass
    except OSError:
        pass

ratios = []
for _ in range(5):
    quiet = rates()
    other = Control(path)
    other.s.sendall(b'{"execute":"flows"}\n' * 20)
    t = threading.Thread(target=read_all, args=(other.s,))
    t.start()
    busy = rates()
    other.s.shutdown(socket.SHUT_RDWR)
    t.join()
    ratios.append([b / q for b, q in zip(busy, quiet)])
    print("MB/s", *(f"{b / 1e6:.0f}" for b in quiet + busy))
speed, each = (100 * sorted(r)[2] for r in zip(*ratios))
print(f"left {each:.0f} percent of what work moves, {speed:.0f} of the speed")
P
spawn "ns:$ns" socat -u "TCP4:$WORLD4:7001" OPEN:/dev/null
spawn host python3 "$T/measure.py" "$control" "${CONTROL_MANY_S:-1}" \
	"$pasta_pid" >"$T/out" 2>&1
wait "$pid"
is $? 0 'lists during a transfer'
diag "$(cat "$T/out")"
ok '... of 100 000 flows' [ "$(sed -n 's/^flows //p' "$T/out")" -ge 100000 ]
ok '... which are all in them' \
	[ "$(sed -n 's/^list \([0-9]*\) .*/\1/p' "$T/out")" -ge 100000 ]
# far less than what it leaves, since other tests run beside this one: a tenth of the
# work is what a list costs on a quiet machine, 70 percent what it did unbounded
ok '... and the transfer goes on' \
	[ "$(sed -n 's/^left \([0-9]*\) .*/\1/p' "$T/out")" -ge 60 ]
ok 'the daemon lives' alive "$pasta_pid"
stop "$flows"
pasta_down
done_testing
