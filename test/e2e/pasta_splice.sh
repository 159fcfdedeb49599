#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# From loopback to loopback, both ways: whom the service sees, half-close,
# resets, slow readers, urgent data, many connections without a leak, idle cost.
# timeout 240

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
peer=$TOP/test/tools/peer

# the only process of the user's called pasta
daemon()
{
	pgrep -x pasta | head -n 1
}
rss_kib()
{
	awk '/^VmRSS/ { print $2 }' "/proc/$(daemon)/status"
}
# CPU time of the daemon, in ticks of 10 ms
ticks()
{
	sed 's/.*) //' "/proc/$(daemon)/stat" | awk '{ print $12 + $13 }'
}
# two seconds without work; what fills buffers may still go on at first
idles()
{
	for _ in 1 2 3; do
		before=$(ticks)
		sleep 2
		worked=$(($(ticks) - before))
		echo "$worked ticks in 2 s"
		[ "$worked" -gt 2 ] || return 0
	done
	return 1
}
at()
{
	(world_exec "$@")
}
client()
{
	(world_exec "$1" timeout 60 python3 "$T/client.py" "$2" "$3" "$4")
}

cat >"$T/client.py" <<'E2'
import os, socket, struct, sys, threading, time, hashlib
what, addr, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
try:
    s = socket.create_connection((addr, port), 10)
except ConnectionResetError:
    print('reset')
    sys.exit()
s.settimeout(30)

def drain(pause=0):
    h, n = hashlib.sha256(), 0
    while True:
        d = s.recv(65536)
        if not d:
            return n, h.hexdigest()
        h.update(d)
        n += len(d)
        if pause:
            time.sleep(pause)

data = os.urandom(1 << 20) * 8
want = hashlib.sha256(data).hexdigest()
if what == 'half':          # all is sent and ended, then the answer is read
    t = threading.Thread(target=lambda: (s.sendall(data),
                                         s.shutdown(socket.SHUT_WR)))
    t.start()
    n, h = drain()
    t.join()
    print('same' if h == want else 'differs after %d' % n)
elif what == 'slow':        # the echo is read slowly
    t = threading.Thread(target=lambda: (s.sendall(data),
                                         s.shutdown(socket.SHUT_WR)))
    t.start()
    time.sleep(1)
    n, h = drain(0.005)
    t.join()
    print('same' if h == want else 'differs after %d' % n)
elif what == 'stuck':       # nothing is read for a while
    s.setblocking(False)
    sent = 0
    try:
        while sent < 1 << 28:
            sent += s.send(data)
            time.sleep(0.01)
    except BlockingIOError:
        pass
    print('stuck')
    sys.stdout.flush()
    time.sleep(4)
elif what == 'urgent':
    for i in range(50):
        s.send(b'abc')
        s.send(b'!', socket.MSG_OOB)
    s.shutdown(socket.SHUT_WR)
    n, h = drain()
    print(n)
elif what == 'eof':         # ended without a byte
    s.shutdown(socket.SHUT_WR)
    print(drain()[0])
elif what == 'refused':     # by a reset
    try:
        print('got %r' % s.recv(1))
    except ConnectionResetError:
        print('reset')
E2

# socat writes to its pipe without O_NONBLOCK once poll() finds room for one
# page: with its 8 KiB at a time it can block for good there, with 4 KiB not
echo_server()	# WHERE ADDRESS
{
	spawn "$1" socat -b 4096 "$2,reuseaddr,fork,backlog=512" PIPE
}

pasta_up --config-net -t 7001-7003 -u 7003 -T 7011-7013 -U 7013
echo_server "ns:$ns" TCP6-LISTEN:7001
echo_server host TCP6-LISTEN:7011
spawn "ns:$ns" "$peer" serve 7003 >"$T/7003"
spawn host "$peer" serve 7013 >"$T/7013"
wait_port "ns:$ns" tcp 7001
wait_port host tcp 7011
wait_for "grep -q ready '$T/7003' && grep -q ready '$T/7013'"

