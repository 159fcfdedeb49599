# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# System calls that fail, with world.sh: what tools/faults finds, as tests.
#
#	faults_up		$f is the file with the rules
#	faults_serve WHERE PORT	tools/faults serves there
#	try [udp|rest|again] WHERE ADDR PORT WHO [PID] CALLS
#				the cases of those calls, from there; rest: of PID;
#				again: one case, of rules

# shellcheck disable=SC2154 # the libraries set pid and so on
faults_up()
{
	need_tun
	command -v failing >/dev/null || bail 'no shims: run make tools first'
	peer=$TOP/test/tools/faults
	f=$T/user/faults
	head -c 4096 /dev/zero >"$f"
	chmod 666 "$f"
}

faults_serve()
{
	spawn "$1" "$peer" serve "$2" >"$T/serve.${1%%:*}.$2" 2>&1
	wait_for "grep -q ready '$T/serve.${1%%:*}.$2'"
}

try()
{
	try_how=try
	case $1 in
	udp | rest | again)
		try_how=$1
		shift
		;;
	esac
	try_where=$1
	try_addr=$2
	try_port=$3
	try_who=$4
	shift 4
	# shellcheck disable=SC2068 # words
	(world_exec "$try_where" "$peer" "$try_how" "$try_addr" "$try_port" "$f" \
		$@) >"$T/result"
	while read -r line; do
		case $line in
		'ok - '*) pass "$try_who: ${line#ok - }" ;;
		'not ok - '*) fail "$try_who: ${line#not ok - }" ;;
		*) printf '%s\n' "$line" ;;
		esac
	done <"$T/result"
	[ -s "$T/result" ] || fail "$try_who: no result"
}
