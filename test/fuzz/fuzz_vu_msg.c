// SPDX-License-Identifier: GPL-2.0-or-later
/* Links: tap.o tap/tap_vu.o tap/vhost_user.o tap/vu_msg.o tap/virtq.o tap/guest_mem.o
 * Links: util.o util/iov.o util/addr.o util/csum.o util/rdwr.o
 * Links: frame/frame_parse.o engine/drop.o engine/counters.o
 *
 * Requests of a vhost-user front-end: make fuzz, then build/fuzz/fuzz_vu_msg [CORPUS].
 * The first byte says whether it begins with a device that works; then come requests:
 * number, flags and descriptors, size, payload; or what else happens in between.
 */
#include "fuzz_vu.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

enum { KICK = 60, FRAMES, RAW };

/* One request, or event: how many bytes of the input */
static size_t step(const uint8_t *p, size_t len)
{
	uint8_t payload[VU_MSG_PAYLOAD] = { 0 };
	uint32_t flags = 1 | (p[1] & 8);
	size_t size = MIN((size_t)p[2], len - 3);

	switch (p[0] % 64) {
	case KICK:
		front_kick(p[1] % VU_RINGS);
		return 3;
	case FRAMES:
		front_receive(1 + 257U * p[1], 1 + 257U * p[2]);
		return 3;
	}
	memcpy(payload, p + 3, size);
	front_say(p[0] % 64, p[0] % 64 == RAW ? p[1] : flags, payload,
		  p[0] & 64 ? p[2] * 0x01010101U : p[2],
		  p[1] & 1 ? front.mem_fd : front.event_fd, p[1] >> 4);
	return 3 + size;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	if (!len)
		return 0;
	memset(front.mem, 0, FRONT_MEM);
	if (*p & 1) {
		front_starts(1ULL << VU_F_VERSION_1 | 1ULL << VU_F_PROTOCOL |
			     (uint64_t)(*p >> 1) << VU_F_MRG_RXBUF);
	} else {
		front.here = true;
		front_connected(FRONT_FD);
	}
	for (size_t at = 1; at + 3 <= len && front.here;)
		at += step(p + at, len - at);
	front_goes();
	return 0;
}
