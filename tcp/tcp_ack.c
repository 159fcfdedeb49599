// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: what the guest is told of its own data: how much of it is acknowledged,
 * and how much more it may send
 *
 * Flow: the end of a turn, or something to be sent anyway → tcp_refresh() asks the
 * socket what the peer has acknowledged, and for room in its send buffer →
 * tcp_window.c, which is pure, makes an acknowledgement and a right edge of that.
 * Where the answer isn't final, ack_timer asks again (tcp_timer_ack_pending()), or
 * EPOLLOUT tells (wnd_tight).
 */
#include "tcp/tcp_int.h"

#include "host/sock.h"
#include "tcp/tcp_window.h"
#include "util/wire.h"

enum {
	ACK_TINY_BUFFER	= 32768,	/* windows move by halves of it */
};

uint8_t tcp_rcv_scale(const struct tcp_conn *conn)
{
	return conn->wscale_ok ? TCP_WSCALE : 0;
}

void tcp_advance_ack(struct tcp_conn *conn)
{
	if (!conn->mirror_ack)
		conn->last_ack_sent = conn->rcv_nxt;
}

/* What a guest may want to send at once, and waits for a window for: a segment of
 * our MSS, or half of the largest window that it has seen (RFC 9293 3.8.6.2.1;
 * that is what Linux cuts its segments to). In whole units of the window's field,
 * at least one: it sees no part of a unit.
 */
static uint32_t tcp_guest_seg(const struct flow *f)
{
	uint32_t seg = MIN(tcp_link_mss(f), f->tcp.rcv_wnd_max / 2);
	uint32_t unit = 1U << tcp_rcv_scale(&f->tcp);

	return MAX((seg + unit - 1) / unit, 1U) * unit;
}

bool tcp_window_is_small(const struct flow *f)
{
	return !f->tcp.fin_rcvd &&
	       f->tcp.rcv_edge - f->tcp.rcv_nxt < tcp_guest_seg(f);
}

/* Choose what to acknowledge: what the socket took or, on a longer path, what
 * the peer has acknowledged, for which the socket is asked. Sees to it that it
 * is asked again if that isn't all. True: more than before.
 */
static bool tcp_refresh_ack(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;
	struct sock_tcp_info ti = { 0 };
	tcp_seq old_ack = conn->last_ack_sent;
	bool news;

	if (conn->fd < 0 || !conn->mirror_ack) {
		conn->last_ack_sent = conn->rcv_nxt;
	} else if (conn->rcv_nxt != old_ack && sock_tcp_info(conn->fd, &ti)) {
		conn->mirror_ack = ti.has_acked &&
				   ti.min_rtt_us > TCP_SHORT_PATH_US;
		/* Nothing on its way: the peer's window is closed. The guest
		 * would take silence for loss; what our side holds is in good
		 * hands.
		 */
		conn->last_ack_sent =
			tcp_window_ack(conn->irs, conn->rcv_nxt, old_ack,
				       conn->mirror_ack && ti.unacked,
				       ti.acked - conn->acked_syn);
	}
	news = conn->last_ack_sent != old_ack;
	if (news)
		tcp_timer_ack_progress(f);
	if (conn->last_ack_sent != conn->rcv_nxt)
		tcp_timer_ack_pending(f, ti.rtt_us);
	return news;
}

/* Bytes of the guest's that the send buffer takes */
struct tcp_room {
	uint32_t now;
	uint32_t whole;			/* when it is empty */
	bool drains;			/* less is in it than when asked last */
};

/* The guest has used what was promised, and waits for more. Is that for its own
 * way back to us only, since what it sends leaves at once? The kernel, which never
 * sees that buffer full, would never let it grow.
 */
static bool tcp_is_buffer_too_small(const struct tcp_conn *conn,
				    const struct sock_sndbuf *sb)
{
	struct sock_tcp_info ti;

	return sock_may_grow_sndbuf(sb) &&
	       !tcp_window_is_tight(sb->size, sb->queued) &&
	       sock_tcp_info(conn->fd, &ti) && ti.unsent <= sb->size / 8;
}

/* Ask the socket. If the buffer is tight, its event tells from now on. */
static struct tcp_room tcp_ask_room(struct flow *f, bool waits)
{
	struct tcp_room room = { .now = UINT16_MAX, .whole = UINT16_MAX };
	struct tcp_conn *conn = &f->tcp;
	struct sock_sndbuf sb;

	if (!sock_sndbuf(conn->fd, &sb))
		return room;
	if (waits && tcp_is_buffer_too_small(conn, &sb))
		sock_grow_sndbuf(conn->fd, &sb);
	room.now = tcp_window_room(sb.size, sb.queued, sb.payload,
				   conn->snd_quantum);
	room.whole = tcp_window_room(sb.size, 0, 0, conn->snd_quantum);
	room.drains = sb.queued < conn->sock_queued;
	conn->sock_queued = sb.queued;
	if (tcp_window_is_tight(sb.size, sb.queued) && !conn->wnd_tight) {
		conn->wnd_tight = true;
		tcp_rewatch(f);
	}
	return room;
}

/* Choose the window's right edge, by how much more the socket takes. Sees to it
 * that it is asked again if the guest waits for more. True: the edge has moved.
 */
static bool tcp_refresh_window(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;
	tcp_seq old_edge = conn->rcv_edge;
	uint32_t seg = tcp_guest_seg(f);
	struct tcp_room room;

	/* Most of a good window is still there: no need to ask for more */
	if (conn->fd < 0 || conn->fin_rcvd ||
	    old_edge - conn->rcv_nxt >
	    MAX(conn->rcv_wnd - conn->rcv_wnd / 4, seg))
		return false;
	room = tcp_ask_room(f, old_edge - conn->rcv_nxt < seg);
	/* In a tiny buffer, pieces take much more than their size */
	if (room.whole < ACK_TINY_BUFFER)
		seg = 0;
	/* What the field can't say is no promise */
	room.now = MIN(room.now, (uint32_t)UINT16_MAX << tcp_rcv_scale(conn));
	conn->rcv_edge = tcp_window_edge(conn->rcv_nxt, old_edge, room.now,
					 MIN(conn->mss, room.whole / 2), seg);
	conn->rcv_wnd = conn->rcv_edge - conn->rcv_nxt;
	conn->rcv_wnd_max = MAX(conn->rcv_wnd_max,
				conn->rcv_edge - conn->last_ack_sent);
	if (room.drains || conn->rcv_edge != old_edge)
		tcp_timer_ack_progress(f);
	/* A guest waits for more then; if the buffer isn't tight, there's no
	 * event when it has drained
	 */
	if (conn->rcv_wnd < tcp_guest_seg(f) && !conn->wnd_tight)
		tcp_timer_ack_pending(f, 0);
	return conn->rcv_edge != old_edge;
}

bool tcp_refresh(struct flow *f)
{
	bool acks = tcp_refresh_ack(f);

	return tcp_refresh_window(f) || acks;
}

void tcp_send_old_ack(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;

	conn->ack_held = false;
	conn->want_ack = !tcp_send_flags(f, conn->snd_nxt, TCP_ACK);
	if (conn->want_ack)
		tcp_queue(f);
}

void tcp_send_ack(struct flow *f)
{
	tcp_refresh(f);
	tcp_send_old_ack(f);
}

void tcp_send_ack_if_news(struct flow *f)
{
	if (tcp_refresh(f))
		tcp_send_old_ack(f);
}
