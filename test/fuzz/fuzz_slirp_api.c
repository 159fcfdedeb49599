// SPDX-License-Identifier: GPL-2.0-or-later
/* Links: all.o
 *
 * What clients of slirp4netns' socket say: make fuzz, then build/fuzz/fuzz_slirp_api
 * -dict=test/fuzz/slirp_api.dict [CORPUS]. Each gets one answer, which is JSON. In a network
 * of its own, since rules open ports.
 */
#include "ctl/slirp_api.c"

#include "fuzz_daemon.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	static const struct api_ops ops = { .opened = api_opened,
					    .input = api_input, .more = api_more };
	struct json v;

	fuzz_client(&ops, p, len);
	while (api_client(0)->out_len || request_of(api_client(0))->listing) {
		api_more(api_client(0));
		fuzz_take(api_client(0));
	}
	assert(json_parse(fuzz_said.text, fuzz_said.len, &v));
	return 0;
}
