// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: life cycle of a TCP connection: opening from either side, events of the
 * host's socket, closing
 *
 * Flow, guest connects: SYN → tcp_open(): non-blocking connect() → SYN_DEFERRED
 * until it has resolved → SYN-ACK (SYN_RCVD) or RST → ACK → ESTABLISHED.
 * Host connects: accept.c → tcp_accepted(): SYN (SYN_SENT) → SYN-ACK →
 * ESTABLISHED; or the guest's RST or silence → RST to the host.
 *
 * Closing: end of the host's stream is a FIN to the guest after the last byte;
 * the guest's FIN is shutdown(SHUT_WR). When both are through, the socket is
 * closed: what it still has to send is the kernel's business. A reset of either
 * side becomes one on the other.
 *
 * Invariants: conn->fd is >= 0 in all states but TIME_WAIT, unless the guest is
 * still to be told of the end (want_rst); it is watched edge-triggered for
 * everything, so whoever stops before EAGAIN must see to it that he comes again:
 * by an ACK, or by the list for the end of the turn (which is also where whoever
 * found the link full waits).
 *
 * tcp_in.c has the guest's segments, tcp_out.c what is sent to it, tcp_timer.c
 * all timers, tcp_window.c the policy of windows and ACKs.
 */
#include "tcp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/counters.h"
#include "engine/drop.h"
#include "engine/retry.h"
#include "frame/icmp_err.h"
#include "frame/opening.h"
#include "fwd/audit.h"
#include "fwd/egress.h"
#include "host/accept.h"
#include "host/dns_proxy.h"
#include "host/net.h"
#include "host/net_flows.h"
#include "host/sock.h"
#include "tcp/tcp_int.h"
#include "tcp/tcp_opt.h"
#include "tcp/tcp_pending.h"
#include "tcp/tcp_verify.h"
#include "tcp/tcp_window.h"
#include "util.h"
#include "util/wire.h"

enum {
	TCP_TTL			= 64,	/* the usual one, ours and the guest's */
	TCP_TTL_SEARCH		= 30,	/* of traceroute, at most */
	TCP_MSS_MIN		= 48,	/* what a guest may ask for */
	TCP_CHALLENGE_RATE	= 100,	/* per second: RFC 5961 7 */
};

struct tcp_counters tcp_counters;

static struct {
	const struct conf *conf;
	uint32_t queue_head, queue_tail;	/* flow index + 1; 0: empty */
	uint32_t queue_len;
	struct log_limit challenge;
	uint32_t iss_salt;
	uint64_t count[TCP_STATES];	/* of CLOSED: makes no sense */
	struct retry retry;
	uint64_t retry_marks[RETRY_LEVELS * RETRY_WORDS(FLOW_MAX)];
} tcp;

/* What may follow each state, one bit each. Any may end in TCP_CLOSED. */
static const uint16_t tcp_next[TCP_STATES] = {
	[TCP_CLOSED] = 1 << TCP_SYN_DEFERRED | 1 << TCP_SYN_SENT,
	[TCP_SYN_DEFERRED] = 1 << TCP_SYN_RCVD,
	[TCP_SYN_SENT] = 1 << TCP_ESTABLISHED | 1 << TCP_SYN_RCVD,
	[TCP_SYN_RCVD] = 1 << TCP_ESTABLISHED,
	[TCP_ESTABLISHED] = 1 << TCP_FIN_WAIT_1 | 1 << TCP_CLOSE_WAIT,
	[TCP_FIN_WAIT_1] = 1 << TCP_FIN_WAIT_2 | 1 << TCP_CLOSING |
			   1 << TCP_TIME_WAIT,
	[TCP_FIN_WAIT_2] = 1 << TCP_TIME_WAIT,
	[TCP_CLOSE_WAIT] = 1 << TCP_LAST_ACK,
	[TCP_CLOSING] = 1 << TCP_TIME_WAIT,
	[TCP_LAST_ACK] = 0,
	[TCP_TIME_WAIT] = 0,
};

static const char *const tcp_state_name[TCP_STATES + 1] = {
	"CLOSED", "SYN_DEFERRED", "SYN_SENT", "SYN_RCVD", "ESTABLISHED",
	"FIN_WAIT_1", "FIN_WAIT_2", "CLOSE_WAIT", "CLOSING", "LAST_ACK",
	"TIME_WAIT", NULL,
};

