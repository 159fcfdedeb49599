#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 300
#
# Packet scripts over vhost-user: all that move data, by front-ends that know no
# offloads, all, no mergeable buffers, or nothing, and with buffers in pieces down to
# one byte. "test/pkt/run --link vu" runs the others, too.

# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
[ -x "${PASST_TOOLS_DIR:-$top/build/tools}/vufront" ] ||
	bail 'no vufront: run make tools first'

few='open_guest fwd_open close_half_guest data_bulk_up data_bulk_down data_both
	data_many_down data_down_segments udp_guest udp_large udp_fragments_up
	udp_fragments_down udp_batch udp_rows icmp_echo_large frag_echo
	dhcp_lease dhcp6_lease idle_link_full frame_link_full window_up_reopens'
for link in vu vu-offloads vu-big vu-plain vu-scatter vu-scatter-offloads; do
	# shellcheck disable=SC2086 # names
	out=$("$top/test/pkt/run" --link $link $few 2>&1)
	is $? 0 "$link" || diag "$(echo "$out" | grep -A 40 '^not ok' | head -n 60)"
done
done_testing
