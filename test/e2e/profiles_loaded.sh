#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 300
#
# AppArmor's profiles of contrib/apparmor/confined, loaded in a guest's kernel, and all
# that the documentation does done with them: by a user and by root, as passt, pasta and
# slirp4netns, with files, captures, sockets, policies, and who controls it.
# Nothing of it is denied, but a file of somebody else.

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/vm.sh
. "$TOP/test/lib/vm.sh"

[ "$(uname -m)" = x86_64 ] || skip_all 'guests are x86-64'
command -v apparmor_parser >/dev/null || skip_all "apparmor_parser isn't installed"
world_up
world_greets
vm_build || bail 'no guest'

# our programs where they're installed, others in /bin, and their libraries
mkdir -p "$T/vmfs/usr/local/bin" "$T/vmfs/etc/apparmor.d" "$T/vmfs/bin"
cp "$TOP/passt" "$TOP/pesto" "$TOP/passtctl" "$TOP/build/tools/vufront" \
	"$T/vmfs/usr/local/bin/"
ln -s passt "$T/vmfs/usr/local/bin/pasta"
ln -s passt "$T/vmfs/usr/local/bin/slirp4netns"
for p in setpriv unshare nsenter apparmor_parser; do
	cp -L "$(command -v $p)" "$T/vmfs/bin/"