void tcp_set_state(struct flow *f, enum tcp_state state)
{
	flow_assert(f, state == TCP_CLOSED ||
		       tcp_next[f->tcp.state] & 1 << state);
	flow_debug(f, "%s -> %s", tcp_state_name[f->tcp.state],
		   tcp_state_name[state]);
	if (f->tcp.state == TCP_SYN_DEFERRED)
		tcp_pending_end(f);
	else if (f->tcp.state == TCP_SYN_SENT)
		tcp_pending_unlist(f);
	if (state == TCP_SYN_DEFERRED)
		tcp_pending_begin(f);
	else if (state == TCP_SYN_SENT)
		tcp_pending_list(f);
	tcp.count[f->tcp.state]--;
	tcp.count[state]++;
	f->tcp.state = (uint8_t)state;
}

bool tcp_may_send(const struct tcp_conn *conn)
{
	return (conn->state == TCP_ESTABLISHED ||
		conn->state == TCP_CLOSE_WAIT) && !conn->fin_sent;
}

uint32_t tcp_now_s(void)
{
	return (uint32_t)(loop_now().us / 1000000);
}

bool tcp_challenge_allowed(void)
{
	if (!log_allow(&tcp.challenge, loop_now(), TCP_CHALLENGE_RATE, NULL))
		return false;
	tcp_counters.challenge_acks++;
	return true;
}

void tcp_queue(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;

	if (conn->queued)
		return;
	conn->queued = true;
	conn->next_queued = 0;
	conn->prev_queued = tcp.queue_tail;
	*(tcp.queue_tail ? &flow_at(tcp.queue_tail - 1)->tcp.next_queued :
			   &tcp.queue_head) = flow_index(f) + 1;
	tcp.queue_tail = flow_index(f) + 1;
	tcp.queue_len++;
}

static void tcp_unqueue(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;

	if (!conn->queued)
		return;
	conn->queued = false;
	*(conn->prev_queued ? &flow_at(conn->prev_queued - 1)->tcp.next_queued :
			      &tcp.queue_head) = conn->next_queued;
	*(conn->next_queued ? &flow_at(conn->next_queued - 1)->tcp.prev_queued :
			      &tcp.queue_tail) = conn->prev_queued;
	tcp.queue_len--;
}

/* What was put off until the end of the turn. *sent: of the budget, by all. */
static void tcp_run_queued(struct flow *f, uint32_t budget, uint32_t *sent)
{
	struct tcp_conn *conn = &f->tcp;

	tcp_unqueue(f);
	if (conn->want_rst) {
		tcp_abort(f);
		return;
	}
	if (conn->want_out) {
		conn->want_out = false;
		if (!tcp_out_turn(f, budget, sent))
			return;
	}
	if (conn->want_ack)
		tcp_send_ack(f);
}

void tcp_run_queue(void)
{
	uint32_t budget = tcp_out_budget(), sent = 0;
	uint32_t at = tcp.queue_head;

	/* Once: whoever gets on the list meanwhile waits for the next turn */
	for (uint32_t n = tcp.queue_len; n && at; n--) {
		struct flow *f = flow_at(at - 1);
		struct tcp_conn *conn = &f->tcp;

		at = conn->next_queued;
		if (!conn->want_out || conn->want_rst || sent < budget) {
			tcp_run_queued(f, budget, &sent);
			continue;
		}
		/* Stays, so that the next turn begins with it */
		loop_again();
		if (conn->want_ack)
			tcp_send_ack(f);
	}
}

void tcp_done(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;

	tcp_set_state(f, TCP_CLOSED);
	tcp_unqueue(f);
	tcp_timer_cancel(f);
	audit_end(f, "closed");
	if (conn->verify)
		tcp_verify_forget(f);
	conn->snd_una = conn->snd_nxt;	/* nothing is on its way any more */
	tcp_note_flight(conn);
	close_fd(&conn->fd);
	flow_free(f);
}

void tcp_abort_sock(struct flow *f)
{
	sock_reset(&f->tcp.fd);
	audit_end(f, "reset");
	tcp_done(f);
}

