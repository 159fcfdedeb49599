/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UDP from loopback to loopback: the far socket of a flow that sees no frame
 *
 * Such a flow is one of udp.c's, which has the listener's side of it, and its
 * expiry. Here is the socket on the other side, one for each flow, connected.
 */
#ifndef SPLICE_UDP_SPLICE_H
#define SPLICE_UDP_SPLICE_H

#include "engine/conf_types.h"
#include "engine/flow.h"

/* Once the guest's namespace is there */
void udp_splice_init(const struct conf *c);

/* Open the far socket of a flow whose sides are known, with the client's port as
 * its source if that is free; 0 or -errno
 */
int udp_splice_open(struct flow *f);
void udp_splice_close(struct flow *f);

/* A datagram of the client's; data must stay until udp_splice_flush() */
void udp_splice_send(struct flow *f, const void *data, size_t len);
void udp_splice_flush(void);

/* Tell a client inside, whose datagram came to client->our, that nobody is there */
void udp_splice_refuse(const struct flow_side *client);

#endif /* SPLICE_UDP_SPLICE_H */
