// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the grammar of forwarding rules, see fwd_rule.h
 *
 * Flow: a spec is read twice. The first reading checks the grammar and collects
 * what holds for all of the spec: where to listen, excluded ports (a bitmap),
 * and which kinds of chunk there are. The second one turns ranges into rules,
 * one rule for each run of ports between exclusions. A spec of 65535 ports
 * costs one pass over the bitmap, and no memory for its chunks.
 */
#include "fwd/fwd_rule.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/parse.h"
#include "util/wire.h"

enum {
	PORTS		= UINT16_MAX + 1,
	EPHEMERAL_FIRST	= 49152,	/* RFC 6335, 6 */
	DIGITS_SHOWN	= 20,		/* of a port that is none */
};

enum chunk_kind { CHUNK_RANGE, CHUNK_ALL, CHUNK_AUTO, CHUNK_EXCLUDE,
		  CHUNK_KINDS };

struct chunk {
	enum chunk_kind kind;
	uint16_t first, last;
	uint16_t to_first, to_last;	/* CHUNK_RANGE */
	struct addr target;		/* or none */
};

/* Every port there is, but 0 */
static const struct chunk all_ports = {
	.kind = CHUNK_ALL,
	.first = 1, .last = UINT16_MAX, .to_first = 1, .to_last = UINT16_MAX,
};

struct spec {
	const char *text;
	const char *ports;		/* where its chunks begin */
	const struct fwd_rule_ctx *ctx;
	struct fwd_rule base;		/* what all of its rules have in common */
	bool has[CHUNK_KINDS];
	uint8_t excluded[PORTS / 8];
	char *err;
};

static const char *proto_name(uint8_t proto)
{
	return proto == PROTO_TCP ? "TCP" : "UDP";
}

