// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: counters of all modules and the flow table, as messages
 *
 * Flow: stats_dump() → dump_begin() says the counters; then each tick of a timer
 * says as many flows as the log takes, so that a long list neither stops networking
 * nor is lost. Whoever asks again meanwhile, or within a second, is answered once,
 * when that is over: signals may come in any number.
 */
#include "engine/stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/counters.h"
#include "engine/flow.h"
#include "engine/loop.h"
#include "engine/timer.h"
#include "util/log.h"

enum {
	STATS_LINE	= 700,		/* characters, then another one */
	DUMP_LINES	= 256,		/* at a time */
	DUMP_TICK_MS	= 10,
	DUMP_GAP_MS	= 1000,		/* from one to the next */
};

static struct {
	struct timer timer;
	unsigned seconds;
	uint64_t seen;			/* bytes at the last print */

	struct timer dump_timer;
	bool dumping, again;
	uint32_t dump_at;		/* flow that is next */
	mono_t dump_begun;
} stats;

/* Asked for: said, quiet or not */
static enum log_level stats_aloud(void)
{
	enum log_level was = log_max;

	log_max = MAX(was, LOG_LVL_INFO);
	return was;
}

/* One row, behind what is in the line already; new length */
static size_t stats_row(char *line, size_t size, size_t len,
			const struct counter *c)
{
	int n = snprintf(line + len, size - len, "%s %" PRIu64 " %s %s",
			 len ? "," : "", *c->where, c->unit, c->help);

	return len + (size_t)MAX(n, 0);
}

/* Those that have a label are told if there were any */
static void stats_group(const struct counter_group *g)
{
	char line[STATS_LINE + 200];
	size_t len = 0;

	for (unsigned i = 0; i < g->count; i++) {
		const struct counter *c = &g->rows[i];

		if (c->label && !*c->where)
			continue;
		len = stats_row(line, sizeof(line), len, c);
		if (len < STATS_LINE)
			continue;
		info("%s:%s", g->title, line);
		len = 0;
	}
	if (len)
		info("%s:%s", g->title, line);
}

static void stats_counters(void)
{
	const struct counter_group *g;

	for (unsigned i = 0; (g = counters_group(i)); i++)
		stats_group(g);
}

/* What has moved at all */
static uint64_t stats_bytes(void)
{
	const struct counter_group *g;
	uint64_t sum = 0;

	for (unsigned i = 0; (g = counters_group(i)); i++) {
		for (unsigned k = 0; k < g->count; k++)
			if (!strcmp(g->rows[k].unit, "bytes"))
				sum += *g->rows[k].where;
	}
	return sum;
}

static void dump_flow(const struct flow *f)
{
	const struct flow_ops *ops = flow_ops(f);

	if (!ops)
		return;
	info("flow %u: %s, %s, idle for %" PRId64 " s", flow_index(f),
	     FLOW_STR(f), ops->state(f),
	     mono_sub(loop_now(), ops->active(f)).us / 1000000);
}

static void dump_some(void)
{
	enum log_level was = stats_aloud();

	for (unsigned n = 0; n < DUMP_LINES && log_has_room() &&
			     stats.dump_at < flow_high(); n++)
		dump_flow(flow_at(stats.dump_at++));
	stats.dumping = stats.dump_at < flow_high();
	log_max = was;
}

static void dump_begin(void)
{
	enum log_level was = stats_aloud();

	stats.again = false;
	stats.dump_begun = loop_now();
	stats.dump_at = 0;
	stats_counters();
	log_max = was;
	dump_some();
}

/* The next tick: of this list, or for who has asked meanwhile */
static void dump_wait(void)
{
	mono_t next = mono_add(stats.dump_begun, DUR_MS(DUMP_GAP_MS));

	if (stats.dumping)
		next = mono_add(loop_now(), DUR_MS(DUMP_TICK_MS));
	if (stats.dumping || stats.again)
		timer_set(&stats.dump_timer, TIMER_DUMP, next);
}

static void dump_tick(struct timer *t)
{
	(void)t;
	if (stats.dumping)
		dump_some();
	else
		dump_begin();
	dump_wait();
}

void stats_dump(void)
{
	mono_t next = mono_add(stats.dump_begun, DUR_MS(DUMP_GAP_MS));

	stats.again = true;
	if (!stats.dumping && !mono_before(loop_now(), next))
		dump_begin();
	dump_wait();
}

static void stats_timer(struct timer *t)
{
	uint64_t bytes = stats_bytes();
	enum log_level was = stats_aloud();

	if (bytes != stats.seen)
		stats_counters();
	log_max = was;
	stats.seen = bytes;
	timer_set(t, TIMER_STATS, mono_add(loop_now(), DUR_S(stats.seconds)));
}

static const struct counter stats_rows[] = {
	COUNTER("log_lost", log_lost, "messages", "lost"),
};

void stats_init(unsigned seconds)
{
	counters_add("log", stats_rows, ARRAY_SIZE(stats_rows));
	timer_set_handler(TIMER_DUMP, dump_tick);
	timer_set_handler(TIMER_STATS, stats_timer);
	stats.seconds = seconds;
	stats.dump_begun = mono_add(loop_now(), (dur_t){ -1000000 });
	if (seconds)
		timer_set(&stats.timer, TIMER_STATS,
			  mono_add(loop_now(), DUR_S(seconds)));
}
