#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# System calls fail, once and now and then, with a guest by vhost-user, while its
# front-end connects as well; and its memory is taken away.
# timeout 300

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/faults.sh
. "$(dirname "$0")/../lib/faults.sh"
world_up
faults_up

sock=$T/user/passt.socket
spawn user failing "$f" passt --vhost-user -f -s "$sock" -t 9001 -u 9001 2>"$T/passt.err"
passt=$pid
wait_for "grep -q '^Seccomp:.*2' /proc/$passt/status" || bail "$(cat "$T/passt.err")"

# The guest is a namespace; its device stays when a front-end goes
in_guest()
{
	ip netns exec guest "$@"
}
ip netns add guest
in_guest sysctl -qw net.ipv6.conf.default.accept_ra=0
ip -n guest -b - <<-E
	link set lo up
	tuntap add mode tap vnet_hdr eth0
	link set eth0 up mtu 65520
	address add $HOST4/24 dev eth0
	address add $HOST6/64 dev eth0 nodad
	route add default via $GW4
	route add default via $GW6LL dev eth0
E

# A front-end comes: $front
front_comes()
{
	: >"$T/front"
	spawn net:guest "${PASST_TOOLS_DIR:-$TOP/build/tools}/vufront" "$sock" tap eth0 \
		>"$T/front" 2>&1 7>&-
	front=$pid
	wait_for "grep -q ready '$T/front'"
}

front_comes || bail "vufront: $(cat "$T/front")"
ok 'the guest is there' in_guest ping -qc 3 -i 0.2 "$GW4"
faults_serve world 9001
faults_serve net:guest 9001
link='file:read file:write'
try net:guest "$WORLD4" 9001 'the guest connects' "$link tcp:recvmsg tcp:sendmsg"
try world "$HOST6" 9001 'the host connects' "$link"
try udp net:guest "$WORLD6" 9001 'the guest asks' "$link"
try udp world "$HOST4" 9001 'the host asks' "$link"
is "$(grep -c 'ending the connection' "$T/passt.err")" 0 'the link has not been lost'

# A request, to be sent when we say so, and what is answered
make_file "$T/file" 4
sum=$(sha256 "$T/file")
spawn world socat TCP-LISTEN:9002,reuseaddr,fork "SYSTEM:read x; cat '$T/file'"
wait_port world tcp 9002
mkfifo "$T/ask"
spawn net:guest sh -c "socat -t 60 - TCP:$WORLD4:9002 <'$T/ask' >'$T/answer'"
client=$pid
exec 7>"$T/ask"
ok 'a connection is there' wait_for "in_world ss -Htn state established \
	'sport = :9002' | grep -q ."

# While others come, the connection's own calls fail
n=0
for what in EINTR EAGAIN ENOBUFS ENOMEM EMFILE EPERM; do
	stop "$front"
	wait_for "[ \"\$(grep -c 'Client connection closed' '$T/passt.err')\" = $((n += 1)) ]"
	before=$("$peer" set "$f" unix:recvmsg=$what%3 unix:recv=$what%4 unix:send=$what%3)
	front_comes
	is $? 0 "a front-end comes while there is $what"
	ok '... the guest is there' wait_for \
		"in_guest ping -qc 1 -W 1 '$GW4' >/dev/null" 5
	after=$("$peer" set "$f")
	ok "... $((after - before)) faults" [ "$after" -gt "$((before + 5))" ]
done
is "$(grep -c 'ending the connection' "$T/passt.err")" 0 'none has been turned away'

# One leaves while what it has sent can't be read
with=$(fds_of "$passt")
stop "$front"
wait_for "[ \"\$(fds_of $passt)\" -lt $with ]"
without=$(steady 1 fds_of "$passt")
before=$("$peer" set "$f" unix:recvmsg=EMFILE%1)
printf x | socat - "UNIX-CONNECT:$sock"
wait_for "[ \"\$('$peer' set '$f' unix:recvmsg=EMFILE%1)\" -gt $before ]"
ok "one that has gone isn't waited for" wait_for "[ \"\$(fds_of $passt)\" = $without ]"
"$peer" set "$f" >/dev/null
front_comes

# Its memory is taken away, and then the answer comes
kill -USR1 "$front"
echo >&7
ok 'memory is taken away: the front-end is told' wait_gone "$front"
is "$(grep -c "the guest's memory was taken away, ending" "$T/passt.err")" 1 '... by one line'
is "$(grep -c 'ending the connection' "$T/passt.err")" 1 '... and no other'
front_comes
exec 7>&-
ok 'the connection has survived that' wait_gone "$client" 60
is "$(sha256 "$T/answer")" "$sum" '... and has its answer'

stop "$front"
stop "$passt"
done_testing
