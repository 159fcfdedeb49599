#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A guest uses up the descriptors, by connections, by listeners and by datagrams:
# connections and exchanges that there are go on, names can be asked for, and all
# descriptors come back when it's over.
# serial
# timeout 120

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/beside.sh
. "$(dirname "$0")/../lib/beside.sh"
world_up
need_tun

cat >"$T/bin/use_up" <<'END_OF_USE_UP'
#!/usr/bin/python3
"""use_up KIND ADDR PORT NUMBER: as many of KIND as NUMBER, for two seconds

KIND: tcp, udp (which are answered), silent (which aren't), listen. Status 1: our own
new datagram isn't answered while there are so many, or, but for tcp, our new
connection.
"""
import socket, sys, time

def tcp():
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(where)
    return s

def udp(port=None):
    s = socket.socket(type=socket.SOCK_DGRAM)
    s.connect((where[0], port or where[1]))
    s.send(b"hello")
    return s

def silent():
    return udp(9)

def listen():
    return socket.create_server(("", 20000 + len(have)), backlog=1)

def answered():
    s = udp()
    s.settimeout(1)
    try:
        return s.recv(10) == b"hello"
    except OSError:
        return False

def connects():
    try:
        s = socket.create_connection(where, 3)
        s.sendall(b"hello")
        return s.recv(10) == b"hello"
    except OSError:
        return False

kind, where = sys.argv[1], (sys.argv[2], int(sys.argv[3]))
have = []
begun = time.monotonic()
for i in range(int(sys.argv[4])):
    have.append(globals()[kind]())
    if i % 20 == 0:
        time.sleep(0.002)
wrong = []
while time.monotonic() < begun + 2:
    if not answered():
        wrong.append("no answer")
    if kind != "tcp" and not connects():
        wrong.append("no connection")
    time.sleep(0.1)
print(*wrong, flush=True)
sys.exit(bool(wrong))
END_OF_USE_UP
chmod 755 "$T/bin/use_up"

beside_serve
limit=300
# shellcheck disable=SC2034 # for pasta_up
pasta_with="prlimit --nofile=$limit:$limit"
pasta_up --config-net -t auto -u none -T none -U none

# shellcheck disable=SC2012 # numbers
fds() { ls "/proc/$pasta_pid/fd" | wc -l; }

# used NAME KIND NUMBER LEAST [SECONDS]: until they come back
used()
{
	used_before=$(fds)
	rm -f "$T/over"
	while [ ! -e "$T/over" ]; do
		fds
		sleep 0.05
	done >"$T/fds" &
	used_counter=$!
	beside "$1 use up the descriptors: names can be asked for" \
		"$T/bin/use_up" "$2" "$WORLD4" 90 "$3"
	: >"$T/over"
	wait "$used_counter"
	used_most=$(sort -n "$T/fds" | tail -n 1)
	ok "... of $limit, there were $used_most" [ "$used_most" -ge "$4" ]
	[ "$5" ] || return
	# but those of the questions
	wait_for "[ \$(fds) -le $((used_before + 25)) ]" "$5"
	is $? 0 '... all come back' || diag "$used_before before, $(fds) now"
}
used 'connections' tcp 400 $((limit - 10)) 5
used 'listeners' listen 400 $((limit / 3)) 5
used 'datagrams' udp 400 $((limit - 10))
# an endpoint stays for half a minute after its question, for three with an answer
used 'datagrams that nobody answers' silent 400 $((limit - 10)) \
	"${FLOOD_LONG:+240}"
ok 'the daemon lives' alive "$pasta_pid"
pasta_down
done_testing
