// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: what a fault of the moment has stopped is tried again, see retry.h
 *
 * Flow: retry_later() marks an index in the level of those that have to wait as long
 * as it has, and arms that level's timer unless it is → retry_round() takes the
 * marks of the level, and calls again() for each.
 *
 * Why marks: what is marked twice is tried once, what has ended meanwhile needs no
 * looking for, and there is always room. They cost a bit for each index and level,
 * which is memory that nobody touches as long as there are no faults.
 */
#include "engine/retry.h"

#include "engine/loop.h"

static const unsigned retry_ms[RETRY_LEVELS] = { 1, 10, 100, 1000 };

static uint64_t *retry_marks(const struct retry *r, unsigned level)
{
	return r->marks + (size_t)level * r->words;
}

void retry_later(struct retry *r, uint32_t index, unsigned tries)
{
	unsigned level = MIN(tries, RETRY_LEVELS - 1);
	struct retry_level *l = &r->level[level];

	assert(index / 64 < r->words);
	retry_marks(r, level)[index / 64] |= 1ULL << index % 64;
	l->high = MAX(l->high, index / 64 + 1);
	if (!timer_is_armed(&l->timer))
		timer_set(&l->timer, TIMER_RETRY,
			  mono_add(loop_now(), DUR_MS(retry_ms[level])));
}

static void retry_round(struct timer *t)
{
	struct retry_level *l = container_of(t, struct retry_level, timer);
	struct retry *r = l->retry;
	uint64_t *marks = retry_marks(r, (unsigned)(l - r->level));
	uint32_t high = l->high;

	l->high = 0;
	for (uint32_t i = 0; i < high; i++) {
		uint64_t m = marks[i];

		marks[i] = 0;
		for (; m; m &= m - 1)
			r->again(i * 64 + (uint32_t)__builtin_ctzll(m));
	}
}

void retry_init(struct retry *r, uint64_t *marks, uint32_t words,
		void (*again)(uint32_t index))
{
	r->marks = marks;
	r->words = words;
	r->again = again;
	for (unsigned i = 0; i < RETRY_LEVELS; i++)
		r->level[i].retry = r;
	timer_set_handler(TIMER_RETRY, retry_round);
}
