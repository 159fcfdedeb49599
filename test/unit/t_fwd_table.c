// SPDX-License-Identifier: GPL-2.0-or-later
/* Links: fwd/fwd_table.o fwd/fwd_rule.o util/parse.o util/addr.o
 *
 * The table of forwarding rules: slots, ids, and changes that happen or don't.
 */
#include "fwd/fwd_table.h"

#include <errno.h>

#include "random.h"
#include "tap_test.h"
#include "util/wire.h"

static char error[FWD_ERR_LEN];

static const struct fwd_rule_ctx tcp = {
	.proto = PROTO_TCP, .addr_allowed = true, .auto_allowed = true,
	.eph = { 32768, 60999 },
};

/* The first rule of a spec */
static struct fwd_rule rule(const char *spec)
{
	static struct fwd_rules rules;

	rules.count = 0;
	if (fwd_rule_parse(spec, &tcp, &rules, error))
		return (struct fwd_rule){ .proto = 0 };
	return rules.rule[0];
}

static int add(const char *spec, const struct fwd_slot **ret_slot)
{
	struct fwd_rule r = rule(spec);

	return fwd_table_add(HOST, &r, ret_slot, error);
}

static int replace(const char *specs)
{
	static struct fwd_rules rules;
	char copy[1024], *spec, *rest;

	rules.count = 0;
	strcpy(copy, specs);
	for (spec = strtok_r(copy, " ", &rest); spec;
	     spec = strtok_r(NULL, " ", &rest)) {
		/* The same twice: as a client may send it */
		struct fwd_rule r = rule(spec);

		rules.rule[rules.count++] = r;
	}
	return fwd_table_replace(HOST, rules.rule, rules.count,
				 UINT32_MAX, error);
}

/* "id:port id:port …" of all that is there */
static const char *all(enum flow_side_name side)
{
	static char text[4096];
	const struct fwd_slot *s = NULL;
	char *p = text;

	*p = '\0';
	while ((s = fwd_table_next(side, s)))
		p += sprintf(p, "%s%u:%u", p == text ? "" : " ", s->id,
			     s->rule.first);
	return text;
}

static void clear(void)
{
	fwd_table_replace(HOST, NULL, 0, UINT32_MAX, error);
	fwd_table_replace(GUEST, NULL, 0, UINT32_MAX, error);
	fwd_table_commit();
}

static void test_add(void)
{
	const struct fwd_slot *a, *b, *c;

	is_int(add("80", NULL), -EINVAL, "nothing is allowed at first");
	fwd_table_allow(HOST, FWD_CAN_ALL);
	is_int(add("80", &a), 0, "a rule");
	is_int(a->state, FWD_NEW, "  is new");
	is_int(a->id, 0, "  without an id");
	fwd_table_commit();
	is_int(a->state, FWD_LIVE, "  is there");
	is_int(a->id, 1, "  is the first one");
	ok(fwd_slot_of(&a->rule) == a, "  its slot");
	ok(fwd_table_get(1) == a, "  by id");
	ok(!fwd_table_get(2) && !fwd_table_get(0), "  no other one");

	is_int(add("80", &b), -EEXIST, "once more");
	ok(a == b, "  it is there");
	is_int(add("80:81", &b), -EADDRINUSE, "another one at that port");
	is_str(error, "Forwarding configuration conflict: TCP [*]:80  =>  81  versus TCP [*]:80  =>  80 ",
	       "  is told");
	is_int(add("81-90", &b), 0, "one more");
	is_int(add("85", NULL), -EADDRINUSE, "within what is new");
	fwd_table_commit();
	is_str(all(HOST), "1:80 2:81", "both");
	is_int(fwd_table_count(HOST), 2, "  are counted");

	fwd_table_remove(a);
	is_int(a->state, FWD_GOING, "one goes");
	ok(!fwd_table_get(1), "  isn't found any more");
	is_int(add("0.0.0.0/80", &c), 0, "what was in its way comes");
	fwd_table_commit();
	is_str(all(HOST), "2:81 3:80", "after that");
	is_int(add("70", &c), 0, "a free slot");
	ok(c == a, "  is used again");
	fwd_table_commit();
	is_str(all(HOST), "4:70 2:81 3:80", "  with another id");
	is_int(fwd_table_count(HOST), 3, "three rules");
	clear();
	is_int(fwd_table_count(HOST), 0, "none");
	is_str(all(HOST), "", "  at all");
}

static void test_revert(void)
{
	const struct fwd_slot *a, *b;
	unsigned n = 0;

	add("80", &a);
	fwd_table_commit();
	fwd_table_remove(a);
	add("80:81", &b);
	is_int(b->state, FWD_NEW, "instead of another one");
	fwd_table_revert();
	is_int(a->state, FWD_LIVE, "turned round: the old one stays");
	is_int(b->state, FWD_GOING, "  the new one goes");
	for (const struct fwd_slot *s = fwd_table_changed(NULL); s;
	     s = fwd_table_changed(s))
		n++;
	is_int(n, 2, "both are part of it");
	fwd_table_commit();
	is_int(b->state, FWD_FREE, "gone");
	ok(!fwd_table_changed(NULL), "nothing is left to do");
	is_int(fwd_table_count(HOST), 1, "one rule");
	clear();
}

