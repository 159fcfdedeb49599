// SPDX-License-Identifier: GPL-2.0-or-later
/* Split virtqueues: what a driver may do, at the limits, and what it may not
 *
 * Links: tap/virtq.o tap/guest_mem.o util.o util/log.o util/assert.o
 *
 * The guest has two regions of memory, one behind the other by address, apart in ours;
 * the ring is in the first.
 */
#include "tap/virtq.h"

#include <endian.h>
#include <string.h>
#include <unistd.h>

#include "tap/guest_mem.h"
#include "tap_test.h"

enum {
	NUM = 8,
	GPA = 0x100000, REGION = 0x10000, END = GPA + 2 * REGION,
	DESC = 0, AVAIL = 0x1000, USED = 0x2000, TABLE = 0x3000, BUF = 0x4000,
	NEXT = 1, WRITE = 2, INDIRECT = 4,
	PIECES = 32,
};

static uint8_t *mem;			/* of the first region */
static struct virtq q;
static struct iovec iov[PIECES];
static struct virtq_chain chain;
static bool full;

static void share(uint64_t gpa, bool is_first)
{
	struct gmem_region r = { .gpa = gpa, .size = REGION, .user = gpa };
	const char *why = "";
	int fd = memfd_create("guest", 0);

	if (fd < 0 || ftruncate(fd, REGION) || gmem_add(&r, fd, &why))
		printf("Bail out! memory: %s\n", why);
	close(fd);
	if (is_first)
		mem = gmem_at_user(gpa, REGION);
}

static void set16(unsigned at, unsigned v)
{
	uint16_t le = htole16((uint16_t)v);

	memcpy(mem + at, &le, sizeof(le));
}

static unsigned at16(unsigned at)
{
	uint16_t le;

	memcpy(&le, mem + at, sizeof(le));
	return le16toh(le);
}

static void desc_at(unsigned at, uint64_t addr, uint32_t len, unsigned flags,
		    unsigned next)
{
	uint64_t a = htole64(addr);
	uint32_t l = htole32(len);

	memcpy(mem + at, &a, sizeof(a));
	memcpy(mem + at + 8, &l, sizeof(l));
	set16(at + 12, flags);
	set16(at + 14, next);
}

static void desc(unsigned i, uint64_t addr, uint32_t len, unsigned flags,
		 unsigned next)
{
	desc_at(DESC + i * 16, addr, len, flags, next);
}

static void table(unsigned i, uint64_t addr, uint32_t len, unsigned flags,
		  unsigned next)
{
	desc_at(TABLE + i * 16, addr, len, flags, next);
}

static void lend(unsigned idx, unsigned head)
{
	set16(AVAIL + 4 + (idx % NUM) * 2, head);
	set16(AVAIL + 2, idx + 1);
}

/* A queue in which `base` chains were made use of; one more is there, its head `head` */
static void start(unsigned base, unsigned head)
{
	q = (struct virtq){
		.desc = mem + DESC, .avail = mem + AVAIL, .used = mem + USED,
		.num = NUM, .event_idx = true, .indirect = true,
	};
	memset(mem + AVAIL, 0, virtq_avail_size(NUM));
	memset(mem + USED, 0, virtq_used_size(NUM));
	set16(USED + 2, base);
	lend(base, head);
	virtq_start(&q, (uint16_t)base);
}

static bool take(bool writable)
{
	return virtq_take(&q, writable, iov, PIECES, &chain, &full);
}

/* The chain that begins with descriptor 0 breaks the queue, for good */
static void forbidden(const char *why)
{
	start(0, 0);
	ok(!take(false) && !full, "%s", why);
	is_str(q.why ? q.why : "", why, "...");
	desc(0, GPA + BUF, 1, 0, 0);
	lend(1, 0);
	ok(!take(false), "... nothing comes any more");
}

