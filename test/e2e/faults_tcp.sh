#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Each system call of TCP fails, once and now and then, while connections are opened
# from both sides and data flows both ways: that costs a moment.
# timeout 400

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/faults.sh
. "$(dirname "$0")/../lib/faults.sh"
world_up
faults_up
pasta_with="failing $f"
pasta_up --config-net -t 9001 -u none -T 9002 -U none
faults_serve world 9001
faults_serve "ns:$ns" 9001
faults_serve host 9002

cat >"$T/bin/asks" <<'END_OF_ASKS'
#!/usr/bin/python3
"""asks ADDR PORT N: questions, each on a connection of its own; how many weren't answered"""
import socket, struct, sys
bad = 0
for i in range(int(sys.argv[3])):
    try:
        with socket.create_connection((sys.argv[1], int(sys.argv[2])), 5) as s:
            s.sendall(struct.pack("!4sII", b"ask.", i, 10))
            bad += len(s.recv(10, socket.MSG_WAITALL)) != 10
    except OSError:
        bad += 1
print(bad)
END_OF_ASKS
chmod 755 "$T/bin/asks"
# asked WHAT WHERE PORT N RULE...: each of N questions from there is answered
asked()
{
	asked_what=$1 asked_where=$2 asked_port=$3 asked_n=$4
	shift 4
	before=$("$peer" set "$f" "$@")
	is "$(world_exec "$asked_where" "$T/bin/asks" 127.0.0.1 "$asked_port" \
		"$asked_n")" 0 "$asked_what, $*"
	after=$("$peer" set "$f")
	ok "... $((after - before)) faults" [ "$after" -ge $((before + $#)) ]
}

# Pipes are kept when they have been used, and sockets inside made ahead
asked 'the first pipes' "ns:$ns" 9002 1 file:pipe2=ENOMEM@1 file:fcntl=EPERM%1
for what in clone=EAGAIN@1 clone=ENOMEM%2 setns=ENOMEM@1 setns=EPERM%2 waitpid=EINTR%2; do
	asked 'into the namespace' host 9001 150 "any:$what"
done

calls='tcp:setsockopt tcp:getsockopt tcp:epoll_ctl tcp:sendmsg tcp:recvmsg tcp:recv
	tcp:shutdown'
try "ns:$ns" "$WORLD4" 9001 'the guest connects' \
	"tcp:socket tcp:connect $calls file:read file:write file:writev"
try again "ns:$ns" "$WORLD4" 9001 'the guest connects' \
	'file:epoll_wait=EINTR%3 tcp:ioctl=ENOMEM%2'
try world "$HOST4" 9001 'the host connects' "tcp:accept4 tcp:getsockname $calls"

calls='tcp:socket tcp:setsockopt tcp:connect tcp:getsockname tcp:epoll_ctl
	tcp:splice file:splice tcp:shutdown'
try "ns:$ns" 127.0.0.1 9002 'from loopback to loopback' "tcp:accept4 $calls"

try again world "$HOST4" 9001 'the host connects' 'file:epoll_wait=EINTR%3'

pasta_down
done_testing
