/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a fault of the moment has stopped is tried again
 *
 * Descriptors are watched edge-triggered: whoever stops for another reason than
 * EAGAIN (no memory, an interruption, a filter's whim: is_momentary()) hears of his
 * descriptor no more, and would wait for ever. He calls retry_later(), and a moment
 * later his turn comes: after a millisecond, and up to a second if that was in vain.
 */
#ifndef ENGINE_RETRY_H
#define ENGINE_RETRY_H

#include "engine/timer.h"

enum { RETRY_LEVELS = 4 };		/* 1, 10, 100, 1000 ms */

/* One for each kind of things that are known by an index; embedded in its owner */
struct retry {
	void (*again)(uint32_t index);
	uint64_t *marks;		/* a bit for each index, by level */
	uint32_t words;			/* of a level */
	struct retry_level {
		struct timer timer;
		struct retry *retry;
		uint32_t high;		/* words in use */
	} level[RETRY_LEVELS];
};

/* Words of marks for n indices, in each level */
#define RETRY_WORDS(n)	(((n) + 63) / 64)

/* marks: RETRY_LEVELS times `words`, all zero. again() may find that the index is
 * somebody else's by now, and has to cope with that; it may call retry_later().
 */
void retry_init(struct retry *r, uint64_t *marks, uint32_t words,
		void (*again)(uint32_t index));
/* tries: how often it was in vain already, in succession */
void retry_later(struct retry *r, uint32_t index, unsigned tries);

#endif /* ENGINE_RETRY_H */
