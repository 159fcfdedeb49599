// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the table of forwarding rules, see fwd_table.h
 *
 * Data: slots, lowest free one first, so that few pages are in use; the list of
 * those that a change is about. What is asked for often is counted along.
 *
 * Invariant: no two rules that are wanted overlap on the same side. A rule that
 * goes may overlap one that comes: listen.c has them change places.
 *
 * Cost: adding compares with each rule that is there. That is less than the
 * socket costs as long as there are some hundreds, and half a millisecond when
 * all slots are in use.
 */
#include "fwd/fwd_table.h"

#include <errno.h>
#include <stdio.h>

struct fwd_totals {
	unsigned rules, automatic, ports;
};

static struct {
	uint32_t high, low;		/* ever used; none is free below */
	uint32_t changed_head, changed_tail;	/* slot + 1 */
	uint32_t last_id;
	unsigned can[FLOW_SIDES];
	struct fwd_totals total[FLOW_SIDES];	/* of those wanted */
	struct fwd_slot slot[FWD_SLOTS_MAX];
} table;

static struct fwd_slot *own(const struct fwd_slot *s)
{
	return &table.slot[s - table.slot];
}

static void count(const struct fwd_slot *s, int sign)
{
	struct fwd_totals *t = &table.total[s->side];

	if (!fwd_slot_is_wanted(s))
		return;
	t->rules += (unsigned)sign;
	t->ports += (unsigned)sign * fwd_rule_ports(&s->rule);
	if (s->rule.flags & FWD_AUTO)
		t->automatic += (unsigned)sign;
}

static void set_state(struct fwd_slot *s, enum fwd_slot_state state)
{
	count(s, -1);
	s->state = (uint8_t)state;
	count(s, 1);
}

static void note_change(struct fwd_slot *s)
{
	uint32_t self = (uint32_t)(s - table.slot) + 1;

	if (s->changed)
		return;
	s->changed = true;
	s->next_changed = 0;
	if (table.changed_tail)
		table.slot[table.changed_tail - 1].next_changed = self;
	else
		table.changed_head = self;
	table.changed_tail = self;
}

static struct fwd_slot *slot_alloc(void)
{
	while (table.low < table.high &&
	       table.slot[table.low].state != FWD_FREE)
		table.low++;
	if (table.low == FWD_SLOTS_MAX)
		return NULL;
	if (table.low == table.high)
		table.high++;
	return &table.slot[table.low];
}

void fwd_table_allow(enum flow_side_name side, unsigned can)
{
	table.can[side] = can;
}

unsigned fwd_table_allowed(enum flow_side_name side)
{
	return table.can[side];
}

/* The wanted rule that is in r's way, which may be r itself; or NULL */
static struct fwd_slot *find_overlap(enum flow_side_name side,
				     const struct fwd_rule *r)
{
	for (uint32_t i = 0; i < table.high; i++) {
		struct fwd_slot *s = &table.slot[i];

		if (s->side == side && fwd_slot_is_wanted(s) &&
		    fwd_rule_overlaps(&s->rule, r))
			return s;
	}
	return NULL;
}

/* The same rule, if it is to go: it stays. Or NULL. */
static struct fwd_slot *keep(enum flow_side_name side, const struct fwd_rule *r)
{
	for (uint32_t i = 0; i < table.high; i++) {
		struct fwd_slot *s = &table.slot[i];

		if (s->side != side || s->state != FWD_GOING ||
		    !fwd_rule_eq(&s->rule, r))
			continue;
		set_state(s, FWD_LIVE);
		return s;
	}
	return NULL;
}

static int too_many(const char *what, unsigned max, char *ret_err)
{
	snprintf(ret_err, FWD_ERR_LEN, "Too many %s (maximum %u)", what, max);
	return -ENOSPC;
}

int fwd_table_add(enum flow_side_name side, const struct fwd_rule *r,
		  const struct fwd_slot **ret_slot, char *ret_err)
{
	const struct fwd_slot *ignored;
	struct fwd_rule rule = *r;
	struct fwd_slot *s;
	int rc;

	ret_slot = ret_slot ? ret_slot : &ignored;
	rc = fwd_rule_check(&rule, table.can[side], ret_err);
	if (rc)
		return rc;
	s = find_overlap(side, &rule);
	if (s) {
		*ret_slot = s;
		fwd_rule_conflict(&rule, &s->rule, ret_err);
		return fwd_rule_eq(&s->rule, &rule) ? -EEXIST : -EADDRINUSE;
	}
	s = keep(side, &rule);
	if (s) {
		*ret_slot = s;
		return 0;
	}
	if (table.total[side].ports + fwd_rule_ports(&rule) > FWD_SOCKETS_MAX)
		return too_many("forwarded ports", FWD_SOCKETS_MAX, ret_err);
	s = slot_alloc();
	if (!s || table.last_id >= UINT32_MAX - FWD_SLOTS_MAX)
		return too_many("forwarding rules", FWD_SLOTS_MAX, ret_err);
	*s = (struct fwd_slot){ .rule = rule, .side = (uint8_t)side };
	set_state(s, FWD_NEW);
	note_change(s);
	*ret_slot = s;
	return 0;
}

