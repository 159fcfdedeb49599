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
# shellcheck source=test/lib/confined.sh
. "$TOP/test/lib/confined.sh"

command -v apparmor_parser >/dev/null || skip_all "apparmor_parser isn't installed"
confined_build apparmor_parser
mkdir -p "$T/vmfs/etc/apparmor.d"
cp -r /etc/apparmor.d/abi /etc/apparmor.d/abstractions /etc/apparmor.d/tunables \
	"$TOP"/contrib/apparmor/confined/* "$T/vmfs/etc/apparmor.d/"

cat >"$T/vmfs/inside" <<'E'
. /head
label='passt (enforce)'
denials='apparmor="DENIED"'
mount -t securityfs none /sys/kernel/security
[ -d /sys/kernel/security/apparmor ] || { skip 'a kernel without AppArmor'; done_testing; exit; }
for f in passt pesto; do
	ok "$f: loaded" apparmor_parser -r /etc/apparmor.d/$f
done
denied >/dev/null

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

. /uses
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

confined_run
done_testing
