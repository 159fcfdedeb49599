/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections that only a rule with a name allows: nothing of the guest's leaves
 * before it has said, in TLS or HTTP, that it talks to such a name
 */
#ifndef TCP_TCP_VERIFY_H
#define TCP_TCP_VERIFY_H

#include "engine/flow_types.h"

/* Data of a run, in order, of a connection with conn->verify. Number of bytes that
 * are taken, to be acknowledged; if verify is off then, the others, and all that
 * follow, are for the caller to write. -1: another name, or none: end it.
 */
int tcp_verify(struct flow *f, const struct iovec *iov, unsigned cnt,
	       uint32_t len);

/* The guest ends its stream, and hasn't said a name. 1: it has said nothing at
 * all, so may; 0: what it has said waits for the socket, later; -1: end the
 * connection.
 */
int tcp_verify_end(struct flow *f);

/* The socket takes data again, where it hadn't taken all of what was held. False:
 * end the connection.
 */
bool tcp_verify_writable(struct flow *f);

/* The connection has ended */
void tcp_verify_forget(const struct flow *f);

#endif /* TCP_TCP_VERIFY_H */