for where in host:7001:7003:7002 "ns:$ns:7011:7013:7012"; do
	none=${where##*:}
	where=${where%:*}
	serve=${where##*:}
	where=${where%:*}
	echo=${where##*:}
	where=${where%:*}
	for a in 127.0.0.1 ::1; do
		how="from ${where%:*}, $a"
		is "$(client "$where" half $a "$echo")" same "half-close, $how"
		is "$(client "$where" eof $a "$echo")" 0 "end at once, $how"
		is "$(client "$where" urgent $a "$echo")" 200 "urgent data, $how"
		is "$(client "$where" refused $a "$none")" reset "nobody listens, $how"
		ok "reset by the service, $how" \
			at "$where" "$peer" reset $a "$serve"
	done
	is "$(client "$where" slow 127.0.0.1 "$echo")" same "slow reader, ${where%:*}"
done
for d in 7003 7013; do
	: >"$T/$d"
done
ok 'reset by the host' "$peer" abort 127.0.0.1 7003
ok '... seen inside' wait_for "grep -q reset '$T/7003'"
ok 'reset from inside' in_ns "$ns" "$peer" abort 127.0.0.1 7013
ok '... seen on the host' wait_for "grep -q reset '$T/7013'"

# who it is
like "$("$peer" ask 127.0.0.1 7003 WHO)" "*$HOST4*" \
	"the service inside sees its namespace's address"
like "$(in_ns "$ns" "$peer" ask 127.0.0.1 7013 WHO)" '*127.0.0.1*' \
	'the service on the host sees loopback'

# a client that was accepted at one of localhost's addresses doesn't try the
# other: a service with one family alone is found by both
one_family()	# FROM TO PORT
{
	for service in TCP4 TCP6; do
		how=
		[ $service = TCP4 ] || how=,ipv6only=1
		echo_server "$2" "$service-LISTEN:$3$how"
		wait_port "$2" tcp "$3"
		for a in 127.0.0.1 ::1; do
			is "$(client "$1" half $a "$3")" same \
				"a service by $service alone, by $a, ${1%%:*}"
		done
		stop "$pid"
		wait_for "! listening '$2' tcp $3"
	done
}
one_family host "ns:$ns" 7002
one_family "ns:$ns" host 7012

# nobody reads: we wait without turning
spawn "ns:$ns" socat -u TCP6-LISTEN:7002,reuseaddr EXEC:'sleep 1000'
reader=$pid
wait_port "ns:$ns" tcp 7002
spawn host python3 "$T/client.py" stuck 127.0.0.1 7002 >"$T/stuck"
ok 'a reader that stops' wait_for "grep -q stuck '$T/stuck'" 30
ok '... costs nothing' idles
stop "$pid" "$reader"

# who has closed, and whose kernel has forgotten that (FIN-WAIT-2), is found out; who
# has only ended its stream isn't disturbed, and what was sent before it was closed
# reaches a reader that takes its time
for where in host "ns:$ns"; do
	at "$where" sysctl -qw net.ipv4.tcp_fin_timeout=1
done
cat >"$T/ends.py" <<'E5'
import hashlib, os, socket, sys, time
what, port = sys.argv[1], int(sys.argv[2])
data = bytes(1 << 20) * 3
if what == "serve":         # sends, and closes; or waits, and sends; or just waits
    l, kept = socket.create_server(("::", port), family=socket.AF_INET6), []
    print("ready", flush=True)
    while True:
        s = l.accept()[0]
        word = s.recv(4)
        if word == b"send":
            s.sendall(data)
            s.close()
        elif word == b"wait" and not os.fork():
            time.sleep(22)
            s.sendall(b"late")
            os._exit(0)
        kept.append(s)
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.connect(("127.0.0.1", port))
s.sendall(what.encode())
if what == "gone":
    sys.exit()
if what == "wait":
    s.shutdown(socket.SHUT_WR)
    print(s.recv(4).decode())
if what == "send":
    time.sleep(22)
    n = 0
    while d := s.recv(65536):
        n += len(d)
    print("all" if n == len(data) else n)
E5
# our sockets there whose clients have ended their stream
ended()
{
	at "$1" ss -Htn state close-wait "sport = :$2" | wc -l
}
forgotten()	# WHERE PORT, WHERE PORT of the service
{
	spawn "$3" python3 "$T/ends.py" serve "$4" >"$T/ends.out"
	ends_server=$pid
	wait_for "grep -q ready '$T/ends.out'"
	spawn "$1" python3 "$T/ends.py" wait "$2" >"$T/wait.out"
	spawn "$1" python3 "$T/ends.py" send "$2" >"$T/send.out"
	for _ in 1 2 3 4; do
		at "$1" python3 "$T/ends.py" gone "$2"
	done
	ok "clients that have closed are there, ${1%%:*}" \
		wait_for "[ \"\$(ended '$1' $2)\" -eq 5 ]"
	ok '... and gone, when their kernel has forgotten them' \
		wait_for "[ \"\$(ended '$1' $2)\" -eq 1 ]" 20
	ok '... but not those who have ended alone' \
		wait_for "grep -q late '$T/wait.out'" 15
	ok '... nor those who read slowly' wait_for "grep -q all '$T/send.out'" 15
	stop "$ends_server"
}
forgotten host 7002 "ns:$ns" 7002
forgotten "ns:$ns" 7012 host 7012

# many
ok '100 connections before' "$peer" hold 127.0.0.1 7003 100
wait_for "[ \"\$(fds_of $(daemon))\" -le 400 ]"
fds_before=$(steady 1 fds_of "$(daemon)") rss_before=$(rss_kib)
ok '1000 connections, one after the other' "$peer" each 127.0.0.1 7003 1000
ok '1000 from inside' in_ns "$ns" "$peer" each 127.0.0.1 7013 1000
ok '1000 connections at a time' "$peer" hold 127.0.0.1 7003 1000
ok 'no descriptors are lost' \
	wait_for "[ \"\$(fds_of $(daemon))\" -le $((fds_before + 130)) ]"
diag "descriptors: $fds_before before, $(fds_of "$(daemon)") after; RSS $rss_before, $(rss_kib) KiB"
is "$(test "$(rss_kib)" -le $((rss_before + 2048)) && echo no)" no \
	'no memory is lost'

# a service that reads after a while, and tells the sum of what came
cat >"$T/many.py" <<'E4'
import hashlib, os, socket, sys, threading, time
what, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
data = [os.urandom(1 << 16) * 40 + bytes([i]) for i in range(count)]
if what == "serve":
    l = socket.socket(socket.AF_INET6)
    l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    l.bind(("::", port))
    l.listen(count)
    print("ready", flush=True)
    def serve(c):
        h = hashlib.sha256()
        time.sleep(0.5)
        while d := c.recv(65536):
            h.update(d)
        c.sendall(h.hexdigest().encode())
        c.close()
    while True:
        threading.Thread(target=serve, args=(l.accept()[0],)).start()
good, words = [], []
def client(i, s):
    try:
        s.sendall(data[i])
        s.shutdown(socket.SHUT_WR)
        got = b""
        while d := s.recv(1000):
            got += d
        good.append(got.decode() == hashlib.sha256(data[i]).hexdigest())
    except OSError as e:
        words.append(str(e))
socks = [socket.create_connection(("127.0.0.1", port), 10) for i in range(count)]
time.sleep(0.2)     # all are accepted before anything needs a pipe
ts = [threading.Thread(target=client, args=a) for a in enumerate(socks)]
for t in ts:
    t.start()
for t in ts:
    t.join(30)
print(sum(good), "of", count, *words)
E4

# datagrams keep their port
port=$(python3 - <<-'E3'
	import socket
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.settimeout(5)
	s.bind(('127.0.0.1', 5678))
	s.sendto(b'WHO', ('127.0.0.1', 7003))
	print(s.recvfrom(1000)[0].decode())
	E3
)
like "$port" "*5678*" "a datagram's source port is kept"

spawn "ns:$ns" socat -u TCP6-LISTEN:7002,reuseaddr /dev/null
wait_port "ns:$ns" tcp 7002
start=$(date +%s%N)
head -c 500M /dev/zero | socat -u -b 262144 - TCP:127.0.0.1:7002
diag "500 MB into the namespace and dropped: $((($(date +%s%N) - start) / 1000000)) ms"
pasta_down

# no descriptors left for pipes: those that there are go round; a call that
# fails for a moment is made again
for pasta_with in 'prlimit --nofile=80' 'lacking calm'; do
	n=24
	[ "$pasta_with" = 'lacking calm' ] || n=20
	pasta_up --config-net -t 7004 -u none -T 7014 -U none
	for where in host:7004 "ns:$ns:7014"; do
		port=${where##*:}
		where=${where%:*}
		to=host
		[ "$where" != host ] || to=ns:$ns
		spawn "$to" python3 "$T/many.py" serve "$port" $n >"$T/many"
		serve=$pid
		wait_for "grep -q ready '$T/many'"
		is "$(at "$where" timeout 60 python3 "$T/many.py" ask "$port" $n)" \
			"$n of $n" "$pasta_with, from ${where%%:*}" ||
			diag "$(cat "$T/pasta$pasta_n.err")"
		stop "$serve"
	done
	pasta_down
done
pasta_with=

# other addresses
pasta_up --config-net --host-lo-to-ns-lo -t 7003 -u none -T none -U none
spawn "ns:$ns" "$peer" serve 7003 >"$T/7003"
wait_for "grep -q ready '$T/7003'"
like "$("$peer" ask 127.0.0.1 7003 WHO)" '*127.0.0.1*' \
	'--host-lo-to-ns-lo: the service sees loopback'
pasta_down
pasta_up --config-net --no-splice -t 7003 -u none
spawn "ns:$ns" "$peer" serve 7003 >"$T/7003"
wait_for "grep -q ready '$T/7003'"
like "$("$peer" ask 127.0.0.1 7003 WHO)" "*$GW4*" \
	'--no-splice: by the interface, from the gateway'
pasta_down

# automatic ports: idle cost, nothing of ours comes back
pasta_up --config-net
ok 'automatic ports cost nothing while nothing changes' idles
spawn "ns:$ns" socat TCP6-LISTEN:7101,reuseaddr,fork PIPE
wait_port host tcp 7101
ok 'UDP for a TCP port, too' wait_port host udp 7101
pause 0.3
is "$(in_ns "$ns" ss -Hltun 'sport = :7101' | wc -l)" 1 \
	'our own listener is not mirrored'
pasta_down

done_testing
