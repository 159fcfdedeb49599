// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: packets that wait to begin flows, see opening.h
 *
 * Data: a ring of records, each with a copy of the packet behind it; one that doesn't fit
 * before the end lies at the beginning:
 *
 *	|record 3|record 4|     |record 1|record 2|  |
 *	                  ^ tail ^ head            ^ end
 *
 * First come, first served: while some wait, so does whoever comes. One a turn goes,
 * also if others (clients of forwarded ports, say) have taken the time. Whose flow has
 * been begun by then, by one before it, needs none. Whose turn hasn't come after a second
 * is dropped: what was meant has been sent again by then.
 */
#include "frame/opening.h"

#include "engine/drop.h"
#include "engine/loop.h"
#include "util/log.h"
#include "util/wire.h"

enum {
	OPENING_BYTES	= 1 << 20,	/* 3500 SYNs, or 650 datagrams of QUIC */
	OPENING_ALIGN	= 16,
	OPENING_WAIT_S	= 1,
};

struct opening_rec {
	struct pkt pkt;
	struct iovec iov;
	mono_t since;
	uint32_t size;			/* to the next one */
};

static struct {
	void (*input)(const struct pkt *pkts, unsigned n);
	bool runs, one, stays;		/* the one a turn; it waits on */
	unsigned count;
	uint32_t head, tail, end;
	_Alignas(OPENING_ALIGN) uint8_t ring[OPENING_BYTES];
} opening;

void opening_init(void (*input)(const struct pkt *pkts, unsigned n))
{
	opening.input = input;
}

void opening_forget(void)
{
	opening.count = 0;
}

/* Room for so many bytes, or NULL */
static void *opening_room(uint32_t size)
{
	if (!opening.count) {
		opening.head = opening.tail = 0;
		opening.end = OPENING_BYTES;
	}
	if (opening.tail >= opening.head) {
		if (OPENING_BYTES - opening.tail >= size)
			return opening.ring + opening.tail;
		if (opening.head <= size)
			return NULL;
		opening.end = opening.tail;
		opening.tail = 0;
	}
	/* Full up to the last byte would look as if empty */
	return opening.head - opening.tail > size ?
	       opening.ring + opening.tail : NULL;
}

static void opening_put(const struct pkt *pkt)
{
	uint32_t payload = pkt->proto == PROTO_TCP ? 0 : pkt->payload.len;
	uint32_t len = pkt->l3.len - pkt->payload.len + payload;
	uint32_t size = (uint32_t)(sizeof(struct opening_rec) + len +
				   OPENING_ALIGN - 1) & ~(OPENING_ALIGN - 1U);
	struct opening_rec *r = opening_room(size);

	if (!r) {
		drop(DROP_OPENING);
		warn_limited("The guest begins more than there is time for");
		return;
	}
	*r = (struct opening_rec){ .pkt = *pkt, .since = loop_now(),
				   .size = size };
	r->iov = (struct iovec){ r + 1, len };
	bytes_copy(&pkt->l3, 0, r + 1, len);
	r->pkt.l3 = (struct bytes){ &r->iov, 1, 0, len };
	r->pkt.payload = bytes_slice(&r->pkt.l3, len - payload, payload);
	opening.tail += size;
	opening.count++;
}

bool opening_begin(const struct pkt *pkts, unsigned n)
{
	if (opening.runs && !opening.one && !loop_may_open()) {
		opening.stays = true;
		return false;
	}
	if (opening.runs || (!opening.count && loop_may_open())) {
		opening.one = false;
		loop_opening_starts();
		return true;
	}
	for (unsigned i = 0; i < n; i++)
		opening_put(&pkts[i]);
	loop_again();
	return false;
}

void opening_run(void)
{
	opening.runs = opening.one = true;
	opening.stays = false;
	while (opening.count) {
		const struct opening_rec *r = (const void *)
					      (opening.ring + opening.head);

		if (mono_before(mono_add(r->since, DUR_S(OPENING_WAIT_S)),
				loop_now())) {
			drop(DROP_OPENING);
		} else {
			opening.input(&r->pkt, 1);
		}
		/* The guest may have gone by that */
		if (opening.stays || !opening.count)
			break;
		opening.head += r->size;
		if (opening.head == opening.end) {
			opening.head = 0;
			opening.end = OPENING_BYTES;
		}
		opening.count--;
	}
	opening.runs = false;
	if (opening.count)
		loop_again();
}
