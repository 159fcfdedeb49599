#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# We are stopped for a while, beside connections of both directions that are idle, take
# turns, or carry as much as they can: all of them go on. FOLLOW_STOP=30 is the long form.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/follow.sh
. "$TOP/test/lib/follow.sh"
world_up
need_tun
world_peer 7000
secs=${FOLLOW_STOP:-3}

# Three connections to an echo. In the file NAME is how much came back, as one line for
# each of them that has become more, and in the end what became of them
cat >"$T/talk.py" <<-'X'
	import os, socket, sys, threading
	addr, port, name, end = sys.argv[1:]
	out = open(name, "w", buffering=1)
	result = {}
	def whole(s, n):
	    data = b""
	    while len(data) < n:
	        more = s.recv(n - len(data))
	        if not more:
	            raise OSError("end of file")
	        data += more
	    return data
	def ended():
	    return os.path.exists(end)
	def idle(s):
	    for text in b"one", b"two":
	        s.sendall(text)
	        if whole(s, 3) != text:
	            raise OSError("other data")
	        out.write("idle\n")
	        while not ended():
	            stop.wait(0.1)
	def turns(s):
	    n = 0
	    while not ended():
	        n += 1
	        text = b"%08d" % n
	        s.sendall(text)
	        if whole(s, 8) != text:
	            raise OSError("other data")
	        out.write("turns\n")
	        stop.wait(0.05)
	SIZE = 1 << 20
	chunk = os.urandom(SIZE)
	def bulk(s):
	    sent = [0]
	    def send():
	        while not ended():
	            s.sendall(chunk)
	            sent[0] += 1
	        s.shutdown(socket.SHUT_WR)
	    t = threading.Thread(target=send)
	    t.start()
	    n = 0
	    while True:
	        try:
	            if whole(s, SIZE) != chunk:
	                raise OSError("other data")
	        except OSError as e:
	            if str(e) != "end of file":
	                raise
	            break
	        n += 1
	        out.write("bulk\n")
	    t.join()
	    if n != sent[0]:
	        raise OSError("%d of %d" % (n, sent[0]))
	stop = threading.Event()
	def run(fn):
	    try:
	        with socket.create_connection((addr, int(port))) as s:
	            fn(s)
	        result[fn.__name__] = "whole"
	    except OSError as e:
	        result[fn.__name__] = str(e)
	all = [threading.Thread(target=run, args=(fn,)) for fn in (idle, turns, bulk)]
	for t in all:
	    t.start()
	for t in all:
	    t.join()
	out.write("".join("%s: %s\n" % i for i in sorted(result.items())))
	X

talks=
# talk WHERE ADDR PORT NAME
talk()
{
	: >"$T/user/$4"
	chmod 666 "$T/user/$4"
	spawn "$1" python3 "$T/talk.py" "$2" "$3" "$T/user/$4" "$T/user/end"
	talks="$talks $pid"
}
# do they go on? From here on
go_on()
{
	for go_f in out4 out6 in4 in6; do
		go_n=$(wc -l <"$T/user/$go_f")
		wait_for "tail -n +$((go_n + 1)) '$T/user/$go_f' | grep -q turns &&
			tail -n +$((go_n + 1)) '$T/user/$go_f' | grep -q bulk" 20 ||
			return 1
	done
}

# nothing comes any more
stands()
{
	steady 1 wc -l "$T/user/out4" "$T/user/out6" "$T/user/in4" "$T/user/in6" \
		>"$T/stands"
}

chmod 777 "$T/user"
pasta_up --config-net --no-map-gw -t 7002 -u none -T none -U none
helper=$(pgrep -P "$pasta_pid" | grep -vx "$ns")
spawn "ns:$ns" "$peer" serve 7002 >"$T/guest.log"
wait_for "grep -q ready '$T/guest.log'"
talk "ns:$ns" "$WORLD4" 7000 out4
talk "ns:$ns" "$WORLD6" 7000 out6
talk world "$HOST4" 7002 in4
talk world "$HOST6" 7002 in6
ok 'connections of both directions' go_on
kill -STOP "$pasta_pid" "$helper"
ok 'stopped: nothing comes any more' stands
pause "$secs"
kill -CONT "$pasta_pid" "$helper"
ok "stopped for $secs s: they go on" go_on
: >"$T/user/end"
for pid in $talks; do
	wait_gone "$pid" 30
done
for name in out4 out6 in4 in6; do
	is "$(tail -n 3 "$T/user/$name" | xargs)" \
		'bulk: whole idle: whole turns: whole' "... to their ends: $name"
done

# At home when it was stopped, somewhere else when it goes on
held
kill -STOP "$pasta_pid" "$helper"
ip addr add 203.0.113.77/25 dev eth0
ip addr add 2001:db8:1::77/64 dev eth0 nodad
ip addr del "$HOST4/24" dev eth0
ip addr del "$HOST6/64" dev eth0
ip route replace default via "$GW4"
kill -CONT "$pasta_pid" "$helper"
soon 'stopped at home, elsewhere afterwards: what was by the old address ends' \
	grep -q reset "$T/held"
soon '... by IPv4' in_ns "$ns" timeout 1 "$peer" ask "$WORLD4" 7000 hello
soon '... by IPv6' in_ns "$ns" timeout 1 "$peer" ask "$WORLD6" 7000 hello
like "$(in_world "$peer" ask 203.0.113.77 7002 WHO)" '203.0.113.1 *' \
	'... published ports are there'
pasta_down

done_testing
