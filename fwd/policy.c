// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: decisions of the egress policy, see policy.h
 *
 * Data: rules as they were given, and compiled from them *nodes*: one for each
 * class, network and name that some rule has. A node has, for TCP and for UDP,
 * the ports as a sorted row of intervals, each with the first rule that matches
 * there. Networks are nested or apart, and so are names, so that each node has one
 * parent, the next larger one: what matches an address are the node found by binary
 * search and its parents. The decision is the lowest rule of all of these.
 *
 * Flow: policy_begin() → policy_add()… → policy_commit(): rules are sorted by what
 * they name; each group becomes a node; its rules paint their ports, in order,
 * where nobody has painted yet. → policy_ask(): class, network and learned names
 * of the address.
 *
 * Beside the first rule, an interval has the first rule that denies: what counts of
 * a network for the address that the guest uses, and of a name for an address
 * inside.
 *
 * Why no trie: a sorted row is one array, is compiled in place (also at run time,
 * when there is no memory to be had), and depth is that of the nesting that people
 * write, which is two or three.
 */
#include "fwd/policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fwd/learned.h"
#include "fwd/policy_spec.h"
#include "util/dnsname.h"
#include "util/wire.h"

enum {
	RULES		= POLICY_RULES_MAX,
	RANGES		= 65536,	/* of ports, of all rules */
	NODES		= RULES + DEST_CLASSES,
	TEXT		= 4 * 1024 * 1024,
	/* A range has two ends, for either protocol; a node has a beginning, and
	 * two ports that QUIC can't have
	 */
	SLOTS		= 2 * (2 * RANGES + 5 * NODES),
	BOUNDS		= 2 * RANGES + RULES + 8,	/* of one node */
	HOST_ADDRS	= 4096,
	NAME_GRACE_S	= 60,		/* beyond the TTL */
	NAME_TTL_MAX_S	= 86400,
	ADDR_BITS	= 128,
};

enum { T_TCP, T_UDP, TABLES };

struct policy_rule {
	struct addr addr;
	uint32_t text, name;		/* where in text[] */
	uint32_t range;			/* first one */
	uint16_t ranges;		/* 0: all ports */
	uint8_t dest, len, protos;
	bool allow;
	bool proto_said;
	uint64_t hits;
};

/* From this port on, up to the next slot's */
struct policy_slot {
	uint16_t port;
	uint32_t rule, deny;		/* POLICY_NO_RULE: none */
};

struct policy_node {
	uint32_t parent;		/* index + 1; 0: none */
	uint32_t model;			/* a rule that has its addr, len, name */
	uint32_t first[TABLES], count[TABLES];	/* in slot[] */
	struct policy_slot echo;
	/* Of names: may it be asked for? */
	uint32_t asks;			/* first rule that lets */
	uint32_t never;			/* first that denies it all */
};

struct policy_set {
	unsigned rules, ranges, nodes, slots;
	size_t text_len;
	bool any_allow, any_name;
	bool no_verify;
	uint64_t default_hits;
	unsigned addr_first, addr_end;	/* nodes of networks, of names */
	unsigned name_first, name_end;
	struct policy_rule rule[RULES];
	struct policy_range range[RANGES];
	struct policy_node node[NODES];
	struct policy_slot slot[SLOTS];
	char text[TEXT];
};

static struct {
	struct policy_set set[2];
	unsigned current;
	bool begun;			/* the other one is being filled */
	bool learning;			/* no rules: all is allowed */
	struct addr host[HOST_ADDRS];	/* sorted */
	unsigned hosts;
} pol;

/* For compiling */
static struct {
	uint32_t order[RULES];
	uint16_t bound[BOUNDS];
	uint32_t skip[BOUNDS + 1];
	struct policy_slot painted[BOUNDS];
} work;

static struct policy_set *current(void)
{
	return &pol.set[pol.current];
}

static struct policy_set *next(void)
{
	return &pol.set[!pol.current];
}

/* ---- Rules ---- */

static void policy_set_clear(struct policy_set *p)
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

	if (len > TEXT - p->text_len)
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

