// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: window and acknowledgement policy towards the guest, see tcp_window.h
 *
 * Why not the peer's window alone: what the guest sends within the promised
 * window must be taken by the socket, whole and at once, or the guest learns by
 * a timeout. Only the send buffer's room is such a promise.
 *
 * Why the buffer grows at all: the kernel enlarges it only while it is marked
 * "no space", and a sender that never overfills it would never see that mark.
 * Asking for EPOLLOUT when it is tight sets the mark; where it never gets tight,
 * since all leaves at once, it is enlarged by us (see tcp_ask_room()).
 */
#include "tcp/tcp_window.h"

uint32_t tcp_window_room(uint32_t size, uint32_t queued, uint32_t payload,
			 uint32_t quantum)
{
	uint64_t room = size > queued ? size - queued : 0;
	uint64_t by_quantum = room * quantum / (quantum + TCP_SKB_OVERHEAD);

	if (payload && payload < queued)
		room = room * payload / queued;
	room = MIN(room, by_quantum);
	return (uint32_t)(room - room / 10);
}

bool tcp_window_is_tight(uint32_t size, uint32_t queued)
{
	return (uint64_t)queued * 3 > (uint64_t)size * 2;
}

tcp_seq tcp_window_edge(tcp_seq rcv_nxt, tcp_seq old_edge, uint32_t room,
			uint32_t least, uint32_t seg)
{
	tcp_seq edge = rcv_nxt + room;

	if (seq_leq(edge, old_edge))
		return old_edge;
	if (edge - old_edge >= least ||
	    (old_edge - rcv_nxt < seg && room >= seg))
		return edge;
	return old_edge;
}

uint16_t tcp_window_field(tcp_seq ack, tcp_seq edge, unsigned wscale)
{
	uint32_t wnd = seq_gt(edge, ack) ? edge - ack : 0;

	return (uint16_t)MIN(wnd >> wscale, UINT16_MAX);
}

tcp_seq tcp_window_ack(tcp_seq irs, tcp_seq rcv_nxt, tcp_seq last_ack,
		       bool mirror, uint64_t acked)
{
	tcp_seq ack = rcv_nxt;

	if (mirror)
		ack = seq_min(irs + 1 + (tcp_seq)acked, rcv_nxt);
	return seq_max(ack, last_ack);
}
