/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses that DNS gave for names which the policy knows
 *
 * A bounded static table: (address, node of the policy's names) with the time
 * until which it holds, and the name that was asked for. Links of an address are
 * sorted by `key`, the first rule that could match them, so that who looks for
 * the first match can stop early.
 */
#ifndef FWD_LEARNED_H
#define FWD_LEARNED_H

#include "util/addr.h"
#include "util/dnsname.h"
#include "util/mono.h"

enum { LEARNED_MAX = 32768 };

struct learned {
	struct addr addr;
	mono_t until;
	uint32_t node, key;
	uint32_t next;			/* hash chain, index + 1 */
	char name[DNSNAME_TEXT_LEN];
};

void learned_init(void);

/* Learn, or prolong. A full table loses what ends soonest of a sample. */
void learned_put(const struct addr *a, const char *name, uint32_t node,
		 uint32_t key, mono_t until, mono_t now);

/* The links of an address that hold now: the first one, by key, and the next
 * after one; NULL: no more
 */
const struct learned *learned_first(const struct addr *a, mono_t now);
const struct learned *learned_next(const struct learned *l, mono_t now);

/* Each link's node and key anew, for another policy: `find` gives them for a
 * name, or false if no rule has it any more
 */
void learned_renew(bool (*find)(const char *name, uint32_t *ret_node,
				uint32_t *ret_key));

/* For lists: all links, index from 0; NULL behind the last one. Entries that are
 * free have no address.
 */
const struct learned *learned_at(uint32_t index);
unsigned learned_count(void);

#endif /* FWD_LEARNED_H */
