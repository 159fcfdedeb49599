#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 300
#
# Podman, rootless, with our program as its network: as slirp4netns, and, where
# Podman knows it (4.4 and later), as pasta.
#
# PODMAN and CONTAINERS_HELPER_BINARY_DIR name another one, see test/lib/rootless.sh

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/rootless.sh
. "$(dirname "$0")/../lib/rootless.sh"

command -v "$PODMAN" >/dev/null || skip_all "podman isn't installed"
world_up
need_tun
rootless_up
helper_up slirp4netns

world_greets
podman_up

slirp_cells()
{
	net=slirp4netns
	outbound slirp4netns
	like "$(run ip -4 addr show tap0)" '*inet 10.0.2.100/24*' \
		'slirp4netns: address'
	like "$(run cat /etc/resolv.conf)" '*nameserver 10.0.2.3*' \
		'slirp4netns: resolver'
	is "$(run sh -c 'echo start; socat -T 3 -u "$0" -; echo end' \
		TCP:10.0.2.2:7777,connect-timeout=2 2>/dev/null)" 'start
end' "slirp4netns: the host's loopback is out of reach"
	net=slirp4netns:allow_host_loopback=true
	is "$(run socat -u TCP:10.0.2.2:7777 -)" loopback \
		'slirp4netns: ... but with allow_host_loopback=true'
	net=slirp4netns:enable_ipv6=true,cidr=10.7.7.0/24,mtu=9000
	is "$(run wget -qO- "http://[$WORLD6]/hello")" 'hello from the world' \
		'slirp4netns: enable_ipv6=true'
	like "$(run ip addr show tap0)" '*mtu 9000*10.7.7.100/24*fd00::*' \
		'slirp4netns: cidr, mtu'
	net=slirp4netns:enable_ipv6=false
	like "$(run ip addr show tap0)" '*10.0.2.100/24*' \
		'slirp4netns: enable_ipv6=false'
	net=slirp4netns:outbound_addr=$HOST4
	is "$(run wget -qO- "http://$WORLD4/hello")" 'hello from the world' \
		'slirp4netns: outbound_addr'
	net=slirp4netns
	published 'slirp4netns, RootlessKit forwards' '10.0.2.100' '10.0.2.100'
	net=slirp4netns:port_handler=slirp4netns
	published 'slirp4netns forwards' 10.0.2.2 "$WORLD4"
}

# containers of a network of their own, behind one slirp4netns, or pasta, for all
bridge_cells()
{
	if [ ! -x /mnt/bin/netavark ] || ! command -v iptables >/dev/null ||
	   ! podman network create bridge1 >/dev/null 2>&1; then
		skip 'no bridges: netavark or iptables is missing'
		return
	fi
	net=bridge1
	is "$(run wget -qO- http://v4.example.org/hello 2>/dev/null)" \
		'hello from the world' 'bridge: TCP, by name'
	published bridge '10.89.*' '10.89.*'
	podman network rm bridge1 >/dev/null 2>&1
}

pasta_cells()
{
	net=pasta
	outbound pasta
	net=pasta:--map-gw
	is "$(run socat -u "TCP:$GW4:7777" -)" loopback \
		"pasta: the host's loopback, with --map-gw"
	net=pasta
	is "$(run sh -c 'echo start; socat -T 3 -u "$0" -; echo end' \
		"TCP:$GW4:7777,connect-timeout=2" 2>/dev/null)" 'start
end' "pasta: the host's loopback is out of reach"
	published pasta '*' "$WORLD4"
}

if [ "$major" -lt 6 ]; then
	slirp_cells
else
	skip "podman $version has no slirp4netns"
fi
if [ "$major" -gt 4 ] || { [ "$major" -eq 4 ] && [ "$minor" -ge 4 ]; }; then
	pasta_cells
else
	skip "podman $version has no pasta"
fi

bridge_cells

podman_down
done_testing
