#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a guest reaches on its host, and others reach of it, by who started it; and what
# closes each way: what doc/security.md says of that. As slirp4netns: slirp_cli.sh.
# timeout 60

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
world_greets
# a service on all of the host's addresses, and a resolver on its loopback
spawn host socat TCP4-LISTEN:7778,reuseaddr,fork 'SYSTEM:echo host'
wait_port host tcp 7778
spawn host dnsmasq --no-daemon --no-resolv --no-hosts --bind-interfaces \
	--listen-address=127.0.0.1 --host-record=lo.example.org,192.0.2.77 \
	--pid-file= --log-facility=- >"$T/dnsmasq.lo" 2>&1
wait_port host udp 53

# reaches ADDR PORT: what is said there, or nothing
reaches()
{
	in_ns "$ns" timeout 5 socat -T 3 -u "TCP:$1:$2" - 2>/dev/null
}
# resolves ADDR: by the resolver of the host's loopback?
resolves()
{
	in_ns "$ns" timeout 3 "$TOP/test/tools/peer" dns udp "$1" \
		lo.example.org A 2>/dev/null | grep -c '^1 4'
}
# way NAME LOOPBACK SPLICED RESOLVER: each what is had, by the gateway's address and the
# namespace's own loopback; and from a resolver at the gateway's
way()
{
	is "$(reaches "$GW4" 7777)" "$2" "$1: the host's loopback, by the gateway"
	is "$(reaches 127.0.0.1 7777)" "$3" '  by the own loopback'
	is "$(resolves "$GW4")" "$4" '  its resolver, by the gateway'
}

echo nameserver 127.0.0.1 >"$T/resolv.conf"
pasta_up --config-net
# what listens is seen within a second
wait_for "[ \"\$(reaches 127.0.0.1 7777)\" ]"
way 'pasta' loopback loopback 1
pasta_down
pasta_up --config-net --no-map-gw -T none -U none
way 'closed' '' '' 0
pasta_down
pasta_up --config-net --no-map-gw --no-splice
way 'closed by --no-splice' '' '' 0
pasta_down
pasta_up --config-net --deny host --allow any
way '--deny host' '' '' 0
pasta_down

# as Podman does
container='--config-net --no-map-gw -t none -u none -T none -U none
	--dns-forward 169.254.1.1 --map-guest-addr 169.254.1.2'
# shellcheck disable=SC2086 # words
pasta_up $container
way 'a container' '' '' 0
is "$(reaches 169.254.1.2 7778)" host "... the host's own address by 169.254.1.2"
is "$(reaches 169.254.1.2 7777)" '' '... and not what is on its loopback'
is "$(resolves 169.254.1.1)" 1 '... its resolver by 169.254.1.1'
pasta_down
# shellcheck disable=SC2086 # words
pasta_up $container --map-guest-addr none
is "$(reaches 169.254.1.2 7778)" '' '--map-guest-addr none closes that'
pasta_down

# from outside: what listens inside is open to the world, or where it's asked for
inside()
{
	spawn "ns:$ns" socat TCP4-LISTEN:7779,reuseaddr,fork 'SYSTEM:echo inside'
	wait_port "ns:$ns" tcp 7779
}
outside()
{
	in_world timeout 5 socat -T 3 -u "TCP:$HOST4:7779" - 2>/dev/null
}
pasta_up --config-net
inside
ok 'pasta follows what listens inside' \
	wait_for "[ \"\$(outside)\" = inside ]"
pasta_down
pasta_up --config-net -t none -u none
inside
is "$(outside)" '' 'not with -t none'
pasta_down
pasta_up --config-net -t 127.0.0.1/7779
inside
is "$(socat -T 3 -u TCP:127.0.0.1:7779 -)" inside 'a port on loopback'
is "$(outside)" '' '... and not on the network'
pasta_down

spawn user passt -q -f -s "$T/user/sock" --control "$T/user/control" \
	-c "$T/user/conf" --pcap "$T/user/pcap"
wait_for "[ -S '$T/user/sock' ]"
is "$(ss -Hlntu "( sport != :53 and sport != :7777 and sport != :7778 )")" '' \
	'passt opens no port'
is "$(cd "$T/user" && stat -c '%n %a' control conf pcap | tr '\n' ' ')" \
	'control 600 conf 600 pcap 600 ' "what is its owner's alone"
# one guest at a time: another one is turned away; a length above 65535 ends a guest
is "$(python3 - "$T/user/sock" <<'END_OF_GUESTS'
import socket, sys
def guest():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    s.connect(sys.argv[1])
    return s
def is_over(s):
    try:
        while s.recv(65536):
            pass
        return True
    except ConnectionError:
        return True
    except TimeoutError:
        return False
first = guest()
first.recv(1)
print(is_over(guest()), end=" ")
first.send(b"\0\0\0\15" + bytes(13))
first.settimeout(0.2)
print(is_over(first), end=" ")
first.settimeout(5)
first.send(b"\0\1\0\0")
print(is_over(first))
END_OF_GUESTS
)" 'True False True' 'a second guest, and one that sends a bad length, are turned away'
ok '... it lives' alive "$pid"
stop "$pid"

done_testing
