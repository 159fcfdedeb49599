/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections of the guest whose connect() hasn't resolved: how many there may be
 *
 * Each has a socket, and a port of the host's that no other connection to the same
 * destination has. The kernel finds one at once while there are many; to a destination
 * that has taken half of them it searches for a millisecond.
 */
#ifndef TCP_TCP_PENDING_H
#define TCP_TCP_PENDING_H

#include "engine/flow_types.h"

/* end(): by a flow's index, forget it: somebody else needs its descriptor, or its
 * entry in the table
 */
void tcp_pending_init(void (*end)(uint32_t index));

/* May one more be opened now, to host->peer? If not, there's nothing to say to the
 * guest, which will ask again: the destination hasn't answered yet, or there is too much
 * of this just now.
 */
bool tcp_pending_allows(const struct flow_side *host);
/* One begins; it ends, whatever came of it */
void tcp_pending_begin(struct flow *f);
void tcp_pending_end(struct flow *f);

/* The list alone, as for a client of a forwarded port, about whom the guest is asked by a
 * SYN: until it has answered, the descriptor may be somebody else's. Off the list, also
 * for who has no descriptor any more, and once more is harmless.
 */
void tcp_pending_list(struct flow *f);
void tcp_pending_unlist(struct flow *f);

#endif /* TCP_TCP_PENDING_H */
