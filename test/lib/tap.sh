# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# TAP for shell tests: one line per assertion on standard output, what went
# wrong in "# " lines after it, the plan at the end.
#
#	ok NAME CMD ARGS...	passes if CMD succeeds; its output is shown if not
#	not_ok NAME CMD...	passes if CMD fails
#	is GOT WANT NAME	passes if the strings are equal
#	like GOT PATTERN NAME	passes if GOT matches the shell pattern
#	pass NAME, fail NAME	when the script has decided
#	diag TEXT...		a remark
#	skip REASON [N]		N assertions (1) are not made
#	skip_all REASON		the whole file: ends the script
#	bail REASON		ends the script as failed
#	done_testing		the plan; last line of each script

tap_n=0
tap_failed=0

diag()
{
	printf '%s\n' "$*" | sed 's/^/# /'
}

pass()
{
	tap_n=$((tap_n + 1))
	printf 'ok %d - %s\n' "$tap_n" "$*"
}

fail()
{
	tap_n=$((tap_n + 1))
	tap_failed=$((tap_failed + 1))
	printf 'not ok %d - %s\n' "$tap_n" "$*"
}

ok()
{
	tap_name=$1
	shift
	tap_out=$("$@" 2>&1)
	tap_rc=$?
	if [ "$tap_rc" -eq 0 ]; then
		pass "$tap_name"
		return 0
	fi
	fail "$tap_name"
	diag "status $tap_rc: $*"
	[ -z "$tap_out" ] || diag "$tap_out"
	return 1
}

not_ok()
{
	tap_name=$1
	shift
	if tap_out=$("$@" 2>&1); then
		fail "$tap_name"
		diag "did not fail: $*"
		[ -z "$tap_out" ] || diag "$tap_out"
		return 1
	fi
	pass "$tap_name"
}

is()
{
	if [ "$1" = "$2" ]; then
		pass "$3"
		return 0
	fi
	fail "$3"
	diag "got:  $1"
	diag "want: $2"
	return 1
}

like()
{
	# shellcheck disable=SC2254 # a pattern is what we want
	case $1 in
	$2)	pass "$3"
		return 0 ;;
	esac
	fail "$3"
	diag "got:  $1"
	diag "like: $2"
	return 1
}

skip()
{
	tap_i=${2:-1}
	while [ "$tap_i" -gt 0 ]; do
		tap_n=$((tap_n + 1))
		tap_i=$((tap_i - 1))
		printf 'ok %d # SKIP %s\n' "$tap_n" "$1"
	done
}

skip_all()
{
	echo "1..0 # SKIP $*"
	exit 0
}

bail()
{
	fail "$(printf '%s\n' "$*" | head -n 1)"
	diag "$*"
	echo "1..$tap_n"
	exit 1
}

done_testing()
{
	echo "1..$tap_n"
	[ "$tap_failed" -eq 0 ]
}
