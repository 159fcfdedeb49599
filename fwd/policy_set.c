// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: rules of the egress policy become tables, see policy_set.h
 *
 * Flow: rules are sorted by what they name; each group becomes a node; its rules
 * paint their ports, in order, where nobody has painted yet.
 *
 * Why no trie: a sorted row is one array, is compiled in place (also at run time,
 * when there is no memory to be had), and depth is that of the nesting that people
 * write, which is two or three.
 */
#include "fwd/policy_set.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/wire.h"

enum {
	/* Where something begins or ends, of one node */
	BOUNDS		= 2 * POLICY_SET_RANGES + POLICY_RULES_MAX + 8,
};

/* For compiling */
static struct {
	uint32_t order[POLICY_RULES_MAX];
	uint16_t bound[BOUNDS];
	uint32_t skip[BOUNDS + 1];
	struct policy_slot painted[BOUNDS];
} work;

void policy_set_clear(struct policy_set *p)
{
	p->rules = p->ranges = p->nodes = p->slots = 0;
	p->text_len = 0;
	p->any_allow = p->any_name = false;
	p->no_verify = false;
	p->default_hits = 0;
}

/* Keep the text; where it is, or UINT32_MAX: there is no room */
static uint32_t text_add(struct policy_set *p, const char *text)
{
	size_t len = strlen(text) + 1;
	uint32_t at = (uint32_t)p->text_len;

	if (len > POLICY_SET_TEXT - p->text_len)
		return UINT32_MAX;
	memcpy(p->text + at, text, len);
	p->text_len += len;
	return at;
}

static int too_large(char *ret_err, const char *what, unsigned max)
{
	snprintf(ret_err, POLICY_ERR_LEN, "too many %s (maximum %u)", what,
		 max);
	return -EINVAL;
}

int policy_set_add(struct policy_set *p, bool allow, const char *spec,
		   char *ret_err)
{
	static struct policy_spec s;
	struct policy_rule *r;
	int rc;

	rc = policy_spec_parse(spec, &s, ret_err);
	if (rc)
		return rc;
	if (p->rules == POLICY_RULES_MAX)
		return too_large(ret_err, "rules", POLICY_RULES_MAX);
	if (s.ranges > POLICY_SET_RANGES - p->ranges)
		return too_large(ret_err, "ranges of ports",
				 POLICY_SET_RANGES);
	r = &p->rule[p->rules];
	*r = (struct policy_rule){
		.addr = s.addr, .len = s.len, .dest = (uint8_t)s.dest,
		.protos = s.protos, .proto_said = s.proto_said,
		.allow = allow, .range = p->ranges,
		.ranges = (uint16_t)s.ranges,
	};
	r->text = text_add(p, spec);
	r->name = s.dest == DEST_NAME ? text_add(p, s.name) : 0;
	if (r->text == UINT32_MAX || r->name == UINT32_MAX)
		return too_large(ret_err, "bytes of rules", POLICY_SET_TEXT);
	memcpy(&p->range[p->ranges], s.range, s.ranges * sizeof(s.range[0]));
	p->ranges += s.ranges;
	p->rules++;
	p->any_allow |= allow;
	p->any_name |= s.dest == DEST_NAME;
	return 0;
}

/* Classes in their order, then networks, then names; among equals, by number */
static int rule_cmp(const struct policy_set *p, uint32_t i, uint32_t j)
{
	const struct policy_rule *a = &p->rule[i], *b = &p->rule[j];
	int cmp = 0;

	if (a->dest != b->dest)
		return a->dest < b->dest ? -1 : 1;
	if (a->dest == DEST_ADDR)
		cmp = memcmp(&a->addr, &b->addr, sizeof(a->addr));
	else if (a->dest == DEST_NAME)
		cmp = strcmp(p->text + a->name, p->text + b->name);
	return cmp ? cmp : (int)a->len - (int)b->len;
}

static bool rule_before(const struct policy_set *p, uint32_t i, uint32_t j)
{
	int cmp = rule_cmp(p, i, j);

	return cmp ? cmp < 0 : i < j;
}

/* Heapsort: the C library's may allocate */
static void sift(const struct policy_set *p, uint32_t *v, unsigned at, unsigned n)
{
	for (;;) {
		unsigned child = 2 * at + 1;
		uint32_t t = v[at];

		if (child >= n)
			return;
		if (child + 1 < n && rule_before(p, v[child], v[child + 1]))
			child++;
		if (!rule_before(p, t, v[child]))
			return;
		v[at] = v[child];
		v[child] = t;
		at = child;
	}
}

static void sort_rules(const struct policy_set *p, uint32_t *v, unsigned n)
{
	for (unsigned i = n / 2; i--;)
		sift(p, v, i, n);
	for (unsigned i = n; i-- > 1;) {
		uint32_t t = v[0];

		v[0] = v[i];
		v[i] = t;
		sift(p, v, 0, i);
	}
}

static const struct policy_range *rule_ranges(const struct policy_set *p,
					      const struct policy_rule *r,
					      unsigned *ret_n)
{
	static const struct policy_range all = { 0, UINT16_MAX };

	*ret_n = r->ranges ? r->ranges : 1;
	return r->ranges ? &p->range[r->range] : &all;
}

