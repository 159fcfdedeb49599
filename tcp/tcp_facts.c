// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: what people want to know of a connection
 *
 * The guest's side is all ours to tell. What the host's kernel does for the other
 * one, its socket tells who asks it.
 */
#include "tcp/tcp_int.h"

void tcp_guest_path(const struct flow *f, struct flow_path *ret)
{
	const struct tcp_conn *conn = &f->tcp;

	*ret = (struct flow_path){
		.rtt_us = conn->srtt_us,
		.window = conn->snd_wnd,
		.our_window = conn->rcv_edge - conn->rcv_nxt,
		.queued = conn->snd_nxt - conn->snd_una,
		.resent = flow_use(f)->resent,
	};
}

/* What keeps data for the guest from going there; NULL: nothing */
static const char *tcp_waits_for_guest(const struct tcp_conn *conn)
{
	uint32_t in_flight = conn->snd_nxt - conn->snd_una;

	if (conn->recovery || conn->backoff)
		return "guest-loss";
	if (!conn->sock_drained && !conn->sock_eof &&
	    in_flight + conn->mss > conn->snd_wnd)
		return "guest-window";
	return in_flight ? "guest-ack" : NULL;
}

const char *tcp_waits_for(const struct flow *f)
{
	const struct tcp_conn *conn = &f->tcp;

	if (conn->want_rst)
		return "guest-link";
	if (conn->want_out)
		return "turn";
	switch ((enum tcp_state)conn->state) {
	case TCP_SYN_DEFERRED:
		return "host-connect";
	case TCP_SYN_SENT:
	case TCP_SYN_RCVD:
		return "guest-connect";
	case TCP_ESTABLISHED:
		return tcp_waits_for_guest(conn);
	case TCP_FIN_WAIT_2:
		return "guest-end";
	case TCP_CLOSE_WAIT:
		return tcp_waits_for_guest(conn) ? : "host-end";
	case TCP_FIN_WAIT_1:
	case TCP_CLOSING:
	case TCP_LAST_ACK:
		return tcp_waits_for_guest(conn) ? : "guest-ack";
	case TCP_TIME_WAIT:
		return "time";
	case TCP_CLOSED:
	case TCP_STATES:
		break;
	}
	return NULL;
}