static void test_replace(void)
{
	const struct fwd_slot *a, *b, *c;
	uint32_t id;

	add("80", &a);
	add("81", &b);
	fwd_table_commit();
	id = b->id;
	is_int(replace("81 82 81"), 0, "other rules, one twice");
	is_int(a->state, FWD_GOING, "  the first goes");
	is_int(b->state, FWD_LIVE, "  the second stays");
	fwd_table_commit();
	is_int(fwd_table_count(HOST), 2, "two");
	is_int(b->id, id, "  one by its old name");

	is_int(fwd_table_replace(HOST, NULL, 0, id, error), 0,
	       "all that somebody knew of");
	is_int(b->state, FWD_GOING, "  goes");
	is_int(fwd_table_count(HOST), 1, "  what came later stays");
	fwd_table_revert();
	fwd_table_commit();

	is_int(replace("83 84 84:85"), -EADDRINUSE, "at odds with itself");
	ok(!fwd_table_changed(NULL), "  nothing is changed");
	is_int(fwd_table_count(HOST), 2, "  two, as before");
	is_int(b->id, id, "  the same");

	is_int(replace("81:90 0.0.0.0/82"), 0, "all in the way of the old");
	c = fwd_table_next(HOST, NULL);
	is_int(c->state, FWD_NEW, "  comes");
	fwd_table_commit();
	is_int(fwd_table_count(HOST), 2, "two others");
	ok(!fwd_table_get(id), "  the old ones are gone");
	clear();
}

static void test_sides(void)
{
	struct fwd_rule r = rule("80"), lo = r;

	fwd_table_allow(GUEST, FWD_CAN_ALL | FWD_ONLY_LO);
	is_int(add("80", NULL), 0, "on one side");
	is_int(fwd_table_add(GUEST, &r, NULL, error), 0, "on the other one");
	fwd_table_commit();
	strcpy(lo.ifname, "lo");
	is_int(fwd_table_add(GUEST, &lo, NULL, error), -EEXIST,
	       "  it has become one of lo");
	is_int(fwd_table_count(HOST), 1, "one here");
	is_int(fwd_table_count(GUEST), 1, "one there");
	fwd_table_replace(GUEST, NULL, 0, UINT32_MAX, error);
	fwd_table_commit();
	is_int(fwd_table_count(HOST), 1, "one here");
	is_int(fwd_table_count(GUEST), 0, "none there");
	is_int(add("90,auto", NULL), 0, "an automatic one");
	is_int(fwd_table_automatic(HOST), 1, "  counted");
	fwd_table_commit();
	clear();
	is_int(fwd_table_automatic(HOST), 0, "  no longer");
}

/* What no spec says */
static void test_check(void)
{
	static const struct {
		const char *spec;
		unsigned can;
		const char *want;
	} t[] = {
		{ "80", FWD_CAN_ALL, "" },
		{ "80", FWD_CAN_ALL & ~FWD_CAN_TCP,
		  "Can't add TCP forwarding rule, TCP not enabled" },
		{ "80", FWD_CAN_ALL & ~FWD_CAN_UDP, "" },
		{ "80", FWD_CAN_ALL & ~FWD_CAN_V6, "" },
		{ "::/80", FWD_CAN_ALL & ~FWD_CAN_V6,
		  "Can't add forwarding rule, IPv6 not enabled: TCP [::]:80  =>  80 " },
		{ "0.0.0.0/80", FWD_CAN_ALL & ~FWD_CAN_V4,
		  "Can't add forwarding rule, IPv4 not enabled: TCP [0.0.0.0]:80  =>  80 " },
		{ "80,auto", FWD_CAN_ALL & ~FWD_CAN_AUTO,
		  "Can't add forwarding rule, in pasta mode only: TCP [*]:80  =>  80 (auto-scan) " },
		{ "%eth0/80", FWD_CAN_ALL & ~FWD_CAN_IFNAME,
		  "Device binding for 'eth0' unsupported (requires kernel 5.7+)" },
		{ "127.0.0.1/80", FWD_CAN_ALL | FWD_ONLY_LO, "" },
		{ "%lo/80", FWD_CAN_ALL | FWD_ONLY_LO, "" },
		{ "192.0.2.1/80", FWD_CAN_ALL | FWD_ONLY_LO,
		  "--splice-only, -T and -U forward from loopback to loopback only, not TCP [192.0.2.1]:80  =>  80 " },
		{ "%eth0/80", FWD_CAN_ALL | FWD_ONLY_LO,
		  "--splice-only, -T and -U forward from loopback to loopback only, not TCP [*]%eth0:80  =>  80 " },
		{ "0.0.0.0/80:10.0.0.1/80", FWD_CAN_ALL | FWD_ONLY_LO,
		  "--splice-only, -T and -U forward from loopback to loopback only, not TCP [0.0.0.0]:80  =>  10.0.0.1:80 " },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		struct fwd_rule r = rule(t[i].spec);

		*error = '\0';
		fwd_rule_check(&r, t[i].can, error);
		is_str(error, t[i].want, "%s, %#x", t[i].spec, t[i].can);
	}
}

