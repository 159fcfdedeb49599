// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: what is sent to the guest, and when
 *
 * Data: nothing is kept here, it is peeked at in the socket's queue: tcp_peek.c.
 *
 * Flow: tcp_out() → tcp_send_data() for as long as window, budget and link
 * allow → FIN after the last byte. Its caller is an event of the socket, an
 * acknowledgement that opened the window, or the list for the end of the turn.
 *
 * Turns: who has little to send is answered at once, by tcp_out(). Who has much
 * (bulk) waits for the end of the turn, where all of its like share a budget, in
 * turn; what that leaves is for the next turn, after its events. So a request
 * beside any number of downloads waits for one budget's time, and the budget is
 * small while there are such requests.
 *
 * Loss (RFC 6675 in spirit, no congestion control: this is a local link whose
 * queue is bounded by the guest's window): three duplicate ACKs, or as much
 * reported by SACK, start a recovery that ends when everything outstanding at
 * that time is acknowledged. In it, only holes are sent again, each once, until
 * the timer says that this was lost too.
 */
#include "tcp.h"
#include "tcp/tcp_int.h"

#include <errno.h>
#include <string.h>

#include "frame/frame_build.h"
#include "tcp/tcp_opt.h"
#include "tcp/tcp_sack.h"
#include "tcp/tcp_window.h"
#include "util.h"
#include "util/wire.h"

enum {
	OUT_GSO_MAX	= 65535,	/* IP packet with offload */
	OUT_MUCH	= 64 * 1024,	/* in flight: counted by tcp_note_flight() */
	OUT_FLIGHT_ALL	= 8 * 1024 * 1024,	/* shared by those counted */
	OUT_FLIGHT_LEAST = 512 * 1024,	/* of each */
	OUT_NEAR_US	= 50000,	/* round trip, of those it is shared by */
	OUT_LITTLE	= 16 * 1024,	/* that is all: others wait for it */
	OUT_AT_ONCE	= 64 * 1024,	/* without waiting for the turn's end */
	OUT_BESIDE	= 60 * 1024,	/* a turn, beside those with little */
	OUT_BESIDE_MS	= 20,		/* how long they are thought of */
};

static struct {
	uint32_t flights;		/* connections with much_in_flight */
	mono_t little_at;		/* somebody had little to send */
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

/* TCP header with options for the segment at seq, to buf; returns its length. With
 * ACK, it acknowledges and promises what tcp_refresh() chose last.
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
		h.ack = be32_put(conn->last_ack_sent);
		h.wnd = be16_put(tcp_window_field(conn->last_ack_sent,
						  conn->rcv_edge,
						  tcp_rcv_scale(conn)));
	}
	if (conn->ts_ok)
		len += tcp_opt_ts(buf + len, tcp_ts_now(conn), conn->ts_recent);
	h.off = (uint8_t)(len / 4 << 4);
	memcpy(buf, &h, sizeof(h));
	return len;
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
		.seq = be32_put(conn->snd_una),
		.flags = TCP_SYN,
		/* Never scaled in a SYN: RFC 7323 2.2 */
		.wnd = be16_put((uint16_t)MIN(wnd, UINT16_MAX)),
	};
	size_t len = sizeof(h);

	if (synack) {
		h.flags |= TCP_ACK;
		h.ack = be32_put(conn->rcv_nxt);
		conn->last_ack_sent = conn->rcv_nxt;
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

static bool tcp_has_tso(const struct flow *f)
{
	return tap_caps()->tx.tso[addr_family(&f->side[GUEST].our)];
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
		size_t len = MIN(tx->frame[i].len, n - done);
		struct bytes payload = tap_tx_payload(tx, i, len);
		uint8_t flags = TCP_ACK;
		uint8_t l4[sizeof(struct wire_tcp) + TCP_OPT_MAX];
		uint8_t hdr[TAP_HDR_MAX];
		struct tap_meta meta;
		size_t l4_len;

		if (done + len == n)
			flags |= last_flags;
		l4_len = tcp_header(f, l4, seq + (tcp_seq)done, flags);
		frame_build(hdr, &ip, l4, l4_len, &payload,
			    tcp_has_tso(f) ? f->tcp.mss : 0, &meta);
		tcp_counters.out_segs++;
		tap_commit(tx, i, hdr, len, &meta);
		done += len;
	}
}

/* Bytes of headers in front of data */
static size_t tcp_hdr_len(const struct flow *f)
{
	struct frame_ip ip = tcp_frame_ip(f);

	return frame_l3_len(&ip) + sizeof(struct wire_tcp) +
	       (f->tcp.ts_ok ? 12 : 0);
}

/* Payload bytes for each frame: a multiple of the MSS where the link, or the
 * guest's kernel behind it, cuts it up
 */
static uint32_t tcp_seg_max(const struct flow *f)
{
	uint32_t max = (uint32_t)(OUT_GSO_MAX - (tcp_hdr_len(f) -
						 sizeof(struct wire_eth)));
	uint32_t mss = f->tcp.mss;

	return tcp_has_tso(f) && mss < max ? max / mss * mss : mss;
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

/* Send up to `want` bytes from seq on. Bytes sent; as tcp_peek() says, if there are
 * none; -ENOSPC if the link is full. *ret_fin: the stream's end was reached, and a
 * FIN went along, if that is not NULL.
 */
static ssize_t tcp_send_data(struct flow *f, tcp_seq seq, uint32_t want,
			     bool *ret_fin)
{
	struct tcp_conn *conn = &f->tcp;
	bool is_short, is_all;
	struct tap_tx tx;
	size_t room;
	ssize_t n;

	room = tap_reserve(&tx, want, tcp_seg_max(f), tcp_hdr_len(f));
	if (!room)
		return -ENOSPC;
	n = tcp_peek(conn, seq, tx.iov, tx.iovs);
	is_short = n > 0 && (size_t)n < room;
	is_all = is_short && tcp_peek_was_all(conn, seq + (tcp_seq)n);
	/* The next byte makes an event; behind the last one a FIN may wait */
	if (n == -EAGAIN || (is_all && !conn->sock_eof))
		conn->sock_drained |= seq == conn->snd_nxt;
	if (n > 0) {
		uint8_t last_flags = is_short ? TCP_PSH : 0;

		tcp_advance_ack(conn);
		/* The FIN had come before we looked, and that was all */
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

/* What the socket says is no data and no end. False: the connection has ended. */
static bool tcp_peek_failed(struct flow *f, int rc)
{
	if (!is_momentary(rc)) {
		tcp_abort(f);
		return false;
	}
	tcp_fault(f, rc);
	return true;
}

/* The window is closed. Has the stream ended, or does data wait? False: the
 * connection has ended.
 */
static bool tcp_out_closed(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;
	uint8_t byte;
	struct iovec iov = { &byte, 1 };
	ssize_t n;

	if (conn->snd_nxt != conn->snd_una)
		return true;		/* an ACK brings us back */
	n = tcp_peek(conn, conn->snd_nxt, &iov, 1);
	if (!n) {
		conn->sock_eof = true;
		tcp_send_fin(f);
	} else if (n > 0) {
		conn->peek_moved = true;
		tcp_timer_window_closed(f);
	} else if (n != -EAGAIN) {
		return tcp_peek_failed(f, (int)n);
	}
	return true;
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

/* Bytes to be sent now, of those that the guest's window has room for. 0: none, an
 * ACK brings us back.
 */
static uint32_t tcp_out_want(const struct tcp_conn *conn, uint32_t usable,
			     uint32_t budget)
{
	uint32_t in_flight = conn->snd_nxt - conn->snd_una;
	uint32_t most = tcp_flight_max(conn);
	uint32_t want;

	if (in_flight >= most)
		return 0;
	usable = MIN(usable, most - in_flight);
	/* RFC 9293 3.8.6.2.1: no silly segments while an ACK is on its way that
	 * may open the window further
	 */
	if (in_flight && usable < conn->mss && usable < conn->snd_wnd_max / 2)
		return 0;
	want = MIN(MIN(usable, tcp_peek_reach(conn)), budget);
	/* Full segments, at the end of the budget as well */
	return want > conn->mss ? want - want % conn->mss : want;
}

/* Why tcp_send_data() has sent nothing. False: the connection has ended. */
static bool tcp_out_stopped(struct flow *f, ssize_t n)
{
	struct tcp_conn *conn = &f->tcp;

	if (!n) {
		conn->sock_eof = true;
		tcp_send_fin(f);
	} else if (n == -ENOSPC) {
		conn->want_out = true;
		tcp_queue(f);
	} else if (n != -EAGAIN) {
		return tcp_peek_failed(f, (int)n);
	}
	return true;
}

/* Send at most `budget` bytes, and what comes with their end. False: the connection
 * has ended.
 */
static bool tcp_out_some(struct flow *f, uint32_t budget)
{
	struct tcp_conn *conn = &f->tcp;
	uint32_t frame = tcp_seg_max(f);

	if (!tcp_may_send(conn))
		return true;
	budget = MAX(budget / frame, 1U) * frame;	/* no small one behind */
	/* The segments carry it along, and what the peer's answer acknowledged */
	if ((conn->want_ack || conn->ack_held ||
	     conn->last_ack_sent != conn->rcv_nxt) && !conn->sock_drained &&
	    tcp_refresh(f) && !conn->ack_held) {
		conn->want_ack = true;	/* if there are none */
		tcp_queue(f);
	}
	while (budget && !conn->sock_drained) {
		uint32_t usable = conn->snd_una + conn->snd_wnd - conn->snd_nxt;
		bool fin = false;
		uint32_t want;
		ssize_t n;

		if ((int32_t)usable <= 0)
			return tcp_out_closed(f);
		want = tcp_out_want(conn, usable, budget);
		if (!want)
			return true;
		n = tcp_send_data(f, conn->snd_nxt, want, &fin);
		if (n <= 0)
			return tcp_out_stopped(f, n);
		tcp_out_sent(f, (uint32_t)n);
		if (fin) {
			tcp_fin_sent(f);
			return true;
		}
		budget -= MIN(budget, (uint32_t)n);
	}
	if (!conn->sock_drained) {
		conn->bulk = true;
		conn->want_out = true;
		tcp_queue(f);
		loop_again();
	}
	return true;
}

void tcp_out_last(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;
	uint32_t usable = conn->snd_una + conn->snd_wnd - conn->snd_nxt;
	uint32_t want = MIN(usable, MIN(tcp_peek_reach(conn), TCP_OUT_BUDGET));
	ssize_t n;

	if (!tcp_may_send(conn) || (int32_t)usable <= 0)
		return;
	n = tcp_send_data(f, conn->snd_nxt, want, NULL);
	if (n > 0)
		conn->snd_nxt += (tcp_seq)n;
}

uint32_t tcp_out_budget(void)
{
	mono_t end = mono_add(out.little_at, DUR_MS(OUT_BESIDE_MS));

	return mono_before(loop_now(), end) ? OUT_BESIDE : TCP_OUT_BUDGET;
}

bool tcp_out_turn(struct flow *f, uint32_t budget, uint32_t *sent)
{
	tcp_seq before = f->tcp.snd_nxt;

	if (!tcp_out_some(f, MAX(budget, (uint32_t)OUT_AT_ONCE)))
		return false;
	*sent += f->tcp.snd_nxt - before;
	return true;
}

bool tcp_out(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;
	tcp_seq before = conn->snd_nxt;

	if (before == conn->snd_una && !conn->want_out)
		conn->bulk = false;
	if (conn->bulk || conn->much_in_flight) {
		conn->want_out = true;
		tcp_queue(f);
		return true;
	}
	if (!tcp_out_some(f, OUT_AT_ONCE))
		return false;
	if (conn->sock_drained && conn->snd_nxt - before - 1 < OUT_LITTLE)
		out.little_at = loop_now();
	return true;
}

void tcp_retransmit(struct flow *f, uint32_t budget)
{
	struct tcp_conn *conn = &f->tcp;

	conn->rtx_nxt = seq_max(conn->rtx_nxt, conn->snd_una);
	tcp_discard_acked(f);
	while (budget) {
		tcp_seq seq = tcp_sack_hole(&conn->sack, conn->rtx_nxt);
		tcp_seq end = tcp_sack_hole_end(&conn->sack, seq,
						conn->snd_nxt);
		uint32_t want;
		ssize_t n;

		if (seq_geq(seq, conn->recover))
			return;
		/* Beyond what SACK tells, only the first segment is known to be
		 * lost; after a timeout, all of it
		 */
		if (seq != conn->snd_una && !conn->rto_recovery &&
		    !tcp_sack_above(&conn->sack, seq))
			return;
		if (conn->fin_sent && seq == conn->snd_nxt - 1) {
			tcp_counters.rtx_segs++;
			flow_resent(f);
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
		if (!conn->rto_recovery && !tcp_sack_above(&conn->sack, seq))
			want = MIN(want, conn->mss);
		n = tcp_send_data(f, seq, want, NULL);
		if (n <= 0)
			return;		/* the timer tries again */
		if (conn->rtt_seq - seq < (tcp_seq)n)
			conn->rtt_timing = false;	/* Karn */
		tcp_counters.rtx_segs++;
		flow_resent(f);
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
		tcp_sack_forget(&conn->sack);
	tcp_retransmit(f, by_rto ? conn->mss : TCP_OUT_BUDGET);
}
