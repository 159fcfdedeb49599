#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A link of 1400 bytes beyond the host's own: who asks how large a packet may be
# gets that answer, by UDP, and nobody else notices.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
peer=$TOP/test/tools/peer

FAR4=198.18.0.2 FAR6=2001:db8:200::2
ip netns add far
in_far() { (world_exec net:far "$@"); }
in_far sysctl -qw net.ipv6.conf.all.accept_dad=0 \
	net.ipv6.conf.default.accept_dad=0
in_world sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
in_world ip -b - <<-E
	link add narrow mtu 1400 type veth peer name narrow mtu 1400 netns far
	link set narrow up
	address add 198.18.0.1/24 dev narrow
	address add 2001:db8:200::1/64 dev narrow nodad
	E
in_far ip -b - <<-E
	link set lo up
	link set narrow up
	address add $FAR4/24 dev narrow
	address add $FAR6/64 dev narrow nodad
	route add default via 198.18.0.1
	E
in_far ip -6 route add default via 2001:db8:200::1
wait_for 'world_settled in_world && world_settled in_far'
spawn net:far "$peer" serve 9003 >"$T/serve"
wait_for "grep -q ready '$T/serve'"

# asks ADDR HOW SIZE...: what becomes of datagrams of these sizes, with
# IP_MTU_DISCOVER set so (0: DONT, 1: WANT, 2: DO, 3: PROBE; 12, 13: connected), one
# after the other by one socket
cat >"$T/asks" <<-'E'
	import errno, socket, sys
	v6 = ":" in sys.argv[1]
	how, to = int(sys.argv[3]), (sys.argv[1], int(sys.argv[2]))
	s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET,
	                  socket.SOCK_DGRAM)
	level = socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP
	s.setsockopt(level, 23 if v6 else 10, how % 10)
	s.setsockopt(level, 25 if v6 else 11, 1)    # IP_RECVERR
	s.settimeout(3)
	if how > 10:
	    s.connect(to)
	for size in map(int, sys.argv[4:]):
	    try:
	        s.send(b"x" * size) if how > 10 else s.sendto(b"x" * size, to)
	        print(len(s.recv(65536)), end=" ")
	    except OSError as e:
	        print(errno.errorcode.get(e.errno, e), end=" ")
	        try:
	            s.recvmsg(2048, 512, socket.MSG_ERRQUEUE)
	        except OSError:
	            pass
	E
asks()
{
	asks_to=$1
	shift
	in_ns "$ns" python3 "$T/asks" "$asks_to" 9003 "$@"
}
pmtu() { in_ns "$ns" tracepath -n "$1" | sed -n 's/.*Resume: pmtu \([0-9]*\).*/\1/p'; }

pasta_up --config-net -t none -u none -T none -U none
for a in "$FAR4" "$FAR6"; do
	is "$(pmtu "$a")" 1400 "tracepath to $a"
	is "$(pmtu "$a")" 1400 '... and again'
done
pasta_down

pasta_up --config-net -t none -u none -T none -U none
# 1372 bytes and headers are 1400
is "$(asks "$FAR4" 3 1372 1373 1473 9000 1372)" '1372 EMSGSIZE EMSGSIZE EMSGSIZE 1372 ' \
	'who probes is told'
pasta_down
pasta_up --config-net -t none -u none -T none -U none
is "$(asks "$FAR4" 2 1372 9000 1473 1373 1372)" '1372 EMSGSIZE EMSGSIZE EMSGSIZE 1372 ' \
	'who forbids fragments is told'
is "$(asks "$FAR4" 12 1473 9000 1372) $(asks "$FAR4" 13 1473 9000 1372)" \
	'EMSGSIZE EMSGSIZE 1372  EMSGSIZE EMSGSIZE 1372 ' '... by other sockets, too'
pasta_down
# what he was told counts for whatever he does then. (What the host knows already it
# cuts up itself: nobody would be told.)
for how in 3 13 2 12; do
	ip -6 route flush cache
	pasta_up --config-net -t none -u none -T none -U none
	is "$(asks "$FAR6" $how 9000 9000 1353 1352)" \
		'EMSGSIZE EMSGSIZE EMSGSIZE 1352 ' "IPv6, $how: is told"
	is "$(asks "$FAR6" $how 9000 1352)" 'EMSGSIZE 1352 ' '... and the next one'
	is "$(asks "$FAR6" 1 9000 60000)" '9000 60000 ' '... others needn'"'t care"
	pasta_down
done
pasta_up --config-net -t none -u none -T none -U none
is "$(asks "$FAR4" 1 9000 60000 1473)" '9000 60000 1473 ' 'others needn'"'t care"
is "$(asks "$FAR4" 0 9000 60000 1473 1373)" '9000 60000 1473 1373 ' \
	'... nor who never sets DF'
pasta_down

done_testing
