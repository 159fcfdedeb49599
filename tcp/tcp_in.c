// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: a segment of the guest arrives: RFC 9293 3.10.7
 *
 * Flow: tcp_input() gets a run of segments of one connection. Each goes through
 * the checks in the order of the RFC; in-order payload is only noted. At the
 * end of the run all of it is written to the socket by one sendmsg(), what the
 * socket took is what rcv_nxt advances by, and one ACK is put on the list for
 * the end of the turn.
 *
 * Invariants: nothing is kept for later. What is out of order or didn't fit is
 * dropped, with an immediate duplicate ACK: the guest's stack has it still.
 */
#include "tcp.h"
#include "engine/drop.h"
#include "fwd/audit.h"
#include "tcp/tcp_int.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/sock.h"
#include "tcp/tcp_opt.h"
#include "tcp/tcp_verify.h"
#include "tcp/tcp_sack.h"
#include "util.h"
#include "util/wire.h"

enum {
	IN_IOV		= TAP_RX_BATCH,	/* a run's; no frame has more alone */
	HOLD_MAX	= 1400,		/* bytes of which an ACK may wait */
	DUP_ACKS	= 3,		/* RFC 5681 3.2 */
	PAWS_IDLE_S	= 24 * 24 * 3600,	/* RFC 7323 5.5 */
	TS_RTT_MAX_MS	= 60000,	/* no RTO is longer */
};

static_assert((int)IN_IOV >= (int)TAP_RX_IOV, "a frame fits");

/* What a run has gathered for the socket */
struct tcp_run {
	struct iovec iov[IN_IOV];
	unsigned cnt;
	uint32_t len;			/* bytes in iov */
	tcp_seq nxt;			/* rcv_nxt, when those are taken */
	bool cut;			/* the last write was short */
	bool acked;			/* snd_una or snd_wnd have moved */
	bool took;			/* the socket took payload */
};

/* What the socket takes of the run, but for its first `skip` bytes, of which it has
 * more; -1: the connection can't go on
 */
