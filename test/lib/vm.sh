# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# Guests for tests, in QEMU, from test/tools/mkinitramfs. After world.sh.
#
#	vm_build		make kernel and initramfs, if not there yet; skips the file
#				on machines that aren't the guests' kind
#	vm_initrd SCRIPT FILE	make the initramfs of a guest that runs SCRIPT, for
#				who starts it by other means, with $vm_dir/kernel
#				and $VM_CMDLINE
#	vm_start SCRIPT -- ARGS	start a guest which runs the shell script SCRIPT,
#				ARGS are QEMU's, for its network
#	vm_wait [SECS]		until it has ended (90), returns SCRIPT's status,
#				124 if it takes too long, 125 if it died before
#	vm_output		SCRIPT's output so far
#	vm_said WORD [SECS]	wait for a line of SCRIPT's output, exactly WORD
#	vm_run SCRIPT -- ARGS	all of it: start, wait, print the output
#	vm_start_shell -- ARGS	start a guest that runs what it is told
#	vm_sh LINE [SECS]	it runs a line of shell: prints its output, returns its
#				status, or 124 after so many seconds (20)
#	vm_incoming -- ARGS	one more QEMU, which that guest moves to; ARGS say from
#				where, and what the guest has got meanwhile
#	vm_moved		it has: vm_sh goes there
#	vm_functions		makes functions of the guest's shell, in its file
#				/functions, to be added to: eventually CONDITION, within
#				15 seconds; link, until eth0 has its addresses and the
#				gateway answers
#	vu_passt NAME OPTIONS...	a daemon of vhost-user at $T/user/NAME, what it
#				says in $T/NAME.err
#	vm_qmp SOCKET COMMAND [ARGUMENTS]	of QEMU's own protocol: prints what it
#				returns, in JSON; fails with its error
#	vm_net SOCKET [MAC [MORE]]	prints the ARGS of a guest at passt's SOCKET;
#				MORE is for vhost-user's chardev: ",reconnect=1"
#	vm_memory, vm_nic ID SOCKET [MAC [MORE]]	the same in parts, for a
#				guest with several of them
#
#	$T/vmfs			what's here is in the guest's root directory too
#	VM_LINK			stream (default), or vu: vhost-user
#	VM_NIC			more properties of the guest's interface
#	VM_IMAGE		kernel, or image: see mkinitramfs
#	VM_BACKEND		what vhost-user's memory is (memfd)
#	VM_MEMORY		KiB of it (384 MiB)
#	VM_ACCEL		kvm or tcg; default: kvm if it works

VM_MEMORY=${VM_MEMORY:-393216}
VM_NIC=${VM_NIC:-}
VM_IMAGE=${VM_IMAGE:-kernel}
VM_BACKEND=${VM_BACKEND:-memfd}
VM_CMDLINE='console=ttyS0 quiet panic=-1 mitigations=off nokaslr'
VM_CMDLINE="$VM_CMDLINE random.trust_cpu=on tsc=reliable cryptomgr.notests"
VM_CMDLINE="$VM_CMDLINE no_timer_check"
VM_PROGRAMS='getent ip ping curl socat iperf3 dhclient dhcpcd'

vm_build()
{
	[ "$(uname -m)" = x86_64 ] || skip_all 'guests are x86-64'
	vm_dir=$TOP/build/vm
	# in another tree: of the machine's programs, made before
	[ "${TREE_INSIDE:-}" != 1 ] || return 0
	mkdir -p "$vm_dir" 2>/dev/null
	[ -w "$vm_dir" ] || { vm_dir=$T/vm; mkdir -p "$vm_dir"; }

	vm_have=
	for vm_p in $VM_PROGRAMS; do
		! command -v "$vm_p" >/dev/null || vm_have="$vm_have $vm_p"
	done
	# shellcheck disable=SC2086 # a list of names
	XDG_CACHE_HOME=$WORLD_CACHE flock "$vm_dir" \
		"$TOP/test/tools/mkinitramfs" "$vm_dir" $vm_have
}

# QEMU's arguments for the processor. /dev/kvm without the processor's support
# is of no use to an ordinary kernel.
vm_accel()
{
	case ${VM_ACCEL:-} in
	'')	if [ -r /dev/kvm ] && [ -w /dev/kvm ] &&
		   grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo; then
			VM_ACCEL=kvm
		else
			VM_ACCEL=tcg
		fi ;;
	esac
	case $VM_ACCEL in
	kvm)	echo -accel kvm -cpu host ;;
	*)	echo -accel tcg -cpu max ;;
	esac
}

# memory that a guest shares with who serves it
vm_memory()
{
	case ${VM_LINK:-stream} in
	vu)	echo -object \
			"memory-backend-$VM_BACKEND,id=mem,share=on,size=${VM_MEMORY}K" \
			-machine memory-backend=mem ;;
	esac
}

vm_nic()
{
	case ${VM_LINK:-stream} in
	stream)	set -- "$1" "$2" "${3:-}" "${4:-}" \
			"-netdev stream,id=$1,server=off,addr.type=unix,addr.path=$2" ;;
	vu)	set -- "$1" "$2" "${3:-}" "${4:-}" \
			"-chardev socket,id=c$1,path=$2${4:-}" \
			"-netdev vhost-user,id=$1,chardev=c$1" ;;
	esac
	vm_mac=${3:-52:54:00:12:34:56}
	vm_id=$1
	shift 4
	echo "$@" "-device virtio-net-pci,netdev=$vm_id,romfile=,mac=$vm_mac$VM_NIC"
}

vm_net()
{
	vm_memory
	vm_nic n "$@"
}

vm_n=0
vm_pipe=
# set by spawn in world.sh
pid=${pid:-}

