#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Fifty containers one after the other, and fifty at a time: nothing is left of
# them, no process, namespace, socket, file, mount, nor a namespace in the kernel
# that nobody sees.
# timeout 180
# serial

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun

pod_up
# the kernel's own counters: fifty fit, not a hundred
limit()
{
	in_pod sh -c 'for i in net mnt pid ipc uts user; do
		echo "$1" >"/proc/sys/user/max_${i}_namespaces"; done' sh "$1" \
		2>/dev/null
}

# What there is, one line each
inventory()
{
	# processes but the shell's own, none of which runs beside the search
	for p in /proc/[0-9]*; do
		alive "${p#/proc/}" && tr '\0' ' ' <"$p/cmdline" | cut -c 1-60
		echo
	done >"$T/processes" 2>/dev/null
	grep -E 'pasta|sleep|unshare' "$T/processes" | grep -v fifty | sort
	echo 'namespaces:'
	find /proc/[0-9]*/ns -type l -exec readlink {} + 2>/dev/null | sort -u |
		wc -l
	echo 'sockets:'
	ss -Hatun
	ss -Hax | grep -c pasta
	echo 'files:'
	ls -R "$T/user" "$T/tmp"
	echo 'mounts:'
	cat "/proc/$pod/mounts"
}
judge()
{
	ok "$1: nothing is left" wait_for \
		'inventory >"$T/after"; cmp -s "$T/before" "$T/after"' 10 ||
		diag "$(diff "$T/before" "$T/after")"
}

dir=$T/user/netns
as_user mkdir "$dir"

cat >"$T/user/start" <<E
# start N PORT: a namespace, and its network, as Podman does it
: >"$dir/\$1" && unshare --net="$dir/\$1" -- true &&
pasta --config-net --pid "$dir/\$1.pid" --dns-forward 169.254.1.1 \\
	-t "\$2-\$2:80-80" -u "\$2-\$2:80-80" -T none -U none --no-map-gw \\
	--quiet --netns "$dir/\$1" --map-guest-addr 169.254.1.2 &&
nsenter --net="$dir/\$1" ip -4 -o address show dev eth0 | grep -q '$HOST4'
E
cat >"$T/user/stop" <<E
umount "$dir/\$1" && rm "$dir/\$1"
E

limit 60 || bail 'no limits can be set'
inventory >"$T/before"
failed=0 gone=0
i=0
while [ $((i += 1)) -le 50 ]; do
	in_pod sh "$T/user/start" "$i" 8080 || failed=$((failed + 1))
	p=$(cat "$dir/$i.pid")
	in_pod sh "$T/user/stop" "$i"
	wait_gone "$p" && gone=$((gone + 1))
	rm -f "$dir/$i.pid"
done
is "$failed $gone" '0 50' 'fifty in a row, on the same port'
judge 'one after the other'

# the kernel takes namespaces down in the background
ok 'none lingers in the kernel' wait_for \
	'limit 12; in_pod unshare -nmpiu --fork true; rc=$?; limit 60; [ $rc -eq 0 ]' 20
limit 60

failed=0
i=0
while [ $((i += 1)) -le 50 ]; do
	in_pod sh "$T/user/start" "$i" $((9000 + i)) || failed=$((failed + 1))
done
is $failed 0 'fifty at a time'
is "$(pgrep -c -x pasta)" 50 '... each has its process'
i=0
while [ $((i += 1)) -le 50 ]; do
	in_pod sh "$T/user/stop" "$i"
	rm -f "$dir/$i.pid"
done
ok '... all of them end' wait_for '! pgrep -x pasta' 10
judge 'at a time'

# a command, which makes all of its namespaces
failed=0
i=0
while [ $((i += 1)) -le 50 ]; do
	in_pod pasta --config-net -t auto -- true || failed=$((failed + 1))
done
is $failed 0 'fifty commands'
judge 'commands'
limit 12
ok 'none lingers in the kernel' wait_for \
	'in_pod pasta --config-net -- true 2>/dev/null' 20

done_testing
