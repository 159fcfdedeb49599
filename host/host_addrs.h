/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's own addresses, for the policy's class "host" */
#ifndef HOST_HOST_ADDRS_H
#define HOST_HOST_ADDRS_H

#include "util/types.h"

/* Read them, in the network namespace of the caller, and tell policy.c, if there is
 * a policy, or may be one later. At the start only: the C library allocates memory
 * for it.
 */
void host_addrs_read(bool maybe_later);

#endif /* HOST_HOST_ADDRS_H */