/* A name without a protocol can't be verified in QUIC, so it doesn't have it */
static bool rule_lacks(const struct policy_set *p, const struct policy_rule *r,
		       unsigned table, uint16_t port)
{
	return table == T_UDP && r->dest == DEST_NAME && r->allow &&
	       !r->proto_said && !p->no_verify &&
	       (port == PORT_HTTP || port == PORT_HTTPS);
}

static bool rule_has(const struct policy_rule *r, unsigned table)
{
	return r->protos & (table == T_TCP ? P_TCP : P_UDP);
}

/* Sorted, each once; how many */
static unsigned sort_bounds(unsigned n)
{
	uint16_t *v = work.bound;
	unsigned out = 0;
	uint16_t t;

	/* Shell's, with gaps of Ciura's: short rows are the rule */
	static const unsigned gaps[] = { 57, 23, 10, 4, 1 };

	if (n > 512) {
		/* Or by the bitmap of all ports */
		static uint8_t seen[UINT16_MAX + 1];

		memset(seen, 0, sizeof(seen));
		for (unsigned i = 0; i < n; i++)
			seen[v[i]] = 1;
		for (unsigned i = 0; i <= UINT16_MAX; i++)
			if (seen[i])
				v[out++] = (uint16_t)i;
		return out;
	}
	for (unsigned g = 0; g < ARRAY_SIZE(gaps); g++) {
		for (unsigned i = gaps[g]; i < n; i++) {
			unsigned j = i;

			t = v[i];
			for (; j >= gaps[g] && v[j - gaps[g]] > t; j -= gaps[g])
				v[j] = v[j - gaps[g]];
			v[j] = t;
		}
	}
	for (unsigned i = 0; i < n; i++)
		if (!out || v[out - 1] != v[i])
			v[out++] = v[i];
	return out;
}

/* Where something begins or ends for these rules */
static unsigned find_bounds(const struct policy_set *p, const uint32_t *rules,
			    unsigned n, unsigned table)
{
	bool quic = false;
	unsigned out = 0;

	work.bound[out++] = 0;
	for (unsigned i = 0; i < n; i++) {
		const struct policy_rule *r = &p->rule[rules[i]];
		const struct policy_range *g;
		unsigned gs;

		if (!rule_has(r, table))
			continue;
		quic |= rule_lacks(p, r, table, PORT_HTTP);
		g = rule_ranges(p, r, &gs);
		for (unsigned j = 0; j < gs; j++) {
			work.bound[out++] = g[j].first;
			if (g[j].last < UINT16_MAX)
				work.bound[out++] = (uint16_t)(g[j].last + 1);
		}
	}
	if (quic) {
		work.bound[out++] = PORT_HTTP;
		work.bound[out++] = PORT_HTTP + 1;
		work.bound[out++] = PORT_HTTPS;
		work.bound[out++] = PORT_HTTPS + 1;
	}
	return sort_bounds(out);
}

