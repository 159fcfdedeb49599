#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 180
#
# Rules that change a thousand times while connections come, go and stay: none is
# lost. As Podman has it: one shared namespace, started for ports that come later.

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun

conf=$T/user/pasta.sock
spawn user unshare -rUn sleep 1000000
ns=$pid
wait_for 'grep -q sleep "/proc/$ns/comm"'
as_user pasta --config-net --pid "$T/user/pid" -c "$conf" \
	--dns-forward 169.254.1.1 -t none -u none -T none -U none --no-map-gw \
	--quiet --userns "/proc/$ns/ns/user" --netns "/proc/$ns/ns/net" \
	--map-guest-addr 169.254.1.2 || bail "pasta doesn't start"
pasta=$(cat "$T/user/pid")
ok 'add, as Podman says it' as_user \
	pesto --add -t 0.0.0.0/8000 -t '[::]/8000' "$conf"
ok '... and again' as_user pesto --add -t 0.0.0.0/8000 -t '[::]/8000' "$conf"
ok 'with targets' as_user pesto --add -t "0.0.0.0/8001:$HOST4/8000" \
	-t "[::]/8001:$HOST6/8000" "$conf"

cat >"$T/echo.py" <<'P'
import socket, threading
s = socket.create_server(("::", 8000), family=socket.AF_INET6,
                         dualstack_ipv6=True, backlog=512)
def serve(c):
    while data := c.recv(65536):
        c.sendall(data)
    c.close()
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
P
spawn "ns:$ns" /usr/bin/python3 "$T/echo.py"
wait_port "ns:$ns" tcp 8000

# clients ADDRESS: connections that last, and connections that are opened one
# after the other, to both ports, until $T/stop is there; what fails is printed
cat >"$T/clients.py" <<'P'
import os, socket, sys, threading, time
address, stop = sys.argv[1:]
count = {"exchanges": 0, "connections": 0, "failures": 0}

def exactly(c, n):
    while n:
        data = c.recv(min(n, 65536))
        if not data:
            raise EOFError
        n -= len(data)

def exchange(c, size):
    c.sendall(b"x" * size)
    exactly(c, size)

def lasting(port):
    with socket.create_connection((address, port), 20) as c:
        while not os.path.exists(stop):
            exchange(c, 20000)
            count["exchanges"] += 1

def passing(port):
    while not os.path.exists(stop):
        with socket.create_connection((address, port), 20) as c:
            exchange(c, 100)
            count["connections"] += 1

def guarded(what, port):
    try:
        what(port)
    except Exception as e:
        count["failures"] += 1
        print(f"{what.__name__} {port}: {e!r}", flush=True)

threads = [threading.Thread(target=guarded, args=(what, port))
           for what in (lasting, passing) for port in (8000, 8001)]
for t in threads:
    t.start()
print("begun", flush=True)
for t in threads:
    t.join()
print(count, file=sys.stderr)
sys.exit(count["failures"] != 0 or not count["connections"])
P
clients=
for at in "host 127.0.0.1" "host ::1" "world $HOST4" "world $HOST6"; do
	# shellcheck disable=SC2086 # two words
	set -- $at
	spawn "$1" /usr/bin/python3 "$T/clients.py" "$2" "$T/stop" \
		>"$T/clients.$2" 2>"$T/counts.$2"
	clients="$clients $pid:$2"
	wait_for "grep -q begun '$T/clients.$2'"
done

# other ports come and go, those in use get another target and the old one again;
# each change is acknowledged
cat >"$T/change.py" <<'P'
import sys
from pesto import *
path, host4, host6 = sys.argv[1:]
v4, v6 = "0.0.0.0", "::"
there = [rule(8000, listen=v4), rule(8000, listen=v6)]
plain = [rule(8001, to=8000, listen=a) for a in (v4, v6)]
named = [rule(8001, to=8000, listen=v4, target=host4),
         rule(8001, to=8000, listen=v6, target=host6)]
for i in range(1000):
    c = Client(path)
    assert len(c.tables[HOST]) >= 4, c.tables
    rules = there + (plain if i % 2 else named)
    rules += [rule(9000 + (i * 7 + j) % 50, proto=UDP if j % 2 else TCP)
              for j in range(i % 10)]
    c.send({HOST: rules})
    got = c.outcome()
    assert got == (0, ""), got
    c.close()
    # what can't be is taken back
    if i % 10 == 0:
        c = Client(path)
        c.send({HOST: there + named + [rule(9100), rule(9101, ifname="none0")]})
        assert c.outcome()[0] == 1
        c.close()
P
ok 'a thousand changes' /usr/bin/python3 "$T/change.py" "$conf" \
	"$HOST4" "$HOST6"
: >"$T/stop"
for c in $clients; do
	wait "${c%%:*}"
	is $? 0 "clients of ${c#*:}: nothing lost" ||
		diag "$(cat "$T/clients.${c#*:}")"
	diag "$(cat "$T/counts.${c#*:}")"
done
is "$(as_user pesto "$conf" | grep -c '800[01]')" 4 'four rules'
# each listener and each connection has one, and what goes gives it back
before=$(steady 1 fds_of "$pasta")
ok 'delete' as_user pesto --delete -t 0.0.0.0/8000 -t '[::]/8000' "$conf"
is "$(steady 1 fds_of "$pasta")" $((before - 2)) '... two descriptors less'
kill "$pasta"
ok 'the end' wait_gone "$pasta"
ok '... of the socket, too' wait_for '[ ! -e "$conf" ]'
done_testing
