// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: pesto's protocol, the daemon's end, see pesto_wire.h for the bytes
 *
 * Data: of the one client: a copy of the tables as they were when it came, which
 * it is sent; and then, in the same place, the tables that it sends.
 *
 * Flow: hello and tables are sent piece by piece. What comes is read rule by rule;
 * with its last byte the change is made: fwd_table_replace() for each table,
 * listen_sync() for all together. The client hears of the outcome if it still
 * listens once it has said all.
 */
#include "ctl/pesto_proto.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ctl/api_server.h"
#include "ctl/rules.h"
#include "engine/conf_types.h"
#include "fwd/fwd_table.h"
#include "fwd/pesto_wire.h"
#include "util/log.h"

enum {
	PATIENCE_S	= 5,
	TABLES		= 2,
};

/* Where a client is with what it says */
enum step {
	STEP_TABLE,			/* pif and count, or the end */
	STEP_RULES,
	STEP_REFUSED,			/* what comes is thrown away */
	STEP_END,			/* done: it should say no more */
};

static const struct {
	enum pesto_pif pif;
	enum flow_side_name side;
	const char *name;
} tables[TABLES] = {
	{ PESTO_HOST, HOST, "HOST" },
	{ PESTO_SPLICE, GUEST, "SPLICE" },
};

struct table {
	bool given;			/* by the client */
	uint32_t count;
	struct fwd_rule rule[PESTO_RULES_MAX];
};

/* One client: see api_ops.clients */
static struct {
	/* What it is sent */
	bool hello, end;		/* that has been */
	unsigned table;			/* which comes next */
	bool head;			/* of that table: has been */
	uint32_t rule;			/* of it, which comes next */
	uint32_t newest;		/* id of the last rule it knows of */

	/* What it says */
	enum step step;
	bool began;			/* at all */
	uint32_t expected;		/* rules still to come */
	enum pesto_outcome outcome;
	char text[PESTO_TEXT_MAX];
} client;

/* Apart, since only what is used takes room */
static struct table change[TABLES];

/* ---- What it is sent ---- */

static void take_copy(void)
{
	for (unsigned i = 0; i < TABLES; i++) {
		const struct fwd_slot *s = NULL;
		struct table *t = &change[i];

		t->given = false;
		t->count = 0;
		while (t->count < PESTO_RULES_MAX &&
		       (s = fwd_table_next(tables[i].side, s)))
			t->rule[t->count++] = s->rule;
	}
	client.newest = fwd_table_newest();
}

static bool is_too_long(void)
{
	return fwd_table_count(HOST) > PESTO_RULES_MAX ||
	       fwd_table_count(GUEST) > PESTO_RULES_MAX;
}

static void opened(struct api_client *c)
{
	memset(&client, 0, sizeof(client));
	take_copy();
	if (!is_too_long())
		return;
	warn_limited("More rules than pesto can be told of (%u)", PESTO_RULES_MAX);
	c->ending = true;
	client.end = true;
}

static void put_head(struct wr *wr, unsigned i)
{
	char name[PESTO_NAME_LEN] = "";

	snprintf(name, sizeof(name), "%s", tables[i].name);
	wr_u8(wr, (uint8_t)tables[i].pif);
	wr_bytes(wr, name, sizeof(name));
	wr_u32(wr, fwd_table_allowed(tables[i].side) & FWD_CAN_ALL);
	wr_u32(wr, change[i].count);
}

/* Next part of the tables; false: there is no room for it */
static bool put_tables(struct wr *wr)
{
	const struct table *t = &change[client.table];

	/* There may be no such direction at all */
	if (client.table < TABLES &&
	    !fwd_table_allowed(tables[client.table].side)) {
		client.table++;
		return true;
	}
	if (client.table == TABLES) {
		wr_u8(wr, PESTO_END);
		client.end = true;
	} else if (!client.head) {
		put_head(wr, client.table);
		client.head = true;
	} else if (client.rule < t->count) {
		pesto_put_rule(wr, &t->rule[client.rule]);
		client.rule++;
	} else {
		client.table++;
		client.head = false;
		client.rule = 0;
	}
	return !wr->bad;
}

