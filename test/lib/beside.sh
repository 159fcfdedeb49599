# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Connections, round trips and datagrams that there are, beside whatever else happens:
# a guest's, by test/tools/beside.

# shellcheck disable=SC2154 # other libraries set T, TOP, ns and WORLD4

# The other end of all that, on port 90
beside_serve()
{
	spawn world "$TOP/test/tools/beside" serve 90 >"$T/serve"
	wait_for "grep -q ready '$T/serve'"
}

# beside NAME COMMAND...: COMMAND, in the guest, returns 0; meanwhile downloads keep half
# of their speed and answers come within 50 ms, an exchange of datagrams loses nothing,
# and all is back at once
beside()
{
	beside_name=$1
	shift
	in_ns "$ns" "$TOP/test/tools/beside" "$WORLD4" 90 "$@" \
		>"$T/beside" 2>"$T/beside.err"
	is $? 0 "$beside_name" || diag "$(cat "$T/beside.err")"
	diag "MB/s, p99 in ms, datagrams lost: $(tr '\n' ' ' <"$T/beside")" \
		"$(cat "$T/beside.err")"
	while read -r when mbps p99 lost; do
		case $when in
		before)	speed=$mbps
			continue ;;
		beside)	ok '... downloads keep half of their speed' \
				[ "$((mbps * 2))" -ge "$speed" ]
			ok '... the 99th percentile of round trips' \
				[ "$p99" -lt 50 ] ;;
		after)	ok '... all is back at once' \
				[ "$((mbps * 2))" -ge "$speed" -a "$p99" -lt 50 ] ;;
		esac
		is "$lost" 0 "... no datagram is lost $when"
	done <"$T/beside"
}
