// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: decisions of the egress policy, see policy.h
 *
 * Flow: policy_begin() → policy_add()… → policy_commit(): the set is compiled
 * (policy_set.c) and becomes the current one. → policy_ask(): what is said of the
 * address' class, of networks that it is in, and of the names that were learned for
 * it. The decision is the lowest rule of all of these.
 */
#include "fwd/policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fwd/learned.h"
#include "fwd/policy_set.h"
#include "util/log.h"
#include "util/wire.h"

enum {
	NAME_GRACE_S	= 60,		/* beyond the TTL */
	NAME_TTL_MAX_S	= 86400,
};

static struct {
	struct policy_set set[2];
	unsigned current;
	bool begun;			/* the other one is being filled */
	bool learning;			/* no rules: all is allowed */
	struct addr host[POLICY_HOSTS_MAX];	/* sorted */
	unsigned hosts;
	bool more_hosts;		/* than these */
} pol;

static struct policy_set *current(void)
{
	return &pol.set[pol.current];
}

static struct policy_set *next(void)
{
	return &pol.set[!pol.current];
}

/* ---- The sets ---- */

void policy_begin(void)
{
	policy_set_clear(next());
	pol.begun = true;
}

int policy_add(bool allow, const char *spec, char *ret_err)
{
	if (!pol.begun)
		policy_begin();
	return policy_set_add(next(), allow, spec, ret_err);
}

unsigned policy_pending(void)
{
	return pol.begun ? next()->rules : 0;
}

static int line_add(char *line, unsigned number, char *ret_err)
{
	char err[POLICY_ERR_LEN], *words;
	const char *verb, *spec, *more;

	line[strcspn(line, "#")] = '\0';
	verb = strtok_r(line, " \t\r", &words);
	if (!verb)
		return 0;
	spec = strtok_r(NULL, " \t\r", &words);
	more = strtok_r(NULL, " \t\r", &words);
	if (!spec || more || (strcmp(verb, "allow") && strcmp(verb, "deny"))) {
		snprintf(ret_err, POLICY_ERR_LEN,
			 "line %u: expected 'allow DEST[:PORTS][/PROTO]' or 'deny …', not '%.40s%s%.80s%s%.40s'",
			 number, verb, spec ? " " : "", spec ? spec : "",
			 more ? " " : "", more ? more : "");
		return -EINVAL;
	}
	if (!policy_add(!strcmp(verb, "allow"), spec, err))
		return 0;
	snprintf(ret_err, POLICY_ERR_LEN, "line %u: %.460s", number, err);
	return -EINVAL;
}

int policy_add_text(char *text, char *ret_err)
{
	unsigned number = 0, before = policy_pending();
	char *line = text;

	while (line) {
		char *end = strchr(line, '\n');
		int rc;

		if (end)
			*end++ = '\0';
		rc = line_add(line, ++number, ret_err);
		if (rc)
			return rc;
		line = end;
	}
	if (policy_pending() != before)
		return 0;
	snprintf(ret_err, POLICY_ERR_LEN,
		 "no rule is in it; 'allow any' would let everything go, 'deny any' nothing");
	return -EINVAL;
}

bool policy_pending_names(void)
{
	return pol.begun && next()->any_name;
}

bool policy_verifies(void)
{
	return !current()->no_verify;
}

void policy_no_verify(void)
{
	if (!pol.begun)
		policy_begin();
	next()->no_verify = true;
}

static bool name_locate(const char *name, uint32_t *ret_node,
			uint32_t *ret_key)
{
	const struct policy_set *p = current();
	uint32_t node = policy_set_name(p, name);

	*ret_node = node;
	*ret_key = POLICY_NO_RULE;
	for (uint32_t at = node; at; at = p->node[at - 1].parent)
		*ret_key = MIN(*ret_key, p->node[at - 1].model);
	return node;
}

int policy_commit(char *ret_err)
{
	if (!pol.begun)
		policy_begin();
	if (!policy_set_compile(next())) {
		snprintf(ret_err, POLICY_ERR_LEN,
			 "too many different ranges of ports");
		return -ENOSPC;
	}
	pol.current = !pol.current;
	pol.begun = false;
	learned_renew(name_locate);
	return 0;
}

