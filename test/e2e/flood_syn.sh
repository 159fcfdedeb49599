#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# SYNs to destinations that don't answer, 20000 a second, beside a download.
# timeout 120

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun

cat >"$T/bin/download" <<'E2'
#!/usr/bin/python3
"""download serve PORT; download ADDR PORT SECONDS: MB/s, and the longest pause in ms"""
import socket, sys, time
if sys.argv[1] == "serve":
    l = socket.create_server(("", int(sys.argv[2])))
    print("ready", flush=True)
    while True:
        s = l.accept()[0]
        try:
            while True:
                s.sendall(bytes(1 << 20))
        except OSError:
            s.close()
s = socket.create_connection(sys.argv[1:3], 10)
s.settimeout(30)
buf = bytearray(1 << 18)
n, begun = 0, time.monotonic()
last, pause = begun, 0
while last < begun + float(sys.argv[3]):
    n += s.recv_into(buf)
    now = time.monotonic()
    pause, last = max(pause, now - last), now
print(round(n / max(last - begun, 1e-9) / 1e6), round(pause * 1000))
E2
chmod 755 "$T/bin/download"
pasta_up --config-net -t none -u none -T none -U none
spawn world download serve 90 >"$T/serve"
wait_for "grep -q ready '$T/serve'"
# nobody is there, and no router says so
in_world ip route add blackhole 198.51.100.77/32
in_world ip route add blackhole 198.18.0.0/15

download() { in_ns "$ns" download "$WORLD4" 90 "$1"; }
# opened TIMES: so many connections to somebody who answers, within 3 s each
opened()
{
	opened_n=0
	while [ $opened_n -lt "$1" ]; do
		in_ns "$ns" timeout 3 download "$WORLD4" 90 0 >/dev/null || return 1
		opened_n=$((opened_n + 1))
	done
}
flood()	# DESTINATION WHO
{
	before=$(download 2)
	spawn "ns:$ns" \
		"$TOP/test/tools/flood" syn "$HOST4" "$1" 81 20000 6 \
		>"$T/flood"
	flood=$pid
	pause 1
	during=$(download 4)
	ok "SYNs to $2: others are served meanwhile" opened 5
	wait_for "! alive $flood"
	after=$(download 2)
	diag "MB/s and longest pause in ms: $before before, $during beside" \
		"$(cat "$T/flood") SYNs, $after after"
	ok '... 20000 a second, and a download keeps half of its speed' \
		[ $((${during% *} * 4)) -ge $((${before% *} + ${after% *})) ]
	ok '... and never stops for half a second' [ "${during#* }" -lt 500 ]
	ok '... all is back when it is over' [ $((${after% *} * 2)) -ge "${before% *}" ]
}
flood 198.51.100.77 'one that does not answer'
flood 198.18.0.0/17 'many that do not answer'
pasta_down
done_testing
