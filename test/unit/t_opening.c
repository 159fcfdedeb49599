// SPDX-License-Identifier: GPL-2.0-or-later
/* Packets that wait to begin flows
 *
 * Links: engine/counters.o engine/drop.o frame/opening.o util/iov.o util/log.o
 */
#include "frame/opening.h"

#include <stdlib.h>
#include <string.h>

#include "engine/drop.h"
#include "engine/loop.h"
#include "tap_test.h"
#include "util/log.h"
#include "util/wire.h"

enum { HEADERS = 48, MAX = 65535 };

static struct {
	mono_t now;
	unsigned may;			/* so many more */
	unsigned starts, again;
} loop;

static struct {
	unsigned n;
	bool is_old;			/* it's of a flow that there is */
	bool goes;			/* it ends the link */
	uint32_t id, len, payload;	/* of the last one */
	bool whole, in_order;
} got;

static uint8_t bytes[MAX];

mono_t loop_now(void)
{
	return loop.now;
}

bool loop_may_open(void)
{
	return loop.may;
}

void loop_opening_starts(void)
{
	loop.starts++;
	loop.may -= loop.may > 0;
}

void loop_again(void)
{
	loop.again++;
}

static uint64_t dropped(void)
{
	return drop_counts[DROP_OPENING];
}

static void input(const struct pkt *pkts, unsigned n)
{
	static uint8_t l3[MAX];
	const struct pkt *p = pkts;

	if (got.goes)
		opening_forget();
	else if (!got.is_old && !opening_begin(pkts, n))
		return;
	got.whole = n == 1 && bytes_copy(&p->l3, 0, l3, MAX) == p->l3.len &&
		    !memcmp(l3, bytes, p->l3.len) &&
		    bytes_copy(&p->payload, 0, l3, MAX) == p->payload.len &&
		    !memcmp(l3, bytes + p->l3.len - p->payload.len,
			    p->payload.len);
	got.in_order = p->ip_id > got.id;
	got.n++;
	got.id = p->ip_id;
	got.len = p->l3.len;
	got.payload = p->payload.len;
}

static bool begin(uint8_t proto, uint32_t id, uint32_t len)
{
	/* In pieces */
	const struct iovec iov[] = { { bytes, 7 }, { bytes + 7, MAX - 7 } };
	struct pkt p = { .proto = proto, .ip_id = id,
			 .l3 = { iov, 2, 0, len } };

	p.payload = bytes_slice(&p.l3, HEADERS, len);
	return opening_begin(&p, 1);
}

static void run(unsigned may)
{
	loop.may = may;
	opening_run();
}

int main(void)
{
	uint32_t id = 0, put = 0, dropped_before;
	bool all_whole = true, all_in_order = true;

	log_max = LOG_LVL_ERR;		/* nothing of what is dropped */
	for (unsigned i = 0; i < MAX; i++)
		bytes[i] = (uint8_t)(i * 31 + i / 256);
	opening_init(input);

	loop.may = 1;
	ok(begin(PROTO_UDP, ++id, 100) && loop.starts == 1,
	   "while there is time, one begins");
	ok(!begin(PROTO_UDP, ++id, 100) && loop.starts == 1 && loop.again,
	   "if not, it waits, and there's another turn");
	loop.may = 9;
	ok(!begin(PROTO_TCP, ++id, 100), "... and so does who comes behind");
	run(0);
	ok(got.n == 1 && got.id == 2 && got.whole && got.payload == 52,
	   "without time, the first one's turn comes, with all of the packet");
	run(9);
	ok(got.n == 2 && got.whole && got.len == HEADERS && !got.payload,
	   "a segment comes without payload");
	run(9);
	is_int(got.n, 2, "once");
	ok(begin(PROTO_UDP, ++id, 100), "nobody waits: one begins");

	loop.may = 0;
	begin(PROTO_UDP, ++id, 100);
	loop.now = mono_add(loop.now, DUR_MS(1001));
	run(9);
	ok(got.n == 2 && dropped() == 1, "after a second it's late");
	loop.may = 0;
	begin(PROTO_UDP, ++id, 100);
	loop.now = mono_add(loop.now, DUR_MS(1001));
	run(0);
	is_int((int)dropped(), 2, "... without time, too");
	loop.may = 0;
	begin(PROTO_UDP, ++id, 100);
	opening_forget();
	run(9);
	ok(got.n == 2 && dropped() == 2, "whose guest has gone is forgotten");
	loop.may = 0;
	begin(PROTO_UDP, ++id, 100);
	begin(PROTO_UDP, ++id, 100);
	got.goes = true;
	run(9);
	ok(got.n == 3 && dropped() == 2,
	   "... also if it goes by what one of them does");
	got.goes = false;
	run(9);
	is_int(got.n, 3, "... for good");

	loop.may = 0;
	for (unsigned i = 0; i < 9; i++)
		begin(PROTO_UDP, ++id, 100);
	got.n = 0;
	got.is_old = true;
	run(0);
	is_int(got.n, 9, "those whose flow is there by now need no time");
	got.is_old = false;
	for (unsigned i = 0; i < 3; i++)
		begin(PROTO_UDP, ++id, 100);
	got.n = loop.starts = 0;
	run(0);
	is_int((int)loop.starts, 1, "those that begin one do, without: one goes");
	run(1);
	is_int((int)loop.starts, 2, "... with, as many as there is for");
	loop.again = 0;
	run(0);
	is_int((int)loop.starts, 3, "none is lost by waiting on");
	ok(got.in_order && got.whole && !loop.again, "... nor out of order");

	/* All sizes, and from nobody to as many as there is room for */
	srand(1);
	dropped_before = (uint32_t)dropped();
	got.n = 0;
	for (unsigned i = 0; i < 200000; i++) {
		unsigned phase = i / 1000 % 4;

		loop.may = 0;
		if (rand() % 4 >= (int)phase) {
			put++;
			begin(PROTO_UDP, ++id, HEADERS +
			      (uint32_t)rand() % (i % 7 ? 100 : MAX - HEADERS));
		} else {
			unsigned n = got.n;

			run(1);
			if (got.n != n) {
				all_whole &= got.whole;
				all_in_order &= got.in_order;
			}
		}
	}
	run(100000);
	ok(all_whole, "of all sizes, all come whole");
	ok(all_in_order, "... and in order");
	ok(dropped() > dropped_before, "... but those there was no room for");
	is_int(got.n + dropped() - dropped_before, put, "... and none else");
	return done();
}
