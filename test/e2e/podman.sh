#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 300
#
# Podman, rootless, with our program as its network: as slirp4netns, and, where
# Podman knows it (4.4 and later), as pasta.
#
#	PODMAN			another podman
#	CONTAINERS_HELPER_BINARY_DIR	and its helpers, which we leave alone

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/rootless.sh
. "$(dirname "$0")/../lib/rootless.sh"

PODMAN=${PODMAN:-podman}
command -v "$PODMAN" >/dev/null || skip_all "podman isn't installed"
world_up
need_tun
rootless_up
helper_up slirp4netns

# not in /run, of which Podman mounts another one for its bridges
mount -t tmpfs -o mode=1777 tmpfs /mnt || bail 'no tmpfs on /mnt'
cp -a "$T/bin" /mnt/bin

# whatever Podman brings along, our names go first
for dir in ${CONTAINERS_HELPER_BINARY_DIR:+"$CONTAINERS_HELPER_BINARY_DIR"} \
	   /usr/lib/podman /usr/libexec/podman; do
	for f in "$dir"/*; do
		name=$(basename "$f")
		[ -x "$f" ] && [ ! -e "/mnt/bin/$name" ] &&
			ln -s "$f" "/mnt/bin/$name"
	done
done
export CONTAINERS_HELPER_BINARY_DIR=/mnt/bin

mkdir -p "$HOME/.config/containers"
cat >"$HOME/.config/containers/containers.conf" <<E
[containers]
cgroups = "disabled"
cgroupns = "host"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
network_cmd_path = "/mnt/bin/slirp4netns"
E
cat >"$HOME/.config/containers/storage.conf" <<E
[storage]
driver = "vfs"
runroot = "$XDG_RUNTIME_DIR/containers"
graphroot = "/mnt/storage"
E
chown -R "$WORLD_UID:$WORLD_UID" "$HOME"

podman()
{
	as_user timeout 60 "$PODMAN" "$@"
}

# podman run in the foreground, with the network $net and more options
run()
{
	podman run --rm --network "$net" img "$@"
}

version=$("$PODMAN" --version | sed 's/.* //')
major=${version%%.*}
minor=${version#*.}
minor=${minor%%.*}
diag "podman $version"

world_greets
image_tar "$T/img.tar"
ok 'an image' podman import -q "$T/img.tar" img

outbound()
{
	is "$(run wget -qO- "http://$WORLD4/hello")" 'hello from the world' \
		"$1: TCP, IPv4"
	is "$(run wget -qO- "http://[$WORLD6]/hello" 2>&1)" \
		'hello from the world' "$1: TCP, IPv6"
	is "$(run wget -qO- http://v4.example.org/hello)" \
		'hello from the world' "$1: by name"
	like "$(podman run --rm --cap-add net_raw --network "$net" img \
		ping -c 1 -W 5 "$WORLD4" 2>&1)" '*1 packets received*' \
		"$1: ping"
}

# has the container's address been taken over by what serves it?
ask_tcp()
{
	"$1" timeout 5 socat -t 5 - "TCP:$2" </dev/null 2>/dev/null
}

ask_udp()
{
	echo ping | "$1" timeout 5 socat -t 3 - "UDP:$2" 2>/dev/null
}

# published NAME SOURCE-AT-LOOPBACK SOURCE-FROM-WORLD (patterns)
published()
{
	if ! podman run -d --name served --network "$net" -p 8080:80 \
	     -p 8081:81/udp -p 8100-8119:61-80 -p 127.0.0.1:8082:80 img serve \
	     >"$T/id" 2>"$T/err"; then
		fail "$1: a container with ports"
		diag "$(cat "$T/err")"
		return
	fi
	pass "$1: a container with ports"
	wait_for '[ "$(ask_tcp in_host 127.0.0.1:8080)" ]'
	like "$(ask_tcp in_host 127.0.0.1:8080)" "peer $2" \
		"$1: TCP, from the host"
	like "$(ask_tcp in_world "$HOST4:8080")" "peer $3" \
		"$1: TCP, from the world"
	wait_for '[ "$(ask_udp in_host 127.0.0.1:8081)" ]'
	like "$(ask_udp in_world "$HOST4:8081")" "peer $3*ping" \
		"$1: UDP, from the world"
	like "$(ask_tcp in_host 127.0.0.1:8119)" "peer*" \
		"$1: the last port of a range"
	like "$(ask_tcp in_host 127.0.0.1:8082)" "peer*" \
		"$1: a port of one address"
	is "$(ask_tcp in_world "$HOST4:8082")" '' \
		"$1: ... and of no other"

	ok "$1: stop" podman rm -f -t 0 served
	ok "$1: nothing listens any more" wait_for \
		'! listening host tcp 8080 && ! listening host udp 8081'
	ok "$1: no process is left" nothing_runs
	is "$(left_files)" '' "$1: no file is left"
}

nothing_runs()
{
	wait_for '! pgrep -x "slirp4netns|pasta|passt|conmon|rootlessport"'
}

# sockets and names of namespaces; that of the API stays, as the original leaves it
left_files()
{
	find "$XDG_RUNTIME_DIR" /tmp "$T/tmp" -newer "$T/img.tar" \
		\( -name 'netns-*' -o -name '*slirp*.sock' \
		   -o -path '*/rp/*' \) 2>/dev/null
}

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

# its own process, which holds the user namespace
podman system migrate >/dev/null 2>&1
ok 'nothing of Podman is left' \
	wait_for '! pgrep -u "$WORLD_UID" -x "catatonit|podman"'

done_testing
