// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: what is sent to the guest, and when
 *
 * Data: nothing is kept here. What the guest hasn't acknowledged is still in
 * the socket's receive queue: it is peeked at, sent, and discarded only when
 * acknowledged. sock_una is the sequence number of the queue's first byte, so a
 * segment at seq is what lies seq - sock_una bytes into the queue. The kernel's
 * SO_PEEK_OFF follows by itself as long as we go forward; for a segment sent
 * again it is moved, and moved back. Where it doesn't exist, what was sent
 * before is peeked into a discard area.
 *
 * Flow: tcp_out() → tcp_send_data() for as long as window, budget and link
 * allow → FIN after the last byte. Its caller is an event of the socket, an
 * acknowledgement that opened the window, or the list for the end of the turn.
 *
 * Loss (RFC 6675 in spirit, no congestion control: this is a local link whose
 * queue is bounded by the guest's window): three duplicate ACKs, or as much
 * reported by SACK, start a recovery that ends when everything outstanding at
 * that time is acknowledged. In it, only holes are sent again, each once, until
 * the timer says that this was lost too.
 */
#include "tcp.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "frame/frame_build.h"
#include "host/sock.h"
#include "tcp/tcp_opt.h"
#include "tcp/tcp_window.h"
#include "util/wire.h"

#ifndef SO_PEEK_OFF
#define SO_PEEK_OFF	42
#endif

enum {
	OUT_GSO_MAX	= 65535,	/* IP packet with offload */
	OUT_DISCARD	= 1024 * 1024,	/* area for peeks without SO_PEEK_OFF */
	OUT_DISCARD_IOV	= 16,
	OUT_TINY_BUFFER	= 32768,	/* windows move by halves of it */
	OUT_MUCH	= 64 * 1024,	/* in flight: counted by tcp_note_flight() */
	OUT_FLIGHT_ALL	= 8 * 1024 * 1024,	/* shared by those counted */
	OUT_FLIGHT_LEAST = 512 * 1024,	/* of each */
	OUT_NEAR_US	= 50000,	/* round trip, of those it is shared by */
};

static uint8_t tcp_discard_area[OUT_DISCARD];

static struct {
	uint32_t flights;		/* connections with much_in_flight */
} out;

uint32_t tcp_ts_now(const struct tcp_conn *conn)
{
	return (uint32_t)(loop_now().us / 1000) + conn->ts_offset;
}

static struct frame_ip tcp_frame_ip(const struct flow *f)
{
	return (struct frame_ip){
		.src = f->side[GUEST].our,
		.dst = f->side[GUEST].peer,
		.proto = PROTO_TCP,
		.df = true,
	};
}

static uint8_t tcp_rcv_scale(const struct tcp_conn *conn)
{
	return conn->wscale_ok ? TCP_WSCALE : 0;
}

/* TCP header with options for the segment at seq, to buf; returns its length.
 * What it acknowledges and promises is noted as done.
 */
static size_t tcp_header(struct flow *f, uint8_t *buf, tcp_seq seq,
			 uint8_t flags)
{
	struct tcp_conn *conn = &f->tcp;
	struct wire_tcp h = {
		.sport = be16_put(f->side[GUEST].our_port),
		.dport = be16_put(f->side[GUEST].peer_port),
		.seq = be32_put(seq),
		.flags = flags,
	};
	size_t len = sizeof(h);

	if (flags & TCP_ACK) {
		h.ack = be32_put(conn->rcv_wup);
		h.wnd = be16_put(tcp_window_field(conn->rcv_wup,
						  conn->rcv_edge,
						  tcp_rcv_scale(conn)));
	}
	if (conn->ts_ok)
		len += tcp_opt_ts(buf + len, tcp_ts_now(conn), conn->ts_recent);
	h.off = (uint8_t)(len / 4 << 4);
	memcpy(buf, &h, sizeof(h));
	return len;
}

/* Take what the socket took: acknowledging it costs no system call unless the
 * path is long, where tcp_refresh() asks
 */
static void tcp_advance_ack(struct tcp_conn *conn)
{
	if (!conn->mirror_ack)
		conn->rcv_wup = conn->rcv_nxt;
}

bool tcp_send_flags(struct flow *f, tcp_seq seq, uint8_t flags)
{
	struct frame_ip ip = tcp_frame_ip(f);
	uint8_t buf[sizeof(struct wire_tcp) + TCP_OPT_MAX];
	size_t len;

	tcp_advance_ack(&f->tcp);
	len = tcp_header(f, buf, seq, flags);
	tcp_counters.out_segs++;
	return frame_send(&ip, buf, len, NULL, 0);
}

uint16_t tcp_link_mss(const struct flow *f)
{
	struct frame_ip ip = tcp_frame_ip(f);
	unsigned mtu = frame_mtu(addr_family(&ip.src));
	size_t hdrs = frame_l3_len(&ip) - sizeof(struct wire_eth) +
		      sizeof(struct wire_tcp);

	return (uint16_t)((mtu ? mtu : CONF_MTU_DEFAULT) - hdrs);
}

void tcp_rtt_start(struct tcp_conn *conn, tcp_seq seq)
{
	if (conn->rtt_timing)
		return;
	conn->rtt_timing = true;
	conn->rtt_seq = seq;
	conn->rtt_start_us = (uint32_t)loop_now().us;
}

bool tcp_send_syn(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;
	bool synack = conn->state == TCP_SYN_RCVD;
	uint8_t buf[sizeof(struct wire_tcp) + TCP_OPT_MAX];
	struct frame_ip ip = tcp_frame_ip(f);
	uint32_t wnd = conn->rcv_edge - conn->rcv_nxt;
	struct wire_tcp h = {
		.sport = be16_put(f->side[GUEST].our_port),
		.dport = be16_put(f->side[GUEST].peer_port),
		.seq = be32_put(conn->iss),
		.flags = TCP_SYN,
		/* Never scaled in a SYN: RFC 7323 2.2 */
		.wnd = be16_put((uint16_t)MIN(wnd, UINT16_MAX)),
	};
	size_t len = sizeof(h);

	if (synack) {
		h.flags |= TCP_ACK;
		h.ack = be32_put(conn->rcv_nxt);
		conn->rcv_wup = conn->rcv_nxt;
		len += tcp_opt_syn(buf + len, tcp_link_mss(f), conn->sack_ok,
				   conn->ts_ok, tcp_ts_now(conn), conn->ts_recent,
				   conn->wscale_ok ? TCP_WSCALE : -1);
	} else {
		len += tcp_opt_syn(buf + len, tcp_link_mss(f), true, true,
				   tcp_ts_now(conn), 0, TCP_WSCALE);
	}
	h.off = (uint8_t)(len / 4 << 4);
	memcpy(buf, &h, sizeof(h));
	tcp_counters.out_segs++;
	return frame_send(&ip, buf, len, NULL, 0);
}

/* What a guest may want to send at once, and waits for a window for: a segment of
 * our MSS, or half of the largest window that it has seen (RFC 9293 3.8.6.2.1;
 * that is what Linux cuts its segments to)
 */
static uint32_t tcp_guest_seg(const struct flow *f)
{
	return MIN(tcp_link_mss(f), f->tcp.rcv_wnd_max / 2);
}

/* Choose what to acknowledge: what the socket took or, on a longer path, what
 * the peer has acknowledged, for which the socket is asked. Sees to it that it
 * is asked again if that isn't all. True: more than before.
 */
static bool tcp_refresh_ack(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;
	struct sock_tcp_info ti = { 0 };
	tcp_seq old_ack = conn->rcv_wup;
	bool in_flight = true, news;

	if (conn->fd < 0) {
		conn->rcv_wup = conn->rcv_nxt;
		return conn->rcv_wup != old_ack;
	}
	if (conn->mirror_ack && conn->rcv_nxt != conn->rcv_wup) {
		if (!sock_tcp_info(conn->fd, &ti) || !ti.has_acked ||
		    ti.min_rtt_us <= TCP_SHORT_PATH_US)
			conn->mirror_ack = false;
		ti.acked -= conn->acked_syn;
		/* Nothing on its way: the peer's window is closed. The guest
		 * would take silence for loss; what our side holds is in good
		 * hands.
		 */
		in_flight = ti.unacked;
	}
	conn->rcv_wup = tcp_window_ack(conn->irs, conn->rcv_nxt, old_ack,
				       conn->mirror_ack && in_flight, ti.acked);
	news = conn->rcv_wup != old_ack;
	if (news)
		tcp_timer_ack_progress(f);
	if (conn->rcv_wup != conn->rcv_nxt)
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
		loop_mod(conn->fd, TCP_EVENTS, flow_ref(f, LOOP_TCP));
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
	if (room.whole < OUT_TINY_BUFFER)
		seg = 0;
	/* What the field can't say is no promise */
	room.now = MIN(room.now, (uint32_t)UINT16_MAX << tcp_rcv_scale(conn));
	conn->rcv_edge = tcp_window_edge(conn->rcv_nxt, old_edge, room.now,
					 MIN(conn->mss, room.whole / 2), seg);
	conn->rcv_wnd = conn->rcv_edge - conn->rcv_nxt;
	conn->rcv_wnd_max = MAX(conn->rcv_wnd_max,
				conn->rcv_edge - conn->rcv_wup);
	if (room.drains || conn->rcv_edge != old_edge)
		tcp_timer_ack_progress(f);
	/* A guest waits for more then; if the buffer isn't tight, there's no
	 * event when it has drained
	 */
	if (conn->rcv_wnd < tcp_guest_seg(f) && !conn->wnd_tight)
		tcp_timer_ack_pending(f, 0);
	return conn->rcv_edge != old_edge;
}

/* What the next segment acknowledges and promises. True: news for the guest. */
static bool tcp_refresh(struct flow *f)
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
		tcp_send_ack(f);
}

