/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the flow table keeps of a TCP connection: struct only
 *
 * Names are RFC 9293's, from the view of our endpoint that faces the guest:
 * snd_* is towards the guest, rcv_* from it.
 */
#ifndef ENGINE_TCP_TYPES_H
#define ENGINE_TCP_TYPES_H

#include "engine/idle.h"
#include "engine/timer.h"
#include "util/seq.h"

enum tcp_state {
	TCP_CLOSED,
	TCP_SYN_DEFERRED,	/* guest's SYN is here, connect() isn't done */
	TCP_SYN_SENT,		/* host connected, our SYN is on its way */
	TCP_SYN_RCVD,		/* connect() done, our SYN-ACK is on its way */
	TCP_ESTABLISHED,
	TCP_FIN_WAIT_1,		/* host closed, our FIN is on its way */
	TCP_FIN_WAIT_2,
	TCP_CLOSE_WAIT,		/* guest closed */
	TCP_CLOSING,
	TCP_LAST_ACK,
	TCP_TIME_WAIT,
	TCP_STATES,
};

enum { TCP_SACK_MAX = 4 };

/* Received by the guest beyond snd_una: [left, right) */
struct tcp_sack { tcp_seq left, right; };
struct tcp_scoreboard { struct tcp_sack block[TCP_SACK_MAX]; };

struct tcp_conn {
	int fd;				/* -1: closed already */
	uint8_t state;			/* enum tcp_state */
	uint8_t snd_wscale;		/* shift of what the guest says */
	uint8_t retries;		/* of the timer that runs now */
	uint8_t backoff;		/* of the RTO: RFC 6298 5.5 */

	/* From the guest's SYN, or SYN-ACK */
	bool wscale_ok : 1;		/* both sides gave the option: ours is
					 * TCP_WSCALE */
	bool sack_ok : 1;
	bool ts_ok : 1;
	/* Host's side */
	bool sock_eof : 1;		/* the peer's FIN is in the queue */
	bool sock_drained : 1;		/* nothing new since the last peek: an
					 * event will tell */
	bool sock_wr_shut : 1;		/* shutdown(SHUT_WR) is done */
	bool peek_off : 1;		/* SO_PEEK_OFF in use, at snd_nxt */
	bool peek_moved : 1;		/* …but elsewhere now */
	bool acked_syn : 1;		/* tcpi_bytes_acked counts a SYN */
	bool mirror_ack : 1;		/* path isn't short: ACK what the peer
					 * has acknowledged */
	/* Guest's side */
	bool fin_sent : 1;		/* counted in snd_nxt */
	bool fin_rcvd : 1;		/* counted in rcv_nxt */
	bool recovery : 1;		/* until snd_una reaches recover */
	bool rto_recovery : 1;		/* …it began by timeout */
	bool rtt_timing : 1;		/* rtt_seq is being measured */
	bool much_in_flight : 1;	/* counted, see tcp_note_flight() */
	bool wnd_tight : 1;		/* EPOLLOUT tells when it opens */
	/* Work for the end of the turn */
	bool want_ack : 1;
	bool want_rst : 1;		/* gone, but the guest must be told */
	bool short_write : 1;		/* the guest has something to repeat */
	bool ack_held : 1;		/* …until data goes along, or ack_timer */
	bool want_out : 1;		/* …data to send, see tcp_out_turn() */
	bool verify : 1;		/* nothing was written yet: the name that
					 * the guest talks to comes first */
	bool bulk : 1;			/* has more to send than fits in a turn */
	bool queued : 1;		/* on the list of those with such work */
	bool keep_asked : 1;		/* the peer, for the guest: tcp_keep.c */

	uint8_t dscp;			/* of what we send to the host's side */
	uint8_t dup_acks;
	uint8_t ack_backoff;		/* mirrored ACKs that had no news */
	uint8_t hold_off;		/* ACKs not to be held back, as the last
					 * one that was got no answer */
	uint8_t faults;			/* in succession, see tcp_fault() */
	uint8_t fin_wait_asked;		/* times, see tcp_timer_fin_wait() */
	uint16_t mss;			/* largest payload towards the guest */
	uint16_t snd_quantum;		/* bytes per buffer of the host's
					 * kernel, see tcp_window_room() */
	uint32_t next_queued, prev_queued;	/* that list: index + 1 */

	/* Towards the guest */
	tcp_seq snd_una, snd_nxt;	/* ISS: snd_una until the handshake is
					 * over */
	tcp_seq snd_wl1, snd_wl2;
	uint32_t snd_wnd;		/* bytes, scaled */
	uint32_t snd_wnd_max;		/* largest seen */
	tcp_seq sock_una;		/* what the socket's queue starts with */
	tcp_seq rtx_nxt, recover;	/* valid in recovery */
	union {
		struct tcp_scoreboard sack;	/* see tcp_sack.h */
		struct idle pending;	/* in SYN_DEFERRED, SYN_SENT:
					 * tcp_pending.c */
	};
	tcp_seq rtt_seq;
	uint32_t rtt_start_us;
	uint32_t srtt_us, rttvar_us;	/* srtt 0: nothing measured */

	/* From the guest */
	tcp_seq irs;
	tcp_seq rcv_nxt;
	tcp_seq last_ack_sent;		/* RFC 7323 4.3; or chosen for what is
					 * sent next */
	tcp_seq rcv_edge;		/* right edge that was promised */
	uint32_t rcv_wnd;		/* promised when the socket was asked */
	uint32_t sock_queued;		/* in the send buffer when asked last */
	uint32_t rcv_wnd_max;		/* the most that the guest has seen */
	uint32_t ts_offset;		/* of our clock: RFC 7323 5.4 */
	uint32_t ts_recent;		/* RFC 7323 4.3 */
	uint32_t ts_recent_s;		/* when it was taken, seconds */
	uint32_t active_s;		/* last segment from the guest, seconds */
	uint32_t keep_ms;		/* when its probe was looked into */

	struct timer timer;		/* handshake, RTO, persist, keepalive,
					 * TIME_WAIT: by state */
	struct timer ack_timer;		/* mirrored ACK, or one for a probe */
};

#endif /* ENGINE_TCP_TYPES_H */
