#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# --splice-only: no interface, nothing but loopback to loopback. Streams end in
# all ways at all moments; in no state does the daemon wake up for nothing.
# timeout 180

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
peer=$TOP/test/tools/peer

# No tap device is needed
if [ "$WORLD_ROOT" ]; then
	mkdir -p "$T/none"
	[ ! -e /dev/net ] || mount --bind "$T/none" /dev/net
fi

# What a stream's two ends do. A request is "UP DOWN HOW\n" and UP bytes:
#	after	once all has come, DOWN bytes are sent
#	first	DOWN bytes are sent and ended before anything else is read
#	slow	as after, but it is read in little pieces
#	reset	once all has come, the connection is reset
# The answer's last 32 bytes are the sum of what came in.
cat >"$T/ends.py" <<'E'
import hashlib, os, socket, struct, sys, threading, time

DATA = os.urandom(1 << 20) * 4

def receive(s, pause=0):
    h, n = hashlib.sha256(), 0
    while True:
        d = s.recv(4096 if pause else 1 << 18)
        if not d:
            return n, h
        h.update(d)
        n += len(d)
        if pause:
            time.sleep(pause)

def serve_one(s):
    try:
        with s:
            line = b""
            while not line.endswith(b"\n"):
                d = s.recv(1)
                if not d:
                    return
                line += d
            up, down, how = line.decode().split()
            down = int(down)
            if how == "first":
                s.sendall(DATA[:down])
                s.shutdown(socket.SHUT_WR)
            n, h = receive(s, 0.0002 if how == "slow" else 0)
            if n != int(up):
                print("lost: %d of %s" % (n, up), flush=True)
            if how == "reset":
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
            elif how != "first":
                s.sendall(h.digest() + DATA[:down])
    except OSError as e:
        print(e, flush=True)

def serve(port):
    l = socket.create_server(("::", port), family=socket.AF_INET6,
                             dualstack_ipv6=True, backlog=512)
    print("ready", flush=True)
    while True:
        s, _ = l.accept()
        threading.Thread(target=serve_one, args=(s,), daemon=True).start()

def once(addr, port, up, down, how):
    s = socket.create_connection((addr, port), 20)
    with s:
        def send():
            s.sendall(b"%d %d %s\n" % (up, down, how.encode()))
            s.sendall(DATA[:up])
            s.shutdown(socket.SHUT_WR)
        t = threading.Thread(target=send)
        t.start()
        try:
            n, _ = receive(s)
        except ConnectionResetError:
            n = "reset"
        t.join()
    want = {"reset": "reset", "first": down}.get(how, down + 32)
    return n == want or print("%s %d %d %s: %s" % (addr, up, down, how, n))

def ask(addr, port):
    sizes = (0, 1, 4095, 65536, 65537, 262144, 262145, 1048577)
    bad = 0
    for up in sizes:
        for down in sizes:
            for how in ("after", "first"):
                bad += not once(addr, port, up, down, how)
        bad += not once(addr, port, up, 0, "reset")
    bad += not once(addr, port, 1048577, 1, "slow")
    print("failed: %d" % bad)

if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
else:
    ask(sys.argv[2], int(sys.argv[3]))
E

daemon()
{
	pgrep -x pasta | head -n 1
}
# times that the daemon has slept, and ticks that it has worked
wakeups()
{
	awk '/^voluntary/ { print $2 }' "/proc/$(daemon)/status"
}
ticks()
{
	sed 's/.*) //' "/proc/$(daemon)/stat" | awk '{ print $12 + $13 }'
}

pasta_up --splice-only --config-net -t 7001-7002 -u 7003 -T 7011-7012 -U 7013
is "$(in_ns "$ns" ip -o link | wc -l)" 1 'no interface but lo'
like "$(in_ns "$ns" ip link show lo)" '*LOOPBACK,UP*' 'lo is up'
ok 'not for connections from outside' in_world "$peer" refused "$HOST4" 7001
spawn "ns:$ns" python3 "$T/ends.py" serve 7001 >"$T/7001"
spawn host python3 "$T/ends.py" serve 7011 >"$T/7011"
spawn "ns:$ns" "$peer" serve 7003 >"$T/7003"
spawn host "$peer" serve 7013 >"$T/7013"
wait_for "grep -q ready '$T/7001' && grep -q ready '$T/7011'"
wait_for "grep -q ready '$T/7003' && grep -q ready '$T/7013'"

