#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 600
#
# SELinux' policy of contrib/selinux, with Debian's, in a guest's kernel and enforced:
# who is sent to its domain does there what it's for. On demand: it needs semodule,
# load_policy, setfiles, and the modules of the package selinux-policy-default;
#
#	SELINUX_ROOT	where they're unpacked, if they aren't installed

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/vm.sh
. "$TOP/test/lib/vm.sh"
# shellcheck source=test/lib/confined.sh
. "$TOP/test/lib/confined.sh"

PATH=$PATH:/usr/sbin:/sbin
SELINUX_ROOT=${SELINUX_ROOT:-}
PATH=$PATH:$SELINUX_ROOT/usr/sbin:$SELINUX_ROOT/sbin
modules=$SELINUX_ROOT/usr/share/selinux/default
devel=/usr/share/selinux/devel/Makefile
for p in semodule load_policy setfiles runcon; do
	command -v $p >/dev/null || skip_all "$p isn't installed"
done
[ -e $devel ] || skip_all 'no headers of an SELinux policy'
ls "$modules"/base.pp* >/dev/null 2>&1 || skip_all "no policy's modules"
confined_build load_policy setfiles runcon setenforce

# a user may come into the domain, and be a client
mkdir -p "$T/mod" "$T/se/etc" "$T/se/var/lib/selinux/default"
cp "$TOP"/contrib/selinux/passt.* "$T/mod/"
cat >"$T/mod/from_user.te" <<'E'
policy_module(from_user, 1.0.0)
gen_require(`
	type unconfined_t, passt_t;
	role unconfined_r;
')
role unconfined_r types passt_t;
passt_domtrans(unconfined_t)
passt_client(unconfined_t)
E
out=$(make -s -C "$T/mod" -f $devel NAME=default passt.pp from_user.pp 2>&1) || bail "$out"
cp -r "$SELINUX_ROOT/etc/selinux" "$T/se/etc/"
# shellcheck disable=SC2046 # names
out=$(semodule -p "$T/se" -s default -n -i $(ls "$modules"/*.pp*) "$T/mod/passt.pp" \
	"$T/mod/from_user.pp" 2>&1) || bail "$out"
mkdir -p "$T/vmfs/etc"
cp -r "$T/se/etc/selinux" "$T/vmfs/etc/"
printf 'SELINUX=permissive\nSELINUXTYPE=default\n' >"$T/vmfs/etc/selinux/config"

cat >"$T/vmfs/inside" <<'E'
. /head
mount -t selinuxfs none /sys/fs/selinux
ok 'the policy is loaded' load_policy -i
for d in / /dev /tmp; do
	setfiles /etc/selinux/default/contexts/files/file_contexts $d
done
exec runcon unconfined_u:unconfined_r:unconfined_t:s0 sh /inside_user
E
cat >"$T/vmfs/inside_user" <<'E'
. /head
label=unconfined_u:unconfined_r:passt_t:s0
denials='avc:  denied.*passt_t'
setenforce 1
is "$(cat /sys/fs/selinux/enforce)" 1 'it is enforced'
denied >/dev/null

. /uses
done_testing
E

VM_CMDLINE="$VM_CMDLINE security=selinux"
confined_run
done_testing