/* RST to the guest, as fits the state. False: the link is full. */
static bool tcp_send_rst(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;

	switch ((enum tcp_state)conn->state) {
	case TCP_CLOSED:
	case TCP_TIME_WAIT:
	case TCP_STATES:
		break;
	case TCP_SYN_DEFERRED:
		/* As a closed port would: RFC 9293 3.10.7.1 */
		return tcp_send_flags(f, 0, TCP_RST | TCP_ACK);
	case TCP_SYN_SENT:
		return tcp_send_flags(f, conn->snd_nxt, TCP_RST);
	case TCP_SYN_RCVD:
	case TCP_ESTABLISHED:
	case TCP_FIN_WAIT_1:
	case TCP_FIN_WAIT_2:
	case TCP_CLOSE_WAIT:
	case TCP_CLOSING:
	case TCP_LAST_ACK:
		return tcp_send_flags(f, conn->snd_nxt, TCP_RST | TCP_ACK);
	}
	return true;
}

void tcp_abort(struct flow *f)
{
	if (!f->tcp.want_rst)
		tcp_counters.resets++;
	audit_end(f, "reset");
	f->tcp.want_rst = tap_is_up() && !tcp_send_rst(f);
	if (!f->tcp.want_rst) {
		tcp_abort_sock(f);
		return;
	}
	/* The link is full: a guest that isn't told would wait for ever */
	sock_reset(&f->tcp.fd);
	if (f->tcp.state == TCP_SYN_DEFERRED || f->tcp.state == TCP_SYN_SENT)
		tcp_pending_unlist(f);	/* no descriptor to be had */
	tcp_timer_cancel(f);
	tcp_queue(f);
}

void tcp_rewatch(struct flow *f)
{
	int rc = loop_mod(f->tcp.fd, TCP_EVENTS, flow_ref(f, LOOP_TCP));

	if (rc)
		tcp_fault(f, rc);
}

static void tcp_watch(struct flow *f)
{
	int rc = loop_add(f->tcp.fd, TCP_EVENTS, flow_ref(f, LOOP_TCP));

	if (rc == -EEXIST)
		tcp_rewatch(f);
	else if (rc)
		tcp_fault(f, rc);
}

void tcp_fault(struct flow *f, int rc)
{
	flow_debug(f, "%s: to be tried again", strerror(-rc));
	retry_later(&tcp.retry, flow_index(f), f->tcp.faults);
	if (f->tcp.faults < UINT8_MAX)
		f->tcp.faults++;
}

/* After a fault: what no event tells of, and then the events */
static void tcp_again(uint32_t index)
{
	struct flow *f = flow_at(index);

	if (f->type != FLOW_TCP || f->tcp.fd < 0)
		return;
	tcp_discard_acked(f);
	if (f->tcp.fin_rcvd)
		tcp_shut_sock(f);
	tcp_watch(f);
}

void tcp_shut_sock(struct flow *f)
{
	int rc;

	if (f->tcp.sock_wr_shut)
		return;
	rc = shutdown(f->tcp.fd, SHUT_WR) ? -errno : 0;
	f->tcp.sock_wr_shut = !is_momentary(rc);
	if (is_momentary(rc))
		tcp_fault(f, rc);
}

/* RFC 6528: a clock of 4 µs and a keyed hash of the addresses. From another half
 * of the hash, the time stamps' beginning: neither tells for how long the host
 * has been up, and both grow from one connection to the next of the same ports.
 */
static void tcp_new_iss(struct flow *f)
{
	uint64_t h = flow_side_hash(PROTO_TCP, &f->side[GUEST]);

	f->tcp.snd_una = (tcp_seq)(loop_now().us / 4) + tcp.iss_salt +
			 (tcp_seq)h;
	f->tcp.ts_offset = (uint32_t)(h >> 32) - tcp.iss_salt;
}

/* What both ways of opening have in common */
static void tcp_new_conn(struct flow *f, int fd)
{
	struct tcp_conn *conn = &f->tcp;

	conn->fd = fd;
	conn->mss = TCP_MSS_DEFAULT;
	tcp_new_iss(f);
	conn->snd_nxt = conn->sock_una = conn->snd_una + 1;
	conn->active_s = tcp_now_s();
	flow_activate(f, FLOW_TCP);
	flow_hash(f, GUEST);
}

