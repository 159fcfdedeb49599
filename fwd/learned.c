// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the table of learned addresses, see learned.h
 *
 * Data: LEARNED_MAX links, found by a keyed hash of the address; the guest chooses
 * what is asked for, and a stranger what is answered. Links that have ended stay
 * until somebody needs their place: nothing runs for them.
 */
#include "fwd/learned.h"

#include <string.h>

#include "util.h"
#include "util/siphash.h"

enum {
	BUCKETS	= 16384,
	SAMPLE	= 16,
};

static struct {
	struct siphash_key key;
	uint32_t high, free_head;	/* index + 1 */
	uint32_t clock;			/* where the next sample begins */
	unsigned count;
	uint32_t bucket[BUCKETS];	/* index + 1 */
	struct learned link[LEARNED_MAX];
} tab;

static uint32_t *bucket_of(const struct addr *a)
{
	return &tab.bucket[siphash(&tab.key, a->b, sizeof(a->b)) &
			   (BUCKETS - 1)];
}

static struct learned *link_at(uint32_t index_1)
{
	return index_1 ? &tab.link[index_1 - 1] : NULL;
}

/* Take it out of its chain, and free it */
static void link_drop(struct learned *l)
{
	uint32_t self = (uint32_t)(l - tab.link) + 1;
	uint32_t *at = bucket_of(&l->addr);

	while (*at && *at != self)
		at = &tab.link[*at - 1].next;
	*at = l->next;
	*l = (struct learned){ .next = tab.free_head };
	tab.free_head = self;
	tab.count--;
}

/* The one of a sample that ends soonest makes room */
static void link_evict(void)
{
	struct learned *worst = &tab.link[tab.clock % LEARNED_MAX];

	for (unsigned i = 1; i < SAMPLE; i++) {
		struct learned *l = &tab.link[(tab.clock + i) % LEARNED_MAX];

		if (mono_before(l->until, worst->until))
			worst = l;
	}
	tab.clock = (tab.clock + SAMPLE) % LEARNED_MAX;
	link_drop(worst);
}

static struct learned *link_new(void)
{
	struct learned *l;

	if (!tab.free_head && tab.high == LEARNED_MAX)
		link_evict();
	if (tab.free_head) {
		l = link_at(tab.free_head);
		tab.free_head = l->next;
	} else {
		l = &tab.link[tab.high++];
	}
	tab.count++;
	return l;
}

/* Into the chain, by key */
static void link_hang(struct learned *l)
{
	uint32_t *at = bucket_of(&l->addr);

	while (*at && tab.link[*at - 1].key <= l->key)
		at = &tab.link[*at - 1].next;
	l->next = *at;
	*at = (uint32_t)(l - tab.link) + 1;
}

static const struct learned *link_valid(const struct learned *l,
					const struct addr *a, mono_t now)
{
	while (l && (!addr_eq(&l->addr, a) || mono_before(l->until, now)))
		l = link_at(l->next);
	return l;
}

void learned_init(void)
{
	random_bytes(&tab.key, sizeof(tab.key));
}

void learned_put(const struct addr *a, const char *name, uint32_t node,
		 uint32_t key, mono_t until, mono_t now)
{
	struct learned *l, *next;

	for (l = link_at(*bucket_of(a)); l; l = next) {
		next = link_at(l->next);
		if (addr_eq(&l->addr, a) && l->node == node)
			break;
		if (mono_before(l->until, now))
			link_drop(l);
	}
	if (!l) {
		l = link_new();
		*l = (struct learned){ .addr = *a, .node = node, .key = key };
		link_hang(l);
	}
	if (mono_before(l->until, until))
		l->until = until;
	memset(l->name, 0, sizeof(l->name));
	strncpy(l->name, name, sizeof(l->name) - 1);
}

const struct learned *learned_first(const struct addr *a, mono_t now)
{
	return link_valid(link_at(*bucket_of(a)), a, now);
}

const struct learned *learned_next(const struct learned *l, mono_t now)
{
	return link_valid(link_at(l->next), &l->addr, now);
}

void learned_renew(bool (*find)(const char *name, uint32_t *ret_node,
				uint32_t *ret_key))
{
	memset(tab.bucket, 0, sizeof(tab.bucket));
	tab.free_head = 0;
	tab.count = 0;
	for (uint32_t i = 0; i < tab.high; i++) {
		struct learned *l = &tab.link[i];

		if (!addr_is_none(&l->addr) &&
		    find(l->name, &l->node, &l->key)) {
			link_hang(l);
			tab.count++;
			continue;
		}
		*l = (struct learned){ .next = tab.free_head };
		tab.free_head = i + 1;
	}
}

const struct learned *learned_at(uint32_t index)
{
	return index < tab.high ? &tab.link[index] : NULL;
}

unsigned learned_count(void)
{
	return tab.count;
}
