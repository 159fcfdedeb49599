// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: timers, see timer.h
 *
 * Data: four levels of 256 lists. A tick is 1024 µs; level 0 holds what is due
 * within 256 ticks, level 1 within 256 * 256, and so on, 50 days in all. A
 * timer lies in the list of the slot of its due tick at the coarsest level that
 * still separates it from now; when the wheel turns into that slot, it cascades
 * down. A bitmap per level finds the next occupied slot without walking.
 *
 * Nobody is woken up for a cascade alone: how long to sleep is what the timers in
 * the slot say, unless they are many; the wheel catches up with its slots when it
 * is run. A busy wheel has something due at level 0 first, and needs no look.
 *
 * Why not a timerfd or a heap: TCP re-arms for nearly every segment. Here that
 * is a store: a timer moved later stays in its slot and moves itself when the
 * slot comes up.
 */
#include "engine/timer.h"

#include <string.h>

enum {
	WHEEL_BITS	= 8,
	WHEEL_SLOTS	= 1 << WHEEL_BITS,
	WHEEL_LEVELS	= 4,
	TICK_SHIFT	= 10,		/* 1024 µs */
	WHEEL_LOOK	= 16,		/* timers of a slot to look at */
};

static struct {
	uint64_t tick;			/* everything before it has fired */
	struct timer *slot[WHEEL_LEVELS][WHEEL_SLOTS];
	uint64_t used[WHEEL_LEVELS][WHEEL_SLOTS / 64];
	timer_handler handler[TIMER_KINDS];
	int64_t base_us;		/* time of tick 0 */
} wheel;

static uint64_t timer_tick_floor(mono_t t)
{
	return (uint64_t)(t.us - wheel.base_us) >> TICK_SHIFT;
}

/* First tick at or after t, the next one for what has passed */
static uint64_t timer_tick_ceil(mono_t t)
{
	int64_t us = t.us - wheel.base_us + (1 << TICK_SHIFT) - 1;

	return MAX(us < 0 ? 0 : (uint64_t)us >> TICK_SHIFT, wheel.tick);
}

static void timer_unlink(struct timer *t)
{
	if (!t->pprev)
		return;
	*t->pprev = t->next;
	if (t->next)
		t->next->pprev = t->pprev;
	t->pprev = NULL;
}

/* Put into the list of the slot for t->slot_tick, which isn't in the past */
static void timer_link(struct timer *t)
{
	uint32_t ahead = t->slot_tick ^ (uint32_t)wheel.tick;
	struct timer **head;
	unsigned level = 0;
	unsigned idx;

	while (level < WHEEL_LEVELS - 1 && ahead >> (WHEEL_BITS * (level + 1)))
		level++;
	idx = t->slot_tick >> (WHEEL_BITS * level) & (WHEEL_SLOTS - 1);
	head = &wheel.slot[level][idx];
	wheel.used[level][idx / 64] |= 1ULL << idx % 64;

	t->next = *head;
	if (t->next)
		t->next->pprev = &t->next;
	t->pprev = head;
	*head = t;
}

void timer_init(mono_t now)
{
	memset(&wheel.slot, 0, sizeof(wheel.slot));
	memset(&wheel.used, 0, sizeof(wheel.used));
	wheel.tick = 0;
	wheel.base_us = now.us;
}

void timer_set_handler(enum timer_kind kind, timer_handler fn)
{
	wheel.handler[kind] = fn;
}

void timer_set(struct timer *t, enum timer_kind kind, mono_t when)
{
	/* Ticks are compared modulo 2^32: no timer is set 24 days ahead */
	uint32_t tick = (uint32_t)timer_tick_ceil(when);

	t->kind = (uint8_t)kind;
	t->deadline = tick;
	t->armed = true;
	if (t->pprev && (int32_t)(t->slot_tick - tick) <= 0)
		return;			/* its slot comes first: moves then */
	timer_unlink(t);
	t->slot_tick = tick;
	timer_link(t);
}

void timer_cancel(struct timer *t)
{
	t->armed = false;
	timer_unlink(t);
}

bool timer_is_armed(const struct timer *t)
{
	return t->armed;
}

mono_t timer_deadline(const struct timer *t)
{
	int32_t ahead = (int32_t)(t->deadline - (uint32_t)wheel.tick);

	return (mono_t){ wheel.base_us +
			 (((int64_t)wheel.tick + ahead) << TICK_SHIFT) };
}

/* The bitmap of a level says which slots may be occupied: the first one at or
 * after `from`, wrapping; -1 if none
 */
static int timer_next_marked(unsigned level, unsigned from)
{
	for (unsigned i = 0; i <= WHEEL_SLOTS / 64; i++) {
		unsigned word = (from / 64 + i) % (WHEEL_SLOTS / 64);
		uint64_t bits = wheel.used[level][word];

		if (!i)
			bits &= ~0ULL << from % 64;
		if (i == WHEEL_SLOTS / 64)
			bits &= ~(~0ULL << from % 64);
		if (bits)
			return (int)(word * 64) + __builtin_ctzll(bits);
	}
	return -1;
}