vm_initrd()
{
	mkdir -p "$T/vmfs"
	cp "$1" "$T/vmfs/script"
	{
		cat "$vm_dir/initrd"
		(cd "$T/vmfs" && find . | cpio -o -H newc -R 0:0 --quiet)
	} >"$2"
}

vm_start()
{
	vm_script=$1
	shift 2
	vm_n=$((vm_n + 1))
	vm_out=$T/vm$vm_n.out
	vm_console=$T/vm$vm_n.console
	vm_initrd "$vm_script" "$T/vm$vm_n.initrd"
	: >"$vm_out"
	vm_line=file,path=$vm_out
	[ -z "$vm_pipe" ] || vm_fifos "$vm_pipe"
	vm_qemu "$@"
}

# the next QEMU's second serial line: never an end of file
vm_fifos()
{
	mkfifo "$1.in" "$1.out"
	vm_line=pipe,path=$1
	spawn host cat "$1.out" >>"$vm_out"
}

vm_qemu()
{
	# shellcheck disable=SC2046 # words
	spawn host qemu-system-x86_64 -M q35 $(vm_accel) -m "${VM_MEMORY}K" \
		-display none -no-reboot -nodefaults -no-user-config \
		-kernel "$vm_dir/$VM_IMAGE" -initrd "$T/vm$vm_n.initrd" \
		-append "$VM_CMDLINE" \
		-chardev "file,id=console,append=on,path=$vm_console" \
		-serial chardev:console \
		-chardev "$vm_line,id=out" \
		-device isa-serial,chardev=out "$@" >>"$T/vm$vm_n.qemu" 2>&1
	vm_pid=$pid
}

vm_qmp()
{
	timeout 30 python3 - "$@" <<-'E'
		import json, socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.connect(sys.argv[1])
		f = s.makefile("rw")
		f.readline()
		command = {"execute": sys.argv[2]}
		if len(sys.argv) > 3:
		    command["arguments"] = json.loads(sys.argv[3])
		for c in ({"execute": "qmp_capabilities"}, command):
		    f.write(json.dumps(c) + "\n")
		    f.flush()
		    answer = {"event": ""}
		    while "event" in answer:
		        answer = json.loads(f.readline())
		print(json.dumps(answer.get("return", answer)))
		sys.exit("return" not in answer)
		E
}

vm_start_shell()
{
	cat >"$T/vm.shell" <<-'E'
		echo SHELL
		while read -r n line; do
			eval "$line" </dev/null >/tmp/line 2>&1
			rc=$?
			echo "LINE $n"
			cat /tmp/line
			printf '\nRC %d %d\n' $n $rc
		done </dev/ttyS1
		E
	vm_pipe=$T/vm.pipe
	: >"$T/vm.lines"
	vm_start "$T/vm.shell" "$@"
	exec 8<>"$vm_pipe.in"
	vm_pipe=
	vm_said SHELL
}

vm_functions()
{
	mkdir -p "$T/vmfs"
	cat >"$T/vmfs/functions" <<-E
		eventually()
		{
			tries=0
			until eval "\$1"; do
				[ \$((tries += 1)) -lt 150 ] || return
				sleep 0.1
			done
		}
		link()
		{
			sysctl -qw net.ipv6.conf.eth0.accept_dad=0
			busybox udhcpc -q -f -n -t 10 -T 1 -i eth0 >/dev/null 2>&1
			eventually 'ip -6 address show dev eth0 scope global |
				grep -q 2001:'
			ping -c 1 -W 15 $GW4 >/dev/null
		}
		E
}

vu_passt()
{
	vu_name=$1
	shift
	spawn user passt --vhost-user -d -f -s "$T/user/$vu_name" "$@" \
		>>"$T/$vu_name.err" 2>&1
	wait_for "[ -S '$T/user/$vu_name' ]" ||
		bail "passt: $(cat "$T/$vu_name.err")"
}

vm_incoming()
{
	shift
	vm_fifos "$T/vm.incoming"
	vm_qemu "$@"
}

vm_moved()
{
	exec 8<>"$T/vm.incoming.in"
}

vm_sh()
{
	# not in a variable, as this is run in subshells, too
	echo >>"$T/vm.lines"
	vm_n_line=$(wc -l <"$T/vm.lines")
	echo "$vm_n_line $1" >&8
	wait_for "vm_output | grep -q '^RC $vm_n_line '" "${2:-20}" ||
		return 124
	vm_output | sed "1,/^LINE $vm_n_line\$/d; /^RC $vm_n_line /,\$d"
	return "$(vm_output | sed -n "s/^RC $vm_n_line //p")"
}

vm_output()
{
	tr -d '\r' <"$vm_out" | sed '/^BEGIN [0-9.]*$/d; /^END [0-9]*$/d'
}

vm_said()
{
	wait_for "! alive $vm_pid || vm_output | grep -qx '$1'" "${2:-60}" &&
		vm_output | grep -qx "$1"
}

# shellcheck disable=SC2120 # optional argument
vm_wait()
{
	vm_rc=0
	if ! wait_gone "$vm_pid" "${1:-90}"; then
		vm_rc=124
	elif ! grep -q '^END' "$vm_out"; then
		vm_rc=125
	fi
	stop "$vm_pid"
	rm -f "$T/vm$vm_n.initrd"
	if [ "$vm_rc" -ne 0 ]; then
		tail -n 20 "$T/vm$vm_n.qemu" "$vm_console" >&2
		return "$vm_rc"
	fi
	return "$(tr -d '\r' <"$vm_out" | sed -n 's/^END //p')"
}

vm_run()
{
	vm_start "$@"
	vm_wait
	vm_run_rc=$?
	vm_output
	return "$vm_run_rc"
}