static unsigned bound_find(unsigned n, unsigned port)
{
	unsigned lo = 0, hi = n;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (work.bound[mid] < port)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The first interval from `at` on that nobody has painted */
static uint32_t unpainted(uint32_t at)
{
	uint32_t end = at, up;

	while (work.skip[end] != end)
		end = work.skip[end];
	for (; at != end; at = up) {
		up = work.skip[at];
		work.skip[at] = end;
	}
	return end;
}

/* The rules in order, each where it is the first one */
static void paint(const struct policy_set *p, const uint32_t *rules, unsigned n,
		  unsigned table, unsigned bounds, bool deny)
{
	for (uint32_t i = 0; i <= bounds; i++)
		work.skip[i] = i;
	for (unsigned i = 0; i < n; i++) {
		const struct policy_rule *r = &p->rule[rules[i]];
		const struct policy_range *g;
		unsigned gs;

		if (!rule_has(r, table) || (deny && r->allow))
			continue;
		g = rule_ranges(p, r, &gs);
		for (unsigned j = 0; j < gs; j++) {
			uint32_t at = bound_find(bounds, g[j].first);
			uint32_t end = bound_find(bounds, g[j].last + 1U);

			for (at = unpainted(at); at < end;
			     at = unpainted(at + 1)) {
				struct policy_slot *s = &work.painted[at];

				if (rule_lacks(p, r, table, s->port))
					continue;
				*(deny ? &s->deny : &s->rule) = rules[i];
				work.skip[at] = at + 1;
			}
		}
	}
}

/* A node's table; false if there is no room */
static bool compile_table(struct policy_set *p, struct policy_node *node,
			  const uint32_t *rules, unsigned n, unsigned table)
{
	unsigned bounds = find_bounds(p, rules, n, table);
	const struct policy_slot *last = NULL;

	for (unsigned i = 0; i < bounds; i++)
		work.painted[i] = (struct policy_slot){ work.bound[i], POLICY_NO_RULE,
						POLICY_NO_RULE };
	paint(p, rules, n, table, bounds, false);
	paint(p, rules, n, table, bounds, true);
	node->first[table] = p->slots;
	for (unsigned i = 0; i < bounds; i++) {
		const struct policy_slot *s = &work.painted[i];

		if (last && last->rule == s->rule && last->deny == s->deny)
			continue;
		if (p->slots == POLICY_SET_SLOTS)
			return false;
		last = &p->slot[p->slots];
		p->slot[p->slots++] = *s;
	}
	node->count[table] = p->slots - node->first[table];
	return true;
}

static void compile_rest(const struct policy_set *p, struct policy_node *node,
			 const uint32_t *rules, unsigned n)
{
	node->echo = (struct policy_slot){ 0, POLICY_NO_RULE, POLICY_NO_RULE };
	node->asks = node->never = POLICY_NO_RULE;
	for (unsigned i = n; i--;) {
		const struct policy_rule *r = &p->rule[rules[i]];

		if (r->protos & P_ICMP) {
			node->echo.rule = rules[i];
			if (!r->allow)
				node->echo.deny = rules[i];
		}
		/* Pings alone open no name but their own */
		if (r->allow && (r->dest == DEST_NAME || r->protos != P_ICMP))
			node->asks = rules[i];
		if (!r->allow && !r->ranges && !r->proto_said)
			node->never = rules[i];
	}
}

/* Rules of the same destination, in order; there may be none for a class */
static bool compile_node(struct policy_set *p, const uint32_t *rules, unsigned n)
{
	struct policy_node *node = &p->node[p->nodes++];

	*node = (struct policy_node){ .model = n ? rules[0] : POLICY_NO_RULE };
	compile_rest(p, node, rules, n);
	return compile_table(p, node, rules, n, T_TCP) &&
	       compile_table(p, node, rules, n, T_UDP);
}

static const char *node_name(const struct policy_set *p, uint32_t node)
{
	return p->text + policy_set_model(p, node)->name;
}

bool policy_set_contains(const struct policy_set *p, uint32_t node,
			  const struct addr *a)
{
	const struct policy_rule *r = policy_set_model(p, node);
	unsigned whole = r->len / 8;

	return !memcmp(r->addr.b, a->b, whole) &&
	       (r->len == ADDR_BITS ||
		!((r->addr.b[whole] ^ a->b[whole]) & 0xff00 >> r->len % 8 &
		  0xff));
}

static void link_networks(struct policy_set *p)
{
	for (uint32_t i = p->addr_first; i < p->addr_end; i++) {
		const struct policy_rule *r = policy_set_model(p, i);
		uint32_t up = i > p->addr_first ? i : 0;

		while (up && !policy_set_contains(p, up - 1, &r->addr))
			up = p->node[up - 1].parent;
		p->node[i].parent = up;
	}
}

/* The node of exactly this name, + 1; 0: there is none */
static uint32_t name_find(const struct policy_set *p, const char *name)
{
	uint32_t lo = p->name_first, hi = p->name_end;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;
		int cmp = strcmp(node_name(p, mid), name);

		if (!cmp)
			return mid + 1;
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return 0;
}

/* The narrowest node of which `name` is below, + 1; 0: none */
static uint32_t name_find_above(const struct policy_set *p, const char *name)
{
	char wild[POLICY_SPEC_NAME];
	uint32_t found = 0;

	if (!strncmp(name, "*.", 2))
		name += 2;
	while (!found && (name = strchr(name, '.'))) {
		snprintf(wild, sizeof(wild), "*%s", name++);
		found = name_find(p, wild);
	}
	return found;
}

static void link_names(struct policy_set *p)
{
	for (uint32_t i = p->name_first; i < p->name_end; i++)
		p->node[i].parent = name_find_above(p, node_name(p, i));
}

bool policy_set_compile(struct policy_set *p)
{
	unsigned from = 0, to;

	p->nodes = p->slots = 0;
	for (unsigned i = 0; i < p->rules; i++)
		work.order[i] = i;
	sort_rules(p, work.order, p->rules);
	p->addr_first = p->name_first = 0;
	p->addr_end = p->name_end = 0;
	for (unsigned dest = 0; dest <= DEST_NAME; dest++) {
		unsigned first = p->nodes;

		do {
			bool mine = from < p->rules &&
				    p->rule[work.order[from]].dest == dest;

			if (!mine && dest >= DEST_CLASSES)
				break;
			for (to = from; mine && to < p->rules &&
			     !rule_cmp(p, work.order[from], work.order[to]); to++)
				;
			if (!compile_node(p, work.order + from, to - from))
				return false;
			from = to;
		} while (dest >= DEST_CLASSES);
		if (dest == DEST_ADDR) {
			p->addr_first = first;
			p->addr_end = p->nodes;
		} else if (dest == DEST_NAME) {
			p->name_first = first;
			p->name_end = p->nodes;
		}
	}
	link_networks(p);
	link_names(p);
	return true;
}

uint32_t policy_set_name(const struct policy_set *p, const char *name)
{
	uint32_t node = name_find(p, name);

	return node ? node : name_find_above(p, name);
}
