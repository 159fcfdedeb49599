#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# doc/security.md says what is not protected, and what is: each of its sentences,
# from inside and from outside.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
peer=$TOP/test/tools/peer
none='-t none -u none -T none -U none'

spawn host socat TCP4-LISTEN:7777,bind=127.0.0.1,reuseaddr,fork \
	'SYSTEM:echo loopback'
spawn host socat 'TCP6-LISTEN:7777,bind=[::1],reuseaddr,fork' \
	'SYSTEM:echo loopback'
spawn world "$peer" serve 9003 >"$T/serve" 2>&1
world_server=$pid
wait_port host tcp 7777 && wait_for "grep -q ready '$T/serve'"

# reaches ADDR: what answers inside at port 7777
reaches()
{
	in_ns "$ns" timeout 5 socat -T 2 - "TCP:$1:7777,connect-timeout=2" \
		</dev/null 2>/dev/null
}

### The host's loopback

# shellcheck disable=SC2086 # words
pasta_up --config-net $none
is "$(reaches $GW4)" loopback 'the gateway leads to 127.0.0.1'
is "$(reaches "[$GW6LL%eth0]")" loopback '... to ::1'
pasta_down
# shellcheck disable=SC2086 # words
pasta_up --config-net $none --no-map-gw
is "$(reaches $GW4)" '' '--no-map-gw: it does not'
is "$(reaches "[$GW6LL%eth0]")" '' '... IPv6'
pasta_down
# shellcheck disable=SC2086 # words
pasta_up --config-net $none --map-host-loopback 192.0.2.77 \
	--map-host-loopback 2001:db8:f::77
is "$(reaches 192.0.2.77)" loopback '--map-host-loopback: that address does'
is "$(reaches '[2001:db8:f::77]')" loopback '... IPv6'
is "$(reaches $GW4)" '' '... the gateway does not'
pasta_down
# shellcheck disable=SC2086 # words
pasta_up --config-net $none --map-host-loopback none
is "$(reaches $GW4)" '' '--map-host-loopback none: neither'
is "$(reaches "[$GW6LL%eth0]")" '' '... IPv6'
pasta_down

### The host's resolver

spawn host dnsmasq --no-daemon --no-resolv --no-hosts --bind-interfaces \
	--listen-address=127.0.0.1 --address=/loop.example/192.0.2.99 \
	--pid-file= --log-facility=- --conf-file=/dev/null 2>/dev/null
loop_dns=$pid
wait_port host udp 53
asks() { in_ns "$ns" timeout 5 "$peer" dns "$1" "$2" loop.example A; }
# shellcheck disable=SC2086 # words
pasta_up --config-net $none --no-map-gw --dns-forward 192.0.2.53 \
	--dns-host 127.0.0.1
for proto in udp tcp; do
	is "$(asks $proto 192.0.2.53)" '1 46' \
		"--dns-forward leads to a resolver on loopback, by $proto"
done
is "$(reaches 192.0.2.53)" '' '... not to other ports'
pasta_down
printf 'nameserver 127.0.0.1\n' >"$T/resolv.conf"
# shellcheck disable=SC2086 # words
pasta_up --config-net $none
is "$(asks udp $GW4)" '1 46' 'a resolver on loopback: the gateway leads to it'
pasta_down
# shellcheck disable=SC2086 # words
pasta_up --config-net $none --no-map-gw
is "$(in_ns "$ns" "$peer" fails udp $GW4 53)" 'Connection refused' \
	'... not with --no-map-gw'
pasta_down
stop "$loop_dns"
printf 'nameserver %s\n' "$GW4" >"$T/resolv.conf"
spawn world dnsmasq --no-daemon --no-resolv --no-hosts --bind-interfaces \
	--listen-address=$GW4 --address=/loop.example/192.0.2.99 \
	--pid-file= --log-facility=- --conf-file=/dev/null 2>/dev/null
gw_dns=$pid
wait_port world udp 53
# shellcheck disable=SC2086 # words
pasta_up --config-net $none
is "$(asks udp $GW4)" '1 46' 'a resolver that is the gateway: it is reached'
is "$(reaches $GW4)" loopback '... whose other ports are loopback'
pasta_down
stop "$gw_dns"
world_resolv

### Networks; addresses; traffic

# shellcheck disable=SC2086 # words
pasta_up --config-net $none
like "$(in_ns "$ns" "$peer" ask $WORLD4 9003 WHO)" "$HOST4 *" \
	'beyond the host: seen as the host'
like "$(in_ns "$ns" "$peer" ask $WORLD6 9003 WHO)" "$HOST6 *" '... IPv6'
in_ns "$ns" ip addr add 10.99.0.1/32 dev eth0
like "$(PEER_SOURCE=10.99.0.1 in_ns "$ns" "$peer" ask $WORLD4 9003 WHO)" \
	"$HOST4 *" "another address of the guest's: seen as the host"
like "$(PEER_SOURCE=10.99.0.1 in_ns "$ns" "$peer" udpask $WORLD4 9003 WHO)" \
	"$HOST4 *" '... by UDP'
pasta_down

### Ports on all interfaces

