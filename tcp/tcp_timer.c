// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: every timer of a TCP connection
 *
 * conn->timer is one of, by state and by what is outstanding:
 *	handshake	our SYN or SYN-ACK isn't acknowledged: 1, 2, 4, … s,
 *			SYN_RETRIES times, then the host's connection is reset
 *	retransmission	data or FIN isn't acknowledged: RTO by RFC 6298, doubled
 *			each time, DATA_RETRIES times, then both sides are reset
 *	persist		the guest's window is closed and data waits: a probe
 *			each RTO, doubled up to a minute, for as long as the
 *			guest answers (RFC 9293 3.8.6.1)
 *	keepalive	nothing was heard for IDLE_S: KEEP_RETRIES probes, then
 *			both sides are reset
 *	FIN-WAIT-2	the guest has closed, the host hasn't: does the guest still
 *			know? Its kernel forgets, after a minute, what no process
 *			has any more, and answers with RST then. Asked after
 *			FIN_WAIT_S, doubled each time, for as long as it answers
 *	TIME_WAIT	the guest's FIN may come once more
 * A guest that doesn't read its link isn't given up for that: retransmission,
 *	persist and keepalive wait, and count anew afterwards. Nor is one that
 *	couldn't be heard, as we were stopped: all count how often they have fired,
 *	and persist's silence ends when it was due.
 * conn->ack_timer: the peer hasn't acknowledged yet what the guest sent; look
 *	again after half a round trip. Or an ACK is held back, for a moment, since
 *	an answer that will carry it is likely (RFC 9293 3.8.6.3). Or the guest waits
 *	for one, as the peer does: tcp_keep.c.
 */
#include "tcp.h"
#include "engine/drop.h"
#include "fwd/audit.h"
#include "tcp/tcp_int.h"

#include "tap.h"

enum {
	RTO_INIT_MS	= 1000,		/* RFC 6298 2.1 */
	RTO_MIN_MS	= 200,		/* as Linux: the link is local */
	RTO_MAX_MS	= 60000,	/* RFC 6298 2.5 */
	SYN_RETRIES	= 5,		/* as net.ipv4.tcp_synack_retries: 63 s */
	DATA_RETRIES	= 15,		/* as net.ipv4.tcp_retries2 */
	PERSIST_SILENCE_S = 120,	/* without any answer */
	RETRIES_MAX	= 16,		/* enough for the longest back-off */
	IDLE_S		= 7200,		/* RFC 9293 3.8.4 */
	KEEP_S		= 75,
	KEEP_RETRIES	= 9,
	FIN_WAIT_S	= 5,
	FIN_WAIT_DOUBLED = 7,		/* times, up to 640 s */
	PAUSED_MS	= 2000,		/* when to look again */
	TIME_WAIT_MS	= 1000,
	ACK_MIN_US	= 1000,
	ACK_MAX_US	= 100000,
	ACK_IDLE_US	= 1500000,
	ACK_BACKOFF_STEP = 8,		/* polls of the same interval: what is new
					 * is seen an eighth late */
	ACK_BACKOFF_MAX	= 88,
	ACK_HOLD_OFF	= 32,
};

/* RTO, doubled `backoff` times. After a retransmission that stays as it is until
 * a round trip could be measured again (RFC 6298 5.5 to 5.7): retries count what
 * the guest left unanswered, and start anew with any progress.
 */
static uint32_t tcp_rto_ms(const struct tcp_conn *conn, unsigned backoff)
{
	uint64_t ms = RTO_INIT_MS;

	if (conn->srtt_us)
		ms = (conn->srtt_us + 4ULL * conn->rttvar_us) / 1000;
	ms = MAX(ms, RTO_MIN_MS);
	ms <<= MIN(backoff, 16);
	return (uint32_t)MIN(ms, RTO_MAX_MS);
}

static void tcp_timer_arm(struct flow *f, dur_t d)
{
	timer_set(&f->tcp.timer, TIMER_TCP, mono_add(loop_now(), d));
}

/* The same, unless it fires earlier already */
static void tcp_timer_arm_by(struct flow *f, dur_t d)
{
	const struct timer *t = &f->tcp.timer;

	if (!t->armed ||
	    mono_before(mono_add(loop_now(), d), timer_deadline(t)))
		tcp_timer_arm(f, d);
}

void tcp_timer_rtt(struct flow *f, uint32_t rtt_us)
{
	struct tcp_conn *conn = &f->tcp;
	uint32_t delta;

	rtt_us = MAX(rtt_us, 1);
	conn->backoff = 0;
	if (!conn->srtt_us) {
		conn->srtt_us = rtt_us;
		conn->rttvar_us = rtt_us / 2;
		return;
	}
	delta = conn->srtt_us > rtt_us ? conn->srtt_us - rtt_us :
					 rtt_us - conn->srtt_us;
	conn->rttvar_us = (uint32_t)((3ULL * conn->rttvar_us + delta) / 4);
	conn->srtt_us = (uint32_t)((7ULL * conn->srtt_us + rtt_us) / 8);
	conn->srtt_us = MAX(conn->srtt_us, 1);
}

