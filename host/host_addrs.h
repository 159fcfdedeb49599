/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's own addresses: for the policy's class "host", and to see which go */
#ifndef HOST_HOST_ADDRS_H
#define HOST_HOST_ADDRS_H

#include "fwd/policy.h"
#include "util/addr.h"

/* One more than the policy knows, so that it sees that there are */
enum { HOST_ADDRS_MAX = POLICY_HOSTS_MAX + 1 };

/* Read them, in the network namespace of the caller, and tell policy.c, if there is
 * a policy, or may be one later. At the start only: the C library allocates memory
 * for it.
 */
void host_addrs_read(bool maybe_later);
/* Was there a reason to? Then changes are to be told, too. */
bool host_addrs_wanted(void);

/* Ask by rtnetlink, at an open socket (nl_open()): up to HOST_ADDRS_MAX of them, how
 * many goes to *ret_n. 0 or -errno. Allocates nothing.
 */
int host_addrs_ask(int fd, struct addr *ret, uint32_t *ret_n);

#endif /* HOST_HOST_ADDRS_H */
