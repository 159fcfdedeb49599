/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was used, as the policy that would have allowed it (--policy-learn) */
#ifndef FWD_POLICY_USED_H
#define FWD_POLICY_USED_H

#include "util/addr.h"

enum { POLICY_USED_MAX = 16384 };

/* Before anything is remembered */
void policy_used_init(void);

/* Remember; twice is once. A name counts more than an address: give both if the
 * name alone would do. The address is where it leads, on the host's side.
 */
void policy_used_flow(uint8_t proto, const char *name, const struct addr *to,
		      uint16_t port);
/* A name was asked for, and there was an answer */
void policy_used_query(const char *name);

/* The file, from now on ours; -1: none */
void policy_used_open(int fd);
/* Write it anew, with what has been seen so far: names first, ports together.
 * Nothing without a file.
 */
void policy_used_write(void);

#endif /* FWD_POLICY_USED_H */
