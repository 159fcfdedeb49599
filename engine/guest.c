// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the guest's addresses, see guest.h
 *
 * Data: a short list, in no order. What was given to the guest is never
 * replaced; of the others, the one that is there for the longest time.
 *
 * A guest that gets another address instead of its old one can't be told from
 * one that has both, but by what it goes on to use: a new address makes the
 * others of its kind doubtful until they are seen again. What was given isn't
 * doubted: a guest that is a router for others shows new addresses all the time.
 */
#include "engine/guest.h"

#include "util.h"

/* Index of its entry, or -1 */
static int guest_find(const struct guest_addrs *g, const struct addr *a)
{
	for (unsigned i = 0; i < g->count; i++)
		if (addr_eq(&g->all[i].addr, a))
			return (int)i;
	return -1;
}

/* An entry for one that isn't there; NULL if all are given ones */
static struct guest_addr *guest_add(struct guest_addrs *g, const struct addr *a)
{
	struct guest_addr *e = NULL;

	if (g->count < GUEST_ADDRS_MAX)
		e = &g->all[g->count++];
	for (unsigned i = 0; i < GUEST_ADDRS_MAX && !e; i++) {
		unsigned at = g->next++ % GUEST_ADDRS_MAX;

		e = g->all[at].given ? NULL : &g->all[at];
	}
	if (e)
		*e = (struct guest_addr){ .addr = *a };
	return e;
}

void guest_addrs_give(struct guest_addrs *g, const struct addr *a)
{
	int at = guest_find(g, a);
	struct guest_addr *e = at < 0 ? guest_add(g, a) : &g->all[at];

	if (!e)
		return;
	e->given = true;
	e->doubtful = false;
}

void guest_addrs_give_all(struct guest_addrs *g, const struct addr *a,
			  unsigned n)
{
	for (unsigned i = 0; i < g->count; i++)
		g->all[i].given = false;
	for (unsigned i = 0; i < n; i++)
		guest_addrs_give(g, &a[i]);
}

/* Where one has left, another of its kind takes over */
static bool guest_same_kind(const struct addr *a, const struct addr *b)
{
	return addr_is_v4(a) == addr_is_v4(b) &&
	       (addr_is_v4(a) || addr_is_linklocal(a) == addr_is_linklocal(b));
}

static void guest_see_new(struct guest_addrs *g, const struct addr *a)
{
	for (unsigned i = 0; i < g->count; i++)
		if (guest_same_kind(&g->all[i].addr, a))
			g->all[i].doubtful = !g->all[i].given;
	guest_add(g, a);
}

void guest_addrs_see(struct guest_addrs *g, const struct addr *a, bool last)
{
	int at = guest_find(g, a);

	if (at < 0)
		guest_see_new(g, a);
	else
		g->all[at].doubtful = false;
	if (!last)
		return;
	if (addr_is_v4(a))
		g->v4 = *a;
	else if (addr_is_linklocal(a))
		g->v6_ll = *a;
	else
		g->v6 = *a;
}

bool guest_addrs_have(const struct guest_addrs *g, const struct addr *a)
{
	return addr_eq(a, &g->v4) || addr_eq(a, &g->v6) ||
	       addr_eq(a, &g->v6_ll) || guest_find(g, a) >= 0;
}

bool guest_addrs_reach(const struct guest_addrs *g, const struct addr *a)
{
	int at = guest_find(g, a);

	return at >= 0 && !g->all[at].doubtful;
}
