/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whatever is dropped or fails is counted under its reason: drop.def has them */
#ifndef ENGINE_DROP_H
#define ENGINE_DROP_H

#include "engine/counters.h"

enum drop_reason {
#define DROP(reason, name, unit, what, remedy) DROP_##reason,
#include "engine/drop.def"
#undef DROP
	DROP_REASONS,
};

extern uint64_t drop_counts[DROP_REASONS];
/* A row for each, in that order */
extern const struct counter drop_rows[DROP_REASONS];

static inline void drop_n(enum drop_reason reason, uint64_t n)
{
	drop_counts[reason] += n;
}

static inline void drop(enum drop_reason reason)
{
	drop_n(reason, 1);
}

/* Why there is no flow: the error of making its socket or of connecting it, positive */
enum drop_reason drop_of_socket(int error);
enum drop_reason drop_of_connect(int error);

#endif /* ENGINE_DROP_H */