/* How long is the host's path, and from where does it count? */
static void tcp_sock_established(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;
	struct sock_tcp_info ti;

	conn->snd_quantum = TCP_MSS_DEFAULT;
	if (!sock_tcp_info(conn->fd, &ti))
		return;
	conn->snd_quantum = (uint16_t)MIN(MAX(ti.snd_wnd / 2, TCP_MSS_DEFAULT),
					  UINT16_MAX);
	conn->acked_syn = ti.acked > 0;
	conn->mirror_ack = ti.has_acked && ti.min_rtt_us > TCP_SHORT_PATH_US;
}

/* Window of the SYN or SYN-ACK */
static void tcp_first_window(struct tcp_conn *conn)
{
	uint32_t room = UINT16_MAX;
	struct sock_sndbuf sb;

	if (sock_sndbuf(conn->fd, &sb))
		room = MIN(room, tcp_window_room(sb.size, sb.queued,
						 sb.payload,
						 conn->snd_quantum));
	conn->rcv_edge = conn->rcv_nxt + room;
	conn->rcv_wnd = conn->rcv_wnd_max = room;
}

void tcp_established(struct flow *f)
{
	f->tcp.retries = 0;
	tcp_set_state(f, TCP_ESTABLISHED);
	tcp_timer_idle(f);
}

/* connect() has resolved: answer the guest's SYN */
static void tcp_connected(struct flow *f)
{
	tcp_sock_established(f);
	tcp_first_window(&f->tcp);
	net_dns_answered(&f->side[GUEST], &f->side[HOST].peer);
	tcp_set_state(f, TCP_SYN_RCVD);
	tcp_rtt_start(&f->tcp, f->tcp.snd_una);
	tcp_send_syn(f);
	tcp_timer_syn_sent(f);
}

/* Is there too little of something just now? The guest's SYN, if nobody answers it,
 * comes again.
 */
static bool tcp_is_shortage(int error)
{
	return error == ENOMEM || error == ENOBUFS || error == EINTR ||
	       error == EAGAIN;
}

/* Has the SYN ended on its way, by its TTL? Then the destination has said nothing,
 * which a RST would contradict: that's how traceroute by TCP knows where it is.
 */
static bool tcp_is_time_exceeded(const struct flow_side *guest,
				 const struct icmp_err *e)
{
	return e->is_icmp &&
	       e->type == (addr_is_v4(&guest->peer) ? ICMP4_TIME_EXCEEDED :
						      ICMP6_TIME_EXCEEDED_);
}

/* What the guest's own stack would have met: no route is told by ICMP, and then
 * by RST to those that take ICMP for a hint (RFC 9293 3.9.2.2); silence stays
 * silence.
 */
static void tcp_connect_failed(struct flow *f, int error)
{
	const struct tcp_conn *conn = &f->tcp;
	const struct flow_side *g = &f->side[GUEST];
	struct icmp_err e;
	struct wire_tcp syn = {
		.sport = be16_put(g->peer_port), .dport = be16_put(g->our_port),
		.seq = be32_put(conn->irs),
		.off = sizeof(syn) / 4 << 4, .flags = TCP_SYN,
	};

	drop(drop_of_connect(error));
	if (!tcp_is_shortage(error))
		net_dns_failed(g, &f->side[HOST].peer);
	audit_end(f, error == ECONNREFUSED ? "refused" :
		     error == ETIMEDOUT ? "timeout" : "unreachable");
	flow_debug(f, "connect: %s", strerror(error));
	if (error == ETIMEDOUT || tcp_is_shortage(error)) {
		tcp_done(f);
		return;
	}
	/* What a router or the host has said (Linux 5.8); else our own words */
	if (icmp_err_next(conn->fd, &e) <= 0 || !e.is_icmp)
		e = (struct icmp_err){ .error = error };
	if (error == EHOSTUNREACH || error == ENETUNREACH)
		icmp_err_send(g, PROTO_TCP, &syn, sizeof(syn), &e);
	if (tcp_is_time_exceeded(g, &e))
		tcp_done(f);
	else
		tcp_abort(f);
}

