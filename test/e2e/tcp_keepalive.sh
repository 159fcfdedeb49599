#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Keepalive of the guest's applications is between them and their peers: it keeps
# state on the path alive, and tells that a peer is dead, when it would tell a
# process of the host.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun

# ends NAME CMD ARGS...: one end of a connection, see below; says "ready" in $T/NAME
cat >"$T/bin/ends" <<'E2'
#!/usr/bin/python3
"""ends serve PORT              accept, and keep
   ends hold ADDR PORT          connect, and keep
   ends connect ADDR PORT N     keepalive each second, N times: prints the error that
   ends accept PORT N           comes, and how long after /run/test/cut was made"""
import errno, os, select, socket, sys, time
def listen(port):
    return socket.create_server(("::", int(port)), family=socket.AF_INET6,
                                dualstack_ipv6=True)
what, *args = sys.argv[1:]
if what == "serve":
    l, kept = listen(args[0]), []
    print("ready", flush=True)
    while True:
        kept.append(l.accept())
if what == "accept":
    l = listen(args[0])
    print("listens", flush=True)
    s, _ = l.accept()
else:
    s = socket.create_connection(args[:2], 5)
if what != "hold" and int(args[-1]):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, int(args[-1]))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
print("ready", flush=True)
p = select.poll()
p.register(s, select.POLLIN)
p.poll(20000)
e = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
after = time.time() - os.path.getmtime("/run/test/cut")
print(errno.errorcode.get(e, e), round(after * 10), flush=True)
E2
chmod 755 "$T/bin/ends"

# how many keepalive probes the host's kernel has sent
asked()
{
	nstat -asz TcpExtTCPKeepAlive | awk '/KeepAlive/ { print int($2) }'
}
# start NAME WHERE CMD...
start()
{
	start_name=$1
	start_where=$2
	shift 2
	spawn "$start_where" ends "$@" >"$T/$start_name"
}
ready()
{
	for ready_name; do
		wait_for "grep -q ready '$T/$ready_name'" || cat "$T/$ready_name"
	done
}

pasta_up --config-net -t 8022-8023 -u none -T none -U none
start server world serve 90
ready server
start quiet "ns:$ns" connect "$WORLD4" 90 0
quiet=$pid
ready quiet
before=$(asked)
pause 2.5
is $(($(asked) - before)) 0 'nothing is asked for a guest that does not ask'

start in4 "ns:$ns" accept 8022 3
start in6 "ns:$ns" accept 8023 3
wait_for "grep -q listens '$T/in4' && grep -q listens '$T/in6'"
start client4 world hold "$HOST4" 8022
start client6 world hold "$HOST6" 8023
start out4 "ns:$ns" connect "$WORLD4" 90 3
start out6 "ns:$ns" connect "$WORLD6" 90 3
ready out4 out6 in4 in6
before=$(asked)
pause 3.5
n=$(($(asked) - before))
ok "four that ask each second are asked for: $n times in 3.5 s" \
	[ $n -ge 8 -a $n -le 16 ]
is "$(cat "$T/out4" "$T/out6" "$T/in4" "$T/in6" | sort | uniq -c | tr -s ' \n' ' ')" \
	' 2 listens 4 ready ' 'peers that are there are there'

start host4 host connect "$WORLD4" 90 3
start host6 host connect "$WORLD6" 90 3
ready host4 host6
pause 1.5
: >"$T/cut"
in_world ip link set eth0 down
for name in host4 host6 out4 out6 in4 in6; do
	wait_for "grep -q '^E' '$T/$name'" 20
done
as_host=$(awk '/^E/ { print $2 }' "$T/host4")
for name in out4 out6 in4 in6; do
	is "$(awk '/^E/ { print $1 }' "$T/$name")" \
		"$(awk '/^E/ { print $1 }' "$T/host${name#*[nt]}")" \
		"$name: a peer that is gone is found out"
	late=$(($(awk '/^E/ { print $2 }' "$T/$name") - as_host))
	ok "$name: ... $late tenths of a second after a process of the host" \
		[ $late -ge -15 -a $late -le 15 ]
done
is "$(cat "$T/quiet")" ready 'who does not ask is not told'
# it would wait for what can't be said to the peer any more
stop "$quiet" "$pasta_pid"
done_testing
