#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 120
#
# Guest memory in huge pages: the unit test of its mappings on a kernel that has some,
# which is a guest's.

# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/vm.sh
. "$TOP/test/lib/vm.sh"

world_up
vm_build || bail 'no guest'
mkdir -p "$T/vmfs"
cp "${PASST_TOOLS_DIR:-$TOP/build/tools}/../unit/t_guest_mem" "$T/vmfs/" ||
	bail 'run make units first'
cat >"$T/script" <<'E'
grep HugePages_Total /proc/meminfo
/t_guest_mem
E
VM_CMDLINE="$VM_CMDLINE hugepages=8"
out=$(vm_run "$T/script" --)
is $? 0 'the test passes' || diag "$out"
like "$out" '*HugePages_Total: * 8*a region of huge pages*' '... with huge pages'
done_testing
