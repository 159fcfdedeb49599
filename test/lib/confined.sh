# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# A guest whose kernel confines our programs, for profiles_*.sh. After vm.sh.
#
#	confined_build PROGRAM...	the guest, with ours in /usr/local/bin, and what
#				else it runs, with libraries
#	confined_run		it runs $T/vmfs/inside, behind the lines of
#				confined_head, and its assertions become ours
#
# What inside has: tap.sh, wait_for, and
#
#	$label, $denials	set by it: what the kernel calls our programs, and what
#				it says in a line about what it denied, as grep sees it
#	. /uses			what may be done in any domain: by a user and by root, as
#				passt, pasta and slirp4netns
#	$user			in front of a command: as an ordinary user, of $u and $run
#	$web, $hello		a page of the world, and what it says
#	confined PID WHAT	it is
#	clean			nothing was denied since it was last asked
#	denied			what was
#	kept			a user's process in a network namespace of its own: sets
#				$kept, its PID, and $in_it, in front of commands there
#	end PID			end it, and wait

confined_build()
{
	world_up
	world_greets
	vm_build || bail 'no guest'
	mkdir -p "$T/vmfs/usr/local/bin" "$T/vmfs/bin"
	cp "$TOP/passt" "$TOP/pesto" "$TOP/passtctl" "$TOP/build/tools/vufront" \
		"$T/vmfs/usr/local/bin/"
	ln -s passt "$T/vmfs/usr/local/bin/pasta"
	ln -s passt "$T/vmfs/usr/local/bin/slirp4netns"
	for p in setpriv unshare nsenter "$@"; do
		cp -L "$(command -v "$p")" "$T/vmfs/bin/" || bail "no $p"
	done
	for f in $(ldd "$T"/vmfs/bin/* "$T"/vmfs/usr/local/bin/* |
		grep -oE '/[^ )]*[^ ):]' | sort -u); do
		case $f in
		"$T"/*)	;;
		*)	mkdir -p "$T/vmfs${f%/*}"
			cp -L "$f" "$T/vmfs$f" ;;
		esac
	done
	cp "$TOP/test/lib/tap.sh" "$T/vmfs/"
}

confined_head()
{
	cat <<'E'
. /tap.sh
export PATH=/usr/local/bin:/bin HOME=/home/user
u=$HOME run=/run/user/1000
user='setpriv --reuid=1000 --regid=1000 --clear-groups'
hello='hello from the world'
web=http://198.51.100.10/hello
wait_for()
{
	n=0
	until eval "$1" >/dev/null 2>&1; do
		[ $((n += 1)) -lt 200 ] || return 1
		sleep 0.1
	done
}
denied()
{
	dmesg -c | grep "$denials" | sed 's/pid=[0-9]*//; s/ino=[0-9]*//; s/audit([^)]*)//' |
		sort | uniq -c
}
clean()
{
	is "$(denied)" '' "... and nothing was denied"
}
confined()
{
	is "$(cat "/proc/$1/attr/current")" "$label" "$2: confined"
}
kept()
{
	rm -f /tmp/kept
	$user unshare -Urn sh -c 'echo $$ >/tmp/kept; exec sleep 1000' &
	wait_for '[ -s /tmp/kept ]'
	kept=$(cat /tmp/kept)
	in_it="$user nsenter -t $kept -n -U --preserve-credentials"
}
end()
{
	kill "$1"
	wait_for "! [ -e /proc/$1 ]"
}
E
}