void tcp_send_probe(struct flow *f)
{
	tcp_send_flags(f, f->tcp.snd_una - 1, TCP_ACK);
}

void tcp_send_stray_rst(const struct pkt *pkt)
{
	const struct pkt_tcp *t = &pkt->tcp;
	struct frame_ip ip = { .src = pkt->dst, .dst = pkt->src,
			       .proto = PROTO_TCP, .df = true };
	struct wire_tcp h = {
		.sport = be16_put(pkt->dport),
		.dport = be16_put(pkt->sport),
		.off = sizeof(h) / 4 << 4,
		.flags = TCP_RST,
	};

	if (t->flags & TCP_RST)
		return;
	if (t->flags & TCP_ACK) {
		h.seq = be32_put(t->ack);
	} else {
		h.flags |= TCP_ACK;
		h.ack = be32_put(t->seq + pkt->payload.len +
				 !!(t->flags & TCP_SYN) +
				 !!(t->flags & TCP_FIN));
	}
	tcp_counters.out_segs++;
	frame_send(&ip, &h, sizeof(h), NULL, 0);
}

void tcp_discard_acked(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;
	tcp_seq data_end = conn->snd_una;

	/* A FIN of ours that was acknowledged isn't in the socket's queue */
	if (conn->fin_sent && conn->snd_una == conn->snd_nxt)
		data_end--;
	/* More than once only where urgent data stops it. The kernel takes what
	 * goes off the peek offset as well.
	 */
	while (conn->sock_una != data_end && conn->fd >= 0) {
		ssize_t n = recv(conn->fd, NULL, data_end - conn->sock_una,
				 MSG_TRUNC | MSG_DONTWAIT);

		if (n <= 0)
			break;		/* its event tells */
		conn->sock_una += (tcp_seq)n;
	}
}

