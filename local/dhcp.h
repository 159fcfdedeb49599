/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DHCPv4 server (RFC 2131) for the one guest */
#ifndef LOCAL_DHCP_H
#define LOCAL_DHCP_H

#include "util/types.h"

struct conf;
struct pkt;

void dhcp_init(const struct conf *c);
/* A UDP datagram over IPv4 from the guest. True if it was for us: taken */
bool dhcp_input(const struct pkt *pkt);

#endif /* LOCAL_DHCP_H */