static void more(struct api_client *c)
{
	struct wr wr = wr_init(c->out + c->out_len, api_room(c));

	if (client.end)
		return;
	if (!client.hello)
		pesto_put_hello(&wr);
	client.hello = true;
	while (!client.end && wr.size - wr.len >= PESTO_TABLE_LEN)
		put_tables(&wr);
	c->out_len += wr.len;
}

/* ---- What it says ---- */

__attribute__((format(printf, 1, 2)))
static void refuse(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(client.text, sizeof(client.text), fmt, ap);
	va_end(ap);
	client.outcome = PESTO_REFUSED;
	client.step = STEP_REFUSED;
	warn_limited("pesto: %s", client.text);
}

static void apply(void)
{
	char why[FWD_ERR_LEN];
	int rc = 0;

	client.step = STEP_END;
	for (unsigned i = 0; i < TABLES && !rc; i++) {
		const struct table *t = &change[i];

		if (t->given)
			rc = fwd_table_replace(tables[i].side, t->rule,
					       t->count, client.newest, why);
	}
	if (rc)
		refuse("%s", why);
	else if (rules_apply("pesto", client.text, sizeof(client.text)))
		client.outcome = PESTO_REFUSED;
}

static struct table *table_of(uint8_t pif)
{
	for (unsigned i = 0; i < TABLES; i++) {
		if (tables[i].pif == (enum pesto_pif)pif)
			return &change[i];
	}
	return NULL;
}

/* Which table is being read: the last one that was given */
static struct table *reading;

static void take_table(struct rd *rd)
{
	uint8_t pif = rd_u8(rd);
	uint32_t count = rd_u32(rd);

	if (rd->bad)
		return;
	reading = table_of(pif);
	if (!reading && count) {
		refuse("There are no rules of interface number %u", pif);
		return;
	}
	if (count > PESTO_RULES_MAX) {
		refuse("Too many forwarding rules (maximum %u)",
		       PESTO_RULES_MAX);
		return;
	}
	if (!reading)
		return;
	reading->given = true;
	reading->count = 0;
	client.expected = count;
	if (count)
		client.step = STEP_RULES;
}

static void take_rule(struct rd *rd)
{
	struct fwd_rule r = pesto_get_rule(rd);

	if (rd->bad)
		return;
	reading->rule[reading->count++] = r;
	if (!--client.expected)
		client.step = STEP_TABLE;
}

static void take_step(struct rd *rd)
{
	switch (client.step) {
	case STEP_TABLE:
		client.began = true;
		if (*rd->p == PESTO_END) {
			rd_u8(rd);
			apply();
		} else {
			take_table(rd);
		}
		break;
	case STEP_RULES:
		take_rule(rd);
		break;
	case STEP_END:
	case STEP_REFUSED:
		rd_bytes(rd, rd->left);
		break;
	}
}

/* To who still listens: others have closed, and don't read it */
static void tell(struct api_client *c)
{
	struct wr wr = wr_init(c->out, api_room(c));
	size_t len;

	c->ending = true;
	if (!client.began)
		return;
	if (client.step != STEP_END && client.step != STEP_REFUSED)
		refuse("The rules were cut off, nothing is changed");
	len = strlen(client.text);
	wr_u8(&wr, (uint8_t)client.outcome);
	wr_u32(&wr, (uint32_t)len);
	wr_bytes(&wr, client.text, len);
	c->out_len = wr.len;
}

static bool input(struct api_client *c)
{
	struct rd rd = rd_init(c->in, c->in_len);
	size_t taken = 0;

	while (rd.left) {
		take_step(&rd);
		if (rd.bad)
			break;
		taken = c->in_len - rd.left;
	}
	api_consume(c, taken);
	if (c->eof && !c->ending) {
		tell(c);
		return true;
	}
	return taken;
}

void pesto_open(const struct conf *c)
{
	if (*c->conf_path)
		api_open(API_PESTO, c->conf_path, "--conf-path", false);
}

void pesto_start(void)
{
	static const struct api_ops ops = {
		.clients = API_PESTO_CLIENTS,
		.patience_s = PATIENCE_S,
		.hurry = true,
		.opened = opened,
		.input = input,
		.more = more,
	};

	api_start(API_PESTO, &ops);
}
