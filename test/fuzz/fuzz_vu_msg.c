// SPDX-License-Identifier: GPL-2.0-or-later
/* Links: tap.o tap/tap_vu.o tap/vhost_user.o tap/vu_msg.o tap/virtq.o tap/guest_mem.o
 * Links: util.o util/iov.o util/addr.o util/csum.o util/rdwr.o
 * Links: frame/frame_parse.o engine/drop.o engine/counters.o
 *
 * Requests of a vhost-user front-end: make fuzz, then build/fuzz/fuzz_vu_msg [CORPUS].
 * The first byte says whether it begins with a device that works; then come requests:
 * number, flags and descriptors, size (below 128: the usual one), payload; or what else
 * happens in between.
 *
 * Checked of each request that doesn't end the connection: whether there is a reply, and
 * which; what isn't offered isn't taken; which rings run; where they have got. At the
 * end no descriptor is left.
 */
#include "fuzz_vu.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

enum { KICK = 60, FRAMES, RAW };

/* What we have said so far, and what follows from it */
static struct {
	uint64_t protocol;		/* acknowledged */
	uint64_t offered, offered_protocol;
	uint16_t base[VU_RINGS];
	bool enabled[VU_RINGS], ready[VU_RINGS];
	bool has_run[VU_RINGS];		/* since it was told its base */
	int lowest_fd;			/* that is free, between connections */
} said;

static int lowest_fd(void)
{
	int fd = dup(front.event_fd);

	close(fd);
	return fd;
}

/* A request that the daemon took: what it means for the rings */
static void note(uint32_t request, const struct vu_msg *m)
{
	uint32_t i = m->p.state.index % VU_RINGS;

	switch (request) {
	case SET_FEATURES:
		assert(!(m->p.u64 & ~said.offered));
		for (i = 0; i < VU_RINGS; i++)
			said.enabled[i] |= !(m->p.u64 & 1ULL << VU_F_PROTOCOL);
		break;
	case SET_PROTOCOL_FEATURES:
		assert(!(m->p.u64 & ~said.offered_protocol));
		said.protocol = m->p.u64;
		break;
	case SET_VRING_BASE:
		said.base[i] = (uint16_t)m->p.state.num;
		said.has_run[i] = false;
		break;
	case SET_VRING_KICK:
		said.ready[m->p.u64 & 0xff] = true;
		break;
	case SET_VRING_ENABLE:
		said.enabled[i] = m->p.state.num;
		break;
	case GET_VRING_BASE:
		said.ready[i] = false;
		assert(front.reply.p.state.index == i &&
		       front.reply.p.state.num <= UINT16_MAX);
		assert(said.has_run[i] ||
		       front.reply.p.state.num == said.base[i]);
		said.base[i] = (uint16_t)front.reply.p.state.num;
		said.has_run[i] = false;
		break;
	case GET_FEATURES:
		said.offered = front.reply.p.u64;
		break;
	case GET_PROTOCOL_FEATURES:
		said.offered_protocol = front.reply.p.u64;
		break;
	case RESET_DEVICE:
		for (i = 0; i < VU_RINGS; i++)
			said.ready[i] = said.enabled[i] = false;
		break;
	case SET_STATUS:
		for (i = 0; i < VU_RINGS && !m->p.u64; i++)
			said.ready[i] = false;
		break;
	}
}

/* Of the payload, where the table of memory has one region */
static uint32_t usual_size(uint32_t request)
{
	switch (request) {
	case SET_MEM_TABLE:
		return 8 + sizeof(struct vu_region);
	case SET_LOG_BASE:
		return sizeof(struct vu_log);
	case SET_VRING_ADDR:
		return sizeof(struct vu_addr);
	case ADD_MEM_REG:
	case REM_MEM_REG:
		return sizeof(struct vu_one_region);
	case GET_FEATURES:
	case SET_OWNER:
	case RESET_OWNER:
	case SET_LOG_FD:
	case GET_PROTOCOL_FEATURES:
	case GET_QUEUE_NUM:
	case RESET_DEVICE:
	case GET_MAX_MEM_SLOTS:
	case GET_STATUS:
		return 0;
	}
	return sizeof(uint64_t);
}

/* The first word says which ring it is */
static bool is_of_ring(uint32_t request)
{
	return (request >= SET_VRING_NUM && request <= GET_VRING_BASE) ||
	       request == SET_VRING_ENABLE;
}

