/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The addresses that the guest uses: what it was given, and what is seen of it
 *
 * Pure: what packets and the start tell is noted, and asked for by whoever maps
 * addresses.
 */
#ifndef ENGINE_GUEST_H
#define ENGINE_GUEST_H

#include "util/addr.h"

enum { GUEST_ADDRS_MAX = 64 };

struct guest_addr {
	struct addr addr;
	bool given;			/* by us: stays its own */
	bool doubtful;			/* not seen since another was new */
};

struct guest_addrs {
	/* Each is none if not known */
	struct addr v4, v6;		/* last seen; IPv6: not link-local */
	struct addr v6_ll;
	unsigned count, next;		/* next: to be replaced */
	struct guest_addr all[GUEST_ADDRS_MAX];
};

/* The guest has this address since its start. Beyond GUEST_ADDRS_MAX they are
 * known from when they are seen.
 */
void guest_addrs_give(struct guest_addrs *g, const struct addr *a);
/* From now on these n are what was given, others of before were not */
void guest_addrs_give_all(struct guest_addrs *g, const struct addr *a,
			  unsigned n);

/* A packet of the guest's came from that unicast address. `last`: it's also where
 * the guest is now.
 */
void guest_addrs_see(struct guest_addrs *g, const struct addr *a, bool last);

/* Is it one of the guest's, as far as is known? Maybe from former times. */
bool guest_addrs_have(const struct guest_addrs *g, const struct addr *a);

/* Is the guest to be reached there? As have(), but for what it may have left: since
 * another address was new, nothing came from this one.
 */
bool guest_addrs_reach(const struct guest_addrs *g, const struct addr *a);

#endif /* ENGINE_GUEST_H */
