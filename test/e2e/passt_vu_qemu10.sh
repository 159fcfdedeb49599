#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 400
#
# QEMU 10, from a Debian 13 tree: all of passt_vu_driver.sh.

# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/tree.sh
. "$(dirname "$0")/../lib/tree.sh"
tree_guest
tree_enter "$@"
VM_NIC=
VU_ALL=1
# shellcheck source=test/e2e/passt_vu_driver.sh
. "$(dirname "$0")/passt_vu_driver.sh"
