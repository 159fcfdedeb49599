/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UDP from loopback to loopback: flows that see no frame
 *
 * The client's side of such a flow is a listener, the other one a socket of its
 * own in the other network, connected.
 */
#ifndef SPLICE_UDP_SPLICE_H
#define SPLICE_UDP_SPLICE_H

#include "engine/conf_types.h"
#include "host/dgram.h"
#include "util/iov.h"

/* Once the guest's namespace is there */
void udp_splice_init(const struct conf *c);

/* A flow from a client at listener s, `from` as it sees that, to to->peer in the
 * other network; NULL if it can't be had
 */
struct flow *udp_splice_new(struct dgram_sock *s, const struct flow_side *from,
			    const struct flow_side *to);

/* Datagrams of the client's, one in each piece; they must stay until
 * udp_splice_flush()
 */
void udp_splice_send(struct flow *f, const struct bytes *dgrams);
void udp_splice_flush(void);

/* Tell a client inside, whose datagram came to client->our, that nobody is there */
void udp_splice_refuse(const struct flow_side *client);

#endif /* SPLICE_UDP_SPLICE_H */
