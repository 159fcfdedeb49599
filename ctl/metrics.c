// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: what is counted, by the control socket: as JSON, and as Prometheus wants it
 *
 * Both walk the one table of counters (counters.h), a row at a time: the cursor is
 * the group, and the row in it. Rows of one name are one metric, with a label.
 *
 * Standards: the text format of Prometheus, 0.0.4.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl_int.h"
#include "engine/counters.h"
#include "engine/flow.h"
#include "fwd/fwd_table.h"

enum {
	ROW_BITS	= 16,
	WALK		= 2048,		/* flows looked at, at a time */
	METRIC_LEN	= 128,
	HELP_LEN	= 256,
	US_PER_S	= 1000000,
};

/* The row that is the histogram's sum */
static const char SUM[] = "busy_us";

/* Rows that have labels, or are to be something else than the number they are */
static const struct metric_family {
	const char *name;		/* of the rows */
	const char *metric, *type, *label, *help;
} families[] = {
	{ "flows", "passt_flows", "gauge", "type",
	  "Flows that there are" },
	{ "tcp_connections", "passt_tcp_connections", "gauge", "state",
	  "Connections of TCP, but for spliced ones" },
	{ "dropped", "passt_dropped_total", "counter", "reason",
	  "Frames, packets and flows that were dropped or failed" },
	{ "turn_us", "passt_turn_seconds", "histogram", "le",
	  "How long a turn of the loop takes" },
};

static const struct metric_family *family_of(const struct counter *c)
{
	for (unsigned i = 0; i < ARRAY_SIZE(families); i++) {
		if (!strcmp(families[i].name, c->name))
			return &families[i];
	}
	return NULL;
}

/* The row at a cursor, which moves on to the next one; NULL behind the last */
static const struct counter *next_row(uint64_t *cursor,
				      const struct counter **ret_before)
{
	const struct counter_group *g;

	while ((g = counters_group((unsigned)(*cursor >> ROW_BITS)))) {
		unsigned row = *cursor & ((1U << ROW_BITS) - 1);

		if (row < g->count) {
			*ret_before = row ? &g->rows[row - 1] : NULL;
			(*cursor)++;
			return &g->rows[row];
		}
		*cursor = ((*cursor >> ROW_BITS) + 1) << ROW_BITS;
	}
	return NULL;
}

/* ---- JSON ---- */

static bool next_counter(struct ctl_session *s, struct jsonw *w)
{
	const struct counter *before, *c = next_row(&s->cursor, &before);

	if (!c)
		return false;
	jsonw_open(w, NULL, '{');
	jsonw_str(w, "name", c->name);
	jsonw_str(w, "label", c->label);
	jsonw_uint(w, "value", *c->where);
	jsonw_str(w, "unit", c->unit);
	jsonw_str(w, "help", c->help);
	jsonw_bool(w, "gauge", c->gauge);
	jsonw_close(w, '}');
	return true;
}

void ctl_counters(struct ctl_call *k)
{
	ctl_list(k, "counters", next_counter);
}

/* ---- Prometheus ---- */

static void put(struct jsonw *w, const char *text)
{
	jsonw_raw(w, text, strlen(text));
}

static void put_all(struct jsonw *w, const char *const *text)
{
	for (; *text; text++)
		put(w, *text);
}

static void head(struct jsonw *w, const char *metric, const char *type,
		 const char *help)
{
	put_all(w, (const char *[]){ "# HELP ", metric, " ", help, "\n# TYPE ",
				     metric, " ", type, "\n", NULL });
}

static void sample(struct jsonw *w, const char *metric, const char *label,
		   const char *value, uint64_t v)
{
	char number[24];

	put(w, metric);
	if (label)
		put_all(w, (const char *[]){ "{", label, "=\"", value, "\"}",
					     NULL });
	snprintf(number, sizeof(number), " %" PRIu64 "\n", v);
	put(w, number);
}

/* A number of its own: "frames" "from the guest" */
static void plain_row(struct jsonw *w, const struct counter *c)
{
	char metric[METRIC_LEN], help[HELP_LEN];

	snprintf(metric, sizeof(metric), "passt_%s%s", c->name,
		 c->gauge ? "" : "_total");
	snprintf(help, sizeof(help), "%s %s", c->unit, c->help);
	help[0] = (char)toupper((unsigned char)help[0]);
	head(w, metric, c->gauge ? "gauge" : "counter", help);
	sample(w, metric, NULL, NULL, *c->where);
}

static uint64_t value_of(const char *name)
{
	const struct counter *c, *before;
	uint64_t cursor = 0;

	while ((c = next_row(&cursor, &before))) {
		if (!strcmp(c->name, name))
			return *c->where;
	}
	return 0;
}

