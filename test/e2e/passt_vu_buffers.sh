#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 200
#
# vhost-user with receive buffers of all sizes: of one packet each, as drivers without
# offloads have them, and many small ones for each frame.

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
front=${PASST_TOOLS_DIR:-$TOP/build/tools}/vufront
[ -x "$front" ] || bail 'no vufront: run make tools first'
bulk_serve world 8
world_peer 9003

in_guest()
{
	ip netns exec guest "$@"
}

# guest MTU ARGS...: a guest with that MTU, and a front-end with ARGS
guest()
{
	ip netns add guest
	in_guest sysctl -qw net.ipv6.conf.default.accept_ra=0
	ip -n guest -b - <<-E
		link set lo up
		tuntap add mode tap vnet_hdr eth0
		link set eth0 up mtu $1
		address add $HOST4/24 dev eth0
		address add $HOST6/64 dev eth0 nodad
		route add default via $GW4
		route add default via $GW6LL dev eth0
		E
	shift
	sock=$T/user/passt.socket
	rm -f "$sock"
	spawn user passt --vhost-user -d -1 -f -s "$sock" >"$T/passt.err" 2>&1
	passt=$pid
	wait_for "[ -S '$sock' ]" || bail "passt: $(cat "$T/passt.err")"
	spawn net:guest "$front" "$@" "$sock" tap eth0 >"$T/front" 2>&1
	front_pid=$pid
	wait_for "grep -q ready '$T/front'" || bail "$(cat "$T/front")"
}

# has WORDS: features of the guest's, as the daemon tells them
has()
{
	like "$(grep 'driver started' "$T/passt.err")" "*$1" "$2"
}

all_goes()
{
	bulk_by in_guest
	for a in "$WORLD4" "$WORLD6"; do
		ok "... datagrams to $a and back" in_guest "$peer" udp "$a" 9003 1200 200
		ok "... large ones" in_guest "$peer" udp "$a" 9003 30000 20
	done
	not_ok '... no complaint' grep 'ending the connection' "$T/passt.err"
	stop "$front_pid"
	wait_gone "$passt"
	ip netns delete guest
}

# 12 of virtio-net's header, 14 of Ethernet's, a packet of 1500
guest 1500 -f 0x70000003 -b 1526
has 'header of 12 bytes, checksums both ways, TSO no, USO no' \
	'one packet in each buffer'
all_goes
guest 1500 -f 0x70000000 -b 1526
has 'header of 12 bytes, checksums no, TSO no, USO no' '... and no checksums'
all_goes
# the driver says that it takes more than it has room for
guest 65520 -f 0x70000183 -b 1526
has 'checksums both ways, TSO yes, USO no' '... and segments of 64 KiB'
all_goes
guest 65520 -f '~' -b 100 -n 1024
has 'mergeable buffers, checksums both ways, TSO yes, USO yes' \
	'buffers of 100 bytes'
all_goes
done_testing