static int policy_set_add(struct policy_set *p, bool allow, const char *spec,
			  char *ret_err)
{
	static struct policy_spec s;
	struct policy_rule *r;
	int rc;

	rc = policy_spec_parse(spec, &s, ret_err);
	if (rc)
		return rc;
	if (p->rules == RULES)
		return too_large(ret_err, "rules", RULES);
	if (s.ranges > RANGES - p->ranges)
		return too_large(ret_err, "ranges of ports", RANGES);
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
		return too_large(ret_err, "bytes of rules", TEXT);
	memcpy(&p->range[p->ranges], s.range, s.ranges * sizeof(s.range[0]));
	p->ranges += s.ranges;
	p->rules++;
	p->any_allow |= allow;
	p->any_name |= s.dest == DEST_NAME;
	return 0;
}

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
	unsigned number = 0;
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
	return 0;
}

unsigned policy_pending(void)
{
	return pol.begun ? next()->rules : 0;
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

/* ---- Compiling ---- */

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
		if (p->slots == SLOTS)
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
		if (r->allow && r->protos != P_ICMP)
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

static const struct policy_rule *policy_set_model(const struct policy_set *p, uint32_t node)
{
	return &p->rule[p->node[node].model];
}

static const char *node_name(const struct policy_set *p, uint32_t node)
{
	return p->text + policy_set_model(p, node)->name;
}

/* Is it in there, as bits go? ::/0 is around all of IPv4 so, which isn't what
 * people mean: who decides looks at the families as well
 */
static bool policy_set_contains(const struct policy_set *p, uint32_t node,
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

static bool policy_set_compile(struct policy_set *p)
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

/* The node that decides about a name, + 1, and the first rule there or above */
static uint32_t policy_set_name(const struct policy_set *p, const char *name)
{
	uint32_t node = name_find(p, name);

	return node ? node : name_find_above(p, name);
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
	pol.hosts = 0;
	for (unsigned i = 0; i < n && pol.hosts < HOST_ADDRS; i++) {
		unsigned j = pol.hosts++;

		for (; j && memcmp(&pol.host[j - 1], &a[i], sizeof(*a)) > 0; j--)
			pol.host[j] = pol.host[j - 1];
		pol.host[j] = a[i];
	}
}

static bool is_host(const struct addr *a)
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

bool policy_is_private(const struct addr *a)
{
	static const struct net nets[] = {
		{ { 0xfc }, 7 }, { { 0xfe, 0x80 }, 10 },
		{ { 0xfe, 0xc0 }, 10 },		/* RFC 3879: deprecated */
		{ { [15] = 1 }, 128 }, { { 0 }, 128 },
	};
	static const struct net nat64 = { { 0, 0x64, 0xff, 0x9b }, 96 };
	static const struct net six_to_4 = { { 0x20, 0x02 }, 16 };
	static const struct net local_nat64 = { { 0, 0x64, 0xff, 0x9b, 0, 1 },
						48 };

	if (addr_is_v4(a))
		return is_private_v4(addr_v4_bytes(a));
	return in_nets(nets, ARRAY_SIZE(nets), a->b) ||
	       (in_nets(&nat64, 1, a->b) && is_private_v4(a->b + 12)) ||
	       (in_nets(&six_to_4, 1, a->b) && is_private_v4(a->b + 2)) ||
	       in_nets(&local_nat64, 1, a->b);
}

bool policy_is_inside(const struct addr *a)
{
	return is_host(a) || policy_is_private(a);
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

/* Of a network that isn't one address alone, `seen` counts what denies */
static void ask_addr(struct ask *ask, const struct addr *a, bool seen)
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
			ask_node(ask, at - 1, seen && r->len < ADDR_BITS);
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

	ask_node(ask, DEST_ANY, false);
	if (host)
		ask_node(ask, DEST_HOST, false);
	if (private)
		ask_node(ask, DEST_PRIVATE, false);
	if (!host && !private)
		ask_node(ask, DEST_PUBLIC, false);
	ask_addr(ask, &f->to, false);
	if (!addr_is_none(&f->seen) && !addr_eq(&f->seen, &f->to))
		ask_addr(ask, &f->seen, true);
	return host || private;
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