/* Options of the guest's SYN or SYN-ACK */
static void tcp_take_syn(struct flow *f, const struct pkt *pkt)
{
	struct tcp_conn *conn = &f->tcp;
	struct tcp_opts o;
	uint16_t mss;

	tcp_opt_parse(pkt->tcp.opt, pkt->tcp.opt_len, &o);
	conn->irs = pkt->tcp.seq;
	conn->rcv_nxt = conn->irs + 1;
	conn->last_ack_sent = conn->rcv_nxt;
	conn->wscale_ok = o.has_wscale;
	conn->snd_wscale = o.has_wscale ? o.wscale : 0;
	conn->sack_ok = o.sack_ok;
	conn->ts_ok = o.has_ts;
	conn->ts_recent = o.ts_val;
	conn->ts_recent_s = tcp_now_s();
	mss = o.has_mss && o.mss ? o.mss : TCP_MSS_DEFAULT;
	mss = MIN(MAX(mss, TCP_MSS_MIN), tcp_link_mss(f));
	/* RFC 6691: the option's number doesn't allow for options */
	conn->mss = (uint16_t)(conn->ts_ok ? mss - 12 : mss);
	conn->snd_wnd = conn->snd_wnd_max = pkt->tcp.wnd;
	conn->snd_wl1 = pkt->tcp.seq;
	conn->snd_wl2 = pkt->tcp.ack;
}

void tcp_take_syn_ack(struct flow *f, const struct pkt *pkt)
{
	uint32_t promised = f->tcp.rcv_edge - f->tcp.rcv_nxt;

	tcp_take_syn(f, pkt);
	f->tcp.rcv_edge = f->tcp.rcv_nxt + promised;
}

void tcp_take_dscp(struct flow *f, const struct pkt *pkt)
{
	uint8_t dscp = pkt->tos & ~3U;

	if (dscp == f->tcp.dscp)
		return;
	f->tcp.dscp = dscp;
	sock_set_dscp(f->tcp.fd, &f->side[HOST].peer, dscp);
}

/* A socket for the host's side, or -errno; asked for once more if that may be another
 * story by then
 */
static int tcp_socket(const struct flow_side *host)
{
	int fd = sock_outbound(SOCK_STREAM, IPPROTO_TCP, &host->peer,
			       &host->our, 0);

	if (!is_momentary(fd))
		return fd;
	flow_make_room(fd);
	return sock_outbound(SOCK_STREAM, IPPROTO_TCP, &host->peer, &host->our,
			     0);
}

/* A SYN for which there is nothing to be had. Silently: it will be sent again. */
static void tcp_refuse(const struct pkt *pkt, const char *why, bool silently)
{
	warn_limited("TCP %s -> %s refused: %s",
		     ENDPOINT_STR(&pkt->src, pkt->sport),
		     ENDPOINT_STR(&pkt->dst, pkt->dport), why);
	if (!silently)
		tcp_send_stray_rst(pkt);
}

/* Send with the TTL of the guest's SYN. IPv6 tells who has said "time exceeded" only if
 * asked to, and would take later errors for the connection's end: for searching
 * TTLs only.
 */
static void tcp_take_ttl(struct flow *f, const struct pkt *pkt)
{
	const struct addr *peer = &f->side[HOST].peer;

	if (pkt->ttl == TCP_TTL)
		return;
	sock_set_ttl(f->tcp.fd, peer, pkt->ttl);
	if (pkt->ttl <= TCP_TTL_SEARCH && !addr_is_v4(peer))
		icmp_err_enable(f->tcp.fd, true);
}

void tcp_open(const struct pkt *pkt)
{
	struct flow_side guest = {
		.our = pkt->dst, .our_port = pkt->dport,
		.peer = pkt->src, .peer_port = pkt->sport,
	};
	struct flow_side host;
	struct egress e;
	struct flow *f;
	int fd, rc;

	net_dns_turn(&guest, loop_now());
	e = egress_out(net_get(), PROTO_TCP, &guest, &host);
	if (e.verdict != EGRESS_GO) {
		if (e.verdict == EGRESS_UNREACHABLE)
			icmp_err_no_route(pkt);
		if (e.verdict != EGRESS_SILENT)
			tcp_send_stray_rst(pkt);
		return;
	}
	if (!opening_begin(pkt, 1))
		return;
	if (!tcp_pending_allows(&host)) {
		drop(DROP_PENDING);
		tcp_refuse(pkt, "too many wait for an answer", true);
		return;
	}
	f = flow_alloc();
	fd = f ? tcp_socket(&host) : -ENFILE;
	if (fd < 0) {
		if (f) {
			drop(drop_of_socket(-fd));
			flow_free(f);
		}
		tcp_refuse(pkt, f ? strerror(-fd) : "flow table is full",
			   tcp_is_shortage(-fd));
		return;
	}
	f->proto = PROTO_TCP;
	f->ini = GUEST;
	f->side[GUEST] = guest;
	f->side[HOST] = host;
	tcp_new_conn(f, fd);
	f->tcp.verify = e.verify;
	egress_begin(f, &e);
	tcp_take_syn(f, pkt);
	tcp_take_dscp(f, pkt);
	tcp_take_ttl(f, pkt);
	tcp_set_state(f, TCP_SYN_DEFERRED);

	rc = sock_connect(fd, &host.peer, host.peer_port);
	if (rc && rc != -EINPROGRESS) {
		tcp_connect_failed(f, -rc);
		return;
	}
	net_dns_asked(&guest, loop_now());
	dns_proxy_note(f, fd);
	tcp_watch(f);
	if (!rc)
		tcp_connected(f);
}