static void bad(struct fwd_rule r, const char *why)
{
	char want[FWD_ERR_LEN];

	snprintf(want, sizeof(want), "Can't add forwarding rule: %s", why);
	is_int(fwd_rule_check(&r, FWD_CAN_ALL, error), -EINVAL, "%s", why);
	is_str(error, want, "  is told");
}

static void test_bytes(void)
{
	struct fwd_rule good = rule("192.0.2.1%eth0/80-81:192.0.2.2/90-91"), r;

	is_int(fwd_rule_check(&good, FWD_CAN_ALL, error), 0, "a rule");
	r = good;
	r.proto = 132;
	bad(r, "unknown protocol");
	r = good;
	r.flags = 8;
	bad(r, "unknown flags");
	r = good;
	memset(r.ifname, 'x', sizeof(r.ifname));
	bad(r, "interface name is too long");
	r = good;
	r.last = 79;
	bad(r, "range ends before it begins");
	r = good;
	r.first = 0;
	bad(r, "attempts to map from port 0");
	r = good;
	r.to = 0;
	bad(r, "attempts to map to port 0");
	r = good;
	r.to = 65535;
	bad(r, "attempts to map to ports above 65535");
	r = good;
	r.flags = FWD_DUAL;
	bad(r, "any address, and one");
	r = good;
	r.target = addr_v4(0xe0000001);
	bad(r, "can't forward to that address");
	r = good;
	r.target = addr_loopback(V6);
	bad(r, "target address isn't of the family listened at");

	/* However a client writes "any" */
	r = rule("80");
	r.listen = addr_v4(0);
	is_int(fwd_rule_check(&r, FWD_CAN_ALL, error), 0, "any, as IPv4");
	ok(addr_is_none(&r.listen), "  is any");
}

static void test_limits(void)
{
	struct fwd_rule r = rule("1-65535");
	unsigned n;

	for (n = 0; n < 5; n++) {
		r.flags = 0;
		r.listen = addr_v4(0xc0000201 + n);
		is_int(fwd_table_add(HOST, &r, NULL, error), 0,
		       "all ports of address %u", n);
	}
	r.listen = addr_v4(0xc0000209);
	is_int(fwd_table_add(HOST, &r, NULL, error), -ENOSPC, "one too many");
	is_str(error, "Too many forwarded ports (maximum 327680)",
	       "  is told");
	fwd_table_revert();
	fwd_table_commit();
	is_int(fwd_table_add(HOST, &r, NULL, error), 0, "after that: room");
	clear();

	r = rule("1");
	for (n = 0; n < FWD_SLOTS_MAX; n += 16) {
		r.first = r.last = (uint16_t)(n % 65535 + 1);
		r.listen = addr_v4(0xc0000201 + n / 65535);
		r.flags = 0;
		if (fwd_table_add(HOST, &r, NULL, error))
			break;
		fwd_table_commit();
	}
	ok(n >= FWD_SLOTS_MAX, "many of them");
	clear();
}

/* Against a plain list of ports, one rule each */
static void test_model(void)
{
	enum { PORTS = 50 };
	bool have[PORTS] = { false }, next[PORTS], good = true;
	uint32_t id[PORTS] = { 0 }, highest = 0;

	for (unsigned turn = 0; turn < rounds_of(5000) && good; turn++) {
		const struct fwd_slot *s = NULL;
		unsigned count = 0;

		memcpy(next, have, sizeof(have));
		for (unsigned i = random_below(6); i; i--) {
			struct fwd_rule r = rule("1");
			unsigned p = random_below(PORTS);
			int rc;

			r.first = r.last = (uint16_t)(p + 1);
			if (next[p]) {
				s = NULL;
				while ((s = fwd_table_next(HOST, s)))
					if (s->rule.first == p + 1 &&
					    s->state == FWD_LIVE)
						break;
				if (!s)
					continue;
				fwd_table_remove(s);
				next[p] = false;
			} else {
				rc = fwd_table_add(HOST, &r, &s, error);
				good &= !rc;
				next[p] = true;
			}
		}
		if (random_below(3) == 0)
			fwd_table_revert();
		else
			memcpy(have, next, sizeof(have));
		fwd_table_commit();

		s = NULL;
		while ((s = fwd_table_next(HOST, s))) {
			unsigned p = s->rule.first - 1U;

			good &= have[p] && s->state == FWD_LIVE;
			good &= s->id == id[p] || s->id > highest;
			id[p] = s->id;
			count++;
		}
		for (unsigned p = 0; p < PORTS; p++) {
			count -= have[p];
			highest = MAX(highest, id[p]);
		}
		good &= !count;
	}
	ok(good, "as a list does, with ids that are never used again");
	clear();
}

int main(void)
{
	test_add();
	test_revert();
	test_replace();
	test_sides();
	test_check();
	test_bytes();
	test_limits();
	test_model();
	return done();
}
