/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UDP: datagram flows between the guest and host sockets */
#ifndef UDP_H
#define UDP_H

#include "engine/conf_types.h"
#include "frame/frame_parse.h"
#include "udp/udp_sock.h"		/* counters */

/* Adopts the UDP sockets of listen.c */
void udp_init(const struct conf *c);
/* A run of n >= 1 datagrams with the same addresses and ports */
void udp_input(const struct pkt *pkts, unsigned n);

#endif /* UDP_H */
