# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# Another distribution's programs, from test/tools/mkdebian. After tap.sh, before
# world.sh.
#
#	tree_guest	before it, where guests are started in there: their kernel is
#			this machine's
#	tree_enter	start the script once more, with that tree as its root
#			directory: writable, but nothing of it is kept. The source
#			tree, /dev and /sys are the machine's. Skips the file if
#			there can't be one
#
# By pivot_root: in a plain chroot, users get no user namespaces.

tree_guest()
{
	[ "${TREE_INSIDE:-}" != 1 ] || return 0
	TOP=$(cd "$(dirname "$0")/../.." && pwd)
	WORLD_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}
	# shellcheck source=test/lib/vm.sh
	. "$TOP/test/lib/vm.sh"
	vm_build || bail 'no guest'
}

tree_enter()
{
	[ "${TREE_INSIDE:-}" != 1 ] || return 0
	[ "$(id -u)" -eq 0 ] || skip_all 'not root: for a Debian tree'
	tree_top=$(cd "$(dirname "$0")/../.." && pwd)
	tree_dir=$tree_top/build/debian
	tree_why=$("$tree_top/test/tools/mkdebian" "$tree_dir" 2>&1) ||
		skip_all "no Debian tree: ${tree_why#mkdebian: }"

	# what is used by its path: sources, programs, a guest's kernel
	export TREE_INSIDE=1 TREE_DIR="$tree_dir"
	export TREE_BIND="$tree_top ${PASST_BIN_DIR:-} ${PASST_TOOLS_DIR:-}"
	set -- /bin/sh "$tree_top/test/e2e/$(basename "$0")" "$@"
	# shellcheck disable=SC2016 # for the shell inside
	exec unshare -m --propagation private -- sh -c '
		set -e
		mount -t tmpfs tmpfs /mnt
		mkdir /mnt/root /mnt/upper /mnt/work
		mount -t overlay -o "lowerdir=$TREE_DIR/root" \
			-o upperdir=/mnt/upper,workdir=/mnt/work \
			overlay /mnt/root
		cd /mnt/root
		mount --rbind /dev dev
		mount --rbind /sys sys
		mount -t proc proc proc
		mount -t tmpfs tmpfs run
		mount -t tmpfs tmpfs tmp
		chmod 1777 tmp
		for dir in $TREE_BIND; do
			mkdir -p ".$dir"
			mount --bind "$dir" ".$dir"
		done
		cp /etc/resolv.conf etc/resolv.conf
		mkdir -p tmp/old
		pivot_root . tmp/old
		cd /
		umount -l /tmp/old
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
		HOME=/root
		exec "$@"' sh "$@"
}