bool tcp_has_moved(struct flow *f)
{
	net_dns_turn(&f->side[GUEST], loop_now());
	return egress_has_moved(net_get(), PROTO_TCP, &f->side[GUEST],
				&f->side[HOST]);
}

void tcp_stray(const struct pkt *pkt)
{
	uint8_t flags = pkt->tcp.flags & (TCP_SYN | TCP_ACK | TCP_RST);

	/* RFC 9293 3.9.2.3, RFC 1122 4.2.3.10 */
	if (!fwd_is_host(net_get(), &pkt->src) ||
	    !fwd_is_host(net_get(), &pkt->dst))
		return;
	if (flags == TCP_SYN)
		tcp_open(pkt);
	else
		tcp_send_stray_rst(pkt);
	if (flags != TCP_SYN)
		drop(DROP_TCP_STRAY);
}

/* Is there no connection of these addresses? One in TIME_WAIT gives way. */
static bool tcp_is_free(const struct flow_side *guest)
{
	struct flow *f = flow_lookup(GUEST, PROTO_TCP, guest);

	if (f && f->tcp.state == TCP_TIME_WAIT) {
		tcp_done(f);
		f = NULL;
	}
	return !f;
}

/* A connection to a forwarded port, to be shown to the guest */
static void tcp_accepted(const struct accepted *a)
{
	struct flow_side guest = a->to;
	struct flow *f = NULL;

	if (tap_is_up() && (tcp_is_free(&guest) ||
			    flow_other_port(PROTO_TCP, &guest)))
		f = flow_alloc();
	if (!f) {
		accept_refuse(a);
		return;
	}
	f->proto = PROTO_TCP;
	f->ini = HOST;
	f->side[GUEST] = guest;
	f->side[HOST] = a->from;
	tcp_new_conn(f, a->fd);
	audit_forwarded(f);
	tcp_sock_established(f);
	tcp_first_window(&f->tcp);
	tcp_set_state(f, TCP_SYN_SENT);
	tcp_watch(f);
	tcp_rtt_start(&f->tcp, f->tcp.snd_una);
	tcp_send_syn(f);
	tcp_timer_syn_sent(f);
}

static void tcp_sock_event(struct loop_ref ref, uint32_t events)
{
	struct flow *f = flow_from_ref(ref, FLOW_TCP);
	struct tcp_conn *conn;

	/* Without a socket: an event of the same turn as its end */
	if (!f || f->tcp.want_rst || f->tcp.fd < 0)
		return;
	conn = &f->tcp;
	if (events & EPOLLRDHUP)
		conn->sock_eof = true;
	if (conn->state == TCP_SYN_DEFERRED) {
		int error = events & (EPOLLERR | EPOLLHUP) ?
			    sock_error(conn->fd) : 0;

		loop_opening_starts();
		if (error || events & EPOLLHUP) {
			tcp_connect_failed(f, error ? error : ECONNRESET);
		} else if (events & EPOLLOUT) {
			/* What comes later makes another event */
			conn->sock_drained = !(events & (EPOLLIN | EPOLLRDHUP));
			tcp_connected(f);
		}
		loop_opening_ends();
		return;
	}
	if (events & EPOLLERR) {
		int error = sock_error(conn->fd);

		tcp_out_last(f);
		flow_debug(f, "socket error: %s", strerror(error));
		tcp_abort(f);
		return;
	}
	if (events & EPOLLOUT && conn->verify && !tcp_verify_writable(f)) {
		tcp_abort(f);
		return;
	}
	if (events & EPOLLOUT && (conn->wnd_tight || conn->short_write)) {
		conn->wnd_tight = false;
		/* Whatever was cut off, the guest may repeat now */
		if (conn->short_write)
			tcp_send_ack(f);
		else
			tcp_send_ack_if_news(f);
		conn->short_write = false;
	}
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) {
		conn->sock_drained = false;
		tcp_out(f);
	}
}

