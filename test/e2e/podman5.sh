#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 600
#
# Podman 5, rootless, which takes pasta for its network by default: the whole life
# of containers and pods, ports, networks and options. From a Debian 13 tree,
# whatever this machine has; what older ones do is in podman.sh.

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck disable=SC2016 # text is for other shells
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/tree.sh
. "$(dirname "$0")/../lib/tree.sh"
tree_enter "$@"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/rootless.sh
. "$(dirname "$0")/../lib/rootless.sh"

tree_podman_up

# answers NAME PORT: a container's service, on the host; what begins to run may
# not listen yet
answers()
{
	ok "$1" wait_for "[ \"\$(ask_tcp in_host 127.0.0.1:$2)\" ]"
}

### its network by default

net=pasta
like "$(podman run --rm img ip -o -4 address show eth0)" "*$HOST4/24*" \
	'by default: pasta, the address of the host'
outbound pasta
is "$(run wget -T 5 -qO- http://host.containers.internal:80 2>&1)" \
	"wget: can't connect to remote host (169.254.1.2): Connection refused" \
	'host.containers.internal'
published pasta '*' "$WORLD4"

### the same ports, again and again

ok 'a container with a port' podman run -d --name served -p 8101:80 \
	-p 8101:81/udp -p 8200-8209:8200-8209 -p '[::1]:8102:80' img serve
answers '... which answers' 8101
failed=
for i in $(seq 20); do
	podman restart -t 0 served >"$T/err" 2>&1 ||
		failed="$failed $i: $(head -n 2 "$T/err" | tail -n 1)"
done
is "$failed" '' 'restarted 20 times'
answers '... it answers' 8101
wait_for '[ "$(ask_udp in_host 127.0.0.1:8101)" ]'
like "$(ask_udp in_world "$HOST4:8101")" "peer $WORLD4*ping" '... by UDP'
like "$(ask_tcp in_host '[::1]:8102')" 'peer *' '... at ::1'
# one that has ended may take a moment
ok '... one pasta' wait_for '[ "$(pgrep -xc pasta)" -eq 1 ]'
for i in 1 2 3; do
	podman stop -t 0 served >/dev/null
	ok "stopped, $i: nothing listens" wait_for '! listening host tcp 8101'
	podman start served >/dev/null
	answers '... started: it answers' 8101
done
not_ok 'another container with that port' podman run --rm -p 8101:80 img true
like "$tap_out" '*Listen failed for HOST TCP port \*/8101: Address already in use*' \
	'... says why not'
podman kill served >/dev/null
ok 'killed: no process is left' wait_for '! pgrep -x pasta'
podman start served >/dev/null
answers '... started again' 8101
ok 'removed' podman rm -f -t 0 served

### pods

ok 'a pod' podman pod create --name pod1 -p 8103:80 -p 8104:81/udp
ok '... a container in it' podman run -d --pod pod1 --name inpod img serve
answers '... which answers' 8103
is "$(podman exec inpod wget -qO- http://v4.example.org/hello)" \
	'hello from the world' '... and reaches the world'
for i in 1 2 3; do
	ok "... restarted, $i" podman pod restart pod1
done
answers '... it answers' 8103
wait_for '[ "$(ask_udp in_host 127.0.0.1:8104)" ]'
like "$(ask_udp in_world "$HOST4:8104")" "peer $WORLD4*ping" '... by UDP'
ok '... removed' podman pod rm -f -t 0 pod1

as_user tee "$T/user/pod.yaml" >/dev/null <<E
apiVersion: v1
kind: Pod
metadata:
  name: kube
spec:
  containers:
  - name: web
    image: localhost/img
    command: [serve]
    ports:
    - containerPort: 80
      hostPort: 8105
    - containerPort: 81
      hostPort: 8105
      protocol: UDP
E
ok 'kube play' podman kube play "$T/user/pod.yaml"
answers '... answers' 8105
ok '... once more, in its place' podman kube play --replace "$T/user/pod.yaml"
answers '... answers' 8105
ok '... down' podman kube down "$T/user/pod.yaml"
ok '... no process is left' nothing_runs

