/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's own addresses, for the policy's class "host" */
#ifndef HOST_HOST_ADDRS_H
#define HOST_HOST_ADDRS_H

/* Read them, in the network namespace of the caller, and tell policy.c. At the
 * start only: the C library allocates memory for it.
 */
void host_addrs_read(void);

#endif /* HOST_HOST_ADDRS_H */
