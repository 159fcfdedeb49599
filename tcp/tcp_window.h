/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What we promise and acknowledge to the guest: pure functions of what the
 * host's socket says about itself
 */
#ifndef TCP_TCP_WINDOW_H
#define TCP_TCP_WINDOW_H

#include "util/seq.h"

enum {
	TCP_SHORT_PATH_US	= 1000,	/* host's path: no mirroring below */
	TCP_SKB_OVERHEAD	= 1536,	/* sk_buff and its head, generously */
	TCP_WSCALE		= 8,	/* ours: windows of up to 16 MiB */
};

/* Bytes that a send buffer of `size` with `queued` in it will take. The kernel
 * counts its own overhead: for each of its buffers, which hold half of the
 * peer's largest window at most (`quantum`), and more where data comes in small
 * pieces, judged by the `payload` in it now (0: not known). A tenth is kept
 * back.
 */
uint32_t tcp_window_room(uint32_t size, uint32_t queued, uint32_t payload,
			 uint32_t quantum);

/* Is the buffer so full that only EPOLLOUT can open the window again? The
 * kernel's own rule: writable while no more than two thirds are queued.
 */
bool tcp_window_is_tight(uint32_t size, uint32_t queued);

/* Right edge to promise: never left of old_edge (RFC 9293 3.8.6.2.1), and not
 * moved by less than `least`: a segment, or half of what an empty buffer takes
 * (3.8.6.2.2, silly windows); unless that makes room for a segment of the guest's
 * (`seg`), which it hasn't now
 */
tcp_seq tcp_window_edge(tcp_seq rcv_nxt, tcp_seq old_edge, uint32_t room,
			uint32_t least, uint32_t seg);

/* Window field for `edge`, seen from `ack`. Rounded down to the scale, so what
 * is seen on the wire may lie up to a unit left of what was seen before (RFC
 * 7323 2.4); rounding up would promise a little more with each ACK, without
 * end. The edge itself, which decides what is accepted, doesn't move.
 */
uint16_t tcp_window_field(tcp_seq ack, tcp_seq edge, unsigned wscale);

/* What to acknowledge. mirror: what the peer has acknowledged, `acked` bytes
 * since irs + 1; else all that the socket took. Never more than rcv_nxt, never
 * less than was acknowledged before (last_ack).
 */
tcp_seq tcp_window_ack(tcp_seq irs, tcp_seq rcv_nxt, tcp_seq last_ack,
		       bool mirror, uint64_t acked);

#endif /* TCP_TCP_WINDOW_H */