/* ---- Decisions ---- */

void policy_learn_mode(void)
{
	pol.learning = true;
}

bool policy_is_learning(void)
{
	return pol.learning;
}

bool policy_is_on(void)
{
	return current()->rules || pol.learning;
}

bool policy_has_names(void)
{
	return current()->name_end > current()->name_first || pol.learning;
}

void policy_set_host_addrs(const struct addr *a, unsigned n)
{
	if (n > POLICY_HOSTS_MAX && !pol.more_hosts)
		warn_limited("The host has more than %d addresses, so any may be one: 'host' denies all, 'public' and names allow nothing",
			     POLICY_HOSTS_MAX);
	pol.more_hosts = n > POLICY_HOSTS_MAX;
	pol.hosts = 0;
	for (unsigned i = 0; i < n && pol.hosts < POLICY_HOSTS_MAX; i++) {
		unsigned j = pol.hosts++;

		for (; j && memcmp(&pol.host[j - 1], &a[i], sizeof(*a)) > 0; j--)
			pol.host[j] = pol.host[j - 1];
		pol.host[j] = a[i];
	}
}

static bool is_own(const struct addr *a)
{
	unsigned lo = 0, hi = pol.hosts;

	if (addr_is_loopback(a) || addr_is_any(a))
		return true;
	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;
		int cmp = memcmp(&pol.host[mid], a, sizeof(*a));

		if (!cmp)
			return true;
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

struct net {
	uint8_t first[16];
	uint8_t len;
};

static bool in_nets(const struct net *nets, unsigned n, const uint8_t *bytes)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned whole = nets[i].len / 8;
		unsigned rest = nets[i].len % 8;

		if (!memcmp(nets[i].first, bytes, whole) &&
		    (!rest || !((nets[i].first[whole] ^ bytes[whole]) &
				0xff00 >> rest & 0xff)))
			return true;
	}
	return false;
}

static bool is_private_v4(const uint8_t *four)
{
	static const struct net nets[] = {
		{ { 0 }, 8 },			/* RFC 1122: this network */
		{ { 10 }, 8 }, { { 172, 16 }, 12 }, { { 192, 168 }, 16 },
		{ { 100, 64 }, 10 },		/* RFC 6598 */
		{ { 127 }, 8 },
		{ { 169, 254 }, 16 },
		{ { 168, 63, 129, 16 }, 32 },	/* metadata of one cloud that
						 * has a public address */
	};

	return in_nets(nets, ARRAY_SIZE(nets), four);
}

/* The IPv4 address that a translator or a relay makes of it; false: none */
static bool embedded_v4(const struct addr *a, struct addr *ret)
{
	static const struct { struct net net; uint8_t at; } in[] = {
		{ { { 0, 0x64, 0xff, 0x9b }, 96 }, 12 },	/* RFC 6052 */
		{ { { 0, 0x64, 0xff, 0x9b, 0, 1 }, 48 }, 12 },	/* RFC 8215 */
		{ { { 0x20, 0x02 }, 16 }, 2 },			/* RFC 3056 */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(in); i++) {
		if (in_nets(&in[i].net, 1, a->b)) {
			*ret = addr_from_v4(a->b + in[i].at);
			return true;
		}
	}
	return false;
}

bool policy_is_private(const struct addr *a)
{
	static const struct net nets[] = {
		{ { 0xfc }, 7 }, { { 0xfe, 0x80 }, 10 },
		{ { 0xfe, 0xc0 }, 10 },		/* RFC 3879: deprecated */
		{ { [15] = 1 }, 128 }, { { 0 }, 128 },
		{ { 0, 0x64, 0xff, 0x9b, 0, 1 }, 48 },
	};
	struct addr v4;

	if (addr_is_v4(a))
		return is_private_v4(addr_v4_bytes(a));
	return in_nets(nets, ARRAY_SIZE(nets), a->b) ||
	       (embedded_v4(a, &v4) && is_private_v4(addr_v4_bytes(&v4)));
}

