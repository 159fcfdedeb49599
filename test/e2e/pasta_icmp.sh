#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Echo through pasta.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun

# The numbers of the first twenty answers. Without -w, ping waits for the last ones
# no longer than two of the round trips before; with it, it sends more meanwhile
twenty()
{
	in_ns "$ns" ping -c 20 -i 0.01 -w 10 "$1" |
		sed -n 's/.*icmp_seq=\([0-9]*\) .*/\1/p' | head -n 20 | xargs
}

pasta_up --config-net -t none -u none -T none -U none
for a in $WORLD4 $WORLD6 $GW4 $GW6 "$GW6LL%eth0"; do
	ok "ping $a" in_ns "$ns" ping -c 3 -i 0.01 -W 2 "$a"
done
for a in $WORLD4 $WORLD6; do
	ok "1400 bytes to $a" in_ns "$ns" ping -c 2 -i 0.01 -W 2 -s 1400 "$a"
	ok "20000 bytes to $a" in_ns "$ns" ping -c 2 -i 0.01 -W 2 -s 20000 "$a"
	# two at a time keep their answers apart
	twenty "$a" >"$T/p1" &
	one=$!
	twenty "$a" >"$T/p2"
	wait $one
	is "$(cat "$T/p1" "$T/p2")" "$(seq -s ' ' 20; seq -s ' ' 20)" \
		"two pings to $a"
done

# one identifier, many hosts: each answers for itself
in_world ip route add local 198.51.100.0/24 dev lo
in_world ip route add local 2001:db8:100::/64 dev lo
for first in 198.51.100.1 2001:db8:100::1:0; do
	is "$(in_ns "$ns" "$TOP/test/tools/echoes" 4343 3 $first 250)" \
		'750 of 750' "one id, 250 hosts at once from $first"
done
not_ok 'no answer where nobody is' \
	in_ns "$ns" ping -c 1 -W 1 203.0.113.200
pasta_down

pasta_up --config-net --no-icmp -t none -u none -T none -U none
not_ok '--no-icmp' in_ns "$ns" ping -c 1 -W 1 $WORLD4
pasta_down

done_testing
