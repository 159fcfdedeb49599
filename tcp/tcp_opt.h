/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TCP options: read from the guest, written to it */
#ifndef TCP_TCP_OPT_H
#define TCP_TCP_OPT_H

#include "engine/tcp_types.h"
#include "util/seq.h"

enum {
	TCP_OPT_MAX		= 40,
	TCP_WSCALE_MAX		= 14,	/* RFC 7323 2.3 */
	TCP_MSS_DEFAULT		= 536,	/* RFC 9293 3.7.1 */
};

struct tcp_opts {
	bool has_mss, has_wscale, sack_ok, has_ts;
	uint8_t wscale;			/* at most TCP_WSCALE_MAX */
	uint8_t sacks;
	uint16_t mss;
	uint32_t ts_val, ts_ecr;
	struct tcp_sack sack[TCP_SACK_MAX];
};

/* Parse `len` bytes of options (0-40). Malformed ones end the list, what was
 * read before holds (RFC 9293 3.1).
 */
void tcp_opt_parse(const uint8_t *opt, size_t len, struct tcp_opts *ret_opts);

/* For our SYN or SYN-ACK: MSS, then SACK-permitted and timestamps, window scale,
 * in the order and with the padding that Linux uses. Returns the length, a
 * multiple of 4.
 */
size_t tcp_opt_syn(uint8_t *buf, uint16_t mss, bool sack, bool ts,
		   uint32_t ts_val, uint32_t ts_ecr, int wscale);

/* For other segments: timestamps, 12 bytes (RFC 7323 appendix A) */
size_t tcp_opt_ts(uint8_t *buf, uint32_t ts_val, uint32_t ts_ecr);

#endif /* TCP_TCP_OPT_H */
