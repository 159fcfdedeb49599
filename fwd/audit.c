// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the record of what the guest talks to, see audit.h
 *
 * Data: for each flow, by its index, its number; pages of flows that never were
 * cost nothing. Lines are put together on the stack, and written by the thread that
 * writes files.
 */
#include "fwd/audit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/flow.h"
#include "fwd/policy.h"
#include "util/ringfile.h"
#include "util/wire.h"
#include "util/writer.h"

enum {
	LINE_MAX_	= 4096,
	TOLD		= 1024,		/* denials that are remembered */
	TOLD_S		= 30,
};

struct told {
	uint64_t hash;
	mono_t when;
};

bool audit_on;
uint64_t audit_lost;

static struct {
	struct ringfile file;
	uint64_t ids;
	uint64_t lost;			/* not told yet */
	struct told told[TOLD];
} audit = { .file = { .fd = -1 } };

/* Apart, since what isn't zero at the start takes room in the binary */
static uint64_t audit_ids[FLOW_MAX];	/* 0: none */

/* A line in the making; what doesn't fit is cut off */
struct line {
	char text[LINE_MAX_];
	size_t len;
};

__attribute__((format(printf, 2, 3)))
static void line_add(struct line *l, const char *fmt, ...)
{
	size_t room = sizeof(l->text) - l->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(l->text + l->len, room, fmt, ap);
	va_end(ap);
	l->len += MIN((size_t)MAX(n, 0), room - 1);
}

