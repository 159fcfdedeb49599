/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IPv4 and IPv6 fragments from the guest are put together
 *
 * For UDP and ICMP, and whatever else isn't TCP: TCP segments are never
 * fragmented, so their fragments are dropped.
 */
#ifndef FRAME_FRAG_H
#define FRAME_FRAG_H

#include "frame/frame_parse.h"

/* Datagrams, by what became of them */
struct frag_counters {
	uint64_t whole;			/* put together, good or bad */
};
extern struct frag_counters frag_counters;

/* Takes the handler of TIMER_FRAG */
void frag_init(void);

/* Take a fragment: what frame_parse() said about it, with PKT_FRAGMENT
 *
 * PKT_HELD: kept, or there already. PKT_FRAGMENT: dropped, perhaps with all of
 * its datagram. PKT_BAD: malformed, dropped alone. If it was the last one that
 * was missing, the verdict is frame_parse()'s on the whole datagram, which is
 * in *ret_pkt then as if it had arrived in one frame; its views hold until the
 * next call. ret_pkt may be the same as frag.
 */
enum pkt_verdict frag_input(const struct pkt *frag, struct pkt *ret_pkt);

#endif /* FRAME_FRAG_H */
