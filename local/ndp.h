/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Neighbour discovery (RFC 4861): NS, RS answered, RA sent now and then */
#ifndef LOCAL_NDP_H
#define LOCAL_NDP_H

#include "util/types.h"

struct conf;
struct pkt;

void ndp_init(const struct conf *c);
/* An ICMPv6 message from the guest. True if it was one of NDP's (133-137) */
bool ndp_input(const struct pkt *pkt);
/* A link has come up: ask for the guest's configured address, to learn its MAC,
 * and begin to send RAs, which stops by itself once the link is gone.
 */
void ndp_solicit(void);

#endif /* LOCAL_NDP_H */
