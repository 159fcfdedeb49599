#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a guest can flood the host with, 20000 a second, with few descriptors for it:
# connections that there are keep half of their speed and answer within 50 ms, an
# exchange of datagrams loses nothing, and all is back at once.
# serial
# timeout 120

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/beside.sh
. "$(dirname "$0")/../lib/beside.sh"
world_up
need_tun

beside_serve
spawn world "$TOP/test/tools/beside" serve 92 >"$T/serve.open"
wait_for "grep -q ready '$T/serve.open'"
in_world ip route add blackhole 198.18.0.0/15
pasta_with='prlimit --nofile=1000:1000' pasta_up --config-net -t none -u none \
	-T none -U none
in_ns "$ns" sysctl -qw net.ipv4.conf.all.rp_filter=0

# flood NAME KIND SOURCE ADDR PORT
flood()
{
	flood_name=$1
	shift
	beside "$flood_name" "$TOP/test/tools/flood" "$@" 20000 "${FLOOD_S:-2}"
}
flood 'SYNs to a port that is open' syn "$HOST4" "$WORLD4" 92
flood 'datagrams to destinations that are new' udp "$HOST4" 198.18.0.0/16 81
flood 'pings that are new' echo "$HOST4" 198.18.0.0/16 0
flood 'SYNs to a port that is not open' syn "$HOST4" "$WORLD4" 91
flood 'SYNs of addresses that are not its own' syn 192.0.2.0/24 198.18.0.0/16 81
flood 'ACKs of no connection' ack "$HOST4" "$WORLD4" 90
flood 'first fragments' frag "$HOST4" 198.18.0.0/16 81
ok 'the daemon lives' alive "$pasta_pid"
pasta_down
done_testing