/* ,"key":"text", with what JSON wants escaped */
static void line_text(struct line *l, const char *key, const char *text)
{
	line_add(l, ",\"%s\":\"", key);
	for (; *text; text++) {
		uint8_t c = (uint8_t)*text;

		if (c == '"' || c == '\\')
			line_add(l, "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			line_add(l, "\\u%04x", c);
		else
			line_add(l, "%c", c);
	}
	line_add(l, "\"");
}

/* RFC 3339, in UTC; the C library's would look for a time zone */
static void line_begin(struct line *l, const char *event)
{
	unsigned days, sec, era_day, year, month, day;
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	days = (unsigned)(ts.tv_sec / 86400);
	sec = (unsigned)(ts.tv_sec % 86400);
	/* Years from March on, of which 400 have 146097 days; since 0000-03-01 */
	days += 719468;
	era_day = days % 146097;
	year = (era_day - era_day / 1460 + era_day / 36524 - era_day / 146096) /
	       365;
	day = era_day - (365 * year + year / 4 - year / 100);
	month = (5 * day + 2) / 153;
	day = day - (153 * month + 2) / 5 + 1;
	year += days / 146097 * 400 + (month >= 10);
	month = month < 10 ? month + 3 : month - 9;
	l->len = 0;
	line_add(l, "{\"time\":\"%04u-%02u-%02uT%02u:%02u:%02u.%03uZ\","
		 "\"event\":\"%s\"", year, month, day, sec / 3600,
		 sec / 60 % 60, sec % 60, (unsigned)(ts.tv_nsec / 1000000),
		 event);
}

static void audit_write(const void *line, size_t len)
{
	if (!ringfile_write(&audit.file, line, len))
		__atomic_add_fetch(&audit_lost, 1, __ATOMIC_RELAXED);
}

static bool line_put(struct line *l)
{
	line_add(l, "}\n");
	return writer_try(audit_write, l->text, l->len);
}

static void line_end(struct line *l)
{
	struct line lost;

	if (audit.lost) {
		line_begin(&lost, "lost");
		line_add(&lost, ",\"lines\":%" PRIu64, audit.lost);
		if (line_put(&lost))
			audit.lost = 0;
	}
	if (audit.lost || !line_put(l)) {
		audit.lost++;
		__atomic_add_fetch(&audit_lost, 1, __ATOMIC_RELAXED);
	}
}

static const char *proto_name(uint8_t proto)
{
	return proto == PROTO_TCP ? "tcp" : proto == PROTO_UDP ? "udp" : "icmp";
}

/* Whom it is about */
static void line_flow(struct line *l, uint8_t proto,
		      const struct flow_side *from, const struct flow_side *to,
		      uint32_t rule, const char *name)
{
	line_text(l, "rule", policy_rule_print(rule,
					       (char[POLICY_STRLEN]){ 0 }));
	line_text(l, "proto", proto_name(proto));
	if (proto == PROTO_TCP || proto == PROTO_UDP) {
		line_text(l, "from", ENDPOINT_STR(&from->peer,
						  from->peer_port));
		line_text(l, "to", ENDPOINT_STR(&from->our, from->our_port));
		if (to && !addr_eq(&to->peer, &from->our))
			line_text(l, "via", ENDPOINT_STR(&to->peer,
							 to->peer_port));
	} else {
		line_text(l, "from", ADDR_STR(&from->peer));
		line_text(l, "to", ADDR_STR(&from->our));
		if (to && !addr_eq(&to->peer, &from->our))
			line_text(l, "via", ADDR_STR(&to->peer));
	}
	if (name && *name)
		line_text(l, "name", name);
}

void audit_open(int fd, size_t max)
{
	ringfile_init(&audit.file, fd, max);
}

void audit_start(void)
{
	if (audit.file.fd < 0)
		return;
	/* A pipe has nothing that could be in the way */
	(void)!ftruncate(audit.file.fd, 0);
	audit_on = true;
}

void audit_begin(const struct flow *f, uint32_t rule, const char *name)
{
	uint64_t *id = &audit_ids[flow_index(f)];
	struct line l;

	if (!audit_on)
		return;
	*id = ++audit.ids;
	line_begin(&l, "begin");
	line_add(&l, ",\"id\":%" PRIu64 ",\"begun_by\":\"%s\",\"verdict\":\"allow\"",
		 *id, f->ini == GUEST ? "guest" : "host");
	line_flow(&l, f->proto, &f->side[f->ini], &f->side[!f->ini], rule,
		  name);
	line_end(&l);
}

void audit_forwarded(const struct flow *f)
{
	audit_begin(f, POLICY_FORWARD, NULL);
}

void audit_named(const struct flow *f, const char *name)
{
	uint64_t id = audit_ids[flow_index(f)];
	struct line l;

	if (!audit_on || !id)
		return;
	line_begin(&l, "name");
	line_add(&l, ",\"id\":%" PRIu64, id);
	line_text(&l, "name", name);
	line_end(&l);
}

void audit_end(const struct flow *f, const char *how)
{
	const struct flow_use *use = flow_use(f);
	uint64_t *id = &audit_ids[flow_index(f)];
	struct line l;
	int64_t ms;

	if (!audit_on || !*id)
		return;
	ms = mono_sub(loop_now(), use->begun).us / 1000;
	line_begin(&l, "end");
	line_add(&l, ",\"id\":%" PRIu64 ",\"sent\":%" PRIu64
		 ",\"received\":%" PRIu64 ",\"seconds\":%" PRId64 ".%03" PRId64,
		 *id, use->bytes[GUEST], use->bytes[HOST], ms / 1000,
		 ms % 1000);
	line_text(&l, "end", how);
	line_end(&l);
	*id = 0;
}

/* Has it been told of late? */
static bool audit_told(uint8_t proto, const struct flow_side *from)
{
	uint64_t hash = flow_side_hash(proto, from);
	struct told *t = &audit.told[hash % TOLD];

	if (t->hash == hash && mono_before(loop_now(),
					   mono_add(t->when, DUR_S(TOLD_S))))
		return true;
	*t = (struct told){ hash, loop_now() };
	return false;
}

void audit_deny(uint8_t proto, const struct flow_side *from,
		const struct flow_side *to, uint32_t rule, const char *name)
{
	struct line l;

	if (!audit_on || audit_told(proto, from))
		return;
	line_begin(&l, "deny");
	line_add(&l, ",\"verdict\":\"deny\"");
	line_flow(&l, proto, from, to, rule, name);
	line_end(&l);
}

void audit_query(const char *name, uint16_t type, uint32_t rule)
{
	struct line l;

	if (!audit_on)
		return;
	line_begin(&l, "query");
	line_add(&l, ",\"verdict\":\"deny\"");
	line_text(&l, "rule", policy_rule_print(rule,
						(char[POLICY_STRLEN]){ 0 }));
	line_text(&l, "name", name);
	line_add(&l, ",\"type\":%u", type);
	line_end(&l);
}

void audit_policy(unsigned rules, unsigned ended)
{
	struct line l;

	if (!audit_on)
		return;
	line_begin(&l, "policy");
	line_add(&l, ",\"rules\":%u,\"ended\":%u", rules, ended);
	line_end(&l);
}
