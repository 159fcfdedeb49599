/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TCP: a connection of the guest's stack mapped onto a native socket */
#ifndef TCP_H
#define TCP_H

#include "engine/conf_types.h"
#include "engine/flow.h"
#include "frame/frame_parse.h"

/* ---- For the rest of the program ---- */

/* Watches the TCP listeners of listen.c, too */
void tcp_init(const struct conf *c);
/* A run of n >= 1 segments with the same addresses and ports */
void tcp_input(const struct pkt *pkts, unsigned n);
/* Is there no connection by which the guest may still have something to send? */
bool tcp_is_quiet(void);
/* At our end: what the guest hadn't finished sending must not look finished */
void tcp_close_all(void);
/* End-of-turn hook: ACKs, output that was put off, once per connection */
void tcp_run_queue(void);

struct tcp_counters {
	uint64_t in_segs, out_segs, rtx_segs, rto, resets, refused;
	uint64_t short_writes, out_of_order, challenge_acks;
};
extern struct tcp_counters tcp_counters;

/* ---- Between tcp*.c ---- */

enum {
	TCP_OUT_BUDGET	= 256 * 1024,	/* bytes per connection and turn */
};
/* What a connection's socket is watched for, always */
#define TCP_EVENTS	(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET)

/* The one place where a state changes; checks that it may */
void tcp_set_state(struct flow *f, enum tcp_state state);
/* Put on the list for the end of the turn */
void tcp_queue(struct flow *f);
/* Connection is through on the guest's side */
void tcp_established(struct flow *f);
/* Forget the connection: close() the socket, free the flow */
void tcp_done(struct flow *f);
/* RST to both sides, then forget it */
void tcp_abort(struct flow *f);
/* RST to the host's side only (the guest has sent one, or has gone) */
void tcp_abort_sock(struct flow *f);
/* shutdown(SHUT_WR) once */
void tcp_shut_sock(struct flow *f);
/* Guest's SYN for which there is no flow */
void tcp_open(const struct pkt *pkt);
/* A segment that belongs to no connection: begins one, or gets a RST */
void tcp_stray(const struct pkt *pkt);
/* Send on with the DSCP that the guest sends with; ECN is the host's business */
void tcp_take_dscp(struct flow *f, const struct pkt *pkt);
/* Note what the guest's SYN-ACK (or SYN, in a simultaneous open) says */
void tcp_take_syn_ack(struct flow *f, const struct pkt *pkt);
/* May data be sent to the guest in this state? */
bool tcp_may_send(const struct tcp_conn *conn);
/* Seconds of the clock, for what needs no more */
uint32_t tcp_now_s(void);
/* Ended, even if the guest hasn't been told yet */
static inline bool tcp_is_over(const struct flow *f)
{
	return f->type != FLOW_TCP || f->tcp.want_rst;
}
bool tcp_challenge_allowed(void);

/* tcp_out.c */
/* Clock of a connection's time stamps: milliseconds */
uint32_t tcp_ts_now(const struct tcp_conn *conn);
/* Our MSS for the guest: what fits in the link's MTU (RFC 9293 3.7.1) */
uint16_t tcp_link_mss(const struct flow *f);
/* Control segment at seq with flags; adds ACK, window, timestamps. Updates what
 * was acknowledged. False: the link is full.
 */
bool tcp_send_flags(struct flow *f, tcp_seq seq, uint8_t flags);
/* SYN, or SYN-ACK in SYN_RCVD */
bool tcp_send_syn(struct flow *f);
/* Measure the round trip of what begins at seq and is sent now, once */
void tcp_rtt_start(struct tcp_conn *conn, tcp_seq seq);
/* ACK at once, with what is known: for each segment that is out of order */
void tcp_send_old_ack(struct flow *f);
/* ACK at once, window and acknowledgement fresh */
void tcp_send_ack(struct flow *f);
/* The same, but only if it says something new; otherwise sees to it that it is
 * tried again in time
 */
void tcp_send_ack_if_news(struct flow *f);
/* RST in reply to a segment that belongs to no connection: RFC 9293 3.10.7.1 */
void tcp_send_stray_rst(const struct pkt *pkt);
/* Send what the socket has and the window allows, then FIN if it has ended */
void tcp_out(struct flow *f);
/* What is in flight to the guest has changed: count those with much of it */
void tcp_note_flight(struct tcp_conn *conn);
/* Remove from the socket's queue what the guest has acknowledged. Not to be put
 * off: the peer's window depends on it, and close() would reset.
 */
void tcp_discard_acked(struct flow *f);
/* Send again: the first holes (SACK), or the first segment */
void tcp_retransmit(struct flow *f, uint32_t budget);
/* Duplicate ACKs or SACK say that something is lost: start recovery */
void tcp_enter_recovery(struct flow *f, bool by_rto);
/* An empty segment that the guest must answer (zero window, keepalive) */
void tcp_send_probe(struct flow *f);

/* tcp_timer.c: events by name, the policy is there */
void tcp_timer_init(void);
void tcp_timer_syn_sent(struct flow *f);
/* n: bytes of the sequence space that were sent just now */
void tcp_timer_data_sent(struct flow *f, uint32_t n);
void tcp_timer_acked(struct flow *f);
void tcp_timer_window_closed(struct flow *f);
void tcp_timer_idle(struct flow *f);
void tcp_timer_time_wait(struct flow *f);
/* The socket is to be asked again, for an acknowledgement or for room: after half
 * of rtt_us (0: not known), later and later until there is progress
 */
void tcp_timer_ack_pending(struct flow *f, uint32_t rtt_us);
/* There was some: soon again, next time */
void tcp_timer_ack_progress(struct flow *f);
/* An ACK waits for data that takes it along: for a moment, from now on */
void tcp_timer_ack_held(struct flow *f);
void tcp_timer_cancel(struct flow *f);
/* RTT sample, RFC 6298 2 */
void tcp_timer_rtt(struct flow *f, uint32_t rtt_us);

#endif /* TCP_H */
