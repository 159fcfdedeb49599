#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 200
#
# vhost-user with a front-end of other people's: DPDK's virtio-user, with a tap behind
# it, which a namespace uses.

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
command -v dpdk-testpmd >/dev/null || skip_all 'no dpdk-testpmd here'
[ "$WORLD_ROOT" = 1 ] || skip_all 'DPDK needs root'
world_up

bulk_serve world 8

sock=$T/user/passt.socket
spawn user passt --vhost-user -1 -d -f -m 1500 -s "$sock" >"$T/passt.err" 2>&1
passt=$pid
wait_for "[ -S '$sock' ]" || bail "passt: $(cat "$T/passt.err")"

ip netns add guest
spawn net:guest dpdk-testpmd --no-huge -m 256 --no-pci -l 0-1 \
	--vdev=net_virtio_user0,path="$sock",queue_size=256 \
	--vdev=net_tap0,iface=dt0 -- \
	--auto-start --forward-mode=io --total-num-mbufs=8192 \
	--stats-period 3600 >"$T/testpmd" 2>&1
testpmd=$pid
in_guest()
{
	ip netns exec guest "$@"
}
wait_for "in_guest ip link show dt0 >/dev/null 2>&1" 30 ||
	bail "$(tail -n 5 "$T/testpmd")"
in_guest ip address add "$HOST4/24" dev dt0
in_guest ip address add "$HOST6/64" dev dt0 nodad
in_guest ip link set dt0 mtu 1500 up
in_guest ip route add default via "$GW4"
in_guest ip -6 route add default via "$GW6LL" dev dt0
ok 'its driver starts' wait_for "grep -q 'driver started' '$T/passt.err'" 20
# Until testpmd forwards, what comes to its tap is lost
wait_for "in_guest ping -c 1 -W 1 '$GW4' >/dev/null" 60 ||
	bail "$(tail -n 5 "$T/testpmd")"
for a in "$WORLD4" "$WORLD6"; do
	ok "ping $a" in_guest ping -c 2 -W 10 "$a"
done
bulk_by in_guest
ok 'nothing has ended the connection' sh -c \
	"! grep 'ending the connection' '$T/passt.err'"
kill -INT "$testpmd"
ok 'one-off: it ends with its front-end' wait_gone "$passt" 20
wait "$passt"
is $? 0 '... with status 0'
stop "$testpmd"
done_testing
