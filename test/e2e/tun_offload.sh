#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The tap device, and UDP sockets, on kernels that lack some of the offloads: data
# arrive whole with any set of them.
# timeout 240

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
command -v lacking >/dev/null || bail 'no shims: run make tools first'

bulk_serve world 20
world_peer 9003

# without WORDS NAME EXPECTED
without()
{
	rm -f "$T/user/up"
	spawn user lacking "$1" \
		pasta -d --config-net -m "$mtu" -t none -u none -T none -U none -- \
		env -u LD_PRELOAD sh -c \
		": >'$T/user/up'; exec sleep 1000321" 2>"$T/pasta.err"
	pasta_pid=$pid
	wait_for "[ -e '$T/user/up' ] || ! alive $pasta_pid"
	wait_for "ns=\$(pgrep -xf 'sleep 1000321')" || bail "$(cat "$T/pasta.err")"
	like "$(grep 'Tap device' "$T/pasta.err")" "*$3" "$2, MTU $mtu"
	bulk_by in_ns "$ns"
	for a in "$WORLD4" "$WORLD6"; do
		ok "... datagrams to $a and back" \
			in_ns "$ns" "$peer" udp "$a" 9003 1200 500
		ok "... large ones" in_ns "$ns" "$peer" udp "$a" 9003 30000 20
		ok "... many at once" \
			in_ns "$ns" "$peer" udpburst "$a" 9003 1200 400
	done
	pasta_down
}

for mtu in 1500 65520; do
	without none 'all offloads' 'virtio header yes, TSO yes, USO *'
	without uso 'no USO' 'virtio header yes, TSO yes, USO no'
	without 'uso tso' 'no TSO' 'USO no'
	without csum 'no offload towards us' 'USO no'
	without vnet 'no header' 'virtio header no, TSO no, USO no'
	without 'gro segment' 'no UDP_GRO, no UDP_SEGMENT' 'virtio header yes*'
done

done_testing
