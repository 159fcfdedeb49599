/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What changes in the host's network, as rtnetlink tells all who listen */
#ifndef HOST_NL_WATCH_H
#define HOST_NL_WATCH_H

#include <linux/netlink.h>

#include "util/types.h"

/* Listen to changes of links, addresses and routes, in this network namespace. A
 * socket, readable when there is news, or -errno.
 */
int nl_watch_open(void);

/* Read what has come, not all if it is much: true if something matters. Then ask for
 * what is so now. Messages are whole, their contents may be anything. NULL: some are
 * missing, as it was too much for the kernel, too.
 */
bool nl_watch_read(int fd, bool (*matters)(struct nlmsghdr *nh));

#endif /* HOST_NL_WATCH_H */
