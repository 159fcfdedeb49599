/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Points in time and durations: distinct types, microseconds
 *
 * Only the loop reads the clock (CLOCK_MONOTONIC); everybody else asks
 * loop_now(), so that tests can run on a clock of their own.
 */
#ifndef UTIL_MONO_H
#define UTIL_MONO_H

#include "util/types.h"

typedef struct { int64_t us; } mono_t;
typedef struct { int64_t us; } dur_t;

#define DUR_US(n)	((dur_t){ (int64_t)(n) })
#define DUR_MS(n)	((dur_t){ (int64_t)(n) * 1000 })
#define DUR_S(n)	((dur_t){ (int64_t)(n) * 1000000 })

static inline mono_t mono_add(mono_t t, dur_t d)
{
	return (mono_t){ t.us + d.us };
}

static inline dur_t mono_sub(mono_t a, mono_t b)
{
	return (dur_t){ a.us - b.us };
}

static inline bool mono_before(mono_t a, mono_t b)
{
	return a.us < b.us;
}

static inline bool dur_lt(dur_t a, dur_t b)
{
	return a.us < b.us;
}

#endif /* UTIL_MONO_H */
