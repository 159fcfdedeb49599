#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# From inside: system calls in the place of a daemon that runs, as one would make them
# who took it over. What its filter allows, it survives; anything else ends it.
# test/lib/attempts.h has the list, with where each passes; test/unit/t_isolate.c has each
# filter tried with all of it. Here each process gets a share of what ends it, so that
# all together have tried everything. ISOLATION_SHARE=N: each gets one in N (10); with 1,
# which takes two minutes, all.
#
# timeout 600

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/slirp.sh
. "$(dirname "$0")/../lib/slirp.sh"
[ "$WORLD_ROOT" ] || skip_all 'only root may take over others'"'"' processes'
world_up
need_tun
slirp_init

of=${ISOLATION_SHARE:-10}
which=0

# inside NAME MODES PROCESS [thread] -- CMD...: CMD as the user
inside()
{
	what=$1 modes=$2 process=$3
	shift 3
	thread=
	if [ "$1" = thread ]; then
		thread=thread
		shift
	fi
	shift
	# shellcheck disable=SC2086 # none or one
	"${PASST_TOOLS_DIR:-$TOP/build/tools}/intrude" "$modes" "$process" \
		"$which/$of" $thread -- \
		setpriv --reuid "$WORLD_UID" --regid "$WORLD_UID" --clear-groups \
		-- "$@" >"$T/lines" 2>"$T/err"
	rc=$?
	is $rc 0 "$what: all attempts were made" || diag "$(cat "$T/err")"
	which=$((which + 1))
	while read -r verdict line; do
		case $verdict in
		ok)	pass "$what: $line" ;;
		*)	fail "$what: ${line#ok }" ;;
		esac
	done <"$T/lines"
}

sock=$T/user/sock
inside 'passt' P passt -- passt -q -f -s "$sock"
inside 'vhost-user' V passt -- passt -q -f --vhost-user -s "$sock"
inside 'pasta' NEC pasta -- pasta -q --config-net -- sleep 1000000
ns_new
inside 'pasta, joined' NEJ pasta -- pasta -q -f --config-net "$ns"
inside 'pasta --no-splice' NC pasta -- \
	pasta -q --config-net --no-splice -- sleep 1000000
inside 'slirp4netns' NJ slirp4netns -- slirp4netns "$ns" tap0

set -- passt -q -s "$sock" --control "$T/user/control" -c "$T/user/conf" \
	--log-file "$T/user/log"
inside 'background, with control sockets and a log file' P passt -- "$@"
inside '... its thread that writes' P passt thread -- "$@"
inside '... its watcher' W passt.watch -- "$@"
inside '... its cleaner' K passt-cleaner -- "$@"
inside 'pasta, its watcher' W pasta.watch -- \
	pasta -q --config-net -- sleep 1000000

done_testing
