#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test/run and test/bench/run, whatever ends them: the worlds that they have made
# end with them.

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
source=$TOP
world_up
need_tun
unset WORLD_INSIDE
cd "$source" || exit 1

# three processes, one in a session of its own, that end with their world alone; in a
# place where that isn't hidden by its own /run
mount -t tmpfs tmpfs /mnt || bail 'no tmpfs on /mnt'
mkdir /mnt/test
ln -s "$source/test/lib" "$source/test/tools" /mnt/test
cat >/mnt/test/endless.sh <<'E'
#!/bin/sh
. /mnt/test/lib/tap.sh
. /mnt/test/lib/world.sh
world_up
spawn host sleep 1000321
spawn world setsid sleep 1000321
sleep 1000321
E
chmod 755 /mnt/test/endless.sh
export PASST_BIN_DIR="${PASST_BIN_DIR:-$source}"

# running N NAME: so many processes with that command line
running()
{
	[ "$(pgrep -xfc "$2")" -eq "$1" ]
}
# ended SIGNAL STARTED NONE CMD...: CMD, ended when the condition STARTED holds,
# has left when NONE does
ended()
{
	signal=$1 started=$2 none=$3
	shift 3
	spawn host "$@" >"$T/out" 2>&1
	if ! ok "${1#"$source"/}, at work" wait_for "$started" 30; then
		diag "$(cat "$T/out")"
	fi
	kill -s "$signal" "$pid"
	ok "... SIG$signal ends it" wait_gone "$pid"
	wait "$pid" 2>/dev/null
	ok '... with all that it has started' wait_for "$none"
}
for signal in TERM INT HUP KILL; do
	ended "$signal" 'running 3 "sleep 1000321"' 'running 0 "sleep 1000321"' \
		"$source/test/run" --once /mnt/test/endless.sh
done
for signal in TERM INT KILL; do
	MS=30000 ended "$signal" 'pgrep -x load' '! pgrep "load|pasta|unshare"' \
		"$source/test/bench/run" --cells 'tun-v4-1500-cubic-1-up' \
		--only ours
done
done_testing
