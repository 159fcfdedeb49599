// SPDX-License-Identifier: GPL-2.0-or-later
/* Links: all.o
 *
 * What clients of the control socket say: make fuzz, then build/fuzz/fuzz_control -max_len=8192
 * -dict=test/fuzz/control.dict [CORPUS]. Whatever it is, each line of the answers is
 * JSON, and they come to an end. In a network of its own, since rules open ports.
 */
#include "ctl/control.c"

#include "fuzz_daemon.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

/* Up to an HTTP's, which ends the connection */
static void fuzz_check(void)
{
	const char *out = fuzz_said.text, *end;
	size_t len = fuzz_said.len;
	struct json v;

	while (len && *out != 'H' && (end = memchr(out, '\n', len))) {
		assert(json_parse(out, (size_t)(end - out), &v));
		len -= (size_t)(end + 1 - out);
		out = end + 1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	static const struct api_ops ops = { .opened = opened, .closed = closed,
					    .input = input, .more = more };

	/* No rule can come after that */
	if (memmem(p, len, "drain", 5))
		return 0;
	control.conf = &fuzz_conf;
	news_to = event_news;
	fuzz_client(&ops, p, len);
	fuzz_check();
	return 0;
}
