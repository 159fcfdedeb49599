# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2034,SC2154 # what we set, and what others do
#
# Our program as slirp4netns, after world_up.
#
#	slirp_init		make the name
#	ns_new			an empty namespace of the user's: sets $ns, a PID
#	slirp_up ARGS...	start it, in $slirp_where (default: user), with a
#				ready descriptor and an exit descriptor, which
#				$exit_holder holds, and wait until it is ready:
#				sets $slirp_pid. Output in $T/out, $T/err, what is
#				written to be ready in $T/ready. Bails out if it
#				doesn't start
#	stop_by SIGNAL NAME	end it: two assertions
#	in_sandbox PID		has that process nothing but an empty root, no
#				capability, and filtered system calls?

slirp_init()
{
	ln -sf passt "$T/bin/slirp4netns"
	exit_holder=
}

ns_new()
{
	spawn user unshare -rUn sleep 1000000
	ns=$pid
	wait_for 'grep -q sleep "/proc/$ns/comm"'
}

slirp_up()
{
	# nobody writes to it, but somebody could
	[ -z "$exit_holder" ] || stop "$exit_holder"
	rm -f "$T/exit" "$T/ready"
	mkfifo "$T/exit"
	spawn host sh -c "exec sleep 1000000 <>'$T/exit'"
	exit_holder=$pid
	spawn "${slirp_where:-user}" slirp4netns -r 3 -e 4 "$@" \
		3>"$T/ready" 4<"$T/exit" >"$T/out" 2>"$T/err"
	slirp_pid=$pid
	if ! wait_for "[ -s '$T/ready' ] || ! alive $slirp_pid" ||
	   ! alive "$slirp_pid"; then
		bail "slirp4netns $*: $(cat "$T/err")"
	fi
}

stop_by()
{
	kill -s "$1" "$slirp_pid"
	ok "$2: it ends" wait_gone "$slirp_pid"
	wait "$slirp_pid"
	is $? 0 "$2: status"
}

in_sandbox()
{
	grep -qE '^Seccomp:[[:space:]]*2$' "/proc/$1/status" &&
		grep -qE '^CapEff:[[:space:]]*0+$' "/proc/$1/status" &&
		[ "$(awk '{ print $5 }' "/proc/$1/mountinfo")" = / ]
}