static ssize_t tcp_run_send(struct flow *f, struct tcp_run *run, size_t skip)
{
	struct msghdr msg = { .msg_iov = run->iov, .msg_iovlen = run->cnt };
	ssize_t n;
	int rc;

	for (; skip >= msg.msg_iov->iov_len; msg.msg_iov++, msg.msg_iovlen--)
		skip -= msg.msg_iov->iov_len;
	msg.msg_iov->iov_base = (uint8_t *)msg.msg_iov->iov_base + skip;
	msg.msg_iov->iov_len -= skip;
	n = sendmsg(f->tcp.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	/* What isn't taken costs the guest a timeout: once more */
	if (n < 0 && errno != EAGAIN && is_momentary(-errno))
		n = sendmsg(f->tcp.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	rc = n < 0 ? tap_io_error(-errno) : 0;
	if (rc && !is_momentary(rc)) {
		flow_debug(f, "write: %s", strerror(-rc));
		return -1;
	}
	return MAX(n, 0);
}

/* Bytes of the run that are taken care of; -1: the connection can't go on */
static ssize_t tcp_run_write(struct flow *f, struct tcp_run *run)
{
	ssize_t taken = 0, n;

	if (f->tcp.verify) {
		taken = tcp_verify(f, run->iov, run->cnt, run->len);
		if (taken < 0 || f->tcp.verify || (size_t)taken == run->len)
			return taken;
	}
	n = tcp_run_send(f, run, (size_t)taken);
	return n < 0 ? -1 : taken + n;
}

/* Write what the run has; whatever doesn't fit is the guest's again. False: the
 * connection has ended.
 */
static bool tcp_run_flush(struct flow *f, struct tcp_run *run)
{
	struct tcp_conn *conn = &f->tcp;
	ssize_t n = 0;

	run->cut = false;
	if (run->len) {
		n = tcp_run_write(f, run);
		if (n < 0) {
			tcp_abort(f);
			return false;
		}
		flow_moved(f, GUEST, (uint64_t)n);
		conn->rcv_nxt += (uint32_t)n;
		conn->want_ack = true;
		run->took = true;
	}
	if ((uint32_t)n < run->len) {
		tcp_counters.short_writes++;
		conn->short_write = true;
		run->cut = true;
	}
	run->len = run->cnt = 0;
	run->nxt = conn->rcv_nxt;
	return true;
}

/* Both directions are through: the rest is the kernel's */
static void tcp_in_time_wait_begins(struct flow *f)
{
	tcp_set_state(f, TCP_TIME_WAIT);
	tcp_discard_acked(f);
	close(f->tcp.fd);
	f->tcp.fd = -1;
	tcp_timer_time_wait(f);
}

/* The guest's FIN, behind everything that was taken: RFC 9293 3.10.7.4, 8th. At
 * once, not at the end of the run: what follows it has its number behind it. False:
 * the connection has ended.
 */
static bool tcp_in_fin(struct flow *f, struct tcp_run *run)
{
	struct tcp_conn *conn = &f->tcp;

	if (!tcp_run_flush(f, run))
		return false;
	if (run->cut)
		return true;
	if (conn->verify) {
		int rc = tcp_verify_end(f);

		if (rc < 0)
			tcp_abort(f);
		if (rc <= 0)
			return !rc;
	}
	run->nxt = ++conn->rcv_nxt;
	conn->rcv_edge = seq_max(conn->rcv_edge, conn->rcv_nxt);
	conn->fin_rcvd = true;
	conn->want_ack = true;
	tcp_shut_sock(f);
	switch ((enum tcp_state)conn->state) {
	case TCP_ESTABLISHED:
		tcp_set_state(f, TCP_CLOSE_WAIT);
		tcp_timer_fin_rcvd(f);
		break;
	case TCP_FIN_WAIT_1:
		tcp_set_state(f, TCP_CLOSING);
		break;
	case TCP_FIN_WAIT_2:
		tcp_in_time_wait_begins(f);
		break;
	case TCP_CLOSED:
	case TCP_SYN_DEFERRED:
	case TCP_SYN_SENT:
	case TCP_SYN_RCVD:
	case TCP_CLOSE_WAIT:
	case TCP_CLOSING:
	case TCP_LAST_ACK:
	case TCP_TIME_WAIT:
	case TCP_STATES:
		break;
	}
	return true;
}

static void tcp_run_add(struct tcp_run *run, const struct bytes *payload)
{
	unsigned n = bytes_to_iov(payload, run->iov + run->cnt,
				  IN_IOV - run->cnt);

	for (unsigned i = 0; i < n; i++) {
		run->len += (uint32_t)run->iov[run->cnt + i].iov_len;
		run->nxt += (tcp_seq)run->iov[run->cnt + i].iov_len;
	}
	run->cnt += n;
}

/* Payload and FIN of an acceptable segment, RFC 9293 3.10.7.4, 7th and 8th. False:
 * the connection has ended.
 */
static bool tcp_in_text(struct flow *f, const struct pkt *pkt,
			struct tcp_run *run)
{
	struct tcp_conn *conn = &f->tcp;
	uint32_t skip, len = pkt->payload.len;
	bool fin = pkt->tcp.flags & TCP_FIN;
	struct bytes text;

	if ((!len && !fin) || conn->fin_rcvd)
		return true;
	if (run->cnt + pkt->payload.cnt > IN_IOV && !tcp_run_flush(f, run))
		return false;
	if (seq_gt(pkt->tcp.seq, run->nxt)) {
		/* Out of order: tell at once, so that the guest can repair it */
		drop(DROP_TCP_OUT_OF_ORDER);
		if (!tcp_run_flush(f, run))
			return false;
		/* Where the hole is counts now, not what the peer has */
		conn->last_ack_sent = conn->rcv_nxt;
		tcp_send_old_ack(f);
		return true;
	}
	/* Of data beyond what was promised, only the part within counts */
	if (seq_gt(pkt->tcp.seq + len, conn->rcv_edge)) {
		len = seq_gt(conn->rcv_edge, pkt->tcp.seq) ?
		      conn->rcv_edge - pkt->tcp.seq : 0;
		fin = false;
		conn->want_ack = true;
	}
	skip = run->nxt - pkt->tcp.seq;
	if (skip < len) {
		tcp_take_dscp(f, pkt);
		text = bytes_slice(&pkt->payload, skip, len - skip);
		tcp_run_add(run, &text);
	}
	return !fin || tcp_in_fin(f, run);
}

/* Window of a segment: RFC 9293 3.10.7.4, 5th. True: it was closed before. */
static bool tcp_in_window(struct tcp_conn *conn, const struct pkt *pkt,
			  struct tcp_run *run)
{
	uint32_t wnd = pkt->tcp.wnd << conn->snd_wscale;
	bool reopened;

	if (!seq_lt(conn->snd_wl1, pkt->tcp.seq) &&
	    !(conn->snd_wl1 == pkt->tcp.seq &&
	      seq_leq(conn->snd_wl2, pkt->tcp.ack)))
		return false;
	reopened = !conn->snd_wnd && wnd;
	if (reopened)
		conn->retries = 0;	/* persist is over */
	if (wnd != conn->snd_wnd)
		run->acked = true;
	conn->snd_wnd = wnd;
	conn->snd_wnd_max = MAX(conn->snd_wnd_max, wnd);
	conn->snd_wl1 = pkt->tcp.seq;
	conn->snd_wl2 = pkt->tcp.ack;
	return reopened;
}

/* The one segment that is being measured has arrived */
static void tcp_in_measured(struct flow *f)
{
	f->tcp.rtt_timing = false;
	tcp_timer_rtt(f, (uint32_t)loop_now().us - f->tcp.rtt_start_us);
}

/* Acknowledges something new */
static void tcp_in_new_ack(struct flow *f, tcp_seq ack,
			   const struct tcp_opts *o)
{
	struct tcp_conn *conn = &f->tcp;
	uint32_t n = ack - conn->snd_una;

	if (conn->rtt_timing && seq_gt(ack, conn->rtt_seq)) {
		tcp_in_measured(f);
	} else if (conn->backoff && conn->ts_ok && o->has_ts) {
		/* A time stamp tells which of the segments it was: RFC 7323 4.
		 * Unless it is none of ours.
		 */
		uint32_t ms = tcp_ts_now(conn) - o->ts_ecr;

		if (ms <= TS_RTT_MAX_MS)
			tcp_timer_rtt(f, ms * 1000);
	}
	conn->snd_una = ack;
	tcp_note_flight(conn);
	conn->dup_acks = 0;
	tcp_sack_acked(&conn->sack, ack);
	tcp_timer_acked(f);
	if (!conn->recovery)
		return;
	if (seq_geq(ack, conn->recover))
		conn->recovery = conn->rto_recovery = false;
	else
		tcp_retransmit(f, conn->rto_recovery ?
			       MAX(2 * n, conn->mss) : TCP_OUT_BUDGET);
}

/* Is it a duplicate ACK in the sense of RFC 5681 2? Blocks of SACK must tell of
 * something beyond it: others report what came twice (RFC 2883).
 */
static bool tcp_is_dup_ack(const struct tcp_conn *conn, const struct pkt *pkt,
			   const struct tcp_opts *o)
{
	bool beyond = false;

	if (pkt->tcp.ack != conn->snd_una || conn->snd_una == conn->snd_nxt)
		return false;
	for (unsigned i = 0; i < o->sacks; i++)
		beyond |= seq_gt(o->sack[i].left, conn->snd_una);
	if (o->sacks)
		return beyond;
	return !pkt->payload.len &&
	       !(pkt->tcp.flags & (TCP_SYN | TCP_FIN)) &&
	       pkt->tcp.wnd << conn->snd_wscale == conn->snd_wnd;
}

/* ACK field of an acceptable segment. False: the segment ends here. */
static bool tcp_in_ack(struct flow *f, const struct pkt *pkt,
		       const struct tcp_opts *o, struct tcp_run *run)
{
	struct tcp_conn *conn = &f->tcp;
	tcp_seq ack = pkt->tcp.ack;
	bool dup, reopened;

	/* RFC 5961 5.2: neither the future nor a distant past */
	if (seq_gt(ack, conn->snd_nxt) ||
	    seq_lt(ack, conn->snd_una - MAX(conn->snd_wnd_max, 1))) {
		if (tcp_challenge_allowed())
			tcp_send_ack(f);
		return false;
	}
	if (seq_lt(ack, conn->snd_una))
		return true;		/* old, but its data may be new */
	if (conn->sack_ok)
		tcp_sack_add(&conn->sack, o->sack, o->sacks, conn->snd_una,
			     conn->snd_nxt);
	/* The round trip of what was measured, not that of a hole below it */
	if (conn->rtt_timing && tcp_sack_has(&conn->sack, conn->rtt_seq))
		tcp_in_measured(f);
	dup = tcp_is_dup_ack(conn, pkt, o);
	/* What is sent again must fit in the window as it is now */
	reopened = tcp_in_window(conn, pkt, run);
	if (seq_gt(ack, conn->snd_una)) {
		tcp_in_new_ack(f, ack, o);
		run->acked = true;
	} else if (dup) {
		conn->dup_acks = (uint8_t)MIN(conn->dup_acks + 1, 200);
		if (!conn->recovery &&
		    (conn->dup_acks >= DUP_ACKS ||
		     tcp_sack_bytes(&conn->sack) >= DUP_ACKS * conn->mss))
			tcp_enter_recovery(f, false);
		else if (conn->recovery && o->sacks)
			tcp_retransmit(f, conn->rto_recovery ? conn->mss :
							       TCP_OUT_BUDGET);
	}
	/* A guest may drop what it has no room for, and may close its window for
	 * that (RFC 9293 3.8.6): what it didn't acknowledge is sent again
	 */
	if (reopened && conn->snd_una != conn->snd_nxt) {
		tcp_enter_recovery(f, true);
		tcp_timer_acked(f);
	}
	return true;
}

/* Both sides have closed, and the guest has acknowledged all: the end */
static void tcp_in_last_ack(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;

	/* What is left in the queue would make close() a reset */
	tcp_discard_acked(f);
	/* The peer may not have acknowledged the guest's FIN yet; but nobody will
	 * be here to mirror that
	 */
	if (conn->last_ack_sent != conn->rcv_nxt) {
		conn->mirror_ack = false;
		tcp_send_flags(f, conn->snd_nxt, TCP_ACK);
	}
	tcp_done(f);
}

/* Our FIN has been acknowledged: go on in the closing states. False: the connection
 * has ended.
 */
static bool tcp_in_fin_acked(struct flow *f)
{
	switch ((enum tcp_state)f->tcp.state) {
	case TCP_FIN_WAIT_1:
		tcp_set_state(f, TCP_FIN_WAIT_2);
		break;
	case TCP_CLOSING:
		tcp_in_time_wait_begins(f);
		break;
	case TCP_LAST_ACK:
		tcp_in_last_ack(f);
		return false;
	case TCP_CLOSED:
	case TCP_SYN_DEFERRED:
	case TCP_SYN_SENT:
	case TCP_SYN_RCVD:
	case TCP_ESTABLISHED:
	case TCP_FIN_WAIT_2:
	case TCP_CLOSE_WAIT:
	case TCP_TIME_WAIT:
	case TCP_STATES:
		break;
	}
	return true;
}

/* RFC 9293 3.10.7.4, 1st: does the segment touch the window? */
static bool tcp_is_acceptable(const struct tcp_conn *conn,
			      const struct pkt *pkt, tcp_seq nxt)
{
	uint32_t len = pkt->payload.len + !!(pkt->tcp.flags & TCP_SYN) +
		       !!(pkt->tcp.flags & TCP_FIN);
	uint32_t wnd = seq_gt(conn->rcv_edge, nxt) ? conn->rcv_edge - nxt : 0;
	tcp_seq seq = pkt->tcp.seq;

	/* At the very edge: where a guest stands that has filled the window, and
	 * lost some of it
	 */
	if (!len)
		return seq - nxt <= wnd;
	/* Through a closed window, the ACK of what comes next, and a FIN, which
	 * takes no room of the socket's
	 */
	if (!wnd)
		return seq == nxt;
	return seq - nxt < wnd || seq + len - 1 - nxt < wnd;
}

/* PAWS: RFC 7323 5.3 R1. Notes the time stamp of what passes. */
static bool tcp_is_paws_ok(struct tcp_conn *conn, const struct pkt *pkt,
			   const struct tcp_opts *o, tcp_seq nxt)
{
	if (!conn->ts_ok || !o->has_ts)
		return true;
	if ((int32_t)(o->ts_val - conn->ts_recent) < 0 &&
	    !(pkt->tcp.flags & TCP_RST) &&
	    tcp_now_s() - conn->ts_recent_s < PAWS_IDLE_S)
		return false;
	/* RFC 7323 4.3 says Last.ACK.sent; while the peer's acknowledgements are
	 * mirrored that lies a round trip back, where no segment comes any more
	 */
	if (seq_leq(pkt->tcp.seq, nxt) &&
	    (int32_t)(o->ts_val - conn->ts_recent) >= 0) {
		conn->ts_recent = o->ts_val;
		conn->ts_recent_s = tcp_now_s();
	}
	return true;
}

/* ACK in SYN_RCVD, RFC 9293 3.10.7.4, 5th. False: the segment ends here. */
static bool tcp_in_syn_acked(struct flow *f, const struct pkt *pkt,
			     struct tcp_run *run)
{
	struct tcp_conn *conn = &f->tcp;

	if (pkt->tcp.ack != conn->snd_nxt) {
		tcp_send_stray_rst(pkt);
		return false;
	}
	if (conn->rtt_timing)
		tcp_in_measured(f);
	conn->snd_una = pkt->tcp.ack;
	tcp_established(f);
	run->acked = true;
	return true;
}

/* The guest's SYN once more: our SYN-ACK was lost. Or its SYN-ACK, if both have
 * opened at the same time: its number is behind the window, only what it
 * acknowledges counts. True: that's all about this segment.
 */
static bool tcp_in_syn_repeated(struct flow *f, const struct pkt *pkt,
				struct tcp_run *run)
{
	struct tcp_conn *conn = &f->tcp;
	uint8_t flags = pkt->tcp.flags & (TCP_SYN | TCP_ACK | TCP_RST);

	if (pkt->tcp.seq != conn->irs || !(flags & TCP_SYN) || flags & TCP_RST)
		return false;
	if (flags & TCP_ACK && pkt->tcp.ack == conn->snd_nxt) {
		tcp_in_syn_acked(f, pkt, run);
	} else {
		conn->rtt_timing = false;	/* Karn */
		tcp_send_syn(f);
	}
	return true;
}

/* A RST that counts, RFC 5961 3.2: exactly at RCV.NXT, or at what was acknowledged
 * last. While we wait for the peer's acknowledgement, that is below RCV.NXT, and all
 * that a guest knows which has lost the connection and answers us (RFC 9293 3.5.2:
 * the RST takes its sequence number from our ACK field).
 */
static bool tcp_is_reset(const struct tcp_conn *conn, const struct pkt *pkt,
			 tcp_seq nxt)
{
	return pkt->tcp.flags & TCP_RST &&
	       (pkt->tcp.seq == nxt || pkt->tcp.seq == conn->last_ack_sent);
}

/* The guest has reset the connection. After its FIN, that may say no more than that it
 * has forgotten, with all that it had to say acknowledged: what the peer hasn't taken
 * yet is the kernel's to deliver.
 */
static void tcp_in_reset(struct flow *f)
{
	flow_debug(f, "reset by the guest");
	/* The end of what has never been one is a part of its beginning */
	if (f->tcp.state == TCP_SYN_RCVD)
		loop_opening_starts();
	if (f->tcp.fin_rcvd && sock_has_unacked_data(f->tcp.fd))
		tcp_done(f);
	else
		tcp_abort_sock(f);
}

/* A segment that says nothing but asks for an answer: one below RCV.NXT, with a
 * garbage byte at most (RFC 9293 3.8.4)
 */
static bool tcp_is_probe(const struct pkt *pkt, tcp_seq nxt)
{
	return pkt->tcp.seq == nxt - 1 && pkt->payload.len <= 1 &&
	       (pkt->tcp.flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK)) ==
	       TCP_ACK;
}

/* A segment in a synchronised state, or SYN_RCVD: RFC 9293 3.10.7.4. False: the
 * connection has ended.
 */
static bool tcp_in_synchronised(struct flow *f, const struct pkt *pkt,
				struct tcp_run *run)
{
	struct tcp_conn *conn = &f->tcp;
	uint8_t flags = pkt->tcp.flags;
	struct tcp_opts o;

	if (tcp_is_reset(conn, pkt, run->nxt)) {
		if (tcp_run_flush(f, run))
			tcp_in_reset(f);
		return false;
	}
	tcp_opt_parse(pkt->tcp.opt, pkt->tcp.opt_len, &o);
	if (!tcp_is_acceptable(conn, pkt, run->nxt) ||
	    !tcp_is_paws_ok(conn, pkt, &o, run->nxt)) {
		drop(DROP_TCP_UNACCEPTABLE);
		if (flags & TCP_RST)
			return true;
		/* Guest repeats a FIN, probes, or keeps alive: it lives */
		conn->active_s = tcp_now_s();
		if (!tcp_run_flush(f, run))
			return false;
		if (!tcp_is_probe(pkt, run->nxt) || !tcp_keep_probed(f))
			tcp_send_ack(f);
		return true;
	}
	/* RFC 5961 3.2 and 4.2 */
	if (flags & (TCP_RST | TCP_SYN)) {
		if (tcp_challenge_allowed())
			tcp_send_ack(f);
		return true;
	}
	if (!(flags & TCP_ACK))
		return true;
	if (conn->state == TCP_SYN_RCVD && !tcp_in_syn_acked(f, pkt, run))
		return true;

	conn->active_s = tcp_now_s();
	if (conn->snd_una == conn->snd_nxt && conn->snd_wnd)
		conn->retries = 0;	/* a keepalive was answered */
	if (!tcp_in_ack(f, pkt, &o, run))
		return true;
	if (conn->fin_sent && conn->snd_una == conn->snd_nxt &&
	    !tcp_in_fin_acked(f))
		return false;
	return tcp_in_text(f, pkt, run);
}

/* RFC 9293 3.10.7.3, from our active open towards the guest. False: the connection
 * has ended.
 */
static bool tcp_in_syn_sent(struct flow *f, const struct pkt *pkt)
{
	struct tcp_conn *conn = &f->tcp;
	uint8_t flags = pkt->tcp.flags;
	bool ack_ok = flags & TCP_ACK && pkt->tcp.ack == conn->snd_nxt;

	if (flags & TCP_ACK && !ack_ok) {
		tcp_send_stray_rst(pkt);
		return true;
	}
	if (flags & TCP_RST) {
		if (!ack_ok)
			return true;
		flow_debug(f, "refused by the guest");
		drop(DROP_GUEST_REFUSED);
		audit_end(f, "refused");
		tcp_abort_sock(f);
		return false;
	}
	if (!(flags & TCP_SYN))
		return true;
	tcp_take_syn_ack(f, pkt);
	if (!ack_ok) {
		/* Both open at the same time */
		tcp_set_state(f, TCP_SYN_RCVD);
		conn->rtt_timing = false;
		tcp_send_syn(f);
		return true;
	}
	if (conn->rtt_timing)
		tcp_in_measured(f);
	conn->snd_una = pkt->tcp.ack;
	tcp_established(f);
	conn->want_ack = true;
	if (!tcp_out(f))
		return false;
	tcp_queue(f);
	return true;
}

/* connect() hasn't resolved yet: only a reset, or another SYN, means anything.
 * False: the connection has ended.
 */
static bool tcp_in_syn_deferred(struct flow *f, const struct pkt *pkt)
{
	if (pkt->tcp.flags & TCP_RST) {
		/* What it can be in reply to, or instead of a close() */
		if (!seq_between(pkt->tcp.seq, f->tcp.irs, f->tcp.rcv_nxt))
			return true;
		tcp_abort_sock(f);
		return false;
	}
	/* The guest has begun anew; or repeats its SYN, and that leads elsewhere now:
	 * to the host's new address, or the next resolver
	 */
	if ((pkt->tcp.flags & (TCP_SYN | TCP_ACK)) == TCP_SYN &&
	    (pkt->tcp.seq != f->tcp.irs || tcp_has_moved(f))) {
		tcp_abort_sock(f);
		tcp_open(pkt);
		return false;
	}
	return true;
}

/* TIME_WAIT: a new SYN may take the place (RFC 6191, RFC 9293 3.6.1). False: the
 * connection has ended.
 */
static bool tcp_in_time_wait(struct flow *f, const struct pkt *pkt)
{
	struct tcp_conn *conn = &f->tcp;

	if (pkt->tcp.flags & TCP_RST) {
		if (pkt->tcp.seq != conn->rcv_nxt)
			return true;
		tcp_done(f);
		return false;
	}
	if ((pkt->tcp.flags & (TCP_SYN | TCP_ACK)) == TCP_SYN &&
	    seq_gt(pkt->tcp.seq, conn->rcv_nxt)) {
		tcp_done(f);
		tcp_open(pkt);
		return false;
	}
	if (pkt->payload.len || pkt->tcp.seq != conn->rcv_nxt ||
		   pkt->tcp.flags & (TCP_FIN | TCP_SYN)) {
		tcp_send_ack(f);
		tcp_timer_time_wait(f);
	}
	return true;
}

/* One segment; run has what its predecessors left. False: the connection has
 * ended, but one of the same addresses may have begun.
 */
static bool tcp_in_segment(struct flow *f, const struct pkt *pkt,
			   struct tcp_run *run)
{
	switch ((enum tcp_state)f->tcp.state) {
	case TCP_SYN_DEFERRED:
		return tcp_in_syn_deferred(f, pkt);
	case TCP_SYN_SENT:
		if (!tcp_in_syn_sent(f, pkt))
			return false;
		run->nxt = f->tcp.rcv_nxt;
		return true;
	case TCP_SYN_RCVD:
		return tcp_in_syn_repeated(f, pkt, run) ||
		       tcp_in_synchronised(f, pkt, run);
	case TCP_ESTABLISHED:
	case TCP_FIN_WAIT_1:
	case TCP_FIN_WAIT_2:
	case TCP_CLOSE_WAIT:
	case TCP_CLOSING:
	case TCP_LAST_ACK:
		return tcp_in_synchronised(f, pkt, run);
	case TCP_TIME_WAIT:
		return tcp_in_time_wait(f, pkt);
	case TCP_CLOSED:
	case TCP_STATES:
		break;
	}
	return true;
}

/* Something short that is likely to be answered at once: the answer may carry
 * the ACK
 */
static bool tcp_may_hold_ack(const struct tcp_conn *conn,
			     const struct tcp_run *run)
{
	return conn->want_ack && run->took &&
	       !conn->mirror_ack && !conn->fin_rcvd && !conn->wnd_tight &&
	       conn->rcv_nxt - conn->last_ack_sent < MIN(conn->mss, HOLD_MAX);
}

/* End of a run: write, then see what its ACKs allow */
static void tcp_run_end(struct flow *f, struct tcp_run *run)
{
	struct tcp_conn *conn = &f->tcp;

	if (!tcp_run_flush(f, run))
		return;
	if (run->acked) {
		tcp_discard_acked(f);
		if (!tcp_out(f))
			return;
	}
	if (!tcp_may_hold_ack(conn, run)) {
		if (conn->want_ack)
			tcp_queue(f);
	} else if (conn->hold_off) {
		conn->hold_off--;
		tcp_queue(f);
	} else {
		/* More may come while one is held: its time goes on */
		if (!conn->ack_held)
			tcp_timer_ack_held(f);
		conn->want_ack = false;
		conn->ack_held = true;
	}
}

void tcp_input(const struct pkt *pkts, unsigned n)
{
	struct flow_side guest = {
		.our = pkts->dst, .our_port = pkts->dport,
		.peer = pkts->src, .peer_port = pkts->sport,
	};
	struct tcp_run run;
	struct flow *f;
	unsigned i = 0;
	bool lives;

	tcp_counters.in_segs += n;
	while (i < n) {
		f = flow_lookup(GUEST, PROTO_TCP, &guest);
		if (!f) {
			tcp_stray(&pkts[i++]);
			continue;
		}
		if (f->tcp.want_rst)
			return;
		run.cnt = 0;
		run.len = 0;
		run.nxt = f->tcp.rcv_nxt;
		run.acked = run.took = false;
		do {
			lives = tcp_in_segment(f, &pkts[i++], &run);
		} while (lives && i < n);
		if (lives)
			tcp_run_end(f, &run);
	}
}
