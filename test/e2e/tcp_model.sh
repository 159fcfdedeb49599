#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 3600
#
# TCP by random plans: two real stacks with passt, or pasta, between them, on a
# link that loses, repeats and reorders frames. What comes of thousands of
# connections has to be what TCP promises, and what a plain link between the
# stacks gives (see test/tools/tcpmodel.c).
#
#	MODEL_COUNT	connections in all (1000; the full run has 10000)
#	MODEL_SEED	of the plans and the losses (1)
#	MODEL_ONLY	names of variants to run, default all

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
tools=${PASST_TOOLS_DIR:-$TOP/build/tools}
[ -x "$tools/tcpmodel" ] || bail "no $tools/tcpmodel: run make tools first"

count=${MODEL_COUNT:-1000}
seed=${MODEL_SEED:-1}
parallel=${MODEL_PARALLEL:-64}
ports=20000-$((20000 + 2 * parallel - 1))

# model INSIDE NAME FIRST COUNT ARGS...: run plans between INSIDE and the world
model()
{
	model_in=$1 model_name=$2 model_first=$3 model_count=$4
	shift 4
	"$tools/tcpmodel" --inside "$model_in" --outside /run/netns/world \
		--to-inside "$HOST4,$HOST6" --to-outside "$WORLD4,$WORLD6" \
		--seed "$seed" --first "$model_first" --count "$model_count" \
		--parallel "$parallel" --record "$T/$model_name.rec" "$@" \
		>"$T/$model_name.out" 2>&1
}

# judge NAME STATUS: outcomes by the plans, and by what the plain link gave
judge()
{
	if [ "$2" -eq 0 ]; then
		pass "$1: each connection as planned"
	else
		fail "$1: each connection as planned"
	fi
	grep -v '^# .*: wrote\|^#   ' "$T/$1.out" >"$T/$1.short"
	if [ "$2" -eq 0 ]; then
		cat "$T/$1.short"
	else
		cat "$T/$1.out"
	fi
	sort "$T/$1.rec" >"$T/$1.sorted"
	sort "$T/plain.rec" | join -j 1 - "$T/$1.sorted" -o 1.1 |
		sort >"$T/$1.ids"
	sort "$T/plain.rec" | join "$T/$1.ids" - >"$T/$1.plain"
	ok "$1: the same as on a plain link" \
		cmp "$T/$1.plain" "$T/$1.sorted"
}

# settled PID FDS: does it hold no connection any more?
settled()
{
	[ "$(fds_of "$1")" -le "$2" ]
}

# connections of the lossy kind end when both sides know
left_behind()
{
	ok "$1: alive" alive "$2"
	ok "$1: nothing is left" wait_for "settled $2 $3" 90 || {
		diag "descriptors: $3 before, $(fds_of "$2") after"
		kill -USR1 "$2"
		pause 0.5
		diag "$(grep -h 'flow' "$T/passt.err")"
	}
	pause 2.5		# TIME_WAIT
	idle_before=$(awk '/^voluntary/ { print $2 }' "/proc/$2/status")
	pause 1
	idle_after=$(awk '/^voluntary/ { print $2 }' "/proc/$2/status")
	ok "$1: idle afterwards" test $((idle_after - idle_before)) -le 10
}

# guest_up MTU FAULTS...: a guest behind linkemu, and passt: sets passt, emu
guest_up()
{
	guest_mtu=$1
	shift
	rm -f "$T/user/guest.sock"
	spawn user passt -f -s "$T/user/guest.sock" -t "$ports" -u none \
		2>"$T/passt.err"
	passt=$pid
	# the last that it does at start, when all its descriptors are open
	wait_for "grep -q '^Seccomp:.*2' /proc/$passt/status" ||
		bail "$(cat "$T/passt.err")"
	fds_before=$(fds_of "$passt")
	linkemu_guest "$T/user/guest.sock" --seed "$seed" --mtu "$guest_mtu" \
		--stats "$@"
	fds_before=$((fds_before + 2))
}

guest_down()
{
	stop "$passt"
	stop "$emu"
	diag "$(cat "$T/emu.err")"
	ip netns del guest
}

wanted()
{
	case " ${MODEL_ONLY:-$1} " in
	*" $1 "*) return 0 ;;
	esac
	return 1
}

# through_passt NAME FIRST COUNT MTU FAULTS...
through_passt()
{
	wanted "$1" || return 0
	via_name=$1 via_first=$2 via_count=$3
	shift 3
	guest_up "$@"
	case $* in
	*loss*) lossy=--lossy ;;
	*)	lossy= ;;
	esac
	model /run/netns/guest "$via_name" "$via_first" "$via_count" $lossy \
		${lossy:+--max-bytes 262144}
	judge "$via_name" $?
	left_behind "$via_name" "$passt" "$fds_before"
	guest_down
}

# The same plans everywhere: parts of them are repeated on the plain link. The
# lossy variants have smaller ones.
part=$((count / 10))
ok 'plain: each connection as planned' \
	model /proc/self/ns/net plain 0 "$((5 * part))"
cat "$T/plain.out"
cp "$T/plain.rec" "$T/large.rec"
ok 'plain, smaller: each connection as planned' \
	model /proc/self/ns/net plain 0 "$((5 * part))" --max-bytes 262144
cat "$T/plain.out"
cp "$T/plain.rec" "$T/small.rec"

cp "$T/large.rec" "$T/plain.rec"
through_passt clean 0 "$((3 * part))" 65520
through_passt clean-1500 $((3 * part)) "$part" 1500
if wanted pasta; then
	pasta_up --config-net -t "$ports" -u none -T none -U none
	fds_before=$(($(fds_of "$pasta_pid") + 2))
	model "/proc/$ns/ns/net" pasta $((2 * part)) $((3 * part))
	judge pasta $?
	left_behind pasta "$pasta_pid" "$fds_before"
	pasta_down
fi

cp "$T/small.rec" "$T/plain.rec"
through_passt faults-1 0 "$part" 1500 --loss 1 --dup 1 --reorder 1
through_passt faults-5 $((part)) "$part" 1500 --loss 5 --dup 5 --reorder 5
through_passt faults-5-jumbo $((2 * part)) "$part" 65520 \
	--loss 5 --dup 5 --reorder 5 --delay 1
done_testing