__attribute__((format(printf, 2, 3)))
static int refuse(char *ret_err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ret_err, FWD_ERR_LEN, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static bool addrs_overlap(const struct fwd_rule *a, const struct fwd_rule *b)
{
	if ((a->flags | b->flags) & FWD_DUAL)
		return true;
	if (addr_family(&a->listen) != addr_family(&b->listen))
		return false;
	return addr_is_any(&a->listen) || addr_is_any(&b->listen) ||
	       addr_eq(&a->listen, &b->listen);
}

bool fwd_rule_overlaps(const struct fwd_rule *a, const struct fwd_rule *b)
{
	return a->proto == b->proto && addrs_overlap(a, b) &&
	       (!*a->ifname || !*b->ifname || !strcmp(a->ifname, b->ifname)) &&
	       a->first <= b->last && b->first <= a->last;
}

bool fwd_rule_same_socket(const struct fwd_rule *a, const struct fwd_rule *b)
{
	return a->proto == b->proto && addr_eq(&a->listen, &b->listen) &&
	       !((a->flags ^ b->flags) & FWD_DUAL) &&
	       !strcmp(a->ifname, b->ifname);
}

bool fwd_rule_eq(const struct fwd_rule *a, const struct fwd_rule *b)
{
	return fwd_rule_same_socket(a, b) && a->flags == b->flags &&
	       addr_eq(&a->target, &b->target) && a->first == b->first &&
	       a->last == b->last && a->to == b->to;
}

void fwd_rule_conflict(const struct fwd_rule *r, const struct fwd_rule *old,
		       char *ret_err)
{
	char new_str[FWD_RULE_STRLEN], old_str[FWD_RULE_STRLEN];

	snprintf(ret_err, FWD_ERR_LEN,
		 "Forwarding configuration conflict: %s versus %s%s",
		 fwd_rule_print(r, new_str), fwd_rule_print(old, old_str),
		 (r->flags ^ old->flags) & FWD_AUTO ?
		 "(both in one: auto,PORT)" : "");
}

/* Rules that no text can say, but a client that sends bytes can; NULL: well */
static const char *malformed(const struct fwd_rule *r)
{
	const enum fwd_rule_flags flags = FWD_DUAL | FWD_WEAK | FWD_AUTO;

	if (r->proto != PROTO_TCP && r->proto != PROTO_UDP)
		return "unknown protocol";
	if (r->flags & ~flags)
		return "unknown flags";
	if (strnlen(r->ifname, IFNAMSIZ) == IFNAMSIZ)
		return "interface name is too long";
	if (r->first > r->last)
		return "range ends before it begins";
	if (!r->first)
		return "attempts to map from port 0";
	if (!r->to)
		return "attempts to map to port 0";
	if (r->to + (fwd_rule_ports(r) - 1) > UINT16_MAX)
		return "attempts to map to ports above 65535";
	if (r->flags & FWD_DUAL && !addr_is_any(&r->listen))
		return "any address, and one";
	if (addr_is_none(&r->target))
		return NULL;
	if (!addr_is_unicast(&r->target))
		return "can't forward to that address";
	if (r->flags & FWD_DUAL ||
	    addr_family(&r->target) != addr_family(&r->listen))
		return "target address isn't of the family listened at";
	return NULL;
}

/* From loopback to loopback: nothing else is listened at */
static bool narrow_to_lo(struct fwd_rule *r)
{
	bool any = addr_is_any(&r->listen);

	if ((!any && !addr_is_loopback(&r->listen)) ||
	    (*r->ifname && strcmp(r->ifname, "lo")) ||
	    !addr_is_none(&r->target))
		return false;
	if (any)
		strcpy(r->ifname, "lo");
	return true;
}

int fwd_rule_check(struct fwd_rule *r, unsigned can, char *ret_err)
{
	const char *name = proto_name(r->proto), *bad = malformed(r);
	bool v4 = addr_is_v4(&r->listen);
	char text[FWD_RULE_STRLEN];

	if (bad)
		return refuse(ret_err, "Can't add forwarding rule: %s", bad);
	if (r->flags & FWD_DUAL)
		r->listen = (struct addr){ { 0 } };
	if (!can)
		return refuse(ret_err,
			      "Can't add forwarding rule, nothing is forwarded that way");
	if (!(can & (r->proto == PROTO_TCP ? FWD_CAN_TCP : FWD_CAN_UDP)))
		return refuse(ret_err,
			      "Can't add %s forwarding rule, %s not enabled",
			      name, name);
	if (!(r->flags & FWD_DUAL) && !(can & (v4 ? FWD_CAN_V4 : FWD_CAN_V6)))
		return refuse(ret_err,
			      "Can't add forwarding rule, %s not enabled: %s",
			      v4 ? "IPv4" : "IPv6", fwd_rule_print(r, text));
	if (r->flags & FWD_AUTO && !(can & FWD_CAN_AUTO))
		return refuse(ret_err,
			      "Can't add forwarding rule, in pasta mode only: %s",
			      fwd_rule_print(r, text));
	if (can & FWD_ONLY_LO && !narrow_to_lo(r))
		return refuse(ret_err,
			      "--splice-only, -T and -U forward from loopback to loopback only, not %s",
			      fwd_rule_print(r, text));
	if (*r->ifname && !(can & FWD_CAN_IFNAME))
		return refuse(ret_err,
			      "Device binding for '%s' unsupported (requires kernel 5.7+)",
			      r->ifname);
	return 0;
}

/* The error of the grammar: what is wrong, and from where on */
static int spec_invalid(const struct spec *s, const char *why, const char *at)
{
	return refuse(s->err, "Invalid port specifier '%.160s': %s '%.160s'",
			 s->text, why, at);
}

/* Something else is there, or nothing */
static int spec_expected(const struct spec *s, const char *what, const char *at)
{
	if (*at)
		return spec_invalid(s, what, at);
	return refuse(s->err, "Invalid port specifier '%.160s': something is missing at its end",
			 s->text);
}

/* Why parse_port_range() refused what is there */
static int spec_no_range(const struct spec *s, const char *at)
{
	const char *p = at;
	unsigned port;
	int digits;

	if (parse_uint(&p, UINT16_MAX, &port) && parse_literal(&p, "-") &&
	    parse_uint(&p, UINT16_MAX, &port))
		return refuse(s->err, "Invalid port specifier '%.160s': range %.*s ends before it begins",
				 s->text, (int)(p - at), at);
	digits = (int)strspn(p, "0123456789");
	if (digits)
		return refuse(s->err, "Invalid port specifier '%.160s': port %.*s is above %u",
				 s->text, MIN(digits, DIGITS_SHOWN), p,
				 UINT16_MAX);
	return spec_expected(s, "expected a port, not", p);
}

static void exclude(struct spec *s, unsigned first, unsigned last)
{
	for (unsigned p = first; p <= last; p++)
		s->excluded[p / 8] |= (uint8_t)(1 << p % 8);
}

static bool is_excluded(const struct spec *s, unsigned port)
{
	return s->excluded[port / 8] & 1 << port % 8;
}

static bool parse_any_addr(const char **cursor, struct addr *ret)
{
	return parse_addr_bracketed(cursor, ret) || parse_addr(cursor, ret);
}

/* Address, interface and slash, if the spec has them; sets s->ports */
static void parse_where(struct spec *s)
{
	char ifname[IFNAMSIZ] = "";
	const char *p = s->text;
	struct addr listen;
	bool has_addr;

	s->ports = s->text;
	has_addr = parse_any_addr(&p, &listen);
	if (!has_addr)
		parse_literal(&p, "*");
	if (parse_literal(&p, "%") && !parse_ifname(&p, ifname))
		return;
	if (!parse_literal(&p, "/"))
		return;

	if (has_addr) {
		s->base.listen = listen;
		s->base.flags &= (uint8_t)~FWD_DUAL;
	}
	memcpy(s->base.ifname, ifname, sizeof(ifname));
	s->ports = p;
}

/* What follows the colon of a range: the longest form that fits */
static bool parse_target(const char **cursor, struct chunk *c)
{
	if (parse_any_addr(cursor, &c->target) && !parse_literal(cursor, "/"))
		return true;
	return parse_port_range(cursor, &c->to_first, &c->to_last);
}

/* One chunk; false with the cursor at the place that can't be understood */
static bool parse_chunk(const char **cursor, struct chunk *ret)
{
	*ret = all_ports;
	if (parse_literal(cursor, "auto")) {
		ret->kind = CHUNK_AUTO;
		return true;
	}
	if (parse_literal(cursor, "all"))
		return !parse_literal(cursor, ":") ||
		       parse_any_addr(cursor, &ret->target);
	if (parse_literal(cursor, "~")) {
		ret->kind = CHUNK_EXCLUDE;
		return parse_port_range(cursor, &ret->first, &ret->last);
	}

	ret->kind = CHUNK_RANGE;
	if (!parse_port_range(cursor, &ret->first, &ret->last))
		return false;
	ret->to_first = ret->first;
	ret->to_last = ret->last;
	return !parse_literal(cursor, ":") || parse_target(cursor, ret);
}

static int check_target(const struct spec *s, const struct chunk *c)
{
	const struct fwd_rule *base = &s->base;

	if (addr_is_none(&c->target))
		return 0;
	if (!addr_is_unicast(&c->target))
		return spec_invalid(s, "can't forward to",
				    ADDR_STR(&c->target));
	if (base->flags & FWD_DUAL)
		return refuse(s->err, "Invalid port specifier '%.160s': a target address needs a listening address of its family, write %s/… in front",
				 s->text, addr_is_v4(&c->target) ?
				 "0.0.0.0" : "[::]");
	if (addr_family(&c->target) != addr_family(&base->listen))
		return refuse(s->err, "Invalid port specifier '%.160s': can't forward from %s to %s, which isn't of its family",
				 s->text, ADDR_STR(&base->listen),
				 ADDR_STR(&c->target));
	return 0;
}

/* A chunk on its own, whatever else is in the spec */
static int check_chunk(const struct spec *s, const struct chunk *c)
{
	if (c->kind == CHUNK_AUTO && !s->ctx->auto_allowed)
		return spec_invalid(s, "in pasta mode only:", "auto");
	if (c->kind == CHUNK_RANGE &&
	    c->last - c->first != c->to_last - c->to_first)
		return refuse(s->err, "Invalid port specifier '%.160s': ports %u-%u can't map to %u-%u",
				 s->text, c->first, c->last, c->to_first,
				 c->to_last);
	return check_target(s, c);
}

/* First reading: everything that concerns the spec as a whole */
static int read_spec(struct spec *s)
{
	const char *p;
	struct chunk c;
	int rc;

	parse_where(s);
	if (s->ports != s->text && !s->ctx->addr_allowed)
		return refuse(s->err, "Listening address not allowed for -%c %.160s",
				 s->ctx->proto == PROTO_TCP ? 'T' : 'U',
				 s->text);

	p = s->ports;
	do {
		if (!parse_chunk(&p, &c))
			return c.kind == CHUNK_ALL ?
			       spec_expected(s, "expected an address, not", p) :
			       spec_no_range(s, p);
		if (!parse_end(&p) && *p != ',')
			return spec_invalid(s, "unexpected", p);
		rc = check_chunk(s, &c);
		if (rc)
			return rc;
		s->has[c.kind] = true;
		if (c.kind == CHUNK_EXCLUDE)
			exclude(s, c.first, c.last);
	} while (parse_literal(&p, ","));
	return 0;
}

/* Sockets that the rules need, at most */
static unsigned count_ports(const struct fwd_rules *rules)
{
	unsigned n = 0;

	for (unsigned i = 0; i < rules->count; i++)
		n += fwd_rule_ports(&rules->rule[i]);
	return n;
}

static int add_rule(const struct spec *s, struct fwd_rules *rules,
		    const struct fwd_rule *r)
{
	if (!r->first)
		return refuse(s->err, "Forwarding rule attempts to map from port 0: '%.160s'",
				 s->text);
	if (!r->to)
		return refuse(s->err, "Forwarding rule attempts to map to port 0: '%.160s'",
				 s->text);

	for (unsigned i = 0; i < rules->count; i++) {
		const struct fwd_rule *old = &rules->rule[i];

		if (fwd_rule_eq(old, r))
			return 0;
		if (fwd_rule_overlaps(old, r)) {
			fwd_rule_conflict(r, old, s->err);
			return -EINVAL;
		}
	}

	if (rules->count == FWD_RULES_MAX)
		return refuse(s->err, "Too many forwarding rules (maximum %u) with '%.160s'",
				 FWD_RULES_MAX, s->text);
	rules->rule[rules->count++] = *r;
	if (count_ports(rules) > FWD_SOCKETS_MAX)
		return refuse(s->err, "Too many forwarded ports (maximum %u) with '%.160s'",
				 FWD_SOCKETS_MAX, s->text);
	return 0;
}

/* A rule for each run of ports of the chunk that isn't excluded */
static int add_chunk(const struct spec *s, struct fwd_rules *rules,
		     const struct chunk *c)
{
	struct fwd_rule r = s->base;
	unsigned p = c->first;
	int rc;

	r.target = c->target;
	while (p <= c->last) {
		if (is_excluded(s, p)) {
			p++;
			continue;
		}
		r.first = (uint16_t)p;
		while (p <= c->last && !is_excluded(s, p))
			p++;
		r.last = (uint16_t)(p - 1);
		r.to = (uint16_t)(c->to_first + (r.first - c->first));
		rc = add_rule(s, rules, &r);
		if (rc)
			return rc;
	}
	return 0;
}

/* Second reading: the chunks that are ranges, or stand for all ports */
static int add_spec(struct spec *s, struct fwd_rules *rules)
{
	enum chunk_kind kind = CHUNK_RANGE;
	const char *p = s->ports;
	struct chunk c;
	int rc = 0;

	if (s->has[CHUNK_AUTO])
		s->base.flags |= FWD_AUTO;
	if (!s->has[CHUNK_RANGE]) {
		kind = CHUNK_ALL;
		s->base.flags |= FWD_WEAK;
		exclude(s, s->ctx->eph.first, s->ctx->eph.last);
		if (!s->has[CHUNK_ALL])
			return add_chunk(s, rules, &all_ports);
	}

	do {
		parse_chunk(&p, &c);
		if (c.kind == kind)
			rc = add_chunk(s, rules, &c);
	} while (!rc && parse_literal(&p, ","));
	return rc;
}

int fwd_rule_parse(const char *spec, const struct fwd_rule_ctx *ctx,
		   struct fwd_rules *rules, char *ret_err)
{
	struct spec s = {
		.text = spec,
		.ctx = ctx,
		.base = { .proto = ctx->proto, .flags = FWD_DUAL },
		.err = ret_err,
	};
	unsigned had = rules->count;
	int rc;

	if (ctx->ifname)
		strncpy(s.base.ifname, ctx->ifname, IFNAMSIZ - 1);
	rc = read_spec(&s);
	if (!rc)
		rc = add_spec(&s, rules);
	if (rc)
		rules->count = had;
	return rc;
}

void fwd_ephemeral(const char *text, struct fwd_ephemeral *ret)
{
	unsigned first, last;

	*ret = (struct fwd_ephemeral){ EPHEMERAL_FIRST, UINT16_MAX };
	if (sscanf(text, "%u %u", &first, &last) != 2 || first > last ||
	    last > UINT16_MAX)
		return;
	*ret = (struct fwd_ephemeral){ (uint16_t)first, (uint16_t)last };
}

bool fwd_rules_on_loopback(const struct fwd_rules *rules,
			   const bool enabled[FAMILIES],
			   struct fwd_rules *ret)
{
	ret->count = 0;
	for (unsigned i = 0; i < rules->count; i++) {
		const struct fwd_rule *from = &rules->rule[i];

		for (enum family f = V4; f < FAMILIES; f++) {
			struct fwd_rule *r = &ret->rule[ret->count];

			if (!enabled[f] || (!(from->flags & FWD_DUAL) &&
					    addr_family(&from->listen) != f))
				continue;
			if (ret->count == FWD_RULES_MAX)
				return false;
			*r = *from;
			if (addr_is_any(&r->listen))
				r->listen = addr_loopback(f);
			r->flags &= (uint8_t)~FWD_DUAL;
			memset(r->ifname, 0, sizeof(r->ifname));
			ret->count++;
		}
	}
	return true;
}

int fwd_rule_parse_option(char letter, const char *spec, unsigned can,
			  const struct fwd_ephemeral *eph,
			  struct fwd_rules *ret, char *ret_err)
{
	const bool enabled[FAMILIES] = { can & FWD_CAN_V4, can & FWD_CAN_V6 };
	bool out = letter == 'T' || letter == 'U';
	const struct fwd_rule_ctx ctx = {
		.proto = letter == 't' || letter == 'T' ? PROTO_TCP : PROTO_UDP,
		.addr_allowed = !out,
		.ifname = out ? "lo" : NULL,
		.auto_allowed = can & FWD_CAN_AUTO,
		.eph = *eph,
	};
	static struct fwd_rules by_addr;
	int rc;

	ret->count = 0;
	rc = fwd_rule_parse(spec, &ctx, ret, ret_err);
	if (rc || !out || can & FWD_CAN_IFNAME)
		return rc;
	if (!fwd_rules_on_loopback(ret, enabled, &by_addr))
		return refuse(ret_err, "Too many forwarding rules (maximum %u) with '%.160s'",
			      FWD_RULES_MAX, spec);
	*ret = by_addr;
	return 0;
}

/* "80" or "80-90" */
static const char *print_range(unsigned first, unsigned last, char buf[16])
{
	snprintf(buf, 16, first == last ? "%u" : "%u-%u", first, last);
	return buf;
}

const char *fwd_rule_print(const struct fwd_rule *r, char *buf)
{
	char from[16], to[16], target[ADDR_STRLEN + 4] = "";

	if (!addr_is_none(&r->target))
		snprintf(target, sizeof(target),
			 addr_is_v4(&r->target) ? "%s:" : "[%s]:",
			 ADDR_STR(&r->target));
	snprintf(buf, FWD_RULE_STRLEN, "%s [%s]%s%s:%s  =>  %s%s %s%s",
		 proto_name(r->proto),
		 r->flags & FWD_DUAL ? "*" : ADDR_STR(&r->listen),
		 *r->ifname ? "%" : "", r->ifname,
		 print_range(r->first, r->last, from), target,
		 print_range(r->to, r->to + (unsigned)(r->last - r->first), to),
		 r->flags & FWD_WEAK ? "(best effort) " : "",
		 r->flags & FWD_AUTO ? "(auto-scan) " : "");
	return buf;
}
