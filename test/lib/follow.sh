# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# For tests of a host whose network changes. After world.sh.
#
#	soon NAME CMD...	a test: CMD succeeds within some seconds; what it says
#				is of no interest
#	held			the guest $ns has a connection to port 7000 of $WORLD4;
#				$T/held tells what becomes of it: answers, or its end.
#				Sets $held_pid
#	held_says		the guest says something on it, which is answered "two"

# shellcheck disable=SC2154 # the libraries set ns, pid and so on

soon()
{
	soon_name=$1
	shift
	soon_begin=$(date +%s%N)
	soon_rc=1
	while [ "$soon_rc" -ne 0 ] &&
	      [ $((($(date +%s%N) - soon_begin) / 1000000000)) -lt 5 ]; do
		"$@" >"$T/soon" 2>&1
		soon_rc=$?
		[ "$soon_rc" -eq 0 ] || pause 0.05
	done
	soon_ms=$((($(date +%s%N) - soon_begin) / 1000000))
	ok "$soon_name ($soon_ms ms)" [ "$soon_rc" -eq 0 ]
	[ "$soon_rc" -eq 0 ] || diag "$(cat "$T/soon")"
}

held()
{
	cat >"$T/held.py" <<-'X'
		import os, socket, sys
		s = socket.create_connection((sys.argv[1], 7000), 5)
		s.sendall(b"one")
		while True:
		    try:
		        s.settimeout(0.1)
		        print(s.recv(100).decode() or "end", flush=True)
		    except socket.timeout:
		        if os.path.exists(sys.argv[2]):
		            os.unlink(sys.argv[2])
		            s.sendall(b"two")
		    except OSError as e:
		        sys.exit(print(e.strerror))
		X
	rm -f "$T/user/say"
	spawn "ns:$ns" python3 "$T/held.py" "$WORLD4" "$T/user/say" >"$T/held"
	# shellcheck disable=SC2034 # for the caller
	held_pid=$pid
	wait_for "grep -q one '$T/held'" || fail 'a connection'
}

held_says()
{
	: >"$T/user/say"
	chmod 777 "$T/user/say"
}
