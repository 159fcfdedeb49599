/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one table of counters, for the log and whoever else shows them
 *
 * Each module has rows for its own, and adds them when it begins. Read together,
 * unit and help say in words what a number is: "frames" "from the guest".
 */
#ifndef ENGINE_COUNTERS_H
#define ENGINE_COUNTERS_H

#include "util/types.h"

struct counter {
	const char *name;		/* of its metric, but for "passt_" */
	const char *label;		/* if several have that name: which */
	const char *unit, *help;
	const uint64_t *where;
	bool gauge;			/* goes down, too */
};

#define COUNTER(name, where, unit, help) \
	{ name, NULL, unit, help, &(where), false }
#define COUNTER_OF(name, label, where, unit, help) \
	{ name, label, unit, help, &(where), false }
#define GAUGE_OF(name, label, where, unit, help) \
	{ name, label, unit, help, &(where), true }

struct counter_group {
	const char *title;
	const struct counter *rows;
	unsigned count;
};

/* Rows and title must stay where they are */
void counters_add(const char *title, const struct counter *rows,
		  unsigned count);
/* The i-th, from 0 on; NULL behind the last */
const struct counter_group *counters_group(unsigned i);

#endif /* ENGINE_COUNTERS_H */
