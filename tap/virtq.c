// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: split virtqueues, see virtq.h
 *
 *	descriptors	num × { addr 8, len 4, flags 2, next 2 }
 *	available ring	flags 2, idx 2, num × head 2, used_event 2
 *	used ring	flags 2, idx 2, num × { head 4, len 4 }, avail_event 2
 *
 * All little-endian. idx counts on without end and is taken modulo num; flags say
 * "don't notify me", and where EVENT_IDX was acknowledged the last field of the
 * other side's ring says instead at which index to do it.
 *
 * Order: idx is read before the entries that it announces (acquire), and written
 * after those that it publishes (release). "Publish, then look whether to call" and
 * "ask to be kicked, then look whether more has come" need a full barrier each, or
 * both sides could miss each other (2.7.7.2, 2.7.13.4.1).
 *
 * Standard: virtio 1.2, 2.7.
 */
#include "tap/virtq.h"

#include <endian.h>
#include <string.h>

#include "tap/guest_mem.h"

enum {
	DESC_SIZE	= 16,
	USED_SIZE	= 8,
	RING_HEAD	= 4,		/* flags and idx */

	DESC_NEXT	= 1,
	DESC_WRITE	= 2,
	DESC_INDIRECT	= 4,

	NO_NOTIFY	= 1,		/* in either ring's flags */
};

struct virtq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

/* Each of these reads or writes the guest's memory exactly once */
static uint16_t get16(const uint8_t *p)
{
	return le16toh(*(const volatile uint16_t *)(const void *)p);
}

static void put16(uint8_t *p, uint16_t v)
{
	*(volatile uint16_t *)(void *)p = htole16(v);
}

/* An indirect table may lie at any address */
static struct virtq_desc get_desc(const uint8_t *p)
{
	struct virtq_desc d;

	static_assert(sizeof(d) == DESC_SIZE, "virtio 1.x 2.7.5");
	memcpy(&d, p, sizeof(d));
	/* What was read is not read again */
	__asm__ volatile("" : : : "memory");
	return (struct virtq_desc){
		.addr = le64toh(d.addr),
		.len = le32toh(d.len),
		.flags = le16toh(d.flags),
		.next = le16toh(d.next),
	};
}

size_t virtq_desc_size(unsigned num)
{
	return (size_t)num * DESC_SIZE;
}

size_t virtq_avail_size(unsigned num)
{
	return RING_HEAD + (size_t)num * 2 + 2;
}

size_t virtq_used_size(unsigned num)
{
	return RING_HEAD + (size_t)num * USED_SIZE + 2;
}

static uint8_t *virtq_used_event(const struct virtq *q)
{
	return q->avail + RING_HEAD + q->num * 2;
}

static uint8_t *virtq_avail_event(const struct virtq *q)
{
	return q->used + RING_HEAD + q->num * USED_SIZE;
}

/* n bytes of the used ring were written */
static void virtq_log(const struct virtq *q, const uint8_t *p, size_t n)
{
	if (q->log_used)
		gmem_dirty_gpa(q->log_used + (uint64_t)(p - q->used), n);
}

void virtq_start(struct virtq *q, uint16_t base)
{
	q->next_avail = q->seen_avail = base;
	q->next_used = q->published = get16(q->used + 2);
	/* Whether it was called for these nobody knows any more */
	q->called = (uint16_t)(q->published - q->num);
	q->why = NULL;
	q->outside = false;
	q->listening = false;
	put16(q->used, q->event_idx ? 0 : NO_NOTIFY);
	virtq_log(q, q->used, 2);
}

static bool virtq_broken(struct virtq *q, const char *why)
{
	if (!q->why)
		q->why = why;
	return false;
}

static bool virtq_outside(struct virtq *q, const char *why)
{
	q->outside |= !q->why;
	return virtq_broken(q, why);
}

unsigned virtq_waiting(struct virtq *q, unsigned want)
{
	uint16_t n = (uint16_t)(q->seen_avail - q->next_avail);

	if (n >= want || q->why)
		return n;
	q->seen_avail = get16(q->avail + 2);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	n = (uint16_t)(q->seen_avail - q->next_avail);
	if (n > q->num) {
		q->seen_avail = q->next_avail;
		virtq_broken(q, "more buffers are available than there are");
		return 0;
	}
	return n;
}

struct virtq_walk {
	const uint8_t *table;		/* of descriptors */
	uint32_t num;			/* in it */
	uint32_t left;			/* that a chain without a loop can have */
	bool indirect;			/* it is such a table, not the ring's */
	bool writable;
	struct iovec *iov;
	unsigned max;
	struct virtq_chain *c;
	bool full;
};