static void chains(void)
{
	desc(0, GPA + BUF, 10, NEXT, 5);
	desc(5, GPA + BUF + 100, 0, NEXT, 2);
	desc(2, GPA + BUF + 200, 30, 0, 7);
	start(0, 0);
	ok(take(false) && chain.head == 0 && chain.cnt == 2 && chain.len == 40,
	   "a chain, one piece of nothing");
	ok(iov[1].iov_base == mem + BUF + 200 && iov[1].iov_len == 30,
	   "... its last piece");
	ok(!take(false) && !full && !q.why, "there is no other");
	virtq_untake(&q, 1);
	ok(take(false) && chain.len == 40, "put back, and taken again");

	for (unsigned i = 0; i < NUM; i++)
		desc(i, GPA + BUF + i, 1, i + 1 < NUM ? NEXT : 0, i + 1);
	start(0, 0);
	ok(take(false) && chain.cnt == NUM, "a chain as long as the ring");
	start(0, 0);
	ok(!virtq_take(&q, false, iov, NUM - 1, &chain, &full) && full && !q.why,
	   "... doesn't fit");
	ok(take(false) && chain.cnt == NUM, "... and can be taken all the same");
	desc(NUM - 1, GPA + BUF, 1, NEXT, NUM - 1);
	forbidden("a chain that is endless, or too long");
	desc(0, GPA + BUF, 0, NEXT, 1);
	desc(1, GPA + BUF, 0, NEXT, 0);
	forbidden("a chain that is endless, or too long");
	desc(0, GPA + BUF, 1, NEXT, NUM);
	forbidden("a descriptor beyond the table");
	start(0, NUM);
	ok(!take(false) && q.why, "a head beyond the table");
	desc(0, GPA + BUF, 1, NEXT | WRITE, 1);
	desc(1, GPA + BUF, 1, WRITE, 0);
	start(0, 0);
	ok(take(true) && chain.cnt == 2, "buffers to write to");
	forbidden("a buffer of the wrong direction");
	desc(0, GPA + BUF, 1, NEXT, 1);
	forbidden("a buffer of the wrong direction");
}

static void places(void)
{
	desc(0, GPA + REGION - 10, 30, 0, 0);
	start(0, 0);
	ok(take(false) && chain.cnt == 2 && chain.len == 30 &&
	   iov[0].iov_len == 10 && iov[1].iov_len == 20 &&
	   iov[0].iov_base == mem + REGION - 10 &&
	   iov[1].iov_base == gmem_at_user(GPA + REGION, 1),
	   "over the end of a region, where another begins");
	start(0, 0);
	ok(!virtq_take(&q, false, iov, 1, &chain, &full) && full,
	   "... doesn't fit into one piece");
	desc(0, GPA + REGION - 1, REGION + 1, 0, 0);
	start(0, 0);
	ok(take(false) && chain.len == REGION + 1, "up to the last byte");
	desc(0, GPA + REGION - 1, REGION + 2, 0, 0);
	forbidden("a buffer outside of memory");
	desc(0, GPA - 1, 2, 0, 0);
	forbidden("a buffer outside of memory");
	desc(0, END, 1, 0, 0);
	forbidden("a buffer outside of memory");
	desc(0, UINT64_MAX, 2, 0, 0);
	forbidden("a buffer outside of memory");
	desc(0, GPA, UINT32_MAX, 0, 0);
	forbidden("a buffer outside of memory");
	desc(0, GPA, 2, NEXT, 1);
	desc(1, GPA, UINT32_MAX - 1, 0, 0);
	forbidden("buffers of more than 4 GiB");
	desc(0, END, 0, 0, 0);
	start(0, 0);
	ok(take(false) && !chain.cnt && !chain.len, "nothing may be anywhere");
}

static void indirect(void)
{
	for (unsigned i = 0; i < PIECES; i++)
		table(i, GPA + BUF + i, 1, i + 1 < PIECES ? NEXT : 0, i + 1);
	desc(0, GPA + TABLE, PIECES * 16, INDIRECT, 0);
	start(0, 0);
	ok(take(false) && chain.cnt == PIECES, "a table longer than the ring");
	desc(0, GPA + TABLE, PIECES * 16, INDIRECT | WRITE, 0);
	start(0, 0);
	ok(take(false), "... it's of no matter whether the table can be written");
	desc(0, GPA + BUF, 7, NEXT, 1);
	desc(1, GPA + TABLE + 31 * 16, 16, INDIRECT, 0);
	start(0, 0);
	ok(take(false) && chain.cnt == 2 && chain.len == 8,
	   "a table behind a buffer");

	desc(0, GPA + TABLE, 0, INDIRECT, 0);
	forbidden("an indirect table of odd size");
	desc(0, GPA + TABLE, 15, INDIRECT, 0);
	forbidden("an indirect table of odd size");
	desc(0, GPA + TABLE, 17, INDIRECT, 0);
	forbidden("an indirect table of odd size");
	desc(0, GPA + TABLE, 16, INDIRECT, 0);
	forbidden("a descriptor beyond the table");
	desc(0, END - 16, 32, INDIRECT, 0);
	forbidden("an indirect table outside of memory");
	desc(0, GPA + REGION - 16, 32, INDIRECT, 0);
	forbidden("an indirect table outside of memory");
	desc(0, 1, 16, INDIRECT, 0);
	forbidden("an indirect table outside of memory");
	desc(0, GPA + TABLE, 0xfffffff0, INDIRECT, 0);
	forbidden("an indirect table outside of memory");
	desc(0, GPA + TABLE, 16, INDIRECT | NEXT, 1);
	forbidden("an indirect table where none may be");
	desc(0, GPA + TABLE, 16, INDIRECT, 0);
	table(0, GPA + TABLE, 16, INDIRECT, 0);
	forbidden("an indirect table where none may be");
	desc(0, GPA + TABLE, 16, INDIRECT, 0);
	table(0, GPA + BUF, 0, NEXT, 0);
	forbidden("a chain that is endless, or too long");
	desc(0, GPA + TABLE, 16, INDIRECT, 0);
	table(0, GPA + BUF, 0, 0, 0);
	start(0, 0);
	q.indirect = false;
	ok(!take(false) && q.why, "a table that wasn't agreed on");
}

