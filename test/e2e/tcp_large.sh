#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 300
#
# Much in one connection, each way. And MTUs that change in the middle.
#
#	LARGE_PARTS	of 64 MiB (8; with 66, more than 4 GiB, every sequence number
#			comes round)

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun

parts=${LARGE_PARTS:-8}
make_file "$T/part" 64
cat >"$T/bin/parts" <<-'E'
	#!/bin/sh
	for i in $(seq "$1"); do
		cat /run/test/part || exit 1
	done
	E
# says what came, once the other side has closed
cat >"$T/bin/compare" <<-'E'
	#!/bin/sh
	cat | {
		exec 3<&0
		/run/test/bin/parts "$1" | cmp - /dev/fd/3 >&2
	} && echo same
	E
chmod 755 "$T/bin/parts" "$T/bin/compare"

# servers N: port 9001 sends N parts, 9002 compares
servers()
{
	spawn world socat -b 262144 TCP6-LISTEN:9001,reuseaddr \
		"EXEC:$T/bin/parts $1,nofork"
	source=$pid
	spawn world socat -b 262144 TCP6-LISTEN:9002,reuseaddr \
		"EXEC:$T/bin/compare $1,nofork"
	sink=$pid
	wait_port world tcp 9001 && wait_port world tcp 9002
}

download()
{
	in_ns "$ns" timeout 120 socat -u -b 262144 "TCP:$WORLD4:9001" \
		"EXEC:$T/bin/compare $1,nofork" 2>"$T/err"
}

upload()
{
	in_ns "$ns" sh -c "'$T/bin/parts' $1 | timeout 120 socat -t 60 \
		-b 262144 - 'TCP:[$WORLD6]:9002'" 2>"$T/err"
}

pasta_up --config-net -t none -u none -T none -U none
servers "$parts"
is "$(download "$parts")" same "$((parts * 64)) MiB down"
is "$(upload "$parts")" same "$((parts * 64)) MiB up"
stop "$source" "$sink"

# mtu WHERE NAME MTU, while both directions are busy
mtu()
{
	servers 4
	download 4 >"$T/down" &
	down=$!
	upload 4 >"$T/up" &
	up=$!
	for mtu_i in $3; do
		(world_exec "$1" ip link set "$2" mtu "$mtu_i")
		pause 0.1
	done
	wait "$down" "$up"
	is "$(cat "$T/down" "$T/up" | tr '\n' ' ')" 'same same ' \
		"MTU of $2 in ${1%:*} is $3 meanwhile"
	stop "$source" "$sink"
}
mtu host eth0 '1400 1280 1500'
mtu world eth0 '1400 1280 1500'
mtu "ns:$ns" eth0 '1400 9000 1280 65520'
pasta_down
done_testing