# what may be done in any domain
confined_uses()
{
	cat <<'E'
# joined: a user's namespace
kept
ok 'pasta PID' $user pasta -q --config-net -P $run/pid "$kept"
is "$($in_it curl -s $web)" "$hello" '... traffic'
confined "$(cat $run/pid)" '... in the background'
clean
end "$(cat $run/pid)"
rm -f $run/pid

# ... by the path that Podman gives
$user unshare -Urm sh -c "
	mkdir -p $run/netns && mount -t tmpfs tmpfs $run/netns && : >$run/netns/n &&
	unshare -n mount --bind /proc/self/ns/net $run/netns/n &&
	pasta -q --config-net -P $run/pid --netns $run/netns/n &&
	nsenter --net=$run/netns/n curl -s $web" >/tmp/out 2>&1
is "$(cat /tmp/out)" "$hello" 'pasta --netns PATH'
clean
[ ! -s $run/pid ] || end "$(cat $run/pid)"

# as slirp4netns, with its API
kept
$user sh -c "exec slirp4netns -c --enable-sandbox --enable-seccomp --enable-ipv6 \
	-a $run/api -r 3 $kept tap0 3>/tmp/ready" >/tmp/err 2>&1 &
slirp=$!
wait_for "[ -s /tmp/ready ]" || diag "$(cat /tmp/err)"
confined "$slirp" slirp4netns
is "$($in_it curl -s $web)" "$hello" '... traffic'
printf '{"execute": "add_hostfwd", "arguments": %s}' \
	'{"proto": "tcp", "host_port": 8081, "guest_port": 80}' >/tmp/request
like "$($user socat -t 5 - UNIX:$run/api </tmp/request)" '*"return"*' '... its API'
clean
kill "$slirp"

# for a virtual machine: where its socket is, in the background, and memory
ok 'passt' $user passt -q -s $run/s -P $run/pid -l $run/log -t 8082
confined "$(cat $run/pid)" '... in the background'
$user socat -u OPEN:/dev/null UNIX:$run/s
clean
[ ! -e "/proc/$(cat $run/pid)" ] || end "$(cat $run/pid)"
ok 'passt in /tmp' $user passt -q -P /tmp/pid --vhost-user -s /tmp/s \
	-a 10.9.0.2 -n 24 -g 10.9.0.1
$user unshare -Urn sh -c "vufront /tmp/s tap eth0 >/tmp/front 2>&1 &
	i=0; until grep -q ready /tmp/front || [ \$((i += 1)) -gt 100 ]; do sleep 0.1; done
	ip address add 10.9.0.2/24 dev eth0
	ip link set eth0 up
	ip route add default via 10.9.0.1
	curl -s -m 20 $web" >/tmp/out 2>/tmp/err
is "$(cat /tmp/out)" "$hello" '... memory of a guest' || diag "$(cat /tmp/err /tmp/front)"
clean
[ ! -e "/proc/$(cat /tmp/pid)" ] || end "$(cat /tmp/pid)"

# root's
ip netns add root
ok 'root: pasta --netns' pasta -q --config-net -P /run/pid -t 80 --netns /run/netns/root
is "$(ip netns exec root curl -s $web)" "$hello" '... traffic'
confined "$(cat /run/pid)" '... in the background'
end "$(cat /run/pid)"
clean
ok 'root: passt --runas' passt -q --runas user -s $run/s -P /run/pid -t 81 -l /run/log
is "$(stat -c %U "/proc/$(cat /run/pid)")" user '... a user'
end "$(cat /run/pid)"
clean
E
}

confined_run()
{
	confined_head >"$T/vmfs/head"
	confined_uses >"$T/vmfs/uses"
	cat >"$T/script" <<'E'
# a root that can be left: the first one can't, nor can its files be labelled
mkdir /new
mount -t tmpfs tmpfs /new
cp -a /bin /sbin /etc /lib /lib64 /root /usr /var /run /tap.sh /head /uses /inside* /new
mkdir -p /new/proc /new/sys /new/dev /new/tmp /new/home/user
for d in proc sys dev; do
	mount --bind "/$d" "/new/$d"
done
mount -t tmpfs tmpfs /new/tmp
cd /new
mount --move . /
exec chroot . /bin/sh -c '
echo "user:x:1000:1000::/home/user:/bin/sh" >>/etc/passwd
echo "user:x:1000:" >>/etc/group
mkdir -p /run/user/1000 /run/netns
chown user /home/user /run/user/1000
chmod 1777 /tmp
chmod 666 /dev/net/tun
busybox udhcpc -q -f -n -t 10 -T 1 -i eth0 >/dev/null 2>&1
echo 1 >/proc/sys/kernel/printk
echo 0 >/proc/sys/kernel/printk_ratelimit
exec sh /inside'
E
	sock=$T/user/passt.socket
	spawn user passt -f -s "$sock" >"$T/passt.err" 2>&1
	wait_for "[ -S '$sock' ]" || bail "passt: $(cat "$T/passt.err")"
	# shellcheck disable=SC2046 # words
	vm_start "$T/script" -- $(vm_net "$sock")
	vm_wait 200
	is $? 0 'the guest ended well'
	vm_output >"$T/guest"
	while read -r line; do
		case $line in
		'ok '*)		pass "${line#* - }" ;;
		'not ok '*)	fail "${line#* - }" ;;
		'# '*)		printf '%s\n' "$line" ;;
		esac
	done <"$T/guest"
	ok '... whole' grep -q '^1\.\.' "$T/guest"
}
