// SPDX-License-Identifier: GPL-2.0-or-later
/* What is promised and acknowledged to the guest: examples, then properties
 * that must hold for any input
 *
 * Links: tcp/tcp_window.o
 */
#include "tcp/tcp_window.h"

#include "random.h"
#include "tap_test.h"

static void room(void)
{
	unsigned wrong = 0;

	is_int(tcp_window_room(0, 0, 0, 65535), 0, "no buffer: no room");
	is_int(tcp_window_room(1000, 1000, 0, 65535), 0, "full buffer");
	is_int(tcp_window_room(1000, 2000, 0, 65535), 0, "more than full");
	is_int(tcp_window_room(2621440, 0, 0, 65535), 2305266,
	       "empty one of 2.5 MiB, in buffers of 64 KiB");
	is_int(tcp_window_room(2621440, 0, 0, 1536), 1179648,
	       "  in buffers as large as their overhead: half");
	is_int(tcp_window_room(2621440, 1310720, 655360, 65535), 589824,
	       "  half full, of which half is payload: half of the rest");
	is_int(tcp_window_room(2621440, 1310720, 1310719, 65535), 1152633,
	       "  half full of payload: the overhead counts");
	is_int(tcp_window_room(87040, 0, 0, 0), 0, "no quantum: nothing");

	for (int i = 0; i < 100000; i++) {
		uint32_t size = random_magnitude(32);
		uint32_t queued = random_magnitude(32);
		uint32_t payload = random_magnitude(32);
		uint32_t quantum = random_magnitude(16);
		uint32_t r = tcp_window_room(size, queued, payload, quantum);
		uint32_t room_max = size > queued ? size - queued : 0;

		wrong += r > room_max - room_max / 10;
		if (queued < UINT32_MAX && !payload)
			wrong += tcp_window_room(size, queued + 1, 0,
						 quantum) > r;
		if (size < UINT32_MAX)
			wrong += tcp_window_room(size + 1, queued, payload,
						 quantum) < r;
		wrong += tcp_window_room(size, queued, payload,
					 quantum / 2) > r;
	}
	is_int(wrong, 0, "at most nine tenths are lent; less the more is "
	       "queued, more the larger buffer and quantum");
}

static void tight(void)
{
	ok(!tcp_window_is_tight(3000, 0), "an empty buffer isn't tight");
	ok(!tcp_window_is_tight(3000, 2000), "nor is one two thirds full");
	ok(tcp_window_is_tight(3000, 2001), "but one fuller");
	ok(tcp_window_is_tight(UINT32_MAX, UINT32_MAX) &&
	   !tcp_window_is_tight(UINT32_MAX, 1U << 31), "of any size");
	ok(!tcp_window_is_tight(0, 0), "no buffer, nothing in it");
}

static void edge(void)
{
	is_int(tcp_window_edge(1000, 1000, 5000, 1460, 0), 6000,
	       "a closed window opens");
	is_int(tcp_window_edge(1000, 6000, 5000, 1460, 0), 6000, "nothing new");
	is_int(tcp_window_edge(1000, 6000, 2000, 1460, 0), 6000,
	       "less room: the promise holds (RFC 9293 3.8.6.2.1)");
	is_int(tcp_window_edge(1000, 6000, 0, 1460, 0), 6000, "  even with none");
	is_int(tcp_window_edge(1000, 6000, 6459, 1460, 0), 6000,
	       "less than a segment more: not worth it (3.8.6.2.2)");
	is_int(tcp_window_edge(1000, 6000, 6460, 1460, 0), 7460, "a segment is");
	is_int(tcp_window_edge(1000, 1500, 999, 500, 0), 1500,
	       "less than half of a small buffer isn't");
	is_int(tcp_window_edge(1000, 1500, 1000, 500, 0), 2000, "half of it is");
	is_int(tcp_window_edge(1000, 3000, 2500, 1460, 2400), 3500,
	       "less, if a segment of the guest's fits then");
	is_int(tcp_window_edge(1000, 3500, 3000, 1460, 2400), 3500,
	       "  not if one did before");
	is_int(tcp_window_edge(1000, 3000, 2300, 1460, 2400), 3000,
	       "  nor if it still doesn't");
	is_int(tcp_window_edge(1000, 3000, 2400, 1460, 2400), 3400,
	       "  and if it just does");
	is_int(tcp_window_edge(1000, 1000, 0, 1460, 0), 1000, "no room at all");
	is_int(tcp_window_edge(1000, 1000, 0, 0, 0), 1000, "  of no buffer");
	is_int(tcp_window_edge(0xfffffff0, 0xfffffff0, 5000, 1460, 0), 4984,
	       "across the wrap");
	is_int(tcp_window_edge(0xfffffff0, 4984, 100, 1460, 0), 4984,
	       "  and it stays");
}