/* Does it lead to the host, be it by a translator? */
static bool is_host(const struct addr *a)
{
	struct addr v4;

	return is_own(a) || (embedded_v4(a, &v4) && is_own(&v4));
}

bool policy_is_inside(const struct addr *a)
{
	return pol.more_hosts || is_host(a) || policy_is_private(a);
}

/* A decision in the making */
struct ask {
	const struct policy_set *p;
	uint8_t proto;
	uint16_t port;
	uint32_t best;
};

static const struct policy_slot *node_slot(const struct ask *ask,
				    const struct policy_node *node)
{
	unsigned table = ask->proto == PROTO_TCP ? T_TCP : T_UDP, lo, hi;

	if (ask->proto == PROTO_ICMP || ask->proto == PROTO_ICMP6)
		return &node->echo;
	lo = node->first[table];
	hi = lo + node->count[table];
	while (hi - lo > 1) {
		unsigned mid = (lo + hi) / 2;

		if (ask->p->slot[mid].port <= ask->port)
			lo = mid;
		else
			hi = mid;
	}
	return &ask->p->slot[lo];
}

static void ask_node(struct ask *ask, uint32_t node, bool deny_only)
{
	const struct policy_slot *s = node_slot(ask, &ask->p->node[node]);

	ask->best = MIN(ask->best, deny_only ? s->deny : s->rule);
}