/* See that the next peek starts at seq. Returns the number of iovecs, for bytes
 * to be skipped, written to iov; -1 if that can't be done.
 */
static int tcp_peek_at(struct tcp_conn *conn, tcp_seq seq, struct iovec *iov)
{
	uint32_t off = seq - conn->sock_una;
	int n = 0;

	if (sock_has_peek_off()) {
		int value = (int)off;

		if (conn->peek_off ? conn->peek_moved || seq != conn->snd_nxt :
				     off) {
			if (setsockopt(conn->fd, SOL_SOCKET, SO_PEEK_OFF,
				       &value, sizeof(value)))
				return -1;
			conn->peek_off = true;
		}
		/* Unless it is new data at the right place */
		conn->peek_moved = seq != conn->snd_nxt;
		return 0;
	}
	while (off) {
		if (n == OUT_DISCARD_IOV)
			return -1;
		iov[n].iov_base = tcp_discard_area;
		iov[n].iov_len = MIN(off, OUT_DISCARD);
		off -= (uint32_t)iov[n++].iov_len;
	}
	return n;
}

/* Peek, with `skip` bytes of what was sent before in front. Bytes beyond them; 0
 * at the end of the stream; -EAGAIN; other -errno if the socket is broken.
 */
static ssize_t tcp_peek(const struct tcp_conn *conn, struct msghdr *msg,
			uint32_t skip)
{
	ssize_t n;

	do {
		n = recvmsg(conn->fd, msg, MSG_PEEK | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (!skip || n > (ssize_t)skip)
		return n - (ssize_t)skip;
	return conn->sock_eof ? 0 : -EAGAIN;
}

/* Send headers for the n bytes that lie in tx. What the link refuses in spite of
 * the reservation (a tap device that is down) is lost like on any wire, and
 * sent again like there.
 */
static void tcp_commit(struct flow *f, struct tap_tx *tx, tcp_seq seq,
		       size_t n, uint8_t last_flags)
{
	struct frame_ip ip = tcp_frame_ip(f);
	size_t done = 0;

	for (unsigned i = 0; i < tx->count && done < n; i++) {
		size_t len = MIN(tx->iov[i].iov_len, n - done);
		struct bytes payload = { &tx->iov[i], 1, 0, (uint32_t)len };
		uint8_t flags = TCP_ACK;
		uint8_t l4[sizeof(struct wire_tcp) + TCP_OPT_MAX];
		uint8_t hdr[TAP_HDR_MAX];
		struct tap_meta meta;
		size_t l4_len;

		if (done + len == n)
			flags |= last_flags;
		l4_len = tcp_header(f, l4, seq + (tcp_seq)done, flags);
		frame_build(hdr, &ip, l4, l4_len, &payload,
			    tap_caps()->gso ? f->tcp.mss : 0, &meta);
		tcp_counters.out_segs++;
		tap_commit(tx, i, hdr, len, &meta);
		done += len;
	}
}

/* Payload bytes for each frame: a multiple of the MSS where the link, or the
 * guest's kernel behind it, cuts it up
 */
static uint32_t tcp_seg_max(const struct flow *f, size_t hdr_len)
{
	uint32_t max = (uint32_t)(OUT_GSO_MAX -
				  (hdr_len - sizeof(struct wire_eth)));
	uint32_t mss = f->tcp.mss;

	return tap_caps()->gso && mss < max ? max / mss * mss : mss;
}

/* A FIN takes its place in the sequence, behind all data */
static void tcp_fin_sent(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;

	conn->fin_sent = true;
	conn->snd_nxt++;
	tcp_set_state(f, conn->state == TCP_CLOSE_WAIT ?
			 TCP_LAST_ACK : TCP_FIN_WAIT_1);
}

/* Send up to `want` bytes from seq on. Bytes sent; 0 at the end of the stream;
 * -EAGAIN if the socket has none, -ENOBUFS if the link is full, other -errno if
 * the socket is broken. *ret_fin: the stream's end was reached, and a FIN went
 * along, if that is not NULL.
 */
static ssize_t tcp_send_data(struct flow *f, tcp_seq seq, uint32_t want,
			     bool *ret_fin)
{
	struct tcp_conn *conn = &f->tcp;
	struct iovec iov[OUT_DISCARD_IOV + TAP_TX_FRAMES];
	struct frame_ip ip = tcp_frame_ip(f);
	size_t hdr_len = frame_l3_len(&ip) + sizeof(struct wire_tcp) +
			 (conn->ts_ok ? 12 : 0);
	struct msghdr msg = { .msg_iov = iov };
	bool is_short, is_all;
	struct tap_tx tx;
	size_t room;
	ssize_t n;
	int first;

	room = tap_reserve(&tx, want, tcp_seg_max(f, hdr_len), hdr_len);
	if (!room)
		return -ENOBUFS;
	first = tcp_peek_at(conn, seq, iov);
	if (first < 0) {
		tap_cancel(&tx);
		return -EINVAL;
	}
	memcpy(iov + first, tx.iov, tx.count * sizeof(iov[0]));
	msg.msg_iovlen = (unsigned)first + tx.count;
	n = tcp_peek(conn, &msg, first ? seq - conn->sock_una : 0);
	/* There was room for more. But a peek stops at urgent data, too. */
	is_short = n > 0 && (size_t)n < room;
	is_all = is_short && !conn->sock_urg;
	/* The next byte makes an event; behind the last one a FIN may wait */
	if (n == -EAGAIN || (is_all && !conn->sock_eof))
		conn->sock_drained |= seq == conn->snd_nxt;
	if (n > 0) {
		uint8_t last_flags = is_short ? TCP_PSH : 0;

		tcp_advance_ack(conn);
		/* The FIN had come before we looked */
		if (ret_fin && is_all && conn->sock_eof) {
			*ret_fin = true;
			last_flags |= TCP_FIN;
		}
		tcp_commit(f, &tx, seq, (size_t)n, last_flags);
	}
	tap_cancel(&tx);
	return n;
}

static void tcp_send_fin(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;

	if (!conn->fin_sent)
		tcp_fin_sent(f);
	tcp_send_flags(f, conn->snd_nxt - 1, TCP_FIN | TCP_ACK);
	tcp_timer_data_sent(f, 1);
}

/* The window is closed. Has the stream ended, or does data wait? */
static void tcp_out_closed(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;
	struct iovec iov[OUT_DISCARD_IOV + 1];
	struct msghdr msg = { .msg_iov = iov };
	uint8_t byte;
	ssize_t n;
	int first;

	if (conn->snd_nxt != conn->snd_una)
		return;			/* an ACK brings us back */
	first = tcp_peek_at(conn, conn->snd_nxt, iov);
	if (first < 0)
		return;
	iov[first] = (struct iovec){ &byte, 1 };
	msg.msg_iovlen = (unsigned)first + 1;
	n = tcp_peek(conn, &msg, first ? conn->snd_nxt - conn->sock_una : 0);
	if (!n) {
		conn->sock_eof = true;
		tcp_send_fin(f);
	} else if (n > 0) {
		conn->peek_moved = true;
		tcp_timer_window_closed(f);
	} else if (n != -EAGAIN) {
		tcp_abort(f);
	}
}

void tcp_note_flight(struct tcp_conn *conn)
{
	bool much = conn->snd_nxt - conn->snd_una > OUT_MUCH;

	if (much == conn->much_in_flight)
		return;
	conn->much_in_flight = much;
	if (much)
		out.flights++;
	else
		out.flights--;
}

/* Bytes on their way to the guest, at most, unless it is far away (a router). They
 * wait in one queue, of the tap or the guest's kernel, so that who has more in it
 * gets more out of it: a few connections with large windows would have most of the
 * link, and all wait long. One alone is limited by nobody.
 */
static uint32_t tcp_flight_max(const struct tcp_conn *conn)
{
	if (out.flights <= 1 || conn->srtt_us > OUT_NEAR_US)
		return UINT32_MAX;
	return MAX(OUT_FLIGHT_ALL / out.flights, (uint32_t)OUT_FLIGHT_LEAST);
}

/* New data was sent: measure, and wait for the acknowledgement */
static void tcp_out_sent(struct flow *f, uint32_t n)
{
	struct tcp_conn *conn = &f->tcp;

	tcp_rtt_start(conn, conn->snd_nxt);
	conn->snd_nxt += n;
	tcp_note_flight(conn);
	conn->want_ack = conn->ack_held = false;
	tcp_timer_data_sent(f, n);
}

/* How far the discard area reaches, and with it what may be in flight */
static bool tcp_is_beyond_reach(const struct tcp_conn *conn, uint32_t *usable)
{
	uint32_t in_queue = conn->snd_nxt - conn->sock_una;

	if (sock_has_peek_off())
		return false;
	*usable = MIN(*usable, OUT_DISCARD * OUT_DISCARD_IOV - in_queue);
	return !*usable;
}

void tcp_out(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;
	uint32_t budget = TCP_OUT_BUDGET / conn->mss * conn->mss;

	if (!tcp_may_send(conn))
		return;
	/* The segments carry it along, and what the peer's answer acknowledged */
	if ((conn->want_ack || conn->ack_held ||
	     conn->rcv_wup != conn->rcv_nxt) && !conn->sock_drained)
		tcp_refresh(f);
	while (budget && !conn->sock_drained) {
		uint32_t in_flight = conn->snd_nxt - conn->snd_una;
		uint32_t usable = conn->snd_wnd - in_flight;
		uint32_t most = tcp_flight_max(conn);
		bool fin = false;
		uint32_t want;
		ssize_t n;

		if ((int32_t)usable <= 0) {
			tcp_out_closed(f);
			return;
		}
		if (in_flight >= most)
			return;		/* an ACK brings us back */
		usable = MIN(usable, most - in_flight);
		/* RFC 9293 3.8.6.2.1: no silly segments while an ACK is on its
		 * way that may open the window further
		 */
		if (in_flight && usable < conn->mss &&
		    usable < conn->snd_wnd_max / 2)
			return;
		if (tcp_is_beyond_reach(conn, &usable))
			return;		/* an ACK brings us back */

		want = MIN(usable, budget);
		if (want > conn->mss)
			want -= want % conn->mss;	/* the same at its end */
		n = tcp_send_data(f, conn->snd_nxt, want, &fin);
		if (n > 0) {
			tcp_out_sent(f, (uint32_t)n);
			if (fin) {
				tcp_fin_sent(f);
				return;
			}
			budget -= MIN(budget, (uint32_t)n);
			continue;
		}
		if (!n) {
			conn->sock_eof = true;
			tcp_send_fin(f);
		} else if (n == -ENOBUFS) {
			conn->want_out = true;
			tcp_queue(f);
		} else if (n != -EAGAIN) {
			tcp_abort(f);
		}
		return;
	}
	if (conn->sock_drained)
		return;
	conn->want_out = true;
	tcp_queue(f);
	loop_again();
}

/* End of the hole that starts at seq: first byte that the guest has, or the end
 * of what was sent
 */
static tcp_seq tcp_hole_end(const struct tcp_conn *conn, tcp_seq seq)
{
	for (unsigned i = 0; i < TCP_SACK_MAX; i++) {
		const struct tcp_sack *s = &conn->sack[i];

		if (s->left != s->right && seq_gt(s->left, seq))
			return s->left;
	}
	return conn->snd_nxt;
}

/* First byte at or after seq that the guest doesn't have */
static tcp_seq tcp_hole_start(const struct tcp_conn *conn, tcp_seq seq)
{
	for (unsigned i = 0; i < TCP_SACK_MAX; i++) {
		const struct tcp_sack *s = &conn->sack[i];

		if (s->left != s->right && seq_geq(seq, s->left) &&
		    seq_lt(seq, s->right))
			seq = s->right;
	}
	return seq;
}

/* Is anything above seq known to have arrived? Then seq is lost, not late. */
static bool tcp_is_below_sack(const struct tcp_conn *conn, tcp_seq seq)
{
	for (unsigned i = 0; i < TCP_SACK_MAX; i++)
		if (conn->sack[i].left != conn->sack[i].right &&
		    seq_lt(seq, conn->sack[i].left))
			return true;
	return false;
}

void tcp_retransmit(struct flow *f, uint32_t budget)
{
	struct tcp_conn *conn = &f->tcp;

	conn->rtx_nxt = seq_max(conn->rtx_nxt, conn->snd_una);
	tcp_discard_acked(f);
	while (budget) {
		tcp_seq seq = tcp_hole_start(conn, conn->rtx_nxt);
		tcp_seq end = tcp_hole_end(conn, seq);
		uint32_t want;
		ssize_t n;

		if (seq_geq(seq, conn->recover))
			return;
		/* Beyond what SACK tells, only the first segment is known to be
		 * lost; after a timeout, all of it
		 */
		if (seq != conn->snd_una && !conn->rto_recovery &&
		    !tcp_is_below_sack(conn, seq))
			return;
		if (conn->fin_sent && seq == conn->snd_nxt - 1) {
			tcp_counters.rtx_segs++;
			tcp_send_flags(f, seq, TCP_FIN | TCP_ACK);
			conn->rtx_nxt = seq + 1;
			return;
		}
		if (conn->fin_sent && end == conn->snd_nxt)
			end--;
		if (seq_geq(seq, conn->snd_una + conn->snd_wnd))
			return;
		want = MIN(seq_min(end, conn->recover) - seq, budget);
		want = MIN(want, conn->snd_una + conn->snd_wnd - seq);
		if (!conn->rto_recovery && !tcp_is_below_sack(conn, seq))
			want = MIN(want, conn->mss);
		n = tcp_send_data(f, seq, want, NULL);
		if (n <= 0)
			return;		/* the timer tries again */
		if (conn->rtt_seq - seq < (tcp_seq)n)
			conn->rtt_timing = false;	/* Karn */
		tcp_counters.rtx_segs++;
		conn->rtx_nxt = seq + (tcp_seq)n;
		budget -= (uint32_t)n;
	}
}

void tcp_enter_recovery(struct flow *f, bool by_rto)
{
	struct tcp_conn *conn = &f->tcp;

	conn->recovery = true;
	conn->rto_recovery = by_rto;
	conn->recover = conn->snd_nxt;
	conn->rtx_nxt = conn->snd_una;
	/* RFC 2018 8: after a timeout, don't rely on what SACK said */
	if (by_rto)
		memset(conn->sack, 0, sizeof(conn->sack));
	tcp_retransmit(f, by_rto ? conn->mss : TCP_OUT_BUDGET);
}