pasta_up --config-net -t 8080 -t 127.0.0.1/8081 -u none -T none -U none
spawn "ns:$ns" socat TCP6-LISTEN:8080,reuseaddr,fork 'SYSTEM:echo inside'
spawn "ns:$ns" socat TCP6-LISTEN:8081,reuseaddr,fork 'SYSTEM:echo inside'
wait_port "ns:$ns" tcp 8080 && wait_port "ns:$ns" tcp 8081
from() { (world_exec "$1" timeout 5 socat -T 2 - "TCP:$2" </dev/null) 2>/dev/null; }
is "$(from world $HOST4:8080)" inside '-t 8080: from outside'
is "$(from world "[$HOST6]:8080")" inside '... IPv6'
is "$(from world $HOST4:8081)" '' '-t 127.0.0.1/8081: not from outside'
is "$(from host 127.0.0.1:8080)" inside 'who is on the host connects to both'
is "$(from host 127.0.0.1:8081)" inside '... of them'
pasta_down

### UDP from outside

cat >"$T/hear" <<-'E'
	# a port that has sent one datagram, to ADDR, and says what it hears
	import socket, sys
	v6 = ":" in sys.argv[1]
	s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET,
	                  socket.SOCK_DGRAM)
	s.bind(("", 4444))
	s.sendto(b"x", (sys.argv[1], 9003))
	while True:
	    data, name = s.recvfrom(100)
	    print(data.decode(), name[0].split("%")[0], flush=True)
	E
# tell WHERE SOURCE TO WORD
tell()
{
	(world_exec "$1" python3 - "$2" "$3" "$4") <<-'E'
		import socket, sys
		source, to, word = sys.argv[1:]
		s = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET,
		                  socket.SOCK_DGRAM)
		s.bind((source, 0))
		s.sendto(word.encode(), (to, 4444))
		E
}
for opt in '' --no-map-gw; do
	# shellcheck disable=SC2086 # words
	pasta_up --config-net $none $opt
	for v in 4 6; do
		case $v in
		4)	to=$WORLD4 host=$HOST4 world=$WORLD4 lo=127.0.0.1 gw=$GW4 ;;
		6)	to=$WORLD6 host=$HOST6 world=$WORLD6 lo=::1 gw=$GW6 ;;
		esac
		spawn "ns:$ns" python3 "$T/hear" "$to" >"$T/heard"
		hearer=$pid
		wait_for "grep -q x '$T/heard'"
		tell host "$lo" "$lo" by-loopback
		tell host "$host" "$host" by-own-address
		# what was sent before is there before
		tell world "$gw" "$host" by-neighbour
		tell world "$world" "$host" by-stranger
		wait_for "grep -q by-stranger '$T/heard'"
		is "$(sed '/^x /d' "$T/heard")" \
			"$(printf 'by-neighbour %s\nby-stranger %s' "$gw" "$world")" \
			"IPv$v ${opt:-by default}: anybody's datagrams, but no process of this host's"
		stop "$hearer"
	done
	pasta_down
done

### The UNIX socket

spawn user sh -c "umask 077; exec passt -f -s '$T/user/guest.sock'" \
	2>"$T/passt.err"
passt=$pid
wait_for "[ -S '$T/user/guest.sock' ]"
is "$(stat -c %a "$T/user/guest.sock")" 700 'the mode of the socket: by the umask'
cat >"$T/two" <<-'E'
	import socket, sys
	a, b = (socket.socket(socket.AF_UNIX) for _ in range(2))
	a.connect(sys.argv[1])
	a.settimeout(5)
	a.recv(4)                       # an ARP request: we are the guest
	b.connect(sys.argv[1])
	b.settimeout(5)
	try:
	    turned_away = b.recv(1) == b""
	except ConnectionResetError:
	    turned_away = True
	a.recv(1)
	print("turned away" if turned_away else "served")
	E
is "$(python3 "$T/two" "$T/user/guest.sock")" 'turned away' \
	'one guest at a time'
stop "$passt"

### Log and capture files

# shellcheck disable=SC2086 # words
pasta_up --config-net $none --pcap "$T/user/pcap" --log-file "$T/user/log"
in_ns "$ns" "$peer" ask $WORLD4 9003 secret-word >/dev/null
pasta_down
is "$(stat -c %a "$T/user/pcap")" 600 'a capture is nobody else'"'s"
ok '... and holds all traffic' grep -qa secret-word "$T/user/pcap"
is "$(stat -c %a "$T/user/log")" 600 'so is a log'
ok '... which does not' sh -c "! grep -qa secret-word '$T/user/log'"

### Hiding

# shellcheck disable=SC2086 # words
pasta_up --config-net $none
out=$(in_ns "$ns" ip address; in_ns "$ns" ip route)
like "$out" "*$HOST4/24*via $GW4*" "the guest learns the host's address and route"
pasta_down
# shellcheck disable=SC2086 # words
pasta_up --config-net $none -4 -a 10.0.2.15/24 -g 10.0.2.2
out=$(in_ns "$ns" ip address; in_ns "$ns" ip route)
like "$out" '*10.0.2.15/24*via 10.0.2.2*' '-a, -g: others'
ok '... only these' sh -c "! echo '$out' | grep -q '$HOST4'"
pasta_down
stop "$world_server"

done_testing
