#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 400
#
# QEMU guests by vhost-user: all of passt_vm.sh.

VM_LINK=vu
# QEMU 7.2 crashes when a guest masks the interrupt of its configuration (MSI-X)
VM_NIC=,vectors=0
# shellcheck source=test/e2e/passt_vm.sh
. "$(dirname "$0")/passt_vm.sh"
