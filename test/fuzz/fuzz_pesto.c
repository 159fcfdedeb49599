// SPDX-License-Identifier: GPL-2.0-or-later
/* Links: all.o
 *
 * What pesto's clients say: make fuzz, then build/fuzz/fuzz_pesto -max_len=8192 [CORPUS].
 * The table of rules is applied whole or not at all, and what is told of it afterwards
 * can be read. In a network of its own, since rules open ports.
 */
#include "ctl/pesto_proto.c"

#include "fuzz_daemon.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	static const struct api_ops ops = { .opened = opened, .input = input,
					    .more = more };
	unsigned before, after;

	before = fwd_table_count(HOST) + fwd_table_count(GUEST);
	fuzz_client(&ops, p, len);
	after = fwd_table_count(HOST) + fwd_table_count(GUEST);
	assert(client.outcome == PESTO_DONE || before == after);
	assert(client.step != STEP_REFUSED || strlen(client.text));
	return 0;
}