void tcp_timer_syn_sent(struct flow *f)
{
	tcp_timer_arm(f, DUR_MS(MIN(RTO_INIT_MS << MIN(f->tcp.retries, 8),
				    RTO_MAX_MS)));
}

/* Is the timer, if it runs, that of a retransmission? */
static bool tcp_is_outstanding(const struct tcp_conn *conn)
{
	return conn->snd_una != conn->snd_nxt;
}

void tcp_timer_data_sent(struct flow *f, uint32_t n)
{
	struct tcp_conn *conn = &f->tcp;
	dur_t rto = DUR_MS(tcp_rto_ms(conn, conn->backoff));

	/* RFC 6298 5.1. What runs while nothing is outstanding is another. */
	if (conn->snd_nxt - conn->snd_una == n)
		tcp_timer_arm(f, rto);
	else
		tcp_timer_arm_by(f, rto);
}

void tcp_timer_acked(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;

	conn->retries = 0;
	if (tcp_is_outstanding(conn))
		tcp_timer_arm(f, DUR_MS(tcp_rto_ms(conn, conn->backoff)));
	else
		tcp_timer_idle(f);
}

void tcp_timer_window_closed(struct flow *f)
{
	tcp_timer_arm_by(f, DUR_MS(tcp_rto_ms(&f->tcp, f->tcp.retries)));
}

/* Is the guest in FIN-WAIT-2, or has it been? */
static bool tcp_is_half_closed(const struct tcp_conn *conn)
{
	return conn->state == TCP_CLOSE_WAIT;
}

static dur_t tcp_idle_wait(const struct tcp_conn *conn)
{
	if (conn->retries)
		return DUR_S(KEEP_S);
	if (tcp_is_half_closed(conn))
		return DUR_S((unsigned)FIN_WAIT_S << conn->fin_wait_asked);
	return DUR_S(IDLE_S);
}

void tcp_timer_idle(struct flow *f)
{
	tcp_timer_arm(f, tcp_idle_wait(&f->tcp));
}

void tcp_timer_fin_rcvd(struct flow *f)
{
	tcp_timer_arm_by(f, tcp_idle_wait(&f->tcp));
}

void tcp_timer_time_wait(struct flow *f)
{
	tcp_timer_arm(f, DUR_MS(TIME_WAIT_MS));
}

void tcp_timer_ack_progress(struct flow *f)
{
	f->tcp.ack_backoff = 0;
}

void tcp_timer_ack_pending(struct flow *f, uint32_t rtt_us)
{
	struct tcp_conn *conn = &f->tcp;
	uint64_t us = MAX(MIN(rtt_us / 2, ACK_MAX_US), ACK_MIN_US);
	mono_t due;

	/* The peer may take its time: don't ask as often for ever */
	us <<= conn->ack_backoff / ACK_BACKOFF_STEP;
	due = mono_add(loop_now(), DUR_US(MIN(us, ACK_IDLE_US)));
	if (conn->ack_timer.armed &&
	    !mono_before(due, timer_deadline(&conn->ack_timer)))
		return;
	if (conn->ack_backoff < ACK_BACKOFF_MAX)
		conn->ack_backoff++;
	timer_set(&conn->ack_timer, TIMER_TCP_ACK, due);
}

void tcp_timer_ack_held(struct flow *f)
{
	/* Anew, if it was armed for one that was answered since */
	timer_set(&f->tcp.ack_timer, TIMER_TCP_ACK,
		  mono_add(loop_now(), DUR_US(ACK_MIN_US)));
}

void tcp_timer_cancel(struct flow *f)
{
	timer_cancel(&f->tcp.timer);
	timer_cancel(&f->tcp.ack_timer);
}

static void tcp_timer_handshake(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;

	if (conn->retries++ >= SYN_RETRIES) {
		flow_debug(f, "no answer from the guest");
		drop(DROP_GUEST_SILENT);
		audit_end(f, "timeout");
		tcp_abort(f);
		return;
	}
	conn->rtt_timing = false;
	tcp_counters.rtx_segs++;
	flow_resent(f);
	tcp_send_syn(f);
	tcp_timer_syn_sent(f);
}

/* A paused machine: what it leaves unanswered counts for nothing, and more of it
 * would be no help
 */