/* The pieces of one buffer: more than one where it crosses a region's end */
static bool virtq_buffer(struct virtq *q, struct virtq_walk *w,
			 struct virtq_desc d)
{
	if (!(d.flags & DESC_WRITE) != !w->writable)
		return virtq_broken(q, "a buffer of the wrong direction");
	if (d.len > UINT32_MAX - w->c->len)
		return virtq_broken(q, "buffers of more than 4 GiB");
	while (d.len) {
		uint64_t len;
		uint8_t *p = gmem_at(d.addr, d.len, &len);

		if (!p)
			return virtq_outside(q, "a buffer outside of memory");
		if (w->c->cnt == w->max) {
			w->full = true;
			return false;
		}
		w->iov[w->c->cnt++] = (struct iovec){ p, len };
		w->c->len += (uint32_t)len;
		d.addr += len;
		d.len -= (uint32_t)len;
	}
	return true;
}

/* Follow the table that a descriptor refers to instead of a buffer */
static bool virtq_indirect(struct virtq *q, struct virtq_walk *w,
			   const struct virtq_desc *d)
{
	uint64_t len;

	if (!q->indirect || w->indirect || d->flags & DESC_NEXT)
		return virtq_broken(q, "an indirect table where none may be");
	if (!d->len || d->len % DESC_SIZE)
		return virtq_broken(q, "an indirect table of odd size");
	w->table = gmem_at(d->addr, d->len, &len);
	if (!w->table || len < d->len)
		return virtq_outside(q, "an indirect table outside of memory");
	w->indirect = true;
	w->num = d->len / DESC_SIZE;
	w->left = MIN(w->num, (uint32_t)VIRTQ_CHAIN_MAX);
	return true;
}

static bool virtq_chain(struct virtq *q, struct virtq_walk *w)
{
	uint32_t at = w->c->head;

	for (;;) {
		struct virtq_desc d;

		if (at >= w->num)
			return virtq_broken(q, "a descriptor beyond the table");
		if (!w->left--)
			return virtq_broken(q, "a chain that is endless, or too long");
		d = get_desc(w->table + at * DESC_SIZE);
		if (d.flags & DESC_INDIRECT) {
			if (!virtq_indirect(q, w, &d))
				return false;
			at = 0;
			continue;
		}
		if (!virtq_buffer(q, w, d))
			return false;
		if (!(d.flags & DESC_NEXT))
			return true;
		at = d.next;
	}
}

bool virtq_take(struct virtq *q, bool writable, struct iovec *iov, unsigned max,
		struct virtq_chain *ret, bool *ret_full)
{
	struct virtq_walk w = {
		.table = q->desc, .num = q->num,
		.left = MIN(q->num, (uint32_t)VIRTQ_CHAIN_MAX),
		.writable = writable, .iov = iov, .max = max, .c = ret,
	};

	*ret_full = false;
	if (!virtq_waiting(q, 1) || q->why)
		return false;
	*ret = (struct virtq_chain){
		.head = get16(q->avail + RING_HEAD +
			      q->next_avail % q->num * 2),
	};
	if (!virtq_chain(q, &w)) {
		*ret_full = w.full;
		return false;
	}
	q->next_avail++;
	return true;
}

void virtq_untake(struct virtq *q, unsigned n)
{
	q->next_avail = (uint16_t)(q->next_avail - n);
}

void virtq_give(struct virtq *q, uint16_t head, uint32_t len)
{
	uint8_t *p = q->used + RING_HEAD + q->next_used % q->num * USED_SIZE;
	const uint32_t entry[2] = { htole32(head), htole32(len) };

	memcpy(p, entry, sizeof(entry));
	virtq_log(q, p, sizeof(entry));
	q->next_used++;
}

void virtq_publish(struct virtq *q)
{
	if (q->published == q->next_used)
		return;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	put16(q->used + 2, q->next_used);
	virtq_log(q, q->used + 2, 2);
	q->published = q->next_used;
}

bool virtq_wants_call(struct virtq *q)
{
	uint16_t old = q->called;

	if (q->published == old)
		return false;
	q->called = q->published;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!q->event_idx)
		return !(get16(q->avail) & NO_NOTIFY);
	/* Has that index been passed? */
	return (uint16_t)(q->published - get16(virtq_used_event(q)) - 1) <
	       (uint16_t)(q->published - old);
}

bool virtq_listen(struct virtq *q, bool on)
{
	uint16_t seen = q->seen_avail;

	if (q->event_idx && on) {
		/* Otherwise it stays behind, where it isn't passed */
		put16(virtq_avail_event(q), seen);
		virtq_log(q, virtq_avail_event(q), 2);
	} else if (!q->event_idx && on != q->listening) {
		put16(q->used, on ? 0 : NO_NOTIFY);
		virtq_log(q, q->used, 2);
	}
	q->listening = on;
	if (!on)
		return false;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	virtq_waiting(q, UINT16_MAX);
	return q->seen_avail != seen;
}

bool virtq_unread(const struct virtq *q)
{
	return q->event_idx && get16(virtq_used_event(q)) != q->published;
}
