/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TCP: a connection of the guest's stack mapped onto a native socket. What its own
 * files share is in tcp/tcp_int.h.
 */
#ifndef TCP_H
#define TCP_H

#include "engine/conf_types.h"
#include "engine/flow.h"
#include "frame/frame_parse.h"

/* Takes connections to forwarded ports from accept.c, too */
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
	uint64_t in_segs, out_segs, rtx_segs, rto, resets;
	uint64_t short_writes, challenge_acks;
};
extern struct tcp_counters tcp_counters;

#endif /* TCP_H */
