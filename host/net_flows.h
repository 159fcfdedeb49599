/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What exists while the host's network changes: each flow is looked at, by its
 * host_changed() of struct flow_ops
 *
 * A full table isn't looked at in one turn.
 */
#ifndef HOST_NET_FLOWS_H
#define HOST_NET_FLOWS_H

#include <stdbool.h>

struct host_addrs;

/* All flows are looked at after each change of net_get() */
void net_flows_init(void);
/* ... and now, as the host has lost these addresses, and has others: what is bound to
 * them would wait for nothing
 */
void net_flows_gone(const struct host_addrs *gone);

/* For host_changed(): can what goes by this socket not go on? Its own address is one of
 * those, or it's bound to an interface that is gone.
 */
bool net_flows_cut(int fd);

#endif /* HOST_NET_FLOWS_H */
