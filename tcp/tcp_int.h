/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of TCP share, and nobody else sees */
#ifndef TCP_TCP_INT_H
#define TCP_TCP_INT_H

#include "engine/flow.h"
#include "frame/frame_parse.h"

enum {
	TCP_OUT_BUDGET	= 256 * 1024,	/* bytes of all that have many, a turn */
};
/* What a connection's socket is watched for, always */
#define TCP_EVENTS	(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

/* A connection ends by tcp_done(), tcp_abort() or tcp_abort_sock(). Whatever may call
 * one of them returns whether the connection lives on, and says so; if it doesn't,
 * nothing of it is touched any more.
 */

/* ---- tcp.c ---- */

/* The one place where a state changes; checks that it may */
void tcp_set_state(struct flow *f, enum tcp_state state);
/* Put on the list for the end of the turn */
void tcp_queue(struct flow *f);
/* Connection is through on the guest's side */
void tcp_established(struct flow *f);
/* Forget the connection: close() the socket, free the flow */
void tcp_done(struct flow *f);
/* RST to both sides, then forget it: later, if the link is full */
void tcp_abort(struct flow *f);
/* RST to the host's side only (the guest has sent one, or has gone) */
void tcp_abort_sock(struct flow *f);
/* Have the kernel tell once more what its socket is ready for, or will be */
void tcp_rewatch(struct flow *f);
/* A call for its socket has failed with rc, which may be over in a moment: whatever
 * that has stopped is tried again then
 */
void tcp_fault(struct flow *f, int rc);
/* shutdown(SHUT_WR) once */
void tcp_shut_sock(struct flow *f);
/* Guest's SYN for which there is no flow */
void tcp_open(const struct pkt *pkt);
/* A SYN is repeated: does it lead elsewhere by now than when f began? */
bool tcp_has_moved(struct flow *f);
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
/* May one more challenge ACK be sent? RFC 5961 7 */
bool tcp_challenge_allowed(void);

/* ---- tcp_out.c ---- */

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
/* RST in reply to a segment that belongs to no connection: RFC 9293 3.10.7.1 */
void tcp_send_stray_rst(const struct pkt *pkt);
/* Send what the socket has and the window allows, then FIN if it has ended. False:
 * the connection has ended.
 */
bool tcp_out(struct flow *f);
/* The peer has reset the connection: send what came before that, as far as the window
 * and the link take it, once. tcp_abort() comes next.
 */
void tcp_out_last(struct flow *f);
/* Bytes for all that have many, this turn */
uint32_t tcp_out_budget(void);
/* Send a connection's share of that budget, a frame at least; *sent: add how much is
 * new. False: the connection has ended.
 */
bool tcp_out_turn(struct flow *f, uint32_t budget, uint32_t *sent);
/* What is in flight to the guest has changed: count those with much of it */
void tcp_note_flight(struct tcp_conn *conn);
/* Send again: the first holes (SACK), or the first segment */
void tcp_retransmit(struct flow *f, uint32_t budget);
/* Duplicate ACKs or SACK say that something is lost: start recovery */
void tcp_enter_recovery(struct flow *f, bool by_rto);
/* An empty segment that the guest must answer (zero window, keepalive) */
void tcp_send_probe(struct flow *f);

/* ---- tcp_ack.c ---- */

/* Choose what the next segment acknowledges and promises. Sees to it that it is
 * tried again in time if that isn't all. True: news for the guest.
 */
bool tcp_refresh(struct flow *f);
/* Acknowledge all that the socket took, if that needn't be asked for */
void tcp_advance_ack(struct tcp_conn *conn);
/* Does the guest wait for a window that a segment of its fits in? */
bool tcp_window_is_small(const struct flow *f);
/* Window scale of ours that was agreed on */
uint8_t tcp_rcv_scale(const struct tcp_conn *conn);
/* ACK at once, with what is known: for each segment that is out of order */
void tcp_send_old_ack(struct flow *f);
/* ACK at once, window and acknowledgement fresh */
void tcp_send_ack(struct flow *f);
/* The same, but only if it says something new; otherwise sees to it that it is
 * tried again in time
 */
void tcp_send_ack_if_news(struct flow *f);

/* ---- tcp_peek.c ---- */

/* Peek at what the socket has from seq on, which isn't below sock_una, into cnt
 * iovecs. Bytes; 0 at the end of the stream; -EAGAIN: nothing there yet; what
 * is_momentary(): look again; other -errno if the socket is broken.
 */
ssize_t tcp_peek(struct tcp_conn *conn, tcp_seq seq, struct iovec *iov,
		 unsigned cnt);
/* The last peek, up to `end`, took less than it had room for. Was that all that there
 * is? It may be cut short by urgent data, or for no reason that is told.
 */
bool tcp_peek_was_all(const struct tcp_conn *conn, tcp_seq end);
/* Bytes that may be in flight, as far as peeks reach, beyond those that are */
uint32_t tcp_peek_reach(const struct tcp_conn *conn);
/* Remove from the socket's queue what the guest has acknowledged. Not to be put
 * off: the peer's window depends on it, and close() would reset.
 */
void tcp_discard_acked(struct flow *f);

/* ---- tcp_facts.c: for struct flow_ops ---- */

void tcp_guest_path(const struct flow *f, struct flow_path *ret);
const char *tcp_waits_for(const struct flow *f);

/* ---- tcp_keep.c ---- */

/* The guest probes, in a synchronised state: is the peer there? True: it is answered
 * when the peer has answered; false: at once.
 */
bool tcp_keep_probed(struct flow *f);
/* Has the peer, if it was asked? If not yet, ack_timer looks again. */
void tcp_keep_look(struct flow *f);

/* ---- tcp_timer.c: events by name, the policy is there ---- */

void tcp_timer_init(void);
void tcp_timer_syn_sent(struct flow *f);
/* n: bytes of the sequence space that were sent just now */
void tcp_timer_data_sent(struct flow *f, uint32_t n);
void tcp_timer_acked(struct flow *f);
void tcp_timer_window_closed(struct flow *f);
void tcp_timer_idle(struct flow *f);
/* The guest has closed: does it still know, as long as the host doesn't? */
void tcp_timer_fin_rcvd(struct flow *f);
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

#endif /* TCP_TCP_INT_H */
