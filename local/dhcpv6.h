/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DHCPv6 server (RFC 8415) for the one guest */
#ifndef LOCAL_DHCPV6_H
#define LOCAL_DHCPV6_H

#include "util/types.h"

struct conf;
struct pkt;

void dhcpv6_init(const struct conf *c);
/* A UDP datagram over IPv6 from the guest. True if it was for us: taken */
bool dhcpv6_input(const struct pkt *pkt);

#endif /* LOCAL_DHCPV6_H */
