// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: keepalive of the guest's applications (RFC 9293 3.8.4)
 *
 * Flow: a probe of the guest's asks whether the peer is still there. We know if it
 * was heard lately; otherwise the host's kernel asks it by a probe of its own
 * (sock_ask_peer()), and ack_timer looks whether that was answered → ACK to the
 * guest. If it isn't, neither is the guest, whose kernel has its own idea of how
 * often to ask, and when to give up. So does whatever keeps state on the path hear
 * from the connection as often as the guest wants it to, and no probe is sent for
 * guests that send none.
 *
 * As long as something is on its way to the peer, the host's kernel doesn't ask, but
 * sends that again (or probes a closed window), and says what comes of it: the guest
 * is answered then.
 *
 * Cost: a connection's socket is asked twice in a second at most, however often its
 * guest does; what comes in between gets the same answer.
 */
#include "tcp/tcp_int.h"

#include "host/sock.h"
#include "util/wire.h"

enum {
	KEEP_LATELY_MS	= 500,		/* heard since: it is there */
	KEEP_ROUNDING_MS = 250,		/* of our clock and the kernel's */
	KEEP_PATIENCE_MS = 30000,	/* with an answer on its way */
	KEEP_RTT_US	= 10000,	/* of a question: the kernel's timer */
};

static uint32_t tcp_keep_now(void)
{
	return (uint32_t)(loop_now().us / 1000);
}

/* The question is answered, or nobody waits for that any more */
static void tcp_keep_end(struct flow *f)
{
	f->tcp.keep_asked = false;
	sock_ask_peer_end(f->tcp.fd);
}

/* Is it for the host's kernel to find out whether the peer is there? Asks it. */
static bool tcp_keep_ask(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;
	struct sock_tcp_info ti;

	if (!sock_tcp_info(conn->fd, &ti) || ti.heard_ms < KEEP_LATELY_MS ||
	    sock_unacked(conn->fd) || !sock_ask_peer(conn->fd)) {
		if (conn->keep_asked)
			tcp_keep_end(f);
		return false;
	}
	flow_debug(f, "the guest asks for the peer");
	conn->keep_asked = true;
	tcp_timer_ack_progress(f);
	tcp_timer_ack_pending(f, MAX(ti.rtt_us, (uint32_t)KEEP_RTT_US));
	return true;
}

bool tcp_keep_probed(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;
	uint32_t now = tcp_keep_now();

	/* What has the same form may be the probe of a window (RFC 9293 3.8.6.1) */
	if (conn->fd < 0 || tcp_window_is_small(f))
		return false;
	if (now - conn->keep_ms < KEEP_LATELY_MS)
		return conn->keep_asked;
	conn->keep_ms = now;
	return tcp_keep_ask(f);
}

void tcp_keep_look(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;
	uint32_t since = tcp_keep_now() - conn->keep_ms;
	struct sock_tcp_info ti;

	if (!conn->keep_asked || conn->fd < 0)
		return;
	if (!sock_tcp_info(conn->fd, &ti) ||
	    ti.heard_ms < since + KEEP_ROUNDING_MS) {
		tcp_keep_end(f);
		tcp_send_ack(f);
	} else if (since >= KEEP_PATIENCE_MS) {
		tcp_keep_end(f);
	} else {
		tcp_timer_ack_pending(f, MAX(ti.rtt_us, (uint32_t)KEEP_RTT_US));
	}
}