static void field(void)
{
	is_int(tcp_window_field(1000, 1000, 8), 0, "closed");
	is_int(tcp_window_field(1000, 999, 8), 0, "edge behind: closed");
	is_int(tcp_window_field(1000, 1000 + 65535, 0), 65535, "not scaled");
	is_int(tcp_window_field(1000, 1000 + 65536, 0), 65535,
	       "cut to 16 bits");
	is_int(tcp_window_field(1000, 1000 + 1024, 8), 4, "scaled");
	is_int(tcp_window_field(1000, 1000 + 1279, 8), 4, "  rounded down");
	is_int(tcp_window_field(1000, 1000 + 255, 8), 0, "  to nothing");
	is_int(tcp_window_field(1000, 1000 + (65535U << 8) + 300, 8), 65535,
	       "the largest");
	is_int(tcp_window_field(1000, 1000 + (65535U << 14), 14), 65535,
	       "with the largest scale");
	is_int(tcp_window_field(0xffffff00, 0x100, 8), 2, "across the wrap");
}

static void ack(void)
{
	is_int(tcp_window_ack(99, 5000, 1000, false, 0), 5000,
	       "short path: what the socket took");
	is_int(tcp_window_ack(99, 5000, 1000, true, 2000), 2100,
	       "mirror: what the peer has");
	is_int(tcp_window_ack(99, 5000, 1000, true, 100), 1000,
	       "  never less than before");
	is_int(tcp_window_ack(99, 5000, 1000, true, 4900), 5000, "  all of it");
	is_int(tcp_window_ack(99, 5000, 1000, true, 4901), 5000,
	       "  never more than came (its count may have a FIN)");
	is_int(tcp_window_ack(0xffffff00, 0x500, 0xffffff80, true, 0x200), 0x101,
	       "  across the wrap");
	is_int(tcp_window_ack(99, 100 + 5000, 1000, true,
			      (7ULL << 32) + 2000), 2100,
	       "  after more than 4 GiB");
}

/* One connection: the guest sends within its window, the socket's buffer
 * drains, the peer acknowledges; any of it at any pace
 */
static void connection(unsigned wscale, unsigned *wrong, unsigned *moves)
{
	tcp_seq irs = random_32();
	tcp_seq rcv_nxt = irs + 1, last_ack = rcv_nxt, rcv_edge = rcv_nxt;
	tcp_seq seen_edge = rcv_nxt;		/* on the wire, so far */
	uint64_t taken = 0, acked = 0;
	uint32_t size = 4096 + random_magnitude(23), queued = 0;
	uint32_t mss = 536 + random_magnitude(16);
	uint32_t unit = 1U << wscale;
	uint32_t quantum = 1024 + random_magnitude(15);
	bool mirror = random_below(2);

	for (int i = 0; i < 400; i++) {
		uint32_t n = random_magnitude(24), lent, wnd, r, whole, least;
		tcp_seq old_edge = rcv_edge, old_ack = last_ack;

		/* The guest sends */
		lent = seq_gt(seen_edge, rcv_nxt) ? seen_edge - rcv_nxt : 0;
		n = MIN(n, lent);
		rcv_nxt += n;
		taken += n;
		queued += n + n / 8;
		/* The peer acknowledges, the buffer drains, or grows */
		acked += random_magnitude(24) % (taken - acked + 1);
		n = random_magnitude(24);
		queued -= MIN(n, queued);
		if (!random_below(50))
			size += size / 2;

		last_ack = tcp_window_ack(irs, rcv_nxt, last_ack, mirror, acked);
		*wrong += seq_lt(last_ack, old_ack) || seq_gt(last_ack, rcv_nxt);
		*wrong += mirror && last_ack != old_ack &&
			  last_ack - irs - 1 != (uint32_t)acked;

		r = tcp_window_room(size, queued, 0, quantum);
		whole = tcp_window_room(size, 0, 0, quantum);
		least = MIN(mss, whole / 2);
		rcv_edge = tcp_window_edge(rcv_nxt, old_edge, r, least, 0);
		*wrong += seq_lt(rcv_edge, old_edge);
		*moves += rcv_edge != old_edge;
		if (rcv_edge != old_edge)
			*wrong += rcv_edge != rcv_nxt + r ||
				  rcv_edge - old_edge < least;
		/* Nothing worth while is withheld; of an empty buffer, half
		 * is there at any time
		 */
		*wrong += rcv_edge - rcv_nxt + least <= r && least;
		*wrong += !queued && rcv_edge - rcv_nxt < whole / 2;

		wnd = (uint32_t)tcp_window_field(last_ack, rcv_edge, wscale)
		      << wscale;
		*wrong += seq_gt(last_ack + wnd, rcv_edge);
		if (wnd < 65535U << wscale)
			*wrong += rcv_edge - (last_ack + wnd) >= unit;
		*wrong += seq_lt(last_ack + wnd + unit, seen_edge);
		seen_edge = seq_max(seen_edge, last_ack + wnd);
	}
}

static void properties(void)
{
	for (unsigned wscale = 0; wscale <= 14; wscale += 2) {
		unsigned wrong = 0, moves = 0;

		for (int i = 0; i < 500; i++)
			connection(wscale, &wrong, &moves);
		is_int(wrong, 0, "500 connections with a scale of %u", wscale);
		ok(moves > 5000, "  %u moves of the edge", moves);
	}
}

int main(void)
{
	room();
	tight();
	edge();
	field();
	ack();
	properties();
	return done();
}