static void indices(void)
{
	unsigned n;

	for (unsigned i = 0; i < NUM; i++)
		desc(i, GPA + BUF, 1 + i, 0, 0);
	start(65530, 1);
	for (unsigned i = 1; i < NUM; i++)
		lend((65530 + i) & 0xffff, (1 + i) % NUM);
	is_int(virtq_waiting(&q, NUM), NUM, "as many as there can be wait");
	for (n = 0; take(false); n++)
		virtq_give(&q, chain.head, n);
	is_int(n, NUM, "... come beyond 65535");
	is_int(chain.head, 0, "... in their order");
	virtq_publish(&q);
	is_int(at16(USED + 2), (65530 + NUM) & 0xffff, "... and go back");
	is_int(at16(USED + 4 + (65530 + NUM - 1) % NUM * 8), 0, "the last head");
	is_int(at16(USED + 4 + (65530 + NUM - 1) % NUM * 8 + 4), NUM - 1,
	       "... its length");

	start(65530, 0);
	set16(AVAIL + 2, (65530 + NUM + 1) & 0xffff);
	ok(!take(false) && q.why, "more available than there are");
	start(65530, 0);
	set16(AVAIL + 2, 65529);
	ok(!take(false) && q.why, "an index that goes back");
}

/* Give n chains: is the driver called that asked to be at `event`? */
static bool calls(unsigned base, unsigned n, unsigned event)
{
	start(base, 0);
	virtq_wants_call(&q);
	for (unsigned i = 0; i < n; i++)
		virtq_give(&q, 0, 0);
	virtq_publish(&q);
	set16(AVAIL + 4 + NUM * 2, event);
	return virtq_wants_call(&q);
}

/* At a start behind `base` chains */
static bool calls_at_start(unsigned base, unsigned event)
{
	start(base, 0);
	set16(AVAIL + 4 + NUM * 2, event);
	return virtq_wants_call(&q);
}

static void notifications(void)
{
	ok(calls(0, 1, 0) && calls(0, 3, 2) && calls(0, 3, 0),
	   "called when its index is passed");
	ok(!calls(0, 3, 3) && !calls(0, 3, 65535), "not before, nor after");
	ok(calls(65534, 1, 65534) && calls(65534, 4, 65535) &&
	   calls(65534, 4, 1), "called where indices wrap");
	ok(!calls(65534, 1, 65535) && !calls(65534, 4, 2) &&
	   !calls(65534, 4, 65533), "not called there");
	ok(!calls(0, 0, 0), "nothing was given");
	ok(calls(0, 2, 1) && !virtq_wants_call(&q), "called once only");

	ok(calls_at_start(5, 4), "called at the start for what it hasn't seen");
	ok(!calls_at_start(5, 5), "not if it has");
	ok(calls_at_start(3, 65535), "called where the index has wrapped since");
	ok(!calls_at_start(0, 0), "not at the first start");

	start(0, 0);
	q.event_idx = false;
	virtq_give(&q, 0, 0);
	virtq_publish(&q);
	set16(AVAIL, 1);
	ok(!virtq_wants_call(&q), "without EVENT_IDX: it doesn't want to be");
	virtq_give(&q, 0, 0);
	virtq_publish(&q);
	set16(AVAIL, 0);
	ok(virtq_wants_call(&q), "... it does");

	start(65535, 0);
	ok(take(false) && !virtq_listen(&q, true), "listen");
	is_int(at16(USED + 4 + NUM * 8), 0, "... for what comes behind 65535");
	lend(0, 0);
	ok(virtq_listen(&q, true), "... it has come meanwhile");
	ok(take(false), "... and can be taken");
	start(0, 0);
	q.event_idx = false;
	virtq_listen(&q, true);
	is_int(at16(USED), 0, "without EVENT_IDX: kicks are wanted");
	virtq_listen(&q, false);
	is_int(at16(USED), 1, "... and aren't");
}

int main(void)
{
	share(GPA, true);
	share(GPA + REGION, false);
	chains();
	places();
	indirect();
	indices();
	notifications();
	return done();
}
