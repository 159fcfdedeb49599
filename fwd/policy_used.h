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

/* Write it: names first, ports together. Each line goes to put(line, len, arg),
 * with its end.
 */
void policy_used_print(void (*put)(const char *line, size_t len, void *arg),
		       void *arg);

#endif /* FWD_POLICY_USED_H */
