#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What others can send us in great numbers: SYNs and connections to forwarded ports,
# datagrams from many ports, signals; and what a guest has many of: connections that are
# idle, or that it doesn't read, keepalives. Connections and exchanges that there are don't
# notice. CROWD=10000 is the long form.
# serial
# timeout 180

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/beside.sh
. "$(dirname "$0")/../lib/beside.sh"
world_up
need_tun

cat >"$T/bin/crowd" <<'END_OF_CROWD'
#!/usr/bin/python3
"""Many of a kind; status 1 if not all of them are well at the end

    crowd serve PORT            greets with 32 KiB; says "ready"
    crowd sink PORT             doesn't, and closes
    crowd have ADDR PORT N      connections that aren't read, for two seconds; and then are
    crowd alive ADDR PORT N     the same, read; each is kept alive, after a second
    crowd come ADDR PORT SECONDS    connections one after the other, which are closed at once
    crowd signal PID SECONDS    SIGUSR1
"""
import os, resource, select, signal, socket, sys, time

GREETING = 1 << 15

def serve(port, greeting):
    l = socket.create_server(("", port), backlog=4096)
    print("ready", flush=True)
    have, ready = {}, select.epoll()
    ready.register(l)
    while True:
        for fd, _ in ready.poll():
            if fd in have:          # its end
                have.pop(fd).close()
                continue
            s = l.accept()[0]
            if greeting:
                s.setblocking(False)
                s.send(greeting)
                have[s.fileno()] = s
                ready.register(s, select.EPOLLRDHUP)

def read(s):
    n = 0
    while n < GREETING:
        got = s.recv(GREETING)
        if not got:
            return False
        n += len(got)
    return True

def have(where, n, alive=False):
    have = []
    for i in range(n):
        s = socket.socket()
        s.settimeout(10)
        if alive:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2)
        else:
            # a window that is soon closed
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(where)
        have.append(s)
    if alive:
        well = all(read(s) for s in have)
    time.sleep(4 if alive else 2)
    if alive:
        # nothing but time has passed: neither an end nor an error
        poll = select.poll()
        for s in have:
            poll.register(s, select.POLLIN)
        well = well and not poll.poll(0)
    else:
        well = all(read(s) for s in have)
    # all at once would fill our own kernel's queue, which is nobody else's matter
    for i, s in enumerate(have):
        s.close()
        if i % 10 == 0:
            time.sleep(0.001)
    return well

def come(where, seconds):
    end, n, bad = time.monotonic() + seconds, 0, 0
    # there are no more ports
    while time.monotonic() < end and n < 20000:
        try:
            socket.create_connection(where, 5).close()
        except OSError:
            bad += 1
        n += 1
    print(n, "connections,", bad, "failed", flush=True)
    return not bad

def flood(pid, seconds):
    end, n = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        os.kill(pid, signal.SIGUSR1)
        n += 1
    print(n, "signals", flush=True)
    return True

hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
kind, a = sys.argv[1], sys.argv[2:]
if kind == "serve":
    serve(int(a[0]), bytes(GREETING))
elif kind == "sink":
    serve(int(a[0]), b"")
elif kind == "signal":
    well = flood(int(a[0]), float(a[1]))
elif kind == "come":
    well = come((a[0], int(a[1])), float(a[2]))
else:
    well = have((a[0], int(a[1])), int(a[2]), kind == "alive")
sys.exit(not well)
END_OF_CROWD
chmod 755 "$T/bin/crowd"

n=${CROWD:-2000}
beside_serve
spawn world crowd serve 91 >"$T/serve.many"
wait_for "grep -q ready '$T/serve.many'"
pasta_up --config-net -t 8080,8081 -u 8082 -T none -U none
in_world ip route add 192.0.2.0/24 via "$HOST4"
in_world ip addr add 192.0.2.1/24 dev lo
spawn "ns:$ns" crowd sink 8080 >"$T/serve.inside"
wait_for "grep -q ready '$T/serve.inside'"

# outside NAME COMMAND...: for as long as COMMAND, in the world, takes; it returns 0
outside()
{
	outside_name=$1
	shift
	rm -f "$T/status"
	# begins with what is measured, in the guest
	mkfifo -m 666 "$T/begin"
	# shellcheck disable=SC2016 # for the other shell
	spawn world sh -c 'read -r _ <"$0"; "$@"; echo $? >"${0%/*}/status"' \
		"$T/begin" "$@" >"$T/outside" 2>&1
	beside "$outside_name" timeout 20 sh -c "echo >'$T/begin' || exit
		until [ -s '$T/status' ]; do sleep 0.1; done"
	is "$(cat "$T/status")" 0 '... and they were well themselves'
	diag "$(cat "$T/outside")"
	rm -f "$T/begin"
}
lines=$(wc -l <"$T/pasta$pasta_n.err")
"$T/bin/crowd" signal "$pasta_pid" 2 >"$T/outside" &
signals=$!
beside 'SIGUSR1 as often as it goes' sleep 2
wait "$signals"
is $? 0 '... all of them are sent'
lines=$(($(wc -l <"$T/pasta$pasta_n.err") - lines))
# a list of all counters and flows each second, of which there are a few
ok "... $(cat "$T/outside"), few lines" [ "$lines" -gt 20 -a "$lines" -lt 200 ]

flood=$TOP/test/tools/flood
outside 'SYNs of nobody to a forwarded port' \
	"$flood" syn 192.0.2.0/24 "$HOST4" 8080 20000 2
outside 'connections to a forwarded port' crowd come "$HOST4" 8080 2
outside 'datagrams of many ports to a forwarded one' \
	"$flood" udp "$WORLD4" "$HOST4" 8082 20000 2
beside "$n connections that aren't read" crowd have "$WORLD4" 91 "$n"
beside "$n connections that are kept alive" crowd alive "$WORLD4" 91 "$n"

ok 'the daemon lives' alive "$pasta_pid"
pasta_down
done_testing