/* The same for those that are; marks of slots that all have left go */
static int timer_next_used(unsigned level, unsigned from)
{
	int idx = timer_next_marked(level, from);

	while (idx >= 0 && !wheel.slot[level][idx]) {
		wheel.used[level][idx / 64] &= ~(1ULL << idx % 64);
		idx = timer_next_marked(level, from);
	}
	return idx;
}

/* Ticks from wheel.tick until the first occupied slot of a level begins, which is
 * *ret_idx; -1: there is none
 */
static int64_t timer_slot_ticks(unsigned level, unsigned *ret_idx)
{
	unsigned shift = WHEEL_BITS * level;
	unsigned cur = (unsigned)(wheel.tick >> shift) & (WHEEL_SLOTS - 1);
	int idx = timer_next_used(level, cur);
	int64_t ticks;

	if (idx < 0)
		return -1;
	*ret_idx = (unsigned)idx;
	ticks = ((int64_t)((unsigned)idx - cur) & (WHEEL_SLOTS - 1)) << shift;
	ticks -= (int64_t)(wheel.tick & ((1U << shift) - 1));
	return MAX(ticks, 0);
}

/* Ticks from wheel.tick until something in a slot is due, which begins after
 * `start` ticks: not later than its end, as there may be others behind it
 */
static int64_t timer_due_in(unsigned level, unsigned idx, int64_t start)
{
	int64_t due = start + (1LL << (WHEEL_BITS * level));
	const struct timer *t = wheel.slot[level][idx];

	for (unsigned i = 0; t; t = t->next) {
		int32_t ahead = (int32_t)(t->deadline - (uint32_t)wheel.tick);

		if (i++ == WHEEL_LOOK)
			return start;
		due = MIN(due, MAX(ahead, start));
	}
	return due;
}

/* Ticks from wheel.tick until the next slot begins: one of an upper level is to
 * cascade then. Or, `due`, until a timer is due. -1: nothing at all
 */
static int64_t timer_next_ticks(bool due)
{
	int64_t best = -1;
	unsigned idx;

	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		int64_t ticks = timer_slot_ticks(level, &idx);

		if (ticks < 0 || (best >= 0 && ticks >= best))
			continue;
		if (due && level)
			ticks = timer_due_in(level, idx, ticks);
		if (best < 0 || ticks < best)
			best = ticks;
	}
	return best;
}

int timer_timeout_ms(mono_t now)
{
	int64_t ticks = timer_next_ticks(true);
	int64_t us;

	if (ticks < 0)
		return -1;
	us = wheel.base_us +
	     (((int64_t)wheel.tick + ticks) << TICK_SHIFT) - now.us;
	if (us <= 0)
		return 0;
	return (int)MIN((us + 999) / 1000, 3600 * 1000);
}

/* Empty the slot of a level that `tick` is in: what is due fires, what has been
 * moved to later or came from a coarser level finds its new slot.
 */
static void timer_run_slot(unsigned level, uint64_t tick)
{
	unsigned idx = (unsigned)(tick >> (WHEEL_BITS * level)) &
		       (WHEEL_SLOTS - 1);
	struct timer *list = wheel.slot[level][idx];

	/* Handlers may arm and cancel anything, so take the list over first */
	wheel.slot[level][idx] = NULL;
	wheel.used[level][idx / 64] &= ~(1ULL << idx % 64);
	if (list)
		list->pprev = &list;

	while (list) {
		struct timer *t = list;

		timer_unlink(t);
		if (!t->armed)
			continue;
		if ((int32_t)(t->deadline - (uint32_t)tick) > 0) {
			t->slot_tick = t->deadline;
			timer_link(t);
			continue;
		}
		t->armed = false;
		if (wheel.handler[t->kind])
			wheel.handler[t->kind](t);
	}
}

/* Everything that is due at `tick`, which is wheel.tick */
static void timer_run_tick(uint64_t tick)
{
	for (unsigned level = WHEEL_LEVELS - 1; level; level--)
		if (!(tick & ((1ULL << (WHEEL_BITS * level)) - 1)))
			timer_run_slot(level, tick);

	/* From here on, "as soon as possible" is the next tick */
	wheel.tick = tick + 1;
	timer_run_slot(0, tick);
}

void timer_run(mono_t now)
{
	uint64_t target = timer_tick_floor(now);

	while (target >= wheel.tick) {
		int64_t ticks = timer_next_ticks(false);

		if (ticks < 0 || (uint64_t)ticks > target - wheel.tick) {
			wheel.tick = target + 1;
			return;
		}
		wheel.tick += (uint64_t)ticks;
		timer_run_tick(wheel.tick);
	}
}
