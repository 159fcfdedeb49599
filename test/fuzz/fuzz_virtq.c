// SPDX-License-Identifier: GPL-2.0-or-later
/* Links: tap.o tap/tap_vu.o tap/vhost_user.o tap/vu_msg.o tap/virtq.o tap/guest_mem.o
 * Links: util.o util/iov.o util/addr.o util/csum.o util/rdwr.o
 * Links: frame/frame_parse.o engine/drop.o engine/counters.o
 *
 * Rings, and what is in the buffers, in memory that changes while it is read: make fuzz,
 * then build/fuzz/fuzz_virtq [CORPUS]. The first two bytes are the features; then come
 * pieces of memory: where, as a descriptor, an index or bytes; and kicks. Meanwhile
 * a second thread writes the one or the other of two values to many of those places.
 */
#include <pthread.h>

#include "fuzz_vu.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

enum { CHANGES = 64 };

static struct {
	uint32_t at;			/* in memory */
	uint8_t a, b;
} changes[CHANGES];
static unsigned changing;

static void *change(void *arg)
{
	for (;;) {
		unsigned n = __atomic_load_n(&changing, __ATOMIC_ACQUIRE);

		for (unsigned i = 0; i < MIN(n, (unsigned)CHANGES); i++)
			*(volatile uint8_t *)(front.mem + changes[i].at) =
				changes[i].a;
		for (unsigned i = 0; i < MIN(n, (unsigned)CHANGES); i++)
			*(volatile uint8_t *)(front.mem + changes[i].at) =
				changes[i].b;
	}
	return arg;
}

static uint32_t get16(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8;
}

/* A number of a descriptor: mostly one that there is, or far beyond all memory */
static uint16_t number(uint8_t b)
{
	return (uint16_t)(b < 128 ? b : b * 257);
}

/* A descriptor of the ring's, or of a table at the beginning of the buffers */
static void put_desc(const uint8_t *p)
{
	uint8_t *d = front.mem + (p[0] & 128 ? FRONT_BUF + (p[0] & 127) * 16 :
		     (p[0] >> 6 & 1) * FRONT_RING + (p[0] % FRONT_NUM) * 16);
	uint64_t addr = FRONT_GPA + (p[5] & 8 ? FRONT_BUF : 4 * get16(p + 1));
	uint32_t size = get16(p + 3);
	uint16_t flags = p[5] & 7, next = number(p[6]);

	memcpy(d, &addr, sizeof(addr));
	memcpy(d + 8, &size, sizeof(size));
	memcpy(d + 12, &flags, sizeof(flags));
	memcpy(d + 14, &next, sizeof(next));
}

static void put_avail(const uint8_t *p)
{
	uint8_t *a = front.mem + (p[0] & 1) * FRONT_RING + FRONT_AVAIL;

	uint16_t head = number(p[2]);

	memcpy(a + 4 + p[1] % FRONT_NUM * 2, &head, sizeof(head));
	a[2] = p[3];
}

static void put_change(const uint8_t *p)
{
	unsigned n = changing;

	if (n == CHANGES)
		return;
	changes[n].at = (get16(p) * 4 + p[2] % 4) % FRONT_MEM;
	changes[n].a = p[3];
	changes[n].b = p[4];
	__atomic_store_n(&changing, n + 1, __ATOMIC_RELEASE);
}

static void step(const uint8_t *p)
{
	switch (p[0] % 6) {
	case 0:
		put_desc(p + 1);
		break;
	case 1:
		put_avail(p + 1);
		break;
	case 2:
		put_change(p + 1);
		break;
	case 3:
		front_kick(p[1] % VU_RINGS);
		break;
	case 4:
		front_receive(1 + get16(p + 1), 1 + get16(p + 3));
		break;
	case 5:
		memcpy(front.mem + get16(p + 1) * 4 % (FRONT_MEM - 8), p + 3, 5);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	static pthread_t thread;

	if (len < 2)
		return 0;
	if (!thread && pthread_create(&thread, NULL, change, NULL))
		abort();
	__atomic_store_n(&changing, 0, __ATOMIC_RELEASE);
	memset(front.mem, 0, FRONT_MEM);
	front_starts((1ULL << VU_F_VERSION_1 | 1ULL << VU_F_PROTOCOL) |
		     (uint64_t)(p[0] & 1) << VU_F_MRG_RXBUF |
		     (uint64_t)(p[0] >> 1 & 3) << VU_F_INDIRECT_DESC |
		     (p[0] & 8 ? 1ULL << VU_F_CSUM | 1ULL << VU_F_GUEST_CSUM |
				 3ULL << VU_F_GUEST_TSO4 | 3ULL << VU_F_HOST_TSO4 : 0));
	for (size_t at = 2; at + 8 <= len && front.here; at += 8)
		step(p + at);
	front_goes();
	return 0;
}
