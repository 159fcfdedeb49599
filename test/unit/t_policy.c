// SPDX-License-Identifier: GPL-2.0-or-later
/* Egress policy: grammar and decisions, row by row, and thousands of random rules
 * against an evaluation that goes through them one by one
 *
 * Links: fwd/policy.o fwd/policy_set.o fwd/policy_spec.o fwd/policy_used.o fwd/learned.o
 * Links: util/dnsname.o
 * Links: util/rdwr.o util/parse.o util/addr.o util.o util/log.o
 */
#include "fwd/policy.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fwd/learned.h"
#include "fwd/policy_spec.h"
#include "fwd/policy_used.h"
#include "random.h"
#include "tap_test.h"
#include "util/wire.h"

static char error[POLICY_ERR_LEN];

static struct addr A(const char *s)
{
	struct addr a = { { 0 } };

	if (*s && !addr_parse(s, &a))
		ok(false, "'%s' is an address", s);
	return a;
}

/* ---- Grammar ---- */

/* A spec as it was understood, or the error behind the colon */
static const char *understood(const char *text)
{
	static const char *const class[] = { "any", "host", "private",
					     "public" };
	static struct policy_spec s;
	static char out[POLICY_ERR_LEN + 16384];
	char *p = out;

	if (policy_spec_parse(text, &s, error)) {
		char *why = strstr(error, "': ");

		return why ? why + 3 : error;
	}
	if (s.dest == DEST_NAME)
		p += sprintf(p, "name %s", s.name);
	else if (s.dest == DEST_ADDR)
		p += sprintf(p, "%s/%d", ADDR_STR(&s.addr),
			     addr_is_v4(&s.addr) ? s.len - 96 : s.len);
	else
		p += sprintf(p, "%s", class[s.dest]);
	for (unsigned i = 0; i < s.ranges && i < 1000; i++)
		p += sprintf(p, "%c%u-%u", i ? ',' : ' ', s.range[i].first,
			     s.range[i].last);
	sprintf(p, "%s%s%s", s.protos & P_TCP ? " tcp" : "",
		s.protos & P_UDP ? " udp" : "",
		s.protos & P_ICMP ? " icmp" : "");
	return out;
}