done
for f in $(ldd "$T"/vmfs/bin/* "$T"/vmfs/usr/local/bin/* | grep -oE '/[^ )]*[^ ):]' |
	sort -u); do
	case $f in
	"$T"/*)	;;
	*)	mkdir -p "$T/vmfs${f%/*}"
		cp -L "$f" "$T/vmfs$f" ;;
	esac
done
cp -r /etc/apparmor.d/abi /etc/apparmor.d/abstractions /etc/apparmor.d/tunables \
	"$T/vmfs/etc/apparmor.d/"
cp "$TOP"/contrib/apparmor/confined/* "$T/vmfs/etc/apparmor.d/"

sock=$T/user/passt.socket
spawn user passt -f -s "$sock" >"$T/passt.err" 2>&1
wait_for "[ -S '$sock' ]" || bail "passt: $(cat "$T/passt.err")"

cp "$TOP/test/lib/tap.sh" "$T/vmfs/tap.sh"

cat >"$T/vmfs/inside" <<'E'
. /tap.sh
export PATH=/usr/local/bin:/bin
echo 'user:x:1000:1000::/home/user:/bin/sh' >>/etc/passwd
echo 'user:x:1000:' >>/etc/group
chown user /home/user
chmod 1777 /tmp
chmod 666 /dev/net/tun
mount -t securityfs none /sys/kernel/security
[ -d /sys/kernel/security/apparmor ] || { skip "a kernel without AppArmor"; done_testing; exit; }
busybox udhcpc -q -f -n -t 10 -T 1 -i eth0 >/dev/null 2>&1
echo 1 >/proc/sys/kernel/printk
echo 0 >/proc/sys/kernel/printk_ratelimit

export HOME=/home/user
user='setpriv --reuid=1000 --regid=1000 --clear-groups'
wait_for()
{
	n=0
	until eval "$1" >/dev/null 2>&1; do
		[ $((n += 1)) -lt 200 ] || return 1
		sleep 0.1
	done
}
# what was denied since last asked
denied()
{
	dmesg -c | grep 'apparmor="DENIED"' | sed 's/.*apparmor=//' | sort | uniq -c
}
clean()
{
	is "$(denied)" '' "... and nothing was denied"
}
# confined PID WHAT
confined()
{
	is "$(cat "/proc/$1/attr/current")" 'passt (enforce)' "$2: in its profile"
}
# kept: a user's process in a network namespace of its own; $in_it runs commands there
kept()
{
	rm -f /tmp/kept
	$user unshare -Urn sh -c 'echo $$ >/tmp/kept; exec sleep 1000' &
	wait_for '[ -s /tmp/kept ]'
	kept=$(cat /tmp/kept)
	in_it="$user nsenter -t $kept -n -U --preserve-credentials"
}
# end PID
end()
{
	kill "$1"
	wait_for "! [ -e /proc/$1 ]"
}

for f in passt pesto; do
	ok "$f: loaded" apparmor_parser -r /etc/apparmor.d/$f
done
denied >/dev/null
hello='hello from the world'
web=http://198.51.100.10/hello
u=/home/user

is "$($user pasta --config-net -- curl -s $web)" "$hello" 'pasta, a command'
clean

# a user's, with all files that it reads and writes
cd $u || exit
printf 'allow 198.51.100.10:80/tcp\n' | $user tee policy >/dev/null
$user pasta -q -f --config-net -t 8080:80 --policy policy --audit audit -p pcap \
	-l log -P pid -c conf --control control -- sh -c "curl -s $web >got
		cat /proc/self/attr/current >label; exec sleep 1000" >/tmp/err 2>&1 &
wait_for '[ -s pid ] && [ -S control ] && [ -s label ]' || diag "$(cat /tmp/err)"
pid=$(cat pid)
confined "$pid" 'pasta with files'
is "$(cat label)" unconfined '... its command is not'
is "$(cat got)" "$hello" '... traffic'
ok 'passtctl' $user passtctl control status
ok '... flows' $user passtctl control flows all
ok '... a policy' $user passtctl control policy set $u/policy
ok 'pesto' $user pesto -s conf
: >/etc/resolv.conf
echo 'nameserver 198.51.100.53' >/etc/resolv.new
mv /etc/resolv.new /etc/resolv.conf
for p in $(pgrep -x pasta); do
	confined "$p" '... each process'
done
end "$pid"
for f in pcap log audit; do
	ok "... $f is written" test -s $f
done
clean
rm -f pid

# joined: a user's namespace
kept
ok 'pasta PID' $user pasta -q --config-net -P $u/pid "$kept"
is "$($in_it curl -s $web)" "$hello" '... traffic'
confined "$(cat pid)" '... in the background'
clean
end "$(cat pid)"
rm -f pid

# ... by the path that Podman gives
mkdir -p /run/user/1000
chown user /run/user/1000
$user unshare -Urm sh -c '
	mkdir -p /run/user/1000/netns && mount -t tmpfs tmpfs /run/user/1000/netns &&
	: >/run/user/1000/netns/n &&
	unshare -n mount --bind /proc/self/ns/net /run/user/1000/netns/n &&
	pasta -q --config-net -P /run/user/1000/pid --netns /run/user/1000/netns/n &&
	nsenter --net=/run/user/1000/netns/n curl -s '$web >/tmp/out 2>&1
is "$(cat /tmp/out)" "$hello" 'pasta --netns PATH'
clean
[ ! -s /run/user/1000/pid ] || end "$(cat /run/user/1000/pid)"

# as slirp4netns, with its API
kept
$user sh -c "exec slirp4netns -c --enable-sandbox --enable-seccomp --enable-ipv6 -a $u/api \
	-r 3 $kept tap0 3>$u/ready" >/tmp/err 2>&1 &
slirp=$!
wait_for "[ -s $u/ready ]" || diag "$(cat /tmp/err)"
confined "$slirp" slirp4netns
is "$($in_it curl -s $web)" "$hello" '... traffic'
like "$(echo '{"execute": "add_hostfwd", "arguments": {"proto": "tcp", "host_port": 8081, "guest_port": 80}}' |
	$user socat -t 5 - UNIX:$u/api)" '*"return"*' '... its API'
clean
kill "$slirp"

# for a virtual machine: where its socket is, in the background, and memory
mkdir -p /run/user/1000/libvirt
chown user /run/user/1000/libvirt
ok 'passt' $user passt -q -s /run/user/1000/libvirt/s -P /run/user/1000/pid \
	-l /run/user/1000/log -t 8082
confined "$(cat /run/user/1000/pid)" '... in the background'
$user socat -u OPEN:/dev/null UNIX:/run/user/1000/libvirt/s
clean
[ ! -e "/proc/$(cat /run/user/1000/pid)" ] || end "$(cat /run/user/1000/pid)"
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
ok 'root: passt --runas' passt -q --runas user -s $u/s -P /run/pid -t 81 -l /run/log
is "$(stat -c %U "/proc/$(cat /run/pid)")" user '... a user'
end "$(cat /run/pid)"
clean
is "$(pasta --config-net -- curl -s $web)" "$hello" 'root: pasta, a command'
ok 'root: passt --doctor' sh -c 'pasta --doctor >/tmp/out 2>&1; ! grep -q FAIL /tmp/out'
clean

# what isn't documented
mkdir -p /srv
echo 'allow any' >/srv/policy
not_ok "another's file" $user pasta --policy /srv/policy -- true
like "$(denied)" '*name="/srv/policy"*' '... denied'

done_testing
E

cat >"$T/script" <<'E'
# a root that can be left: the first one can't
mkdir /new
mount -t tmpfs tmpfs /new
cp -a /bin /sbin /etc /lib /lib64 /root /usr /var /run /tap.sh /inside /new
mkdir -p /new/proc /new/sys /new/dev /new/tmp /new/home/user
for d in proc sys dev; do
	mount --bind "/$d" "/new/$d"
done
mount -t tmpfs tmpfs /new/tmp
cd /new
mount --move . /
exec chroot . /bin/sh /inside
E

sock=$T/user/passt.socket
spawn user passt -f -s "$sock" >"$T/passt.err" 2>&1
wait_for "[ -S '$sock' ]" || bail "passt: $(cat "$T/passt.err")"
# shellcheck disable=SC2046 # words
vm_start "$T/script" -- $(vm_net "$sock")
vm_wait 200
is $? 0 'the guest ended well'
vm_output >"$T/guest"
# its lines are ours
while read -r line; do
	case $line in
	'ok '*)		pass "${line#* - }" ;;
	'not ok '*)	fail "${line#* - }" ;;
	'# '* | 1..0*)	printf '%s\n' "$line" ;;
	esac
done <"$T/guest"
ok '... whole' grep -q '^1\.\.' "$T/guest"
done_testing
