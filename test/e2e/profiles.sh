#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The profiles of contrib/ are read by the tools of who uses them: AppArmor's parser, of
# version 3 where the machine has it, and of version 4 from a Debian 13 tree; SELinux'
# compiler, with the macros of the reference policy. profiles_loaded.sh loads AppArmor's.
#
# timeout 600

# shellcheck disable=SC2154 # the libraries set TREE_DIR and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
TOP=$(cd "$(dirname "$0")/../.." && pwd)
cd "$TOP/contrib" || bail 'no contrib'
T=$(mktemp -d) || bail 'no directory'
trap 'rm -rf "$T"' EXIT

# Where the program is named that a profile is for, it is where make install puts it
for f in apparmor/passt apparmor/confined/*; do
	is "$(grep -oE '^profile [a-z]+ [^ ]+' "$f" |
		grep -cvE '^profile ([a-z]+) /usr\{,/local\}/bin/\1$')" 0 \
		"$f: names the program"
done

# parsed NAME ROOT FILE...: by apparmor_parser below ROOT
parsed()
{
	parsed_name=$1 parsed_root=$2
	shift 2
	for f; do
		ok "$parsed_name: $f" chroot "$parsed_root" \
			apparmor_parser -Q -T -K <"$f"
	done
}

# major version of apparmor_parser below ROOT; nothing: there is none
major()
{
	chroot "$1" apparmor_parser --version 2>/dev/null |
		sed -n 's/.*version \([0-9]*\)\..*/\1/p'
}

PATH=$PATH:/usr/sbin:/sbin
if [ "$(id -u)" -ne 0 ]; then
	skip 'not root: AppArmor' 4
else
	case $(major /) in
	3)	parsed 'AppArmor 3' / apparmor/confined/* ;;
	'')	skip "apparmor_parser isn't installed" ;;
	*)	parsed 'the machine'"'"'s AppArmor' / apparmor/passt apparmor/confined/* ;;
	esac
	if "$TOP/test/tools/mkdebian" "$TOP/build/debian" >"$T/err" 2>&1; then
		is "$(major "$TOP/build/debian/root")" 4 'Debian 13 has AppArmor 4'
		parsed 'AppArmor 4' "$TOP/build/debian/root" apparmor/passt \
			apparmor/confined/*
	else
		skip "no Debian tree: $(cat "$T/err")" 4
	fi
fi

devel=/usr/share/selinux/devel/Makefile
if [ -e $devel ]; then
	cp selinux/passt.* "$T"
	# what isn't said in so many words is found by its warnings
	out=$(make -s -C "$T" -f $devel NAME=default passt.pp 2>&1)
	is "$?" 0 'SELinux: passt.pp compiles' || diag "$out"
	not_like=$(printf '%s\n' "$out" | grep -iE 'warning|deprecated')
	is "$not_like" '' '... without a warning'
	ok '... and is there' test -s "$T/passt.pp"
	ok 'SELinux: the label is of the program' grep -q \
		'^/usr/local/bin/passt.*passt_exec_t' selinux/passt.fc
else
	skip 'no headers of an SELinux policy' 4
fi

done_testing