static void grammar(void)
{
	static const struct { const char *spec, *want; } t[] = {
		{ "any", "any tcp udp icmp" },
		{ "any:53/udp", "any 53-53 udp" },
		{ "host", "host tcp udp icmp" },
		{ "private/icmp", "private icmp" },
		{ "Private/icmp", "private icmp" },
		{ "ANY:53", "any 53-53 tcp udp" },
		{ "HoSt", "host tcp udp icmp" },
		{ "PUBLIC", "public tcp udp icmp" },
		{ "public:443", "public 443-443 tcp udp" },
		{ "10.0.0.0/8:443", "10.0.0.0/8 443-443 tcp udp" },
		{ "10.0.0.0/8/tcp", "10.0.0.0/8 tcp" },
		{ "192.0.2.1", "192.0.2.1/32 tcp udp icmp" },
		{ "192.0.2.1/32", "192.0.2.1/32 tcp udp icmp" },
		{ "192.0.2.1:80", "192.0.2.1/32 80-80 tcp udp" },
		{ "192.0.2.1/udp", "192.0.2.1/32 udp" },
		{ "0.0.0.0/0", "0.0.0.0/0 tcp udp icmp" },
		{ "[192.0.2.1]:80", "192.0.2.1/32 80-80 tcp udp" },
		{ "2001:db8::1", "2001:db8::1/128 tcp udp icmp" },
		{ "2001:db8::/32", "2001:db8::/32 tcp udp icmp" },
		{ "2001:db8::/32/tcp", "2001:db8::/32 tcp" },
		{ "[2001:db8::/32]:443", "2001:db8::/32 443-443 tcp udp" },
		{ "[2001:db8::1]", "2001:db8::1/128 tcp udp icmp" },
		{ "[2001:db8::1]/udp", "2001:db8::1/128 udp" },
		{ "::/0", "::/0 tcp udp icmp" },
		{ "example.org:443/tcp", "name example.org 443-443 tcp" },
		{ "*.example.org", "name *.example.org tcp udp icmp" },
		{ "Example.ORG.", "name example.org tcp udp icmp" },
		{ "localhost", "name localhost tcp udp icmp" },
		{ "hosts", "name hosts tcp udp icmp" },
		{ "privat.", "name privat tcp udp icmp" },
		{ "private.example", "name private.example tcp udp icmp" },
		{ "_imaps._tcp.example.org",
		  "name _imaps._tcp.example.org tcp udp icmp" },
		{ "bücher.example", "name xn--bcher-kva.example tcp udp icmp" },
		{ "*.BüCHER.example", "name *.xn--bcher-kva.example tcp udp icmp" },
		{ "пример.испытание",
		  "name xn--e1afmkfd.xn--80akhbyknj4f tcp udp icmp" },
		{ "例え.テスト", "name xn--r8jz45g.xn--zckzah tcp udp icmp" },
		{ "any:80,443,8000-8100", "any 80-80,443-443,8000-8100 tcp udp" },
		{ "any:443,80,81", "any 80-81,443-443 tcp udp" },
		{ "any:1-100,~25", "any 1-24,26-100 tcp udp" },
		{ "any:~25", "any 1-24,26-65535 tcp udp" },
		{ "any:all,~25", "any 1-24,26-65535 tcp udp" },
		{ "any:all", "any 1-65535 tcp udp" },

		{ "", "a destination is missing: an address, a network, a name, any, host, private or public" },
		{ ":443", "a destination is missing: an address, a network, a name, any, host, private or public" },
		{ "10.0.0.1/8", "the network of /8 begins at 10.0.0.0, write 10.0.0.0/8" },
		{ "2001:db8::1/32", "the network of /32 begins at 2001:db8::, write 2001:db8::/32" },
		{ "10.0.0.0/33", "a network of IPv4 has a length of 0 to 32, as in 10.0.0.0/8" },
		{ "2001:db8::/129", "a network of IPv6 has a length of 0 to 128, as in 2001:db8::/32" },
		{ "10.0.0.256", "not an address, which has four numbers up to 255, as in 192.0.2.1" },
		{ "10.0.0", "not an address, which has four numbers up to 255, as in 192.0.2.1" },
		{ "10.0.0.256:80", "not an address, which has four numbers up to 255, as in 192.0.2.1" },
		{ "2001:db8::1g", "unexpected 'g'; a rule is DEST[:PORTS][/PROTO], as in 10.0.0.0/8:443/tcp" },
		{ "2001:db8::g", "unexpected 'g'; a rule is DEST[:PORTS][/PROTO], as in 10.0.0.0/8:443/tcp" },
		{ "2001:db8:1:443", "not an address; an IPv6 address with ports is written [2001:db8::1]:443" },
		{ "[2001:db8::1:443", "']' is missing, as in [2001:db8::/32]:443" },
		{ "[example.org]:443", "an address belongs in the brackets, as in [2001:db8::1]:443" },
		{ "*", "'*' alone is written any" },
		{ "www.*.org", "'*' stands for whole labels at the beginning only, as in *.example.org" },
		{ "*.", "neither an address nor a name such as example.org or *.example.org" },
		{ "privat", "did you mean private? A host of that name is written with a dot behind it" },
		{ "publik:443", "did you mean public? A host of that name is written with a dot behind it" },
		{ "--", "not a name, whose parts neither begin nor end with '-'" },
		{ "*.a.-b.org", "not a name, whose parts neither begin nor end with '-'" },
		{ "a-.org:443", "not a name, whose parts neither begin nor end with '-'" },
		{ "a..b", "neither an address nor a name such as example.org or *.example.org" },
		{ "any:", "expected ports from 1 to 65535 after ':', as in 80,443 or 8000-8100, not ''" },
		{ "any:0", "expected ports from 1 to 65535 after ':', as in 80,443 or 8000-8100, not '0'" },
		{ "any:https", "expected ports from 1 to 65535 after ':', as in 80,443 or 8000-8100, not 'https'" },
		{ "any:80-70", "expected ports from 1 to 65535 after ':', as in 80,443 or 8000-8100, not '80-70'" },
		{ "any:80,~80", "no port is left" },
		{ "any:80/icmp", "icmp has no ports: leave ':…' or '/icmp' away" },
		{ "any/sctp", "expected /tcp, /udp or /icmp, not '/sctp'" },
		{ "any/tcpx", "expected /tcp, /udp or /icmp, not '/tcpx'" },
		{ "any:80x", "unexpected 'x'; a rule is DEST[:PORTS][/PROTO], as in 10.0.0.0/8:443/tcp" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		is_str(understood(t[i].spec), t[i].want, "'%s'", t[i].spec);
}

static void grammar_lengths(void)
{
	char text[70000], *p;

	memset(text, 'a', sizeof(text));
	text[63] = '\0';
	ok(strstr(understood(text), "name aaa"), "a label of 63");
	text[63] = 'a';
	text[64] = '\0';
	ok(strstr(understood(text), "neither an address"), "a label of 64");
	for (unsigned i = 1; i < 253; i += 2)
		text[i] = '.';
	text[64] = 'a';
	text[253] = '\0';
	ok(strstr(understood(text), "name a.a"), "a name of 253");
	text[253] = '.';
	text[254] = 'a';
	text[255] = '\0';
	ok(strstr(understood(text), "neither an address"), "a name of 255");
	p = text + sprintf(text, "any:1");
	for (unsigned i = 3; i < 2 * POLICY_SPEC_RANGES; i += 2)
		p += sprintf(p, ",%u", i);
	ok(strstr(understood(text), "any 1-1,3-3"), "1024 ranges of ports");
	sprintf(p, ",65535");
	ok(strstr(understood(text), "more than 1024 ranges"), "one more");
}

/* ---- Decisions ---- */

/* Rules separated by blanks: "+SPEC" allows, "-SPEC" denies */
static void rules(const char *text)
{
	char copy[4096], *spec, *rest;

	strcpy(copy, text);
	policy_begin();
	for (spec = strtok_r(copy, " ", &rest); spec;
	     spec = strtok_r(NULL, " ", &rest)) {
		if (!strcmp(spec, "no-verify"))
			policy_no_verify();
		else if (policy_add(*spec == '+', spec + 1, error))
			ok(false, "rule %s: %s", spec, error);
	}
	if (policy_commit(error))
		ok(false, "commit: %s", error);
}

static const mono_t t0 = { 1000 };

static struct policy_flow flow_of(const char *proto, const char *to,
				  uint16_t port)
{
	struct policy_flow f = { .to = A(to), .port = port };

	f.proto = !strcmp(proto, "tcp") ? PROTO_TCP :
		  !strcmp(proto, "udp") ? PROTO_UDP : PROTO_ICMP;
	return f;
}

static const char *verdict(struct policy_answer a)
{
	static char out[64];
	int n = sprintf(out, "%s ", a.go ? a.verify ? "verify" : "go" : "no");

	if (a.rule == POLICY_NO_RULE)
		sprintf(out + n, "default");
	else
		sprintf(out + n, "%u", a.rule);
	return out;
}

static const char *ask(const char *proto, const char *to, uint16_t port)
{
	struct policy_flow f = flow_of(proto, to, port);

	return verdict(policy_ask(&f, t0));
}

static const char *ask_seen(const char *seen, const char *to, uint16_t port)
{
	struct policy_flow f = flow_of("tcp", to, port);

	f.seen = A(seen);
	return verdict(policy_ask(&f, t0));
}

/* The host has more addresses than can be known: any may be one */
static void many_hosts(void)
{
	static struct addr host[POLICY_HOSTS_MAX + 1];

	for (unsigned i = 0; i < ARRAY_SIZE(host); i++) {
		host[i] = A("10.9.0.0");
		host[i].b[14] = (uint8_t)(i >> 8);
		host[i].b[15] = (uint8_t)i;
	}
	policy_set_host_addrs(host, POLICY_HOSTS_MAX);
	rules("-host");
	is_str(ask("tcp", "198.51.100.1", 80), "go default", "all are known");
	is_str(ask("tcp", "10.9.0.1", 80), "no 0", "... one of them");
	policy_set_host_addrs(host, ARRAY_SIZE(host));
	is_str(ask("tcp", "198.51.100.1", 80), "no 0", "one too many: any may be");
	is_str(ask("tcp", "2001:db8::1", 80), "no 0", "... of IPv6, too");
	ok(policy_is_inside(&host[POLICY_HOSTS_MAX]), "... for names, too");
	rules("+public");
	is_str(ask("tcp", "198.51.100.1", 80), "no default", "... none is public");
	rules("+host");
	is_str(ask("tcp", "198.51.100.1", 80), "no default", "... and none is allowed");
	is_str(ask("tcp", "10.9.0.1", 80), "go 0", "... that isn't known to be");
	policy_set_host_addrs(NULL, 0);
	rules("-host");
	is_str(ask("tcp", "198.51.100.1", 80), "go default", "none any more");
}

static void decisions(void)
{
	static const struct {
		const char *rules, *proto, *to;
		uint16_t port;
		const char *want;
	} t[] = {
		{ "", "tcp", "192.0.2.1", 80, "go default" },
		{ "+any", "tcp", "192.0.2.1", 80, "go 0" },
		{ "+any", "icmp", "2001:db8::1", 0, "go 0" },
		{ "-any", "tcp", "192.0.2.1", 80, "no 0" },
		{ "-10.0.0.0/8", "tcp", "10.1.2.3", 80, "no 0" },
		{ "-10.0.0.0/8", "tcp", "11.1.2.3", 80, "go default" },
		{ "+10.0.0.0/8", "tcp", "10.1.2.3", 80, "go 0" },
		{ "+10.0.0.0/8", "icmp", "10.1.2.3", 0, "go 0" },
		{ "+10.0.0.0/8", "tcp", "11.1.2.3", 80, "no default" },
		{ "+10.0.0.0/8:443", "tcp", "10.1.2.3", 443, "go 0" },
		{ "+10.0.0.0/8:443", "udp", "10.1.2.3", 443, "go 0" },
		{ "+10.0.0.0/8:443", "icmp", "10.1.2.3", 0, "no default" },
		{ "+10.0.0.0/8:443", "tcp", "10.1.2.3", 444, "no default" },
		{ "+10.0.0.0/8:443", "tcp", "10.1.2.3", 442, "no default" },
		{ "+10.0.0.0/8:443/udp", "tcp", "10.1.2.3", 443, "no default" },
		{ "+10.0.0.0/8/icmp", "icmp", "10.1.2.3", 0, "go 0" },
		{ "+10.0.0.0/8/icmp", "tcp", "10.1.2.3", 1, "no default" },
		/* First match */
		{ "-10.1.0.0/16 +10.0.0.0/8", "tcp", "10.1.2.3", 1, "no 0" },
		{ "+10.0.0.0/8 -10.1.0.0/16", "tcp", "10.1.2.3", 1, "go 0" },
		{ "+10.1.0.0/16:80 -10.0.0.0/8 +any", "tcp", "10.1.2.3", 80,
		  "go 0" },
		{ "+10.1.0.0/16:80 -10.0.0.0/8 +any", "tcp", "10.1.2.3", 81,
		  "no 1" },
		{ "+10.1.0.0/16:80 -10.0.0.0/8 +any", "tcp", "9.1.2.3", 81,
		  "go 2" },
		/* Neighbours in the table that don't contain it */
		{ "+10.0.0.0/8 +10.1.0.0/24 +10.2.0.0/24", "tcp", "10.1.1.1", 1,
		  "go 0" },
		{ "-any:25 +any", "tcp", "192.0.2.1", 25, "no 0" },
		{ "-any:25 +any", "tcp", "192.0.2.1", 26, "go 1" },
		/* Families */
		{ "+::/0", "tcp", "2001:db8::1", 1, "go 0" },
		{ "+::/0", "tcp", "192.0.2.1", 1, "no default" },
		{ "+0.0.0.0/0", "tcp", "192.0.2.1", 1, "go 0" },
		{ "+0.0.0.0/0", "tcp", "2001:db8::1", 1, "no default" },
		{ "+::/0 +10.0.0.0/8", "tcp", "2001:db8::1", 1, "go 0" },
		{ "-::/0 +::ffff:0.0.0.0/0", "tcp", "192.0.2.1", 1, "go 1" },
		{ "+192.0.2.1", "tcp", "2001:db8::1", 1, "no default" },
		/* Classes */
		{ "+public", "tcp", "192.0.2.1", 1, "go 0" },
		{ "+public", "tcp", "203.0.113.9", 1, "no default" },
		{ "+host", "tcp", "203.0.113.9", 1, "go 0" },
		{ "+host", "tcp", "203.0.113.8", 1, "no default" },
		{ "+host", "tcp", "127.0.0.1", 1, "go 0" },
		{ "+host", "tcp", "::1", 1, "go 0" },
		{ "+private", "tcp", "127.0.0.1", 1, "go 0" },
		{ "+private", "tcp", "::1", 1, "go 0" },
		{ "+private", "tcp", "10.255.0.1", 1, "go 0" },
		{ "+private", "tcp", "172.31.255.255", 1, "go 0" },
		{ "+private", "tcp", "172.32.0.0", 1, "no default" },
		{ "+private", "tcp", "192.168.1.1", 1, "go 0" },
		{ "+private", "tcp", "192.169.1.1", 1, "no default" },
		{ "+private", "tcp", "100.64.0.1", 1, "go 0" },
		{ "+private", "tcp", "100.128.0.1", 1, "no default" },
		{ "+private", "tcp", "169.254.169.254", 80, "go 0" },
		{ "+public", "tcp", "168.63.129.16", 80, "no default" },
		{ "+public", "tcp", "168.63.129.17", 80, "go 0" },
		{ "+private", "tcp", "fd00:ec2::254", 80, "go 0" },
		{ "+private", "tcp", "fe80::1", 80, "go 0" },
		{ "+public", "tcp", "fe00::1", 80, "go 0" },
		{ "+public", "tcp", "64:ff9b::192.168.1.1", 80, "no default" },
		{ "+public", "tcp", "64:ff9b::192.0.2.1", 80, "go 0" },
		{ "+public", "tcp", "2002:a00:1::1", 80, "no default" },
		{ "+public", "tcp", "64:ff9b:1::1", 80, "no default" },
		/* IPv4 within IPv6 */
		{ "-203.0.113.5 +any", "tcp", "::ffff:203.0.113.5", 1, "no 0" },
		{ "-203.0.113.5 +any", "tcp", "64:ff9b::203.0.113.5", 1, "no 0" },
		{ "-203.0.113.5 +any", "tcp", "64:ff9b::203.0.113.6", 1, "go 1" },
		{ "-203.0.113.5 +any", "tcp", "2002:cb00:7105::1", 1, "no 0" },
		{ "-203.0.113.5 +any", "tcp", "2002:cb00:7106::1", 1, "go 1" },
		{ "-203.0.113.5 +any", "tcp", "64:ff9b:1::203.0.113.5", 1,
		  "no 0" },
		{ "-203.0.113.0/24:25 +public", "tcp", "2002:cb00:7105::1", 25,
		  "no 0" },
		{ "-203.0.113.0/24:25 +public", "tcp", "2002:cb00:7105::1", 26,
		  "go 1" },
		{ "+203.0.113.5", "tcp", "64:ff9b::203.0.113.5", 1,
		  "no default" },
		{ "+203.0.113.0/24", "tcp", "2002:cb00:7105::1", 1,
		  "no default" },
		{ "-host +public", "tcp", "64:ff9b::203.0.113.9", 1, "no 0" },
		{ "-host +public", "tcp", "2002:cb00:7109::1", 1, "no 0" },
		{ "+public", "tcp", "64:ff9b::203.0.113.9", 1, "no default" },
		{ "+public", "tcp", "64:ff9b::203.0.113.8", 1, "go 0" },
		{ "-host +any", "tcp", "2001:db8::9", 80, "no 0" },
		{ "-private +any", "tcp", "2001:db8::9", 80, "go 1" },
	};
	struct addr host[] = { A("203.0.113.9"), A("2001:db8::9"),
			       A("192.168.1.5") };

	policy_set_host_addrs(host, ARRAY_SIZE(host));
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		rules(t[i].rules);
		is_str(ask(t[i].proto, t[i].to, t[i].port), t[i].want,
		       "'%s': %s %s %u", t[i].rules, t[i].proto, t[i].to,
		       t[i].port);
	}
}

/* An address that means another one on the host's side */
static void mapped(void)
{
	rules("+192.168.0.0/16");
	is_str(ask_seen("192.168.1.1", "127.0.0.1", 80), "no default",
	       "the network of the gateway isn't the host's loopback");
	is_str(ask_seen("192.168.1.1", "192.168.1.1", 80), "go 0",
	       "  the gateway itself");
	rules("+192.168.1.1:80");
	is_str(ask_seen("192.168.1.1", "127.0.0.1", 80), "go 0",
	       "the gateway's address, named, is what it leads to");
	rules("+127.0.0.1");
	is_str(ask_seen("192.168.1.1", "127.0.0.1", 80), "go 0",
	       "... or that");
	rules("+private");
	is_str(ask_seen("198.51.100.1", "127.0.0.1", 80), "go 0",
	       "loopback by whatever way is private");
	rules("+public");
	is_str(ask_seen("198.51.100.1", "127.0.0.1", 80), "no default",
	       "... and not public");
	rules("-192.168.0.0/16");
	is_str(ask_seen("192.168.1.1", "127.0.0.1", 80), "no 0",
	       "what is denied is denied by either address");
	rules("+192.168.0.0/16:80 -192.168.0.0/16 +host");
	is_str(ask_seen("192.168.1.1", "127.0.0.1", 80), "no 1",
	       "  also by a later rule of the same network");
	rules("-127.0.0.0/8 +any");
	is_str(ask_seen("192.168.1.1", "127.0.0.1", 80), "no 0", "  likewise");
}

static void learn(const char *name, const char *a, uint32_t ttl)
{
	struct addr addr = A(a);

	policy_learn(name, &addr, ttl, t0);
}

static const char *ask_at(const char *to, uint16_t port, int64_t s)
{
	struct policy_flow f = flow_of("tcp", to, port);

	return verdict(policy_ask(&f, mono_add(t0, DUR_S(s))));
}

static const char *ask_as(const char *to, uint16_t port, const char *name)
{
	struct policy_flow f = flow_of("tcp", to, port);

	return verdict(policy_ask_as(&f, name));
}

static void names(void)
{
	struct policy_flow f = flow_of("tcp", "192.0.2.10", 22);

	rules("+www.example.org:22,443 +*.example.net -secret.example.com "
	      "+*.example.com");
	is_str(ask("tcp", "192.0.2.10", 22), "no default",
	       "the address of a name that nobody has asked for");
	learn("www.example.org", "192.0.2.10", 300);
	is_str(ask("tcp", "192.0.2.10", 22), "go 0", "... and then has");
	is_str(policy_ask(&f, t0).name, "www.example.org", "... by its name");
	is_str(ask("tcp", "192.0.2.10", 443), "verify 0", "... to be verified");
	is_str(ask("udp", "192.0.2.10", 443), "no default", "no QUIC");
	is_str(ask("udp", "192.0.2.10", 22), "go 0", "other UDP");
	is_str(ask("tcp", "192.0.2.10", 80), "no default", "another port");
	is_str(ask_at("192.0.2.10", 22, 359), "go 0",
	       "after the TTL, for a minute");
	is_str(ask_at("192.0.2.10", 22, 361), "no default", "no longer");
	learn("other.example.org", "192.0.2.11", 300);
	is_str(ask("tcp", "192.0.2.11", 22), "no default",
	       "a name that no rule has isn't learned");
	learn("a.b.example.net", "192.0.2.12", 0);
	is_str(ask("tcp", "192.0.2.12", 7), "go 1", "below, deeply");
	is_str(ask("icmp", "192.0.2.12", 0), "go 1", "  ping");
	is_str(ask_at("192.0.2.12", 7, 59), "go 1", "TTL 0: a minute");
	learn("example.net", "192.0.2.13", 300);
	is_str(ask("tcp", "192.0.2.13", 7), "no default",
	       "the name itself isn't below it");
	learn("xexample.net", "192.0.2.13", 300);
	is_str(ask("tcp", "192.0.2.13", 7), "no default",
	       "nor is one that only ends so");

	/* Two names at one address */
	learn("x.example.com", "192.0.2.10", 300);
	is_str(ask("tcp", "192.0.2.10", 80), "verify 3",
	       "another name of the same address");
	is_str(ask("tcp", "192.0.2.10", 22), "go 0", "... beside the first");

	/* Rebinding */
	learn("evil.example.net", "127.0.0.1", 300);
	learn("evil.example.net", "10.0.0.1", 300);
	learn("evil.example.net", "203.0.113.9", 300);
	is_str(ask("tcp", "127.0.0.1", 22), "no default",
	       "a name doesn't lead to loopback");
	is_str(ask("tcp", "10.0.0.1", 22), "no default", "... nor inside");
	is_str(ask("tcp", "203.0.113.9", 22), "no default",
	       "... nor to the host");
	is_str(ask_seen("192.0.2.10", "127.0.0.1", 22), "no default",
	       "... nor by an address that is mapped");

	/* The name that the guest gives itself */
	is_str(ask_as("192.0.2.10", 443, "www.example.org"), "verify 0",
	       "server name: as allowed");
	is_str(ask_as("192.0.2.10", 443, "evil.example.org"), "no default",
	       "... another");
	is_str(ask_as("192.0.2.10", 443, "secret.example.com"), "no 2",
	       "... one that is denied");
	is_str(ask_as("10.0.0.1", 443, "www.example.org"), "no default",
	       "... that doesn't open what is inside");

	/* Another policy keeps what it, too, has */
	rules("+any:22 +*.example.org:443");
	is_str(ask("tcp", "192.0.2.10", 443), "verify 1",
	       "replaced: what was learned is known");
	is_str(ask("tcp", "192.0.2.12", 443), "no default",
	       "... of names that have a rule");
	is_str(ask("tcp", "192.0.2.10", 22), "go 0", "... by its rules");

	rules("+www.example.org +public:443");
	is_str(ask("tcp", "192.0.2.10", 443), "go 0",
	       "not verified if an address alone would do");
	rules("+www.example.org no-verify");
	is_str(ask("tcp", "192.0.2.10", 443), "go 0", "nor with the option");
	is_str(ask("udp", "192.0.2.10", 443), "go 0", "... QUIC goes, too");
	rules("+www.example.org/udp");
	is_str(ask("udp", "192.0.2.10", 443), "go 0", "nor if asked for");
}

/* A name that isn't limited to ports still has no QUIC, which can't be verified */
static void web_of_names(void)
{
	rules("+www.example.org +*.example.net/udp -bad.example.com +example.com");
	learn("www.example.org", "192.0.2.50", 300);
	learn("a.example.net", "192.0.2.51", 300);
	is_str(ask("udp", "192.0.2.50", 443), "no default", "all ports: no QUIC");
	is_str(ask("udp", "192.0.2.50", 80), "no default", "... at either port");
	is_str(ask("udp", "192.0.2.50", 444), "go 0", "... the next is");
	is_str(ask("udp", "192.0.2.50", 442), "go 0", "... and the one before");
	is_str(ask("udp", "192.0.2.50", 81), "go 0", "... and 81");
	is_str(ask("tcp", "192.0.2.50", 443), "verify 0", "... TCP is verified");
	is_str(ask("udp", "192.0.2.51", 443), "go 1", "unless UDP is asked for");
	rules("+www.example.org:1-1024");
	is_str(ask("udp", "192.0.2.50", 443), "no default", "a range around it");
	is_str(ask("udp", "192.0.2.50", 444), "go 0", "... has the rest");
	rules("no-verify +www.example.org");
	is_str(ask("udp", "192.0.2.50", 443), "go 0", "unless nothing is verified");
}

/* Several names of one address: in whatever order they were learned, the first rule
 * decides, also if others were learned between them
 */
static void names_in_any_order(void)
{
	static const char *const name[] = { "a.example.org", "b.example.org",
					    "c.example.org" };

	unsigned at = 1;

	for (unsigned i = 0; i < 3; i++) {
		for (unsigned j = 1; j < 3; j++) {
			char to[32], other[32];

			rules("-a.example.org:22 +b.example.org:22 "
			      "-c.example.org:22,23 +any");
			sprintf(to, "192.0.2.%u", 60 + 3 * i + j);
			for (unsigned k = 0; k < 3; k++) {
				learn(name[(i + k * j) % 3], to, 300);
				sprintf(other, "198.51.100.%u", at++);
				learn(name[0], other, 300);
			}
			is_str(ask("tcp", to, 22), "no 0", "%s %s %s", name[i],
			       name[(i + j) % 3], name[(i + 2 * j) % 3]);
			is_str(ask("tcp", to, 23), "no 2", "... the last alone");
		}
	}
}

/* Last: there is no way back */
static void learning(void)
{
	rules("");
	ok(!policy_is_on() && !policy_has_names(), "no rules, no names");
	policy_learn_mode();
	ok(policy_is_learning() && policy_is_on() && policy_has_names(),
	   "what is learned is asked of");
	is_str(ask("tcp", "192.0.2.1", 443), "verify default",
	       "what says its name is listened to");
	is_str(ask("tcp", "192.0.2.1", 80), "verify default", "... HTTP, too");
	is_str(ask("tcp", "192.0.2.1", 22), "go default", "... other ports aren't");
	is_str(ask("udp", "192.0.2.1", 443), "go default", "... nor is UDP");
	is_str(ask("tcp", "10.0.0.1", 443), "go default", "... nor what is inside");
}

static void queries(void)
{
	static const struct { const char *rules, *name; bool want; } t[] = {
		{ "+example.org", "example.org", true },
		{ "+example.org", "www.example.org", false },
		{ "+*.example.org", "www.example.org", true },
		{ "+*.example.org", "a.b.www.example.org", true },
		{ "+*.example.org", "example.org", false },
		{ "+*.example.org", "org", false },
		{ "+example.org:443/tcp", "example.org", true },
		{ "+example.org", "example.com", false },
		{ "-evil.example.org", "evil.example.org", false },
		{ "-evil.example.org", "example.org", true },
		{ "-evil.example.org +*.example.org", "evil.example.org",
		  false },
		{ "+*.example.org -evil.example.org", "evil.example.org",
		  true },
		{ "-example.org:25 +example.org", "example.org", true },
		{ "+example.org +any:443", "example.com", true },
		{ "+example.org +public", "example.com", true },
		{ "+example.org +private", "example.com", false },
		{ "+example.org +any/icmp", "example.com", false },
		{ "+example.org/icmp", "example.org", true },
		{ "+example.org/icmp", "example.com", false },
		{ "-*.example.org +any", "www.example.org", false },
		{ "-any +example.org", "example.org", false },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		uint32_t rule;

		rules(t[i].rules);
		ok(policy_query_ok(t[i].name, &rule) == t[i].want,
		   "'%s': %s is %s", t[i].rules, t[i].name,
		   t[i].want ? "asked" : "refused");
	}
}

/* What counts as a hit, and what a policy takes over from the one before */
static void hits(void)
{
	struct policy_flow web = flow_of("tcp", "192.0.2.80", 80);
	uint32_t rule;

	rules("+192.0.2.1:22 -bad.example.org +*.example.org:80");
	ok(policy_rule_allows(0) && !policy_rule_allows(1) &&
	   !policy_rule_allows(POLICY_NO_RULE), "what rules say");
	ask("tcp", "192.0.2.1", 22);
	ask("tcp", "192.0.2.1", 23);
	ask("tcp", "192.0.2.1", 24);
	ok(policy_rule_hits(0) == 1 && policy_rule_hits(POLICY_NO_RULE) == 2,
	   "hits of a rule, and of none");
	policy_would(&web, t0);
	policy_ask_as(&web, "www.example.org");
	ok(policy_rule_hits(POLICY_NO_RULE) == 2 && !policy_rule_hits(2),
	   "... not of questions alone");
	ok(policy_query_ok("www.example.org", &rule) && !policy_rule_hits(2),
	   "... nor of queries that may go");
	ok(!policy_query_ok("bad.example.org", &rule) && policy_rule_hits(1) == 1,
	   "... but of one that is refused");
	ok(!policy_query_ok("example.net", &rule) &&
	   policy_rule_hits(POLICY_NO_RULE) == 3, "... by no rule, too");
	ok(policy_ask_as(&web, "www.example.org").go &&
	   !policy_ask_as(&web, NULL).go, "no name at all");

	policy_begin();
	ok(!policy_add(true, "192.0.2.1", error) && !policy_pending_names(),
	   "no names in what is filled");
	ok(!policy_add(true, "*.example.net", error) && policy_pending_names(),
	   "one");
	is_int(policy_pending(), 2, "two rules are to come");
	ok(policy_has_names() && policy_rule_hits(0) == 1,
	   "the old one goes on meanwhile");
	rules("+www.example.org:80");
	is_int(policy_pending(), 0, "none are");
	ok(policy_rule_hits(0) == 0 && policy_rule_hits(POLICY_NO_RULE) == 0,
	   "a new one begins at nothing");
	policy_learn("www.example.org", &web.to, 60, t0);
	ok(!strcmp(verdict(policy_ask(&web, t0)), "verify 0"), "names are verified");
	rules("no-verify +www.example.org:80");
	ok(!strcmp(verdict(policy_ask(&web, t0)), "go 0"), "... unless");
	ok(!policy_verifies(), "... which is known");
}

static void files(void)
{
	char good[] = "# a policy\n\nallow example.org:443 # web\n"
		      "\tdeny any:25\r\nallow any";
	char bad[] = "allow any\nalow any\n", bad2[] = "\n\nallow any:x",
	     bad3[] = "deny", bad4[] = "allow any any",
	     none[] = "\n# nothing yet\n";
	char buf[POLICY_STRLEN];

	policy_begin();
	is_int(policy_add_text(good, error), 0, "a file");
	policy_commit(error);
	is_int(policy_rule_count(), 3, "... has three rules");
	is_str(policy_rule_print(1, buf), "deny any:25", "... the second");
	is_str(policy_rule_print(POLICY_NO_RULE, buf), "default", "... none");
	ok(policy_add_text(bad, error), "an unknown word");
	is_str(error, "line 2: expected 'allow DEST[:PORTS][/PROTO]' or 'deny …', not 'alow any'", "... says where");
	ok(policy_add_text(bad2, error), "a bad spec");
	is_str(error, "line 3: 'any:x': expected ports from 1 to 65535 after ':', as in 80,443 or 8000-8100, not 'x'", "... says where");
	ok(policy_add_text(bad3, error), "a word alone");
	ok(policy_add_text(bad4, error), "a word too many");
	policy_begin();
	ok(policy_add_text(none, error), "no rule at all");
	is_str(error, "no rule is in it; 'allow any' would let everything go, 'deny any' nothing", "... says what to write");
	is_int(policy_rule_count(), 3, "the policy in use stays");
}

/* ---- What was used, written and read back ---- */

/* What a guest may say in TLS and HTTP, and ask for; none can stand in a rule */
static const char *const hostile[] = {
	"any", "host", "private", "public", "any#", "any#.example", "#", "",
	"any:1-65535#", "any/icmp#", "0.0.0.0/0#", "[::/0]#", "10.0.0.0/8",
	"*.com", "*.com#.attacker.example", "*", "*.*", "a.*.b", "1.2.3.4", "127",
	"::1", "[::1]", "::/0", "example.org/udp", "example.org:all", "example.org#",
	"a b.example", "a\nallow any", "a\rb", "~", ",", "a,b", "a..b",
	".a", "a.", "ANY", "Example.org", "xn--\xc3\xa4", "\xc3\xa4.example",
	"a\tb", "a\"b", "a'b", "a\\b", "a$b", "a;b", "a=b", "a%b",
};

static void used(const char *name, uint16_t port)
{
	struct addr to = A("203.0.113.1");

	policy_used_flow(PROTO_TCP, name, &to, port);
	policy_used_query(name);
}

/* The file, as the policy that it is: true if that is one */
static bool read_back(int fd, char *why)
{
	static char text[4 * 1024 * 1024];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return false;
	text[n] = '\0';
	policy_begin();
	return !policy_add_text(text, why) && !policy_commit(why);
}

/* May the rule be there, after used()? A plain name's or the address's */
static bool is_used(const char *rule)
{
	static struct policy_spec s;
	char why[POLICY_ERR_LEN];

	if (policy_spec_parse(rule + strlen("allow "), &s, why) || !s.proto_said)
		return false;
	if (s.dest == DEST_ADDR)
		return s.len == 128 && !strcmp(ADDR_STR(&s.addr), "203.0.113.1") &&
		       s.protos == P_TCP && s.ranges;
	return s.dest == DEST_NAME && *s.name != '*' && s.ranges == 1 &&
	       s.range[0].first == s.range[0].last &&
	       (s.protos == P_TCP ? s.range[0].first == 80 :
				    s.range[0].first == 53);
}

static void learned_names(void)
{
	static const char some[] = "any#*.:/[]~,019 hostpulicr-_\n";
	char buf[POLICY_STRLEN], name[32];
	int fd = memfd_create("learn", 0);
	unsigned bad = 0;
	uint32_t rule;

	policy_used_init();
	policy_used_open(fd);
	for (unsigned i = 0; i < ARRAY_SIZE(hostile); i++)
		used(hostile[i], 80);
	policy_used_write();
	ok(read_back(fd, error), "hostile names: what is written is a policy");
	is_int(policy_rule_count(), 1, "... of one rule");
	is_str(policy_rule_print(0, buf), "allow [203.0.113.1]:80/tcp",
	       "... for the address");
	is_str(ask("tcp", "203.0.113.1", 80), "go 0", "... which allows it");
	is_str(ask("tcp", "203.0.113.1", 81), "no default", "... and no more");
	is_str(ask("icmp", "203.0.113.1", 0), "no default", "... and no more");
	ok(!policy_query_ok("a.example.com", &rule), "... no name");

	used("www.example.org", 80);
	used("_a-1.example.org", 80);
	for (unsigned i = 0; i < 3000; i++) {
		unsigned n = random_below(sizeof(name));

		for (unsigned k = 0; k < n; k++)
			name[k] = some[random_below(sizeof(some) - 1)];
		name[n] = '\0';
		used(name, 80);
	}
	policy_used_write();
	ok(read_back(fd, error), "random names: what is written is a policy");
	ok(policy_rule_count() > 5, "... %u rules", policy_rule_count());
	for (rule = 0; rule < policy_rule_count(); rule++)
		bad += !is_used(policy_rule_print(rule, buf));
	is_int(bad, 0, "... each as it was used");
	ok(policy_query_ok("www.example.org", &rule) &&
	   policy_query_ok("_a-1.example.org", &rule), "... good names");
	is_str(ask("tcp", "198.51.100.9", 9999), "no default", "... no more");
	policy_used_open(-1);
	close(fd);
}

/* As many destinations as fit must not stop the daemon: next to nothing, and not
 * with the square of their number
 */
static void learned_many(void)
{
	int fd = memfd_create("learn", 0);
	struct timespec from, to;
	int64_t ms;

	policy_used_open(fd);
	for (uint32_t i = 0; i < POLICY_USED_MAX; i++) {
		struct addr a = addr_v4(0xcb000000 + i);

		policy_used_flow(PROTO_UDP, NULL, &a, (uint16_t)(i + 1));
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	policy_used_write();
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	ms = (to.tv_sec - from.tv_sec) * 1000 +
	     (to.tv_nsec - from.tv_nsec) / 1000000;
	ok(ms < 200 * slowness(), "a full table is written within %d ms", (int)ms);
	ok(lseek(fd, 0, SEEK_END) > 10000 * 20, "... all of it");
	policy_used_open(-1);
	close(fd);
}

/* ---- The same, rule by rule ---- */

static struct policy_spec naive[POLICY_RULES_MAX];
static bool naive_allow[POLICY_RULES_MAX];
static unsigned naive_count;

static bool naive_ports(const struct policy_spec *s, uint16_t port)
{
	for (unsigned i = 0; i < s->ranges; i++)
		if (port >= s->range[i].first && port <= s->range[i].last)
			return true;
	return !s->ranges;
}

/* Does this rule, of a class or network, match? No host's address is asked */
static bool naive_match(const struct policy_spec *s,
			const struct policy_flow *f)
{
	uint8_t bit = f->proto == PROTO_TCP ? P_TCP :
		      f->proto == PROTO_UDP ? P_UDP : P_ICMP;
	bool private = policy_is_private(&f->to);

	if (!(s->protos & bit) || (bit != P_ICMP && !naive_ports(s, f->port)))
		return false;
	switch (s->dest) {
	case DEST_ANY:
		return true;
	case DEST_PRIVATE:
		return private;
	case DEST_PUBLIC:
		return !private;
	case DEST_ADDR:
		for (unsigned i = 0; i < s->len; i++)
			if ((s->addr.b[i / 8] ^ f->to.b[i / 8]) &
			    0x80 >> i % 8)
				return false;
		return addr_is_v4(&s->addr) == addr_is_v4(&f->to);
	case DEST_HOST:
	case DEST_NAME:
		break;
	}
	return false;
}

static uint32_t naive_ask(const struct policy_flow *f)
{
	for (unsigned i = 0; i < naive_count; i++)
		if (naive_match(&naive[i], f))
			return i;
	return POLICY_NO_RULE;
}

/* Few different bits, so that networks are nested, and addresses meet them */
static struct addr random_addr(void)
{
	uint8_t six[16] = { 0x20, 0x01, 0x0d, 0xb8 };

	if (random_below(2))
		return addr_v4(random_below(4) << 30 |
			       random_below(4) << 16 | random_below(8) << 5);
	six[5] = (uint8_t)random_below(4);
	six[8] = (uint8_t)(random_below(2) << 7);
	six[15] = (uint8_t)random_below(8);
	return addr_from_v6(six);
}

static const char *random_spec(void)
{
	static const char *const class[] = { "any", "private", "public" };
	static const char *const proto[] = { "", "", "/tcp", "/udp" };
	static char out[256];
	struct addr a = random_addr(), net = { { 0 } };
	unsigned max = addr_is_v4(&a) ? 32 : 128;
	unsigned len = random_below(4) ? random_below(max + 1) : max;
	unsigned bits = len + 128 - max;
	uint16_t port = (uint16_t)(1 + random_magnitude(15));
	int n;

	for (unsigned i = 0; i < bits; i++)
		net.b[i / 8] |= (uint8_t)(a.b[i / 8] & 0x80 >> i % 8);
	if (!random_below(8))
		n = sprintf(out, "%s", class[random_below(3)]);
	else
		n = sprintf(out, "[%s/%u]", ADDR_STR(&net), len);
	switch (random_below(4)) {
	case 0:
		n += sprintf(out + n, ":%u-%u", port,
			     port + random_below(UINT16_MAX - port));
		break;
	case 1:
		n += sprintf(out + n, ":%u,%u,~%u", port, port / 2 + 1,
			     random_below(10) + 65520);
		break;
	case 2:
		sprintf(out + n, "%s", random_below(4) ? "" : "/icmp");
		return out;
	default:
		n += sprintf(out + n, ":~%u-%u", port, port + 10);
		break;
	}
	sprintf(out + n, "%s", proto[random_below(4)]);
	return out;
}

static void compare(unsigned n, unsigned questions)
{
	static const uint8_t protos[] = { PROTO_TCP, PROTO_UDP, PROTO_ICMP };
	unsigned wrong = 0, hit = 0;

	policy_begin();
	naive_count = 0;
	while (naive_count < n) {
		const char *spec = random_spec();

		naive_allow[naive_count] = random_below(2);
		if (policy_spec_parse(spec, &naive[naive_count], error) ||
		    policy_add(naive_allow[naive_count], spec, error)) {
			ok(false, "%s: %s", spec, error);
			return;
		}
		naive_count++;
	}
	is_int(policy_commit(error), 0, "%u rules", n);
	for (unsigned i = 0; i < questions; i++) {
		struct policy_flow f = {
			.proto = protos[random_below(3)],
			.port = (uint16_t)random_magnitude(16),
			.to = random_addr(),
		};
		uint32_t want = naive_ask(&f);

		hit += want != POLICY_NO_RULE;
		wrong += policy_ask(&f, t0).rule != want;
	}
	is_int(wrong, 0, "... as one by one, of %u questions with %u hits",
	       questions, hit);
	if (n > 100)
		ok(hit > questions / 20, "... which were some");
}

static void random_rules(void)
{
	policy_set_host_addrs(NULL, 0);
	for (unsigned i = 0; i < 200; i++)
		compare(1 + random_below(12), 200);
	compare(300, 20000);
	compare(10000, 500);
}

/* As many as there may be, of one destination, and one too many */
static void limits(void)
{
	char spec[64], to[16];
	unsigned n;

	policy_begin();
	for (n = 0; n < POLICY_RULES_MAX; n++) {
		sprintf(spec, "any:%u", 1 + n * 3);
		if (policy_add(true, spec, error))
			break;
	}
	is_int(n, POLICY_RULES_MAX, "the most rules");
	ok(policy_add(true, "any", error), "one more: %s", error);
	is_int(policy_commit(error), 0, "... are compiled");
	is_str(ask("tcp", "192.0.2.1", 3 * 5000 + 1), "go 5000", "... rightly");
	is_str(ask("tcp", "192.0.2.1", 3 * 5000 + 2), "no default", "...");
	policy_begin();
	for (n = 0; n < POLICY_RULES_MAX; n++) {
		sprintf(spec, "n%u.example.org:%u", n, 1 + n % 60000);
		if (policy_add(true, spec, error))
			break;
	}
	is_int(policy_commit(error), 0, "%u names", n);
	for (n = 0; n < 33000; n++) {
		sprintf(spec, "n%u.example.org", n % POLICY_RULES_MAX);
		sprintf(to, "192.0.2.%u", n % 128);
		learn(spec, to, 100 + n);
	}
	is_int(learned_count(), POLICY_RULES_MAX, "... all learned");
	is_str(ask("tcp", "192.0.2.104", 1001), "go 1000", "... and found");
	for (n = 0; n < 33000; n++) {
		struct addr a = addr_v4(0xc6330000 + n);

		policy_learn("n7.example.org", &a, 100, t0);
	}
	is_int(learned_count(), LEARNED_MAX, "the table of them is bounded");
	is_str(ask("tcp", "198.51.128.231", 8), "go 7", "... the newest is there");
}

int main(void)
{
	policy_init();
	grammar();
	grammar_lengths();
	many_hosts();
	decisions();
	mapped();
	names();
	web_of_names();
	names_in_any_order();
	queries();
	files();
	learned_names();
	learned_many();
	random_rules();
	limits();
	hits();
	rules("+any:443");
	ok(!policy_has_names(), "rules, none of names");
	learning();
	return done();
}