/* Of networks with a length below `deny_below`, only what denies counts */
static void ask_addr(struct ask *ask, const struct addr *a, unsigned deny_below)
{
	const struct policy_set *p = ask->p;
	uint32_t lo = p->addr_first, hi = p->addr_end, at;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (memcmp(&policy_set_model(p, mid)->addr, a, sizeof(*a)) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (at = lo > p->addr_first ? lo : 0; at; at = p->node[at - 1].parent) {
		const struct policy_rule *r = policy_set_model(p, at - 1);

		if (addr_is_v4(&r->addr) == addr_is_v4(a) &&
		    policy_set_contains(p, at - 1, a))
			ask_node(ask, at - 1, r->len < deny_below);
	}
}

static void ask_name_node(struct ask *ask, uint32_t node, bool inside)
{
	for (; node; node = ask->p->node[node - 1].parent)
		ask_node(ask, node - 1, inside);
}

/* What is said of the address, without any name */
static bool ask_plain(struct ask *ask, const struct policy_flow *f)
{
	bool host = is_host(&f->to), private = policy_is_private(&f->to);
	struct addr v4;

	ask_node(ask, DEST_ANY, false);
	if (host || pol.more_hosts)
		ask_node(ask, DEST_HOST, !host);
	if (private)
		ask_node(ask, DEST_PRIVATE, false);
	if (!host && !private)
		ask_node(ask, DEST_PUBLIC, pol.more_hosts);
	ask_addr(ask, &f->to, 0);
	if (embedded_v4(&f->to, &v4))
		ask_addr(ask, &v4, ADDR_BITS + 1);
	if (!addr_is_none(&f->seen) && !addr_eq(&f->seen, &f->to))
		ask_addr(ask, &f->seen, ADDR_BITS);
	return host || private || pol.more_hosts;
}

static bool rule_allows(const struct policy_set *p, uint32_t rule)
{
	return rule == POLICY_NO_RULE ? !p->any_allow : p->rule[rule].allow;
}

static struct policy_answer answer(const struct ask *ask, uint32_t plain)
{
	struct policy_answer a = {
		.go = rule_allows(ask->p, ask->best), .rule = ask->best,
	};

	a.verify = a.go && ask->best != plain && !ask->p->no_verify &&
		   !rule_allows(ask->p, plain) && ask->proto == PROTO_TCP &&
		   (ask->port == PORT_HTTP || ask->port == PORT_HTTPS);
	return a;
}

/* All may go. What says its own name is to be listened to. */
static struct policy_answer learn_answer(const struct policy_flow *f, mono_t now)
{
	const struct learned *l = learned_first(addr_is_none(&f->seen) ?
						&f->to : &f->seen, now);

	return (struct policy_answer){
		.go = true, .rule = POLICY_NO_RULE,
		.name = l ? l->name : NULL,
		.verify = f->proto == PROTO_TCP && !policy_is_inside(&f->to) &&
			  (f->port == PORT_HTTP || f->port == PORT_HTTPS),
	};
}

static uint64_t *hits_of(uint32_t rule)
{
	struct policy_set *p = current();

	return rule < p->rules ? &p->rule[rule].hits : &p->default_hits;
}

struct policy_answer policy_would(const struct policy_flow *f, mono_t now)
{
	const struct policy_set *p = current();
	struct ask ask = { p, f->proto, f->port, POLICY_NO_RULE };
	const struct addr *named = addr_is_none(&f->seen) ? &f->to : &f->seen;
	const struct learned *l = NULL;
	struct policy_answer a;
	const char *name = NULL;
	uint32_t plain;
	bool inside;

	if (pol.learning)
		return learn_answer(f, now);
	if (!p->rules)
		return (struct policy_answer){ .go = true,
					       .rule = POLICY_NO_RULE };
	inside = ask_plain(&ask, f);
	plain = ask.best;
	if (policy_has_names())
		l = learned_first(named, now);
	if (l)
		name = l->name;
	for (; l && l->key < ask.best; l = learned_next(l, now)) {
		uint32_t before = ask.best;

		ask_name_node(&ask, l->node, inside);
		if (ask.best != before)
			name = l->name;
	}
	a = answer(&ask, plain);
	a.name = name;
	return a;
}

struct policy_answer policy_ask(const struct policy_flow *f, mono_t now)
{
	struct policy_answer a = policy_would(f, now);

	(*hits_of(a.rule))++;
	return a;
}

struct policy_answer policy_ask_as(const struct policy_flow *f,
				   const char *name)
{
	struct ask ask = { current(), f->proto, f->port, POLICY_NO_RULE };
	bool inside = ask_plain(&ask, f);
	uint32_t plain = ask.best;
	struct policy_answer a;

	if (name)
		ask_name_node(&ask, policy_set_name(ask.p, name), inside);
	a = answer(&ask, plain);
	a.name = name;
	return a;
}

bool policy_query_ok(const char *name, uint32_t *ret_rule)
{
	const struct policy_set *p = current();
	uint32_t asks = MIN(p->node[DEST_ANY].asks, p->node[DEST_PUBLIC].asks);
	uint32_t never = MIN(p->node[DEST_ANY].never,
			     p->node[DEST_PUBLIC].never);

	*ret_rule = POLICY_NO_RULE;
	if (pol.learning)
		return true;
	for (uint32_t at = policy_set_name(p, name); at; at = p->node[at - 1].parent) {
		asks = MIN(asks, p->node[at - 1].asks);
		never = MIN(never, p->node[at - 1].never);
	}
	*ret_rule = MIN(asks, never);
	if (asks < never || (asks == never && !p->any_allow))
		return true;
	(*hits_of(*ret_rule))++;
	return false;
}

void policy_learn(const char *name, const struct addr *a, uint32_t ttl_s,
		  mono_t now)
{
	uint32_t node, key, s = MIN(ttl_s, (uint32_t)NAME_TTL_MAX_S);

	if (name_locate(name, &node, &key) || pol.learning)
		learned_put(a, name, node, key,
			    mono_add(now, DUR_S(s + NAME_GRACE_S)), now);
}

const char *policy_rule_print(uint32_t rule, char *buf)
{
	const struct policy_set *p = current();

	if (rule == POLICY_RESOLVER)
		strcpy(buf, "resolver");
	else if (rule == POLICY_FORWARD)
		strcpy(buf, "forwarded");
	else if (rule >= p->rules)
		strcpy(buf, "default");
	else
		snprintf(buf, POLICY_STRLEN, "%s %.480s",
			 p->rule[rule].allow ? "allow" : "deny",
			 p->text + p->rule[rule].text);
	return buf;
}

unsigned policy_rule_count(void)
{
	return current()->rules;
}

bool policy_rule_allows(uint32_t rule)
{
	return rule_allows(current(), rule);
}

uint64_t policy_rule_hits(uint32_t rule)
{
	return *hits_of(rule);
}

void policy_init(void)
{
	learned_init();
}
