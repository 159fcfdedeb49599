/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UDP: datagram flows between the guest and host sockets */
#ifndef UDP_H
#define UDP_H

#include "engine/conf_types.h"
#include "frame/frame_parse.h"

/* Adopts the UDP sockets of listen.c */
void udp_init(const struct conf *c);
/* A run of n >= 1 datagrams with the same addresses and ports */
void udp_input(const struct pkt *pkts, unsigned n);

/* Answers of a spliced flow's service, back to the client; sets the names and
 * control data in mm
 */
struct flow;
struct mmsghdr;
void udp_reply(struct flow *f, struct mmsghdr *mm, unsigned n);

struct udp_counters {
	uint64_t in_dgrams, out_dgrams, dropped, errors, evicted;
};
extern struct udp_counters udp_counters;

#endif /* UDP_H */