bool tcp_is_quiet(void)
{
	for (uint32_t i = 0; flow_count(FLOW_TCP) && i < flow_high(); i++) {
		const struct flow *f = flow_at(i);

		if (f->type == FLOW_TCP && f->tcp.state > TCP_SYN_SENT)
			return false;
	}
	return true;
}

void tcp_close_all(void)
{
	for (uint32_t i = 0; i < flow_high(); i++) {
		struct flow *f = flow_at(i);

		if (f->type == FLOW_TCP && !f->tcp.fin_rcvd)
			sock_reset(&f->tcp.fd);
	}
}

static const char *tcp_state(const struct flow *f)
{
	return tcp_state_name[f->tcp.state];
}

static int tcp_sock(const struct flow *f, enum flow_side_name side)
{
	return side == HOST ? f->tcp.fd : -1;
}

static mono_t tcp_active(const struct flow *f)
{
	return (mono_t){ (int64_t)f->tcp.active_s * 1000000 };
}

static const struct counter tcp_rows[] = {
	COUNTER("tcp_in_segments", tcp_counters.in_segs, "segments",
		"from the guest"),
	COUNTER("tcp_out_segments", tcp_counters.out_segs, "segments",
		"to the guest"),
	COUNTER("tcp_retransmitted", tcp_counters.rtx_segs, "segments",
		"sent again"),
	COUNTER("tcp_timeouts", tcp_counters.rto, "timeouts",
		"of data to the guest"),
	COUNTER("tcp_short_writes", tcp_counters.short_writes, "writes",
		"that the host took in part"),
	COUNTER("tcp_challenge_acks", tcp_counters.challenge_acks,
		"challenge ACKs", "to the guest"),
	COUNTER("tcp_resets", tcp_counters.resets, "connections",
		"reset by us"),
#define STATE(name) GAUGE_OF("tcp_connections", #name, tcp.count[TCP_ ## name], \
			     "connections", "in " #name)
	STATE(SYN_DEFERRED), STATE(SYN_SENT), STATE(SYN_RCVD),
	STATE(ESTABLISHED), STATE(FIN_WAIT_1), STATE(FIN_WAIT_2),
	STATE(CLOSE_WAIT), STATE(CLOSING), STATE(LAST_ACK), STATE(TIME_WAIT),
#undef STATE
};

/* It would hang until it times out */
static void tcp_host_changed(struct flow *f)
{
	if (f->tcp.fd < 0 || !net_flows_cut(f->tcp.fd))
		return;
	flow_debug(f, "the host has lost its address");
	/* The guest's next SYN finds the way */
	if (f->tcp.state == TCP_SYN_DEFERRED)
		tcp_abort_sock(f);
	else
		tcp_abort(f);
}

static void tcp_evict(uint32_t index)
{
	struct flow *f = flow_at(index);

	drop(DROP_EVICTED);
	audit_end(f, "made room");
	/* The link may be full: then it has no descriptor, but goes on */
	if (f->tcp.state == TCP_SYN_SENT)
		tcp_abort(f);
	else
		tcp_done(f);
}

void tcp_init(const struct conf *c)
{
	const struct flow_ops ops = {
		.name = "TCP", .state = tcp_state, .states = tcp_state_name,
		.active = tcp_active, .sock = tcp_sock,
		.guest_path = tcp_guest_path, .waits_for = tcp_waits_for,
		.end = tcp_abort, .host_changed = tcp_host_changed,
	};

	counters_add("TCP", tcp_rows, ARRAY_SIZE(tcp_rows));
	tcp.conf = c;
	random_bytes(&tcp.iss_salt, sizeof(tcp.iss_salt));
	retry_init(&tcp.retry, tcp.retry_marks, RETRY_WORDS(FLOW_MAX),
		   tcp_again);
	tcp_timer_init();
	tcp_pending_init(tcp_evict);
	flow_set_ops(FLOW_TCP, &ops);
	loop_set_handler(LOOP_TCP, tcp_sock_event);
	accept_set_taker(FWD_TAP, tcp_accepted);
}
