/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The forwarding rules as they are now, of both directions
 *
 * A rule lies in a slot, whose address it keeps for as long as it is there, and
 * has an id, which is never used again. The start fills the table from the
 * configuration; then whoever brings rules changes it the same way:
 *
 *	fwd_table_add(), fwd_table_remove(), …	what shall be different
 *	listen_sync()				make it so, or leave all as it was
 *
 * Between the two a slot may be FWD_NEW or FWD_GOING. listen.c alone ends a
 * change, by fwd_table_commit().
 */
#ifndef FWD_FWD_TABLE_H
#define FWD_FWD_TABLE_H

#include "engine/flow_types.h"
#include "fwd/fwd_rule.h"

enum {
	/* As many ports as there are, asked for one by one at run time, and what
	 * the command line may say
	 */
	FWD_SLOTS_MAX	= UINT16_MAX + 1 + FLOW_SIDES * FWD_RULES_MAX,
};

enum fwd_slot_state {
	FWD_FREE,
	FWD_LIVE,
	FWD_NEW,			/* to come with this change */
	FWD_GOING,			/* to go with it */
};

struct fwd_slot {
	struct fwd_rule rule;
	uint32_t id;			/* from 1 on; 0: FWD_NEW has none yet */
	uint32_t next_changed;		/* slot + 1; 0: the last one */
	uint8_t side;			/* HOST: -t, -u; GUEST: -T, -U */
	uint8_t state;			/* enum fwd_slot_state */
	bool changed;			/* on that list */
};

/* What the rules of a side may ask for: enum fwd_can. Nothing, at first. */
void fwd_table_allow(enum flow_side_name side, unsigned can);
unsigned fwd_table_allowed(enum flow_side_name side);

/* One more rule. 0; or with one line in ret_err (FWD_ERR_LEN bytes):
 *	-EEXIST		this very rule is there
 *	-EADDRINUSE	another one has its ports, or some of them
 *	-EINVAL		it can't be, see fwd_rule_check()
 *	-ENOSPC		there are too many
 * ret_slot, unless NULL: where it is; with -EEXIST, too.
 */
int fwd_table_add(enum flow_side_name side, const struct fwd_rule *r,
		  const struct fwd_slot **ret_slot, char *ret_err);
void fwd_table_remove(const struct fwd_slot *s);
/* These rules instead of those that a side has, up to the one whose id is newest:
 * whoever asks knew of no later ones. What is the same stays as it is; what comes
 * twice is there once. 0 or as above, and the change, whatever else it is about,
 * is off then.
 */
int fwd_table_replace(enum flow_side_name side, const struct fwd_rule *rules,
		      unsigned count, uint32_t newest, char *ret_err);
/* The id that was given last */
uint32_t fwd_table_newest(void);
/* The ports of an automatic rule may be others now */
void fwd_table_touch(const struct fwd_slot *s);

/* The slots that this change is about, one after the other: NULL, first */
struct fwd_slot *fwd_table_changed(const struct fwd_slot *s);
/* Take the change back, as another change: what was to come goes */
void fwd_table_revert(void);
/* The change is done: ids are given, slots become free */
void fwd_table_commit(void);

/* Is it there, or will be? */
static inline bool fwd_slot_is_wanted(const struct fwd_slot *s)
{
	return s->state == FWD_LIVE || s->state == FWD_NEW;
}

/* Slots by number, which a free one has, too */
uint32_t fwd_table_index(const struct fwd_slot *s);
const struct fwd_slot *fwd_table_at(uint32_t index);
/* The slot that a rule lies in */
const struct fwd_slot *fwd_slot_of(const struct fwd_rule *r);
/* This very rule, if it is there; or NULL */
const struct fwd_slot *fwd_table_find(enum flow_side_name side,
				      const struct fwd_rule *r);
/* By id; NULL if it is gone */
const struct fwd_slot *fwd_table_get(uint32_t id);
/* All rules of a side that are there, in the order of their slots: NULL first.
 * A slot that has become free meanwhile is a place to go on from, too.
 */
const struct fwd_slot *fwd_table_next(enum flow_side_name side,
				      const struct fwd_slot *s);
/* How many are there, and how many of them are automatic */
unsigned fwd_table_count(enum flow_side_name side);
unsigned fwd_table_automatic(enum flow_side_name side);

#endif /* FWD_FWD_TABLE_H */
