// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: what was used, as a policy, see policy_used.h
 *
 * Data: one entry for each destination, protocol and port, in the order in which
 * they came; a hash table finds what is there already, another one the first entry
 * of a destination, from which a list leads to the others.
 *
 * A name is what the guest or somebody's DNS said: it may be a word of the grammar,
 * a comment or a network. What doesn't read back as just that name is written as
 * the address that it led to, or, if it led nowhere, not at all.
 *
 * A name that was asked for and led to no flow needs a rule as well, or its query
 * would be refused the next time: one for its port 53 by UDP, which opens least.
 * The same for a name that leads to a private address, which it doesn't open:
 * that has a rule of its own.
 */
#include "fwd/policy_used.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fwd/policy.h"
#include "util.h"
#include "util/dnsname.h"
#include "util/log.h"
#include "util/siphash.h"
#include "util/wire.h"

enum {
	BUCKETS		= 2 * POLICY_USED_MAX,	/* a power of two */
	PORTS_LINE	= 8192,
};

struct used {
	char name[DNSNAME_TEXT_LEN];	/* "": the address */
	struct addr addr;
	uint16_t port;
	uint8_t proto;			/* PROTO_TCP, PROTO_UDP, PROTO_ICMP; 0:
					 * asked for, no more */
	uint32_t next;			/* of the destination: index + 1 */
	uint32_t last;			/* of its first entry: the last, + 1 */
};

static struct {
	int fd;				/* where it is written to; or -1 */
	struct siphash_key key;
	unsigned count;
	unsigned by_addr, left_out;	/* what had a name that can't be written */
	bool full;
	uint32_t bucket[BUCKETS];	/* index + 1 */
	uint32_t dest[BUCKETS];		/* the same, of a destination's first */
	struct used used[POLICY_USED_MAX];
	uint16_t ports[2][POLICY_USED_MAX];
} tab = { .fd = -1 };

/* Where to begin. Keyed, since the guest chooses what it asks for. */
static uint32_t used_hash(const struct used *u, bool dest_only)
{
	uint8_t buf[DNSNAME_TEXT_LEN + sizeof(u->addr.b) + 3];
	size_t n = strlen(u->name);

	memcpy(buf, u->name, n);
	memcpy(buf + n, u->addr.b, sizeof(u->addr.b));
	n += sizeof(u->addr.b);
	if (!dest_only) {
		buf[n++] = (uint8_t)(u->port >> 8);
		buf[n++] = (uint8_t)u->port;
		buf[n++] = u->proto;
	}
	return (uint32_t)siphash(&tab.key, buf, n) & (BUCKETS - 1);
}

static bool same_dest(const struct used *a, const struct used *b)
{
	return addr_eq(&a->addr, &b->addr) && !strcmp(a->name, b->name);
}

static bool used_same(const struct used *a, const struct used *b)
{
	return a->proto == b->proto && a->port == b->port && same_dest(a, b);
}

/* Can a rule have it, meaning just this name? */
static bool is_writable_name(const char *name)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
	static struct policy_spec s;
	char why[POLICY_ERR_LEN];

	return !name[strspn(name, good)] && !policy_spec_parse(name, &s, why) &&
	       s.dest == DEST_NAME && !s.ranges && !s.proto_said &&
	       !strcmp(s.name, name);
}

void policy_used_init(void)
{
	random_bytes(&tab.key, sizeof(tab.key));
}

/* Behind what there is of its destination */
static void dest_append(uint32_t index)
{
	struct used *u = &tab.used[index], *first;
	uint32_t at = used_hash(u, true);

	u->next = 0;
	while (tab.dest[at] && !same_dest(&tab.used[tab.dest[at] - 1], u))
		at = (at + 1) & (BUCKETS - 1);
	if (!tab.dest[at]) {
		u->last = tab.dest[at] = index + 1;
		return;
	}
	u->last = 0;
	first = &tab.used[tab.dest[at] - 1];
	tab.used[first->last - 1].next = index + 1;
	first->last = index + 1;
}

static void used_add(const struct used *u)
{
	uint32_t at = used_hash(u, false);

	for (; tab.bucket[at]; at = (at + 1) & (BUCKETS - 1))
		if (used_same(&tab.used[tab.bucket[at] - 1], u))
			return;
	if (tab.count == POLICY_USED_MAX) {
		tab.full = true;
		return;
	}
	tab.used[tab.count] = *u;
	tab.bucket[at] = tab.count + 1;
	dest_append(tab.count++);
}

void policy_used_query(const char *name)
{
	struct used u = { .proto = 0 };

	if (!*name)
		return;
	if (!is_writable_name(name)) {
		tab.left_out++;
		return;
	}
	snprintf(u.name, sizeof(u.name), "%s", name);
	used_add(&u);
}

void policy_used_flow(uint8_t proto, const char *name, const struct addr *to,
		      uint16_t port)
{
	struct used u = { .proto = proto == PROTO_ICMP6 ? PROTO_ICMP : proto };
	bool named = name && *name && !policy_is_inside(to);

	if (u.proto != PROTO_ICMP)
		u.port = port;
	if (named && is_writable_name(name)) {
		snprintf(u.name, sizeof(u.name), "%s", name);
	} else {
		tab.by_addr += named;
		u.addr = *to;
	}
	used_add(&u);
}

