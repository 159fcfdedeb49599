# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2154 # what who uses it sets
#
# Modules of a kernel for an initramfs.
#
#	module NAME	into $root/lib/modules, from $modules, after those that it says
#			it depends on, unless it's built in; the order to $root/modules.
#			Fails if there's none
#
# Their own words, not modules.dep, which is made at installation.

module()
{
	grep -qs "/$1.ko" "$modules/modules.builtin" && return 0
	grep -qsx "$1.ko" "$root/modules" && return 0
	set -- "$1" "$(find "$modules/kernel" -name "$(echo "$1" |
		sed 's/[-_]/[-_]/g').ko*" | head -n 1)"
	case $2 in
	'')	return 1 ;;
	*.xz)	xz -dc "$2" ;;
	*.zst)	zstd -dcq "$2" ;;
	*.gz)	gzip -dc "$2" ;;
	*)	cat "$2" ;;
	esac >"$root/lib/modules/$1.ko"
	for dep in $(tr '\0' '\n' <"$root/lib/modules/$1.ko" |
		LC_ALL=C sed -n 's/^depends=//p' | tr ',' ' '); do
		module "$dep" || return 1
	done
	echo "$1.ko" >>"$root/modules"
}
