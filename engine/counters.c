// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the list of what is counted, see counters.h */
#include "engine/counters.h"

enum { COUNTER_GROUPS = 24 };

static struct {
	struct counter_group group[COUNTER_GROUPS];
	unsigned count;
} table;

void counters_add(const char *title, const struct counter *rows,
		  unsigned count)
{
	assert(table.count < COUNTER_GROUPS);
	table.group[table.count++] =
		(struct counter_group){ title, rows, count };
}

const struct counter_group *counters_group(unsigned i)
{
	return i < table.count ? &table.group[i] : NULL;
}
