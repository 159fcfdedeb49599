#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# System calls fail, once and now and then, with a guest on a stream link: that costs a
# moment, of the link's own calls as well.
# timeout 400

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/faults.sh
. "$(dirname "$0")/../lib/faults.sh"
world_up
faults_up

spawn user failing "$f" passt -f -s "$T/user/guest.sock" -t 9001 -u 9001 \
	2>"$T/passt.err"
passt=$pid
wait_for "grep -q '^Seccomp:.*2' /proc/$passt/status" || bail "$(cat "$T/passt.err")"
linkemu_guest "$T/user/guest.sock" --mtu 65520
ok 'the guest is there' ip netns exec guest ping -qc 3 -i 0.2 "$GW4"
faults_serve world 9001
faults_serve net:guest 9001

link='unix:recv unix:send'
try net:guest "$WORLD4" 9001 'the guest connects' "$link tcp:recvmsg tcp:sendmsg tcp:recv"
try world "$HOST6" 9001 'the host connects' "$link"
try udp net:guest "$WORLD6" 9001 'the guest asks' "$link udp:recvmmsg udp:sendmmsg"
try udp world "$HOST4" 9001 'the host asks' "$link"
try rest net:guest "$WORLD4" 9001 'a link that fails' "$passt" 'unix:recv unix:send'
ok 'the link is still there' ip netns exec guest ping -qc 3 -i 0.2 "$GW4"
is "$(grep -c 'connection closed' "$T/passt.err")" 0 'and has not been lost'

stop "$passt"
done_testing
