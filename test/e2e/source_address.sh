#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The address that a guest gets, where the host has several: the one that the host
# itself is seen by far away.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up

# the kernel's own choice
kernel() { ip route get "$1" | sed -n 's/.* src \([^ ]*\).*/\1/p'; }

# guest IPv4|IPv6: what the start says
guest()
{
	rm -f "$T/user/sock"
	as_user timeout 10 passt -f -1 -s "$T/user/sock" 2>"$T/err" &
	socat -u /dev/null "UNIX-CONNECT:$T/user/sock,retry=100,interval=0.1" \
		2>/dev/null
	wait $!
	sed -n "/^$1:/,/gateway/s/ *guest: \(.*\)\/.*/\1/p" "$T/err"
}

# both NAME: as the kernel would
both()
{
	is "$(guest IPv4)" "$(kernel "$WORLD4")" "$1: IPv4"
	is "$(guest IPv6)" "$(kernel "$WORLD6")" "$1: IPv6"
}

both 'one address'
# IPv6's are listed the newest first
ip address add fd00:1::2/64 dev eth0 nodad
is "$(kernel "$WORLD6")" "$HOST6" 'the kernel prefers a global address'
both 'a unique local one is newer'
ip address add 192.0.2.5/25 dev eth0
ip address add 2001:db8:1::77/64 dev eth0 nodad
ip route replace default via "$GW4" dev eth0 src 192.0.2.5
ip -6 route show default >"$T/default"
# shellcheck disable=SC2046 # words of it
ip -6 route replace $(sed 's/ proto [^ ]*//; s/ pref .*//; s/ $//; q' \
	"$T/default") src fd00:1::2
is "$(kernel "$WORLD4") $(kernel "$WORLD6")" '192.0.2.5 fd00:1::2' \
	'the default routes name another'
both 'the default route names one'
ip address del "$HOST6/64" dev eth0
ip address del 2001:db8:1::77/64 dev eth0
both 'only a unique local one is left'
done_testing
