// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the grammar of a rule of the egress policy, see policy.h
 *
 * Flow: destination, ports, protocol, one after the other. Ports go through a
 * bitmap, so that what is excluded holds for the whole list, wherever it stands
 * in it.
 */
#include "fwd/policy_spec.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "util/dnsname.h"
#include "util/parse.h"

enum {
	PORTS		= UINT16_MAX + 1,
	WORD		= 64,		/* ports in a word of a bitmap */
	V4_EXTRA	= 96,		/* bits in front of an IPv4 address */
};

static const char *const class_name[DEST_CLASSES] = {
	[DEST_ANY] = "any", [DEST_HOST] = "host",
	[DEST_PRIVATE] = "private", [DEST_PUBLIC] = "public",
};

static const struct { const char *name; uint8_t bit; } protos[] = {
	{ "tcp", P_TCP }, { "udp", P_UDP }, { "icmp", P_ICMP },
};

struct reading {
	const char *text, *p;
	struct policy_spec *spec;
	char *err;
};

__attribute__((format(printf, 2, 3)))
static int fail(const struct reading *r, const char *fmt, ...)
{
	int n = snprintf(r->err, POLICY_ERR_LEN, "'%.120s': ", r->text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->err + n, (size_t)(POLICY_ERR_LEN - n), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* Set all bits from `len` on, of the 128, to zero */
static struct addr addr_network(const struct addr *a, unsigned len)
{
	struct addr net = *a;

	for (unsigned i = 0; i < sizeof(net.b); i++) {
		unsigned keep = len > 8 * i ? MIN(len - 8 * i, 8) : 0;

		net.b[i] &= (uint8_t)(0xff00 >> keep);
	}
	return net;
}

/* "/LENGTH" of a network; a protocol behind a slash is somebody else's */
static int read_length(struct reading *r)
{
	struct policy_spec *s = r->spec;
	bool v4 = addr_is_v4(&s->addr);
	unsigned len = 0, max = v4 ? 32 : 128;
	const char *p = r->p;
	struct addr net;

	s->dest = DEST_ADDR;
	s->len = 128;
	if (*p != '/' || !isdigit((unsigned char)p[1]))
		return 0;
	p++;
	if (!parse_uint(&p, max, &len))
		return fail(r, "a network of %s has a length of 0 to %u, as in %s",
			    v4 ? "IPv4" : "IPv6", max,
			    v4 ? "10.0.0.0/8" : "2001:db8::/32");
	s->len = (uint8_t)(len + (v4 ? V4_EXTRA : 0));
	net = addr_network(&s->addr, s->len);
	if (!addr_eq(&net, &s->addr))
		return fail(r, "the network of /%u begins at %s, write %s/%u",
			    len, ADDR_STR(&net), ADDR_STR(&net), len);
	r->p = p;
	return 0;
}

static int read_bracketed(struct reading *r)
{
	int rc;

	r->p++;
	if (!parse_addr(&r->p, &r->spec->addr))
		return fail(r, "an address belongs in the brackets, as in [2001:db8::1]:443");
	rc = read_length(r);
	if (rc)
		return rc;
	if (!parse_literal(&r->p, "]"))
		return fail(r, "']' is missing, as in [2001:db8::/32]:443");
	return 0;
}

/* The address at the beginning, without brackets, whatever follows */
static bool read_addr(struct reading *r)
{
	size_t len = strspn(r->p, "0123456789.");
	char v4[ADDR_STRLEN];

	if (parse_addr(&r->p, &r->spec->addr))
		return true;
	if (!len || len >= sizeof(v4) || (r->p[len] && r->p[len] != ':' &&
					   r->p[len] != '/'))
		return false;
	memcpy(v4, r->p, len);
	v4[len] = '\0';
	if (!addr_parse(v4, &r->spec->addr))
		return false;
	r->p += len;
	return true;
}

/* Without regard to case, as a name: what looks like a class is none */
static bool read_class(struct reading *r)
{
	size_t len = strcspn(r->p, ":/");

	for (unsigned i = 0; i < DEST_CLASSES; i++) {
		if (strlen(class_name[i]) != len ||
		    strncasecmp(class_name[i], r->p, len))
			continue;
		r->spec->dest = i;
		r->p += len;
		return true;
	}
	return false;
}

/* RFC 1123 2.1: a label neither begins nor ends with a hyphen, which is rather an
 * option, or a mistake
 */
static bool is_hyphenated(const char *name)
{
	size_t len = strlen(name);

	return *name == '-' || strstr(name, ".-") || strstr(name, "-.") ||
	       (len && name[len - 1] == '-');
}

/* A name ends in a label that isn't a number: what does is a bad address */
static bool is_numeric(const char *name)
{
	const char *dot = strrchr(name, '.');
	const char *last = dot ? dot + 1 : name;

	return !last[strspn(last, "0123456789")];
}

/* At most one character is another one, missing, or too much */
static bool is_nearly(const char *a, size_t len, const char *b)
{
	size_t most = MAX(len, strlen(b)), least = MIN(len, strlen(b));
	size_t head = 0, tail = 0;

	while (head < least && a[head] == b[head])
		head++;
	while (tail < least - head &&
	       a[len - 1 - tail] == b[strlen(b) - 1 - tail])
		tail++;
	return most - head - tail <= 1;
}

/* A word that is nearly a class of these is rather that than a host's name; hosts are
 * called nearly any, or nearly host
 */
static const char *class_meant(const char *word, size_t len)
{
	for (unsigned c = DEST_PRIVATE; c <= DEST_PUBLIC; c++)
		if (!memchr(word, '.', len) &&
		    is_nearly(word, len, class_name[c]))
			return class_name[c];
	return NULL;
}

static int read_name(struct reading *r)
{
	struct policy_spec *s = r->spec;
	size_t len = strcspn(r->p, ":/"), star;

	star = strncmp(r->p, "*.", 2) ? 0 : 2;
	if (!len)
		return fail(r, "a destination is missing: an address, a network, a name, any, host, private or public");
	if (r->p[len] == ':' && strchr(r->p + len + 1, ':'))
		return fail(r, "not an address; an IPv6 address with ports is written [2001:db8::1]:443");
	if (len == 1 && *r->p == '*')
		return fail(r, "'*' alone is written any");
	if (class_meant(r->p, len))
		return fail(r, "did you mean %s? A host of that name is written with a dot behind it",
			    class_meant(r->p, len));
	memcpy(s->name, "*.", 2);
	if (len < star + 1 ||
	    !dnsname_fold(r->p + star, len - star, s->name + star))
		return fail(r, "neither an address nor a name such as example.org or *.example.org");
	if (strchr(s->name + star, '*'))
		return fail(r, "'*' stands for whole labels at the beginning only, as in *.example.org");
	if (is_hyphenated(s->name + star))
		return fail(r, "not a name, whose parts neither begin nor end with '-'");
	if (is_numeric(s->name))
		return fail(r, "not an address, which has four numbers up to 255, as in 192.0.2.1");
	s->dest = DEST_NAME;
	r->p += len;
	return 0;
}

static int read_dest(struct reading *r)
{
	if (*r->p == '[')
		return read_bracketed(r);
	if (read_addr(r))
		return read_length(r);
	return read_class(r) ? 0 : read_name(r);
}

static void mark(uint64_t *bits, unsigned first, unsigned last)
{
	for (unsigned p = first; p <= last; p++) {
		if (p % WORD || last - p < WORD - 1) {
			bits[p / WORD] |= 1ULL << p % WORD;
		} else {
			bits[p / WORD] = UINT64_MAX;
			p |= WORD - 1;
		}
	}
}

/* What is in `in` and not in `out`, as ranges; false if they are too many. Words in which
 * none begins or ends are passed over: there may be thousands of rules.
 */
static bool take_ranges(struct policy_spec *s, const uint64_t *in,
			const uint64_t *out)
{
	bool was = false;

	for (unsigned p = 0; p < PORTS; p++) {
		uint64_t word = in[p / WORD] & ~out[p / WORD];
		bool is = word >> p % WORD & 1;

		if (word == (was ? UINT64_MAX : 0)) {
			p |= WORD - 1;
			continue;
		}
		if (is && !was) {
			if (s->ranges == POLICY_SPEC_RANGES)
				return false;
			s->range[s->ranges].first = (uint16_t)p;
			s->range[s->ranges++].last = PORTS - 1;
		} else if (was && !is) {
			s->range[s->ranges - 1].last = (uint16_t)(p - 1);
		}
		was = is;
	}
	return true;
}

static int read_ports(struct reading *r)
{
	uint64_t in[PORTS / WORD] = { 0 }, out[PORTS / WORD] = { 0 };
	bool some = false;

	do {
		const char *chunk = r->p;
		bool not = parse_literal(&r->p, "~");
		uint16_t first = 1, last = UINT16_MAX;

		if (!(!not && parse_literal(&r->p, "all")) &&
		    (!parse_port_range(&r->p, &first, &last) || !first))
			return fail(r, "expected ports from 1 to 65535 after ':', as in 80,443 or 8000-8100, not '%.40s'",
				    chunk);
		mark(not ? out : in, first, last);
		some |= !not;
	} while (parse_literal(&r->p, ","));
	if (!some)
		mark(in, 1, UINT16_MAX);
	if (!take_ranges(r->spec, in, out))
		return fail(r, "more than %d ranges of ports; write several rules",
			    POLICY_SPEC_RANGES);
	if (!r->spec->ranges)
		return fail(r, "no port is left");
	return 0;
}

static int read_proto(struct reading *r)
{
	struct policy_spec *s = r->spec;

	for (unsigned i = 0; i < ARRAY_SIZE(protos); i++) {
		const char *p = r->p;

		if (!parse_literal(&p, protos[i].name) || !parse_end(&p))
			continue;
		if (protos[i].bit == P_ICMP && s->ranges)
			return fail(r, "icmp has no ports: leave ':…' or '/icmp' away");
		s->protos = protos[i].bit;
		s->proto_said = true;
		r->p = p;
		return 0;
	}
	return fail(r, "expected /tcp, /udp or /icmp, not '/%.40s'", r->p);
}

int policy_spec_parse(const char *text, struct policy_spec *ret, char *ret_err)
{
	struct reading r = { .text = text, .p = text, .spec = ret,
			     .err = ret_err };
	int rc;

	memset(ret, 0, sizeof(*ret));
	rc = read_dest(&r);
	if (!rc && parse_literal(&r.p, ":"))
		rc = read_ports(&r);
	ret->protos = ret->ranges ? P_TCP | P_UDP : P_TCP | P_UDP | P_ICMP;
	if (!rc && parse_literal(&r.p, "/"))
		rc = read_proto(&r);
	if (!rc && *r.p)
		rc = fail(&r, "unexpected '%.40s'; a rule is DEST[:PORTS][/PROTO], as in 10.0.0.0/8:443/tcp",
			  r.p);
	return rc;
}
