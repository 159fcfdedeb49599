# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# For tests of a host whose network changes. After world.sh.
#
#	soon NAME CMD...	a test: CMD succeeds within some seconds; what it says
#				is of no interest
#	held [ADDR]		the guest $ns has a connection to port 7000 of ADDR,
#				$WORLD4; $T/held tells what becomes of it: answers, or
#				its end. Sets $held_pid
#	second_up		a second link between host and world, eth1, which is
#				better: 203.0.114.0/24 and 2001:db8:2::/64
#	held_says		the guest says something on it, which is answered "two"
#	lives NAME		a test: so it does; $T/held is empty again

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
	spawn "ns:$ns" python3 "$T/held.py" "${1:-$WORLD4}" "$T/user/say" >"$T/held"
	# shellcheck disable=SC2034 # for the caller
	held_pid=$pid
	wait_for "grep -q one '$T/held'" || fail 'a connection'
}

held_says()
{
	: >"$T/user/say"
	chmod 777 "$T/user/say"
}

lives()
{
	held_says
	soon "$1" grep -q two "$T/held"
	: >"$T/held"
}

second_up()
{
	ip link add eth1 type veth peer name eth1 netns world
	ip link set eth1 up
	in_world ip -b - <<-X
		link set eth1 up
		address add 203.0.114.1/24 dev eth1
		address add 2001:db8:2::1/64 dev eth1 nodad
		address add fe80::1/64 dev eth1 nodad
		X
	ip -b - <<-X
		address add 203.0.114.2/24 dev eth1
		address add 2001:db8:2::2/64 dev eth1 nodad
		route add default via 203.0.114.1 metric 5
		X
	ip -6 route add default via fe80::1 dev eth1 metric 5
}
