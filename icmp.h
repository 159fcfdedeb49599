/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ICMP and ICMPv6 echo between the guest and ping sockets */
#ifndef ICMP_H
#define ICMP_H

#include "frame/frame_parse.h"

void icmp_init(void);
/* An ICMP or ICMPv6 message of the guest; all but echo requests are dropped */
void icmp_input(const struct pkt *pkt);

#endif /* ICMP_H */