void fwd_table_remove(const struct fwd_slot *s)
{
	if (s->state == FWD_LIVE) {
		set_state(own(s), FWD_GOING);
		note_change(own(s));
	}
}

void fwd_table_touch(const struct fwd_slot *s)
{
	note_change(own(s));
}

int fwd_table_replace(enum flow_side_name side, const struct fwd_rule *rules,
		      unsigned n, uint32_t newest, char *ret_err)
{
	int rc = 0;

	for (uint32_t i = 0; i < table.high; i++) {
		if (table.slot[i].side == side && table.slot[i].id <= newest)
			fwd_table_remove(&table.slot[i]);
	}
	for (unsigned i = 0; i < n && !rc; i++) {
		rc = fwd_table_add(side, &rules[i], NULL, ret_err);
		if (rc == -EEXIST)
			rc = 0;
	}
	if (rc) {
		fwd_table_revert();
		fwd_table_commit();
	}
	return rc;
}

uint32_t fwd_table_newest(void)
{
	return table.last_id;
}

struct fwd_slot *fwd_table_changed(const struct fwd_slot *s)
{
	uint32_t next = s ? s->next_changed : table.changed_head;

	return next ? &table.slot[next - 1] : NULL;
}

void fwd_table_revert(void)
{
	for (struct fwd_slot *s = fwd_table_changed(NULL); s;
	     s = fwd_table_changed(s)) {
		if (s->state == FWD_NEW)
			set_state(s, FWD_GOING);
		else if (s->state == FWD_GOING)
			set_state(s, FWD_LIVE);
	}
}

void fwd_table_commit(void)
{
	struct fwd_slot *s, *next;

	for (s = fwd_table_changed(NULL); s; s = next) {
		next = fwd_table_changed(s);
		s->changed = false;
		if (s->state == FWD_NEW) {
			set_state(s, FWD_LIVE);
			s->id = ++table.last_id;
		} else if (s->state == FWD_GOING) {
			set_state(s, FWD_FREE);
			table.low = MIN(table.low, (uint32_t)(s - table.slot));
		}
	}
	table.changed_head = table.changed_tail = 0;
}

const struct fwd_slot *fwd_slot_of(const struct fwd_rule *r)
{
	static_assert(!offsetof(struct fwd_slot, rule), "one address");
	return (const struct fwd_slot *)(const void *)r;
}

uint32_t fwd_table_index(const struct fwd_slot *s)
{
	return (uint32_t)(s - table.slot);
}

const struct fwd_slot *fwd_table_at(uint32_t index)
{
	assert(index < FWD_SLOTS_MAX);
	return &table.slot[index];
}

const struct fwd_slot *fwd_table_find(enum flow_side_name side,
				      const struct fwd_rule *r)
{
	struct fwd_rule rule = *r;
	char ignored[FWD_ERR_LEN];
	const struct fwd_slot *s;

	if (fwd_rule_check(&rule, table.can[side], ignored))
		return NULL;
	s = find_overlap(side, &rule);
	return s && fwd_rule_eq(&s->rule, &rule) ? s : NULL;
}

const struct fwd_slot *fwd_table_get(uint32_t id)
{
	for (uint32_t i = 0; id && i < table.high; i++) {
		if (table.slot[i].id == id && fwd_slot_is_wanted(&table.slot[i]))
			return &table.slot[i];
	}
	return NULL;
}

const struct fwd_slot *fwd_table_next(enum flow_side_name side,
				      const struct fwd_slot *s)
{
	for (uint32_t i = s ? (uint32_t)(s - table.slot) + 1 : 0;
	     i < table.high; i++) {
		if (table.slot[i].side == side &&
		    fwd_slot_is_wanted(&table.slot[i]))
			return &table.slot[i];
	}
	return NULL;
}

unsigned fwd_table_count(enum flow_side_name side)
{
	return table.total[side].rules;
}

unsigned fwd_table_automatic(enum flow_side_name side)
{
	return table.total[side].automatic;
}
