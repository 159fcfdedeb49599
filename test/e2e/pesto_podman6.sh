#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Podman 6's rootless bridge networks with pasta as the port forwarder: its command
# lines and its order, with a container behind the shared namespace. No Podman of that
# version is needed: this is all that it does.

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
pod_up
dir=$T/user/rootless-netns
in_pod mkdir "$dir"
n=$dir/rootless-netns
inside()
{
	in_pod nsenter --net="$n" -- "$@"
}
# the forwarder: started by Podman in its user namespace, output only looked at if
# it fails
forward()
{
	in_pod timeout 20 pesto "$@" "$dir/pasta.sock" 2>&1 </dev/null
}

netns_new "$n"
out=$(in_pod timeout 20 pasta --config-net --pid "$dir/rootless-netns-conn.pid" \
	-c "$dir/pasta.sock" --dns-forward 169.254.1.1 -t none -u none -T none \
	-U none --no-map-gw --quiet --netns "$n" --map-guest-addr 169.254.1.2 \
	2>&1 </dev/null)
is "$? $out" '0 ' 'the shared namespace'
conn=$(cat "$dir/rootless-netns-conn.pid")
ok '... its process is there' kill -0 "$conn"

# a network with a container, as netavark makes it
spawn user nsenter --preserve-credentials -U -m -t "$pod" -- unshare -n sleep 4711
container=
wait_for 'container=$(pgrep -xf "sleep 4711")'
inside sh -c "
	ip link add podman1 type veth peer name eth0 netns $container &&
	ip addr add 10.88.0.1/16 dev podman1 &&
	ip addr add fd00::1/64 dev podman1 nodad && ip link set podman1 up &&
	echo 1 >/proc/sys/net/ipv4/ip_forward &&
	echo 1 >/proc/sys/net/ipv6/conf/all/forwarding" || bail 'no network'
in_container()
{
	in_pod nsenter --net="/proc/$container/ns/net" -- "$@"
}
in_container sh -c "
	ip addr add 10.88.0.5/16 dev eth0 && ip addr add fd00::5/64 dev eth0 nodad &&
	ip link set eth0 up && ip link set lo up &&
	ip route add default via 10.88.0.1 && ip -6 route add default via fd00::1"
for port in 80 81 82; do
	spawn user nsenter --preserve-credentials -U -m -t "$pod" -- \
		nsenter --net="/proc/$container/ns/net" -- \
		socat "TCP6-LISTEN:$port,ipv6only=0,reuseaddr,fork" \
		"SYSTEM:echo container $port"
done
wait_for '[ "$(in_container ss -Hltn | wc -l)" = 3 ]'
says()
{
	in_world timeout 5 socat -u "$1" STDOUT 2>/dev/null
}

# a container is started: with the target, as later versions have it
is "$(forward --add -t 0.0.0.0/8080:10.88.0.5/80 -t '[::]/8080:fd00::5/80')$?" 0 \
	'a published port'
is "$(says "TCP4:$HOST4:8080")" 'container 80' '... from the network'
is "$(says "TCP6:[$HOST6]:8080")" 'container 80' '... by IPv6'
is "$(socat -u TCP4:127.0.0.1:8080 STDOUT)" 'container 80' '... from the host'
is "$(forward --add -t 0.0.0.0/8080:10.88.0.5/80 -t '[::]/8080:fd00::5/80')$?" 0 \
	'... published again'
is "$(forward --add -t 0.0.0.0/8081-8082:10.88.0.5/81-82)$?" 0 'a range'
is "$(says "TCP4:$HOST4:8082")" 'container 82' '... of which each one leads there'
out=$(forward --add -t 0.0.0.0/8082:10.88.0.6/80)
is "$?" 1 'a port that another container has'
like "$out" '*conflict*8082*' '... is told'
spawn host socat "TCP4-LISTEN:8083,bind=$HOST4" EXEC:true
wait_port host tcp 8083
out=$(forward --add -t 0.0.0.0/8083:10.88.0.5/80)
is "$?" 1 'a port of somebody else'"'"'s'
like "$out" '*8083*Address already in use*' '... is told'
stop "$pid"

# as 0.68 of its library had it: the port leads to the namespace, which sends it on
inside sh -c "nft -f - 2>/dev/null" <<-'N' && nat=1 || nat=
	table ip netavark {
		chain prerouting {
			type nat hook prerouting priority dstnat;
			tcp dport 8084 dnat to 10.88.0.5:80
		}
	}
N
is "$(forward --add -t 0.0.0.0/8084 -t '[::]/8084')$?" 0 'without a target'
if [ "$nat" ]; then
	is "$(says "TCP4:$HOST4:8084")" 'container 80' '... by the namespace'"'"'s NAT'
else
	skip 'no NAT here'
fi
is "$(forward --delete -t 0.0.0.0/8084 -t '[::]/8084')$?" 0 '... it goes'
not_ok '... really' listening host tcp 8084

# it stops
is "$(forward --delete -t 0.0.0.0/8080:10.88.0.5/80 -t '[::]/8080:fd00::5/80')$?" 0 \
	'a container is stopped'
not_ok '... its port is closed' listening host tcp 8080
is "$(says "TCP4:$HOST4:8081")" 'container 81' '... those of others are not'
out=$(forward --delete -t 0.0.0.0/8080:10.88.0.5/80)
is "$?" 1 '... twice is an error'

# the last one: Podman unmounts the namespace, then ends us by the PID
in_pod umount "$n"
kill "$conn"
ok 'the end' wait_gone "$conn" 10
not_ok '... leaves no port' listening host tcp 8081
ok '... nor a socket' wait_for '[ ! -e "$dir/pasta.sock" ]'
done_testing