/* Insert into the n sorted ones */
static void port_add(uint16_t *v, unsigned *n, uint16_t port)
{
	unsigned lo = 0, hi = *n;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (v[mid] < port)
			lo = mid + 1;
		else
			hi = mid;
	}
	memmove(v + lo + 1, v + lo, (*n - lo) * sizeof(*v));
	v[lo] = port;
	++*n;
}

/* ":80,443,8000-8003", from some port on as far as there is room; where it ended */
static unsigned ports_text(const uint16_t *v, unsigned n, char *buf)
{
	unsigned i = 0, len = 0;

	while (i < n && len < PORTS_LINE - 16) {
		unsigned last = i;

		while (last + 1 < n && v[last + 1] == v[last] + 1)
			last++;
		len += (unsigned)sprintf(buf + len, "%c%u", i ? ',' : ':', v[i]);
		if (last != i)
			len += (unsigned)sprintf(buf + len, "-%u", v[last]);
		i = last + 1;
	}
	return i;
}

struct output {
	off_t at;			/* where in the file */
	int error;			/* errno: a line couldn't be written */
	char dest[DNSNAME_TEXT_LEN + 8];
};

static void out_line(struct output *o, const char *line, size_t len)
{
	ssize_t n = o->error ? -1 : pwrite(tab.fd, line, len, o->at);

	if (n == (ssize_t)len)
		o->at += n;
	else if (!o->error)
		o->error = n < 0 ? errno : ENOSPC;
}

static void out_rule(struct output *o, const char *ports, const char *proto)
{
	char line[sizeof(o->dest) + PORTS_LINE + 32];
	int n = snprintf(line, sizeof(line), "allow %s%s%s\n", o->dest, ports,
			 proto);

	out_line(o, line, (size_t)n);
}

static void out_ports(struct output *o, const uint16_t *v, unsigned n,
		      const char *proto)
{
	char text[PORTS_LINE];

	while (n) {
		unsigned done = ports_text(v, n, text);

		out_rule(o, text, proto);
		v += done;
		n -= done;
	}
}

/* A name without a protocol doesn't have these by UDP */
static bool has_web_port(const uint16_t *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (v[i] == PORT_HTTP || v[i] == PORT_HTTPS)
			return true;
	return false;
}

/* All that there is for one destination */
static void out_dest(struct output *o, const struct used *dest)
{
	const struct used *u = dest;
	bool echo = false, asked = false;
	unsigned n[2] = { 0, 0 };

	for (;; u = &tab.used[u->next - 1]) {
		echo |= u->proto == PROTO_ICMP;
		asked |= !u->proto;
		if (u->proto == PROTO_TCP)
			port_add(tab.ports[0], &n[0], u->port);
		else if (u->proto == PROTO_UDP)
			port_add(tab.ports[1], &n[1], u->port);
		if (!u->next)
			break;
	}
	if (*dest->name)
		snprintf(o->dest, sizeof(o->dest), "%s", dest->name);
	else
		snprintf(o->dest, sizeof(o->dest), "[%s]",
			 ADDR_STR(&dest->addr));
	if (asked && !n[0] && !n[1]) {
		tab.ports[1][0] = PORT_DNS;
		n[1] = 1;
	}
	if (n[0] && n[0] == n[1] &&
	    !memcmp(tab.ports[0], tab.ports[1], n[0] * sizeof(uint16_t)) &&
	    !(*dest->name && has_web_port(tab.ports[1], n[1]))) {
		out_ports(o, tab.ports[0], n[0], "");
	} else {
		out_ports(o, tab.ports[0], n[0], "/tcp");
		out_ports(o, tab.ports[1], n[1], "/udp");
	}
	if (echo)
		out_rule(o, "", "/icmp");
}

void policy_used_open(int fd)
{
	tab.fd = fd;
}

/* What the rules lack */
static void out_lacking(struct output *o)
{
	char line[160];

	if (tab.by_addr)
		out_line(o, line, (size_t)snprintf(line, sizeof(line),
			 "# %u times a name that no rule can have: its address is here instead\n",
			 tab.by_addr));
	if (tab.left_out)
		out_line(o, line, (size_t)snprintf(line, sizeof(line),
			 "# %u queries for a name that no rule can have were left out\n",
			 tab.left_out));
	if (tab.full)
		out_line(o, line, (size_t)snprintf(line, sizeof(line),
			 "# there was more than fits here\n"));
}

void policy_used_write(void)
{
	static const char head[] = "# what was used, in the order in which it was\n";
	static const char none[] = "deny any\n";
	struct output o = { .at = 0 };

	if (tab.fd < 0)
		return;
	out_line(&o, head, sizeof(head) - 1);
	for (int names = 1; names >= 0; names--)
		for (unsigned i = 0; i < tab.count; i++)
			if (tab.used[i].last && !*tab.used[i].name == !names)
				out_dest(&o, &tab.used[i]);
	/* Without a rule all would go when it is read back */
	if (o.at == (off_t)sizeof(head) - 1)
		out_line(&o, none, sizeof(none) - 1);
	out_lacking(&o);
	if (!o.error && ftruncate(tab.fd, o.at))
		o.error = errno;
	if (o.error)
		warn_limited("--policy-learn: couldn't write all of the file: %s",
			     strerror(o.error));
}