### build

mkdir "$T/user/build"
cat >"$T/user/build/Containerfile" <<E
FROM localhost/img
RUN wget -qO /hello http://v4.example.org/hello
RUN wget -qO- http://[$WORLD6]/hello >>/hello
E
for how in '' --network=pasta:-I,eth5; do
	ok "build $how" podman build --no-cache -q ${how:+"$how"} -t built \
		"$T/user/build"
done
is "$(podman run --rm --network none built cat /hello | uniq -c | xargs)" \
	'2 hello from the world' '... what it has fetched'

### options

# option NET COMMAND WANT
option()
{
	net=$1
	is "$(run sh -c "$2" 2>&1 | xargs)" "$3" "--network $1"
}
addresses='ip -o address show scope global | awk "{ print \$2, \$4 }"'
option pasta:-I,net7 "$addresses" "net7 $HOST4/24 net7 $HOST6/64"
option pasta:-4 "$addresses" "eth0 $HOST4/24"
option pasta:--ipv6-only "$addresses" "eth0 $HOST6/64"
option pasta:-4,-a,192.0.2.9,-n,24,-g,192.0.2.1 \
	"$addresses; ip -4 route show default" \
	'eth0 192.0.2.9/24 default via 192.0.2.1 dev eth0'
option pasta:-m,1400 'cat /sys/class/net/eth0/mtu' 1400
option pasta:--ns-mac-addr,9a:dd:31:ea:92:98 \
	'cat /sys/class/net/eth0/address' 9a:dd:31:ea:92:98
option pasta:--dns-forward,192.0.2.53 \
	'grep -m 1 nameserver /etc/resolv.conf
	wget -qO- http://v4.example.org/hello' \
	'nameserver 192.0.2.53 hello from the world'
option pasta:--map-gw "socat -u TCP:$GW4:7777 -" loopback
option pasta:--map-host-loopback,192.0.2.7 'socat -u TCP:192.0.2.7:7777 -' \
	loopback
option pasta:--map-guest-addr,192.0.2.8 \
	'grep -c "192.0.2.8.*host.containers" /etc/hosts' 1
option pasta:-T,7777 'socat -u TCP:127.0.0.1:7777 -' loopback
option pasta:-T,auto 'socat -u TCP:127.0.0.1:7777,retry=50,interval=0.1 -' \
	loopback
ok '--network pasta:-t,8106:80,-u,8106:81' podman run -d --name served \
	--network pasta:-t,8106:80,-u,8106:81 img serve
answers '... answers' 8106
podman rm -f -t 0 served >/dev/null
ok '--network pasta:-t,auto' podman run -d --name served \
	--network pasta:-t,auto img socat TCP-LISTEN:8107,fork 'SYSTEM:echo auto'
answers '... answers' 8107
podman rm -f -t 0 served >/dev/null
not_ok '--network pasta:--no-such-option' podman run --rm \
	--network pasta:--no-such-option img true
like "$tap_out" "*unrecognized option '--no-such-option'*" '... says so'

### networks of their own, with a resolver for names of containers

ok 'a network' podman network create net1
ok 'another one, with IPv6' podman network create --ipv6 \
	--subnet 10.99.0.0/24 --subnet fd99::/64 net2
net=net2
outbound bridge
net=net1
published bridge '10.89.*' '10.89.*'
ok 'a container in both' podman run -d --name served --network net1,net2 \
	-p 8108:80 img serve
answers '... which answers' 8108
for net in net1 net2; do
	like "$(run socat TCP:served:80,retry=50,interval=0.1 - </dev/null)" \
		'peer *' "... by its name, in $net"
done
for i in 1 2 3; do
	ok "... restarted, $i" podman restart -t 0 served
done
answers '... it answers' 8108
ok '... one pasta for all' wait_for '[ "$(pgrep -xc pasta)" -eq 1 ]'
ok '... removed' podman rm -f -t 0 served
ok 'no process is left' nothing_runs
is "$(left_files)" '' 'no file is left'

podman_down
done_testing