/* What a row has counted, and all before it: a bucket counts those below, too */
static uint64_t so_far(const struct counter *c)
{
	uint64_t n = 0, cursor = 0;
	const struct counter *at, *before;

	while ((at = next_row(&cursor, &before))) {
		if (!strcmp(at->name, c->name))
			n += *at->where;
		if (at == c)
			break;
	}
	return n;
}

static void bucket_row(struct jsonw *w, const struct counter *c)
{
	char limit[32], text[64];
	uint64_t sum = value_of(SUM), n = so_far(c);
	unsigned us;

	snprintf(limit, sizeof(limit), "%s", c->label);
	if (sscanf(c->label, "%u", &us) == 1)
		snprintf(limit, sizeof(limit), "%u.%06u", us / US_PER_S,
			 us % US_PER_S);
	sample(w, "passt_turn_seconds_bucket", "le", limit, n);
	if (strcmp(limit, "+Inf"))
		return;
	snprintf(text, sizeof(text), "passt_turn_seconds_sum %" PRIu64
		 ".%06" PRIu64 "\n", sum / US_PER_S, sum % US_PER_S);
	put(w, text);
	sample(w, "passt_turn_seconds_count", NULL, NULL, n);
}

static void labelled_row(struct jsonw *w, const struct metric_family *f,
			 const struct counter *c, const struct counter *before)
{
	if (!before || strcmp(before->name, c->name))
		head(w, f->metric, f->type, f->help);
	if (!strcmp(f->type, "histogram"))
		bucket_row(w, c);
	else
		sample(w, f->metric, f->label, c->label, *c->where);
}

/* What isn't counted anywhere */
static void first_rows(struct jsonw *w, const struct conf *c)
{
	static const char info[] = "passt_build_info";
	head(w, info, "gauge", "What runs here");
	put_all(w, (const char *[]){ info, "{version=\"" VERSION "\",mode=\"",
				     c->mode == MODE_PASTA ? "pasta" :
				     c->mode == MODE_VU ? "vhost-user" :
				     "passt", "\"} 1\n", NULL });
	head(w, "passt_rules", "gauge", "Forwarding rules");
	sample(w, "passt_rules", "direction", "in", fwd_table_count(HOST));
	sample(w, "passt_rules", "direction", "out", fwd_table_count(GUEST));
}

/* Which of those of its type */
static unsigned state_of(const struct flow_ops *ops, const struct flow *f)
{
	const char *state = ops->state(f);
	unsigned i = 0;

	while (ops->states[i] && strcmp(ops->states[i], state))
		i++;
	return i;
}

static void count_state(struct ctl_session *s, const struct flow *f)
{
	const struct flow_ops *ops = flow_ops(f);
	unsigned state;

	if (f->type <= FLOW_NEW || f->type >= FLOW_DEAD || !ops)
		return;
	state = state_of(ops, f);
	if (state < CTL_STATES)
		s->states[f->type][state]++;
}

static void type_states(struct jsonw *w, enum flow_type t, const uint32_t *n)
{
	static const char *const type_name[FLOW_TYPES] = {
		[FLOW_TCP] = "tcp", [FLOW_UDP] = "udp", [FLOW_PING] = "ping",
		[FLOW_SPLICE] = "splice", [FLOW_UDP_SPLICE] = "udp_splice",
	};
	const struct flow_ops *ops = flow_type_ops(t);
	char number[24];

	for (unsigned i = 0; ops && i < CTL_STATES && ops->states[i]; i++) {
		snprintf(number, sizeof(number), "\"} %" PRIu32 "\n", n[i]);
		put_all(w, (const char *[]){
			"passt_flow_states{type=\"", type_name[t],
			"\",state=\"", ops->states[i], number, NULL });
	}
}

/* The last metric, which the whole table is walked for: the cursor is a flow */
static bool states_next(struct ctl_session *s, struct jsonw *w)
{
	for (unsigned i = 0; i < WALK && s->cursor < flow_high(); i++)
		count_state(s, flow_at((uint32_t)s->cursor++));
	if (s->cursor < flow_high())
		return true;
	head(w, "passt_flow_states", "gauge", "Flows that there are");
	for (enum flow_type t = FLOW_NEW + 1; t < FLOW_DEAD; t++)
		type_states(w, t, s->states[t]);
	return false;
}

bool metrics_next(struct ctl_session *s, struct jsonw *w)
{
	const struct counter *before, *c;
	const struct metric_family *f;

	if (!s->cursor)
		first_rows(w, s->conf);
	c = next_row(&s->cursor, &before);
	if (!c) {
		s->next = states_next;
		s->cursor = 0;
		memset(s->states, 0, sizeof(s->states));
		return true;
	}
	f = family_of(c);
	if (f)
		labelled_row(w, f, c, before);
	else if (strcmp(c->name, SUM))
		plain_row(w, c);
	return true;
}