for where in host:7001 "ns:$ns:7011"; do
	port=${where##*:}
	where=${where%:*}
	for a in 127.0.0.1 ::1; do
		is "$( (world_exec "$where" timeout 60 python3 "$T/ends.py" \
			ask $a "$port") 2>&1)" 'failed: 0' \
			"every end at every moment, from ${where%:*}, $a"
	done
	is "$(grep -v ready "$T/$port")" '' '... nothing was lost'
done
for a in 127.0.0.1 ::1; do
	like "$("$peer" udpask $a 7003 WHO)" "$a *" "datagrams, $a"
	like "$(in_ns "$ns" "$peer" udpask $a 7013 WHO)" "$a *" \
		"datagrams from inside, $a"
done

# States in which nothing can happen. Prints "there" once it has come about.
cat >"$T/states.py" <<'E'
import select, socket, sys, time
what, port = sys.argv[1], int(sys.argv[2])

def fill(s):
    s.setblocking(False)
    quiet = 0
    while quiet < 20:
        try:
            s.send(b"x" * 65536)
            quiet = 0
        except BlockingIOError:
            quiet += 1
            time.sleep(0.02)

if what == "serve":                     # takes, and does what the client says
    l = socket.create_server(("::", port), family=socket.AF_INET6,
                             dualstack_ipv6=True)
    print("ready", flush=True)
    keep = []
    while True:
        s, _ = l.accept()
        keep.append(s)
        how = s.recv(1)
        if how in b"FB":                # full towards the client
            fill(s)
        elif how == b"S":               # ended towards the client
            s.shutdown(socket.SHUT_WR)
elif what == "backlog":                 # nobody accepts
    l = socket.socket(socket.AF_INET6)
    l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    l.bind(("::", port))
    l.listen(0)
    keep = [socket.create_connection(("::1", port)) for i in range(1)]
    print("ready", flush=True)
    time.sleep(1000)
else:
    s = socket.create_connection(("127.0.0.1", port), 10)
    s.send(what.encode())
    if what in "UBE":                   # we send more than is taken
        fill(s)
    if what == "F":                     # the other one does
        time.sleep(1.5)
    if what in "HE":                    # we have ended, the other one hasn't
        s.shutdown(socket.SHUT_WR)
    if what == "S":
        s.recv(1)
    if what == "P":                     # it isn't connected yet, over there
        fill(s)
    time.sleep(0.3)
    print("there", flush=True)
    time.sleep(1000)
E
spawn "ns:$ns" python3 "$T/states.py" serve 7002 >"$T/7002"
served=$pid
wait_for "grep -q ready '$T/7002'"

# Two seconds in which nearly nothing happens: what fills buffers may still go on
# at first
sleeps()
{
	for _ in 1 2 3; do
		before=$(wakeups) worked=$(ticks)
		pause 2
		woken=$(($(wakeups) - before)) worked=$(($(ticks) - worked))
		echo "$woken wake-ups, $worked ticks in 2 s"
		[ "$woken" -gt 2 ] || [ "$worked" -gt 1 ] || return 0
	done
	return 1
}

# state LETTER NAME
state()
{
	spawn host python3 "$T/states.py" "$1" 7002 >"$T/state"
	state_pid=$pid
	ok "$2" wait_for "grep -q there '$T/state'" 20
	ok '... we sleep' sleeps
	stop "$state_pid"
}
state I 'an idle connection'
state U 'the service reads no more'
state F 'the client reads no more'
state B 'nobody reads any more'
state H 'the client has ended'
state S 'the service has ended'
state E 'the client has ended, the service reads no more'
stop "$served"
spawn "ns:$ns" python3 "$T/states.py" backlog 7002 >"$T/7002"
served=$pid
wait_for "grep -q ready '$T/7002'"
state P 'the service accepts no more'
stop "$served"
# the stock's, the start's, and 64 that are kept for datagrams
ok 'all of them are gone' wait_for '[ "$(fds_of "$(daemon)")" -lt 264 ]'
pasta_down

# ports that follow services, loopback counts
pasta_up --splice-only
spawn "ns:$ns" socat TCP4-LISTEN:7101,bind=127.0.0.1,reuseaddr,fork \
	'SYSTEM:echo inside'
ok 'automatic port' wait_port host tcp 7101
is "$(timeout 5 socat -u TCP:127.0.0.1:7101 -)" inside '... leads inside'
spawn host socat TCP4-LISTEN:7102,bind=127.0.0.1,reuseaddr,fork \
	'SYSTEM:echo outside'
ok 'automatic port to the host' wait_port "ns:$ns" tcp 7102
is "$(in_ns "$ns" timeout 5 socat -u TCP:127.0.0.1:7102 -)" outside \
	'... leads to the host'
pasta_down

# a process's namespace, in the background
spawn user unshare -Urn sleep 100003
target=$pid
wait_for "grep -q sleep /proc/$target/comm"
out=$(as_user pasta --splice-only -q -P "$T/user/pid" -t 7001 "$target" 2>&1)
is "$? $out" '0 ' '--splice-only PID'
kill "$target"
ok '... ends with it' wait_gone "$(cat "$T/user/pid")"

done_testing
