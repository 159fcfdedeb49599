#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 240
#
# QEMU guests by vhost-user, on a host that moves: all of follow_vm.sh.

VM_LINK=vu
# QEMU 7.2 crashes when a guest masks the interrupt of its configuration (MSI-X)
VM_NIC=,vectors=0
# shellcheck source=test/e2e/follow_vm.sh
. "$(dirname "$0")/follow_vm.sh"
