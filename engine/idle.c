// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: lists of what may be ended to make room, see idle.h
 *
 * Data: for each kind and rank a list, in the order of last use. Whoever is used
 * again within IDLE_GRAIN stays where it is, so that most datagrams cost one
 * comparison. The nodes are in their owners.
 *
 * Who ends first: a question, answered or not, that nobody has been concerned with
 * for a second, the longest idle one; then what was never answered; then
 * questions that were answered just now; at last conversations that have been
 * silent for half a minute. Nothing that was used in this turn. Idle for longer, a
 * conversation is ended by its timer (dgram.c).
 */
#include "engine/idle.h"

#include <limits.h>

#include "engine/loop.h"
#include "util.h"

enum {
	IDLE_GRAIN_MS	= 10,
	IDLE_ASSURED_S	= 2,		/* between first and last use */
	IDLE_QUESTION_S	= 1,
	IDLE_SILENT_S	= 30,
};

static struct {
	struct idle_ops ops[IDLE_KINDS];
	unsigned count[IDLE_KINDS];
	struct idle list[IDLE_KINDS][IDLE_RANKS];	/* heads; next: oldest */
} idle;

void idle_set_ops(enum idle_kind kind, const struct idle_ops *ops)
{
	idle.ops[kind] = *ops;
	for (unsigned r = 0; r < IDLE_RANKS; r++) {
		struct idle *head = &idle.list[kind][r];

		if (!head->next)
			head->prev = head->next = head;
	}
}

void idle_remove(struct idle *n)
{
	if (!n->next)
		return;
	n->prev->next = n->next;
	n->next->prev = n->prev;
	n->prev = n->next = NULL;
	idle.count[n->kind]--;
}

static void idle_append(struct idle *n, enum idle_rank rank)
{
	struct idle *head = &idle.list[n->kind][rank];

	n->rank = (uint8_t)rank;
	n->used = loop_now();
	n->next = head;
	n->prev = head->prev;
	head->prev->next = n;
	head->prev = n;
	idle.count[n->kind]++;
}

void idle_used(struct idle *n, enum idle_kind kind, uint32_t id, mono_t began,
	       bool answered)
{
	enum idle_rank rank = IDLE_ONE_WAY;

	if (answered)
		rank = mono_before(mono_add(began, DUR_S(IDLE_ASSURED_S)),
				   loop_now()) ? IDLE_ASSURED : IDLE_ANSWERED;
	if (n->next && rank <= n->rank &&
	    mono_before(loop_now(), mono_add(n->used, DUR_MS(IDLE_GRAIN_MS))))
		return;
	if (n->next)
		rank = MAX(rank, n->rank);
	idle_remove(n);
	n->kind = (uint8_t)kind;
	n->id = id;
	idle_append(n, rank);
}

/* May the oldest of a list end, as it was idle for so long? */
static bool idle_is_for(const struct idle *head, dur_t limit)
{
	return head->next && head->next != head &&
	       mono_before(mono_add(head->next->used, limit), loop_now());
}

/* The better one to be ended; either may be NULL */
static struct idle *idle_older(struct idle *a, struct idle *b)
{
	if (!a || !b)
		return a ? a : b;
	return mono_before(b->used, a->used) ? b : a;
}

/* Of one kind, the first to go, and in *ret_order how early; NULL if none may */
static struct idle *idle_first(enum idle_kind kind, unsigned *ret_order)
{
	static const struct {
		enum idle_rank rank;
		dur_t limit;
	} steps[] = {
		{ IDLE_ONE_WAY, { 0 } },
		{ IDLE_ANSWERED, { 0 } },
		{ IDLE_ASSURED, DUR_S(IDLE_SILENT_S) },
	};
	struct idle *list = idle.list[kind], *old = NULL;

	for (enum idle_rank r = IDLE_ONE_WAY; r <= IDLE_ANSWERED; r++)
		if (idle_is_for(&list[r], DUR_S(IDLE_QUESTION_S)))
			old = idle_older(old, list[r].next);
	*ret_order = 0;
	if (old)
		return old;
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		*ret_order = i + 1;
		if (idle_is_for(&list[steps[i].rank], steps[i].limit))
			return list[steps[i].rank].next;
	}
	return NULL;
}

bool idle_end_one(enum idle_gain gain, enum idle_kind whose)
{
	unsigned best_order = UINT_MAX, order;
	struct idle *best = NULL, *n;

	for (enum idle_kind k = 0; k < IDLE_KINDS; k++) {
		const struct idle_ops *ops = &idle.ops[k];

		if (!ops->end || !(ops->gain & gain) ||
		    (k != whose && idle.count[k] <= ops->keep))
			continue;
		n = idle_first(k, &order);
		if (!n || order > best_order)
			continue;
		best = order < best_order ? n : idle_older(best, n);
		best_order = order;
	}
	if (!best)
		return false;
	idle.ops[best->kind].end(best->id);
	return true;
}
