#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Whatever ends us, our ports are free at once: who starts a container again wants
# the same ones, and doesn't wait for the kernel to take a tap apart.

# timeout 240

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck disable=SC2016 # text is for other shells
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
pod_up
rebind=$TOP/test/tools/rebind

LIMIT_US=2000
TRIES=30

# The machine may have other things to do meanwhile, so once is enough; but what
# takes the tap with it takes 20 ms each time.
# free_after NAME ONCE, which prints microseconds, or what went wrong
free_after()
{
	: >"$T/all"
	free_us=
	for try in $(seq "$TRIES"); do
		"$2" "$try" >"$T/once" 2>&1
		cat "$T/once" >>"$T/all"
		free_us=$(grep -xE '[0-9]+' "$T/once")
		[ "${free_us:-999999}" -gt "$LIMIT_US" ] || break
	done
	ok "$1: ports are free within $LIMIT_US µs" \
		test "${free_us:-999999}" -le "$LIMIT_US"
	diag "µs: $(tr '\n' ' ' <"$T/all")"
}

# up WHERE ARGS...: pasta as Podman starts it, with a port of each kind
up()
{
	up_in=$1
	shift
	"$up_in" pasta --config-net -t 8080-8080:80-80 -u 8080-8080:80-80 \
		-T none -U none --no-map-gw --quiet -P "$T/user/pid" "$@"
}

gone_once()
{
	netns=$T/user/netns-$1
	netns_new "$netns"
	up in_pod --netns "$netns" || return
	in_pod umount "$netns"
	in_pod "$rebind" unlink "$netns" 8080
	wait_gone "$(cat "$T/user/pid")"
}
free_after 'the namespace is gone' gone_once

signal_once()
{
	netns=$T/user/netns-s$1
	netns_new "$netns"
	up in_pod --netns "$netns" || return
	as_user "$rebind" term "$(cat "$T/user/pid")" 8080
	wait_gone "$(cat "$T/user/pid")"
	netns_delete "$netns"
}
free_after 'SIGTERM' signal_once

# a command that dies, with connections that are kept for its last words
command_once()
{
	pasta_up --config-net -t 8080:80 -u 8080:80 -T none -U none
	as_user "$rebind" end "$ns" 8080
	wait_gone "$pasta_pid"
}
free_after 'the command has ended' command_once

# the same, while what it has sent still waits for a peer that doesn't read
spawn world socat -u TCP6-LISTEN:9000,reuseaddr,fork 'SYSTEM:sleep 1000'
wait_port world tcp 9000
words_once()
{
	spawn user pasta --config-net -t 8080:80 -u 8080:80 -T none -U none \
		-- socat -u OPEN:/dev/zero "TCP:$WORLD4:9000" >/dev/null 2>&1
	wait_for 'command=$(pgrep -xf "socat -u OPEN:.*")' &&
		wait_for "in_ns $command ss -Htn | grep -q 'ESTAB *[0-9]* *[1-9]'"
	as_user "$rebind" end "$command" 8080
	alive "$pid" || echo gone
	stop "$pid" 2>/dev/null
}
free_after 'the command has ended, its last words not' words_once
not_ok '... which are still on their way' grep -q gone <<-E
	$all
	E

process_once()
{
	spawn user unshare -Urn sleep 100001
	target=$pid
	wait_for "grep -q sleep /proc/$target/comm"
	up as_user "$target" || return
	as_user "$rebind" end "$target" 8080
	wait_gone "$(cat "$T/user/pid")"
}
free_after 'the process is gone' process_once

# a guest of passt that was there once only
guest_once()
{
	as_user passt -q -1 -t 8080 -u 8080 -s "$T/user/sock" \
		-P "$T/user/pid" || return
	spawn user socat "UNIX-CONNECT:$T/user/sock" PIPE
	wait_for 'ss -Hx state connected | grep -q "$T/user/sock"'
	as_user "$rebind" end "$pid" 8080
	wait_gone "$(cat "$T/user/pid")"
}
free_after 'the guest is gone' guest_once

# on a busy machine the one before may be late
for proto in 4 6; do
	ok "a port that is let go while the next one starts, IPv$proto" \
		as_user "$rebind" hold 8080 pasta -$proto -t 8080 -u none \
		-T none -U none -- true
done

done_testing
