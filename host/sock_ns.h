/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets inside the guest's network namespace, opened ahead of need
 *
 * A socket belongs to the namespace that it was made in; all else (options,
 * bind, listen, connect) is done from here. To make one means to enter the
 * namespace, which costs more than all the rest of a connection: so they are
 * made in batches.
 */
#ifndef HOST_SOCK_NS_H
#define HOST_SOCK_NS_H

#include "util/types.h"

/* A fresh, non-blocking socket in there; SOCK_STREAM or SOCK_DGRAM. Descriptor,
 * which is the caller's, or -errno. From netns_setup() on.
 */
int sock_ns_get(int type, enum family f);

/* A raw socket in there that ICMP or ICMPv6 messages can be sent by, and that
 * receives nothing; or -errno. As long as CAP_NET_RAW is there.
 */
int sock_ns_icmp(enum family f);

/* Its stock is spare: flow_make_room() */
void sock_ns_init(void);
/* End-of-turn hook: make up for what this turn has taken */
void sock_ns_refill(void);

#endif /* HOST_SOCK_NS_H */