static bool always_replies(uint32_t request)
{
	return request == GET_FEATURES || request == GET_PROTOCOL_FEATURES ||
	       request == GET_VRING_BASE || request == GET_QUEUE_NUM ||
	       request == SET_LOG_BASE || request == GET_MAX_MEM_SLOTS ||
	       request == GET_STATUS;
}

/* A whole request was sent, and the connection is still there */
static void check(uint32_t request, uint32_t flags, const struct vu_msg *m)
{
	bool ack = flags & VU_NEED_REPLY && said.protocol & 1 << 3;
	bool replies = always_replies(request);

	assert(front.replies == (ack || replies));
	if (front.replies)
		assert(front.reply.h.request == request &&
		       front.reply.h.size == sizeof(uint64_t));
	/* What isn't known is refused, and has no effect */
	if (ack && !replies && front.reply.p.u64)
		return;
	note(request, m);
	for (enum vu_ring_name i = VU_RX; i < VU_RINGS; i++) {
		bool runs = said.ready[i] && said.enabled[i] &&
			    !vhost_user_ring(i)->away;

		assert(!vhost_user_ring(i)->q.num == !runs);
		said.has_run[i] |= runs;
		assert(said.has_run[i] ||
		       vhost_user_ring(i)->base == said.base[i]);
	}
}

static void say(uint32_t request, uint32_t flags, const uint8_t *payload,
		uint32_t size, int fd, unsigned fds)
{
	struct vu_msg m = { .h = { request, flags, size } };

	if (size)
		memcpy(m.p.bytes, payload, MIN(size, (uint32_t)VU_MSG_PAYLOAD));
	front.replies = 0;
	front_say(request, flags, payload, size, fd, fds);
	if (front.here && size <= VU_MSG_PAYLOAD && front.at == front.len)
		check(request, flags, &m);
}

/* As front_starts() has told it */
static void said_start(void)
{
	said.protocol = 1 << 3;
	for (enum vu_ring_name i = VU_RX; i < VU_RINGS; i++)
		said.enabled[i] = said.ready[i] = said.has_run[i] = true;
}

/* One request, or event: how many bytes of the input */
static size_t step(const uint8_t *p, size_t len)
{
	struct vu_msg m = { 0 };
	uint8_t *payload = m.p.bytes;
	uint32_t flags = 1 | (p[1] & 8);
	uint32_t asked = p[2] < 128 ? usual_size(p[0] % 64) : p[2] - 128U;
	size_t size = MIN((size_t)asked, len - 3);

	switch (p[0] % 64) {
	case KICK:
		front_kick(p[1] % VU_RINGS);
		return 3;
	case FRAMES:
		front_receive(1 + 257U * p[1], 1 + 257U * p[2]);
		return 3;
	}
	memcpy(payload, p + 3, size);
	/* One that is there, most often */
	if (p[2] < 128 && is_of_ring(p[0] % 64))
		m.p.state.index = payload[0] % 3;
	say(p[0] % 64, p[0] % 64 == RAW ? p[1] : flags, payload,
		  p[0] & 64 ? p[2] * 0x01010101U : asked,
		  p[1] & 1 ? front.mem_fd : front.event_fd, p[1] >> 4);
	return 3 + size;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	if (!len)
		return 0;
	memset(front.mem, 0, FRONT_MEM);
	memset(&said, 0, sizeof(said));
	said.lowest_fd = lowest_fd();
	if (*p & 1) {
		uint64_t features = 1ULL << VU_F_VERSION_1 |
				    1ULL << VU_F_PROTOCOL |
				    (uint64_t)(*p >> 1) << VU_F_MRG_RXBUF;

		front_starts(features);
		if (front.here)
			said_start();
	} else {
		front.here = true;
		front.reply_len = front.replies = 0;
		front_connected(FRONT_FD);
	}
	if (front.here) {
		say(GET_FEATURES, 1, NULL, 0, -1, 0);
		say(GET_PROTOCOL_FEATURES, 1, NULL, 0, -1, 0);
	}
	for (size_t at = 1; at + 3 <= len && front.here;)
		at += step(p + at, len - at);
	front_goes();
	assert(lowest_fd() == said.lowest_fd);
	return 0;
}