static bool tcp_timer_is_paused(struct flow *f, dur_t again)
{
	if (!tap_is_paused())
		return false;
	f->tcp.retries = 0;
	f->tcp.active_s = tcp_now_s();
	tcp_timer_arm(f, again);
	return true;
}

static void tcp_timer_rto(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;

	if (tcp_timer_is_paused(f, DUR_MS(PAUSED_MS)))
		return;
	if (conn->retries++ >= DATA_RETRIES) {
		flow_debug(f, "guest doesn't acknowledge any more");
		tcp_abort(f);
		return;
	}
	if (conn->backoff < RETRIES_MAX)
		conn->backoff++;
	tcp_counters.rto++;
	tcp_enter_recovery(f, true);
	tcp_timer_arm(f, DUR_MS(tcp_rto_ms(conn, conn->backoff)));
}

/* Seconds of silence until the timer was due: it may have been heard since, and
 * nobody listened if we were stopped
 */
static uint32_t tcp_silence_s(const struct tcp_conn *conn)
{
	int64_t due_s = timer_deadline(&conn->timer).us / 1000000;

	return (uint32_t)MAX((int32_t)((uint32_t)due_s - conn->active_s), 0);
}

static void tcp_timer_persist(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;

	if (tcp_timer_is_paused(f, DUR_MS(PAUSED_MS)))
		return;
	/* A window may stay closed for ever, as long as the guest says so */
	if (conn->retries >= 2 && tcp_silence_s(conn) >= PERSIST_SILENCE_S) {
		flow_debug(f, "guest doesn't answer window probes");
		tcp_abort(f);
		return;
	}
	if (conn->retries < RETRIES_MAX)
		conn->retries++;
	tcp_send_probe(f);
	tcp_timer_window_closed(f);
}

static void tcp_timer_fin_wait(struct flow *f)
{
	if (!tap_is_paused())
		tcp_send_probe(f);
	if (f->tcp.fin_wait_asked < FIN_WAIT_DOUBLED)
		f->tcp.fin_wait_asked++;
	tcp_timer_idle(f);
}

static void tcp_timer_keepalive(struct flow *f, uint32_t idle_s)
{
	struct tcp_conn *conn = &f->tcp;

	if (idle_s < IDLE_S && !conn->retries) {
		if (tcp_is_half_closed(conn))
			tcp_timer_fin_wait(f);
		else
			tcp_timer_arm(f, DUR_S(IDLE_S - idle_s));
		return;
	}
	if (tcp_timer_is_paused(f, DUR_S(KEEP_S)))
		return;
	if (conn->retries++ >= KEEP_RETRIES) {
		flow_debug(f, "guest doesn't answer keepalive probes");
		tcp_abort(f);
		return;
	}
	tcp_send_probe(f);
	tcp_timer_idle(f);
}

/* Nothing is outstanding, or the window is closed */
static void tcp_timer_quiet(struct flow *f)
{
	uint32_t idle_s = tcp_now_s() - f->tcp.active_s;

	if (tcp_is_outstanding(&f->tcp) ||
	    (!f->tcp.snd_wnd && tcp_may_send(&f->tcp)))
		tcp_timer_persist(f);
	else
		tcp_timer_keepalive(f, idle_s);
}

static void tcp_timer_fired(struct timer *t)
{
	struct flow *f = container_of(t, struct flow, tcp.timer);

	switch ((enum tcp_state)f->tcp.state) {
	case TCP_CLOSED:
	case TCP_STATES:
	case TCP_SYN_DEFERRED:
		break;
	case TCP_SYN_SENT:
	case TCP_SYN_RCVD:
		tcp_timer_handshake(f);
		break;
	case TCP_ESTABLISHED:
	case TCP_FIN_WAIT_1:
	case TCP_FIN_WAIT_2:
	case TCP_CLOSE_WAIT:
	case TCP_CLOSING:
	case TCP_LAST_ACK:
		/* What a closed window holds back isn't lost */
		if (tcp_is_outstanding(&f->tcp) && f->tcp.snd_wnd)
			tcp_timer_rto(f);
		else
			tcp_timer_quiet(f);
		break;
	case TCP_TIME_WAIT:
		tcp_done(f);
		break;
	}
}

static void tcp_timer_ack_fired(struct timer *t)
{
	struct flow *f = container_of(t, struct flow, tcp.ack_timer);

	if (f->tcp.ack_held) {
		f->tcp.hold_off = ACK_HOLD_OFF;
		tcp_send_ack(f);
	} else {
		tcp_send_ack_if_news(f);
	}
	tcp_keep_look(f);
}

void tcp_timer_init(void)
{
	timer_set_handler(TIMER_TCP, tcp_timer_fired);
	timer_set_handler(TIMER_TCP_ACK, tcp_timer_ack_fired);
}
