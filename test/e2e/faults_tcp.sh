#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Each system call of TCP fails, once and now and then, while connections are opened
# from both sides and data flows both ways: that costs a moment.
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
pasta_with="failing $f"
pasta_up --config-net -t 9001 -u none -T 9002 -U none
faults_serve world 9001
faults_serve "ns:$ns" 9001
faults_serve host 9002

calls='tcp:setsockopt tcp:getsockopt tcp:epoll_ctl tcp:sendmsg tcp:recvmsg tcp:recv
	tcp:shutdown'
try "ns:$ns" "$WORLD4" 9001 'the guest connects' \
	"tcp:socket tcp:connect $calls file:read file:write file:writev"
try world "$HOST4" 9001 'the host connects' "tcp:accept4 tcp:getsockname $calls"

calls='tcp:socket tcp:setsockopt tcp:connect tcp:getsockname tcp:epoll_ctl
	tcp:splice file:splice tcp:shutdown'
try "ns:$ns" 127.0.0.1 9002 'from loopback to loopback' "tcp:accept4 $calls"

pasta_down
done_testing
