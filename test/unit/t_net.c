// SPDX-License-Identifier: GPL-2.0-or-later
/* What follows from options and the host's facts: row by row what test/conf,
 * which shows whole command lines, can't: facts that change
 *
 * Links: host/net_resolve.o host/resolv.o util.o util/addr.o
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "host/net.h"
#include "tap_test.h"
#include "util/log.h"

static struct net_options opts;
static struct net_facts facts;
static struct net net;

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	abort();
}

static struct addr A(const char *s)
{
	struct addr a = { { 0 } };

	if (*s && !addr_parse(s, &a))
		ok(false, "'%s' is an address", s);
	return a;
}

static void is_addr(const struct addr *a, const char *want, const char *what)
{
	struct addr w = A(want);

	ok(addr_eq(a, &w), "%s: %s (got %s)", what, *want ? want : "none",
	   ADDR_STR(a));
}

/* The host has nothing, nothing was asked for */
static void nothing(void)
{
	memset(&opts, 0, sizeof(opts));
	memset(&facts, 0, sizeof(facts));
	for (enum family f = V4; f < FAMILIES; f++) {
		opts.fam[f].enabled = true;
		facts.fam[f].error = -ENOENT;
	}
}

static void has_network(void)
{
	facts.fam[V4].error = facts.fam[V6].error = 0;
	facts.fam[V4].template = (struct nl_template){
		.ifname = "eth0", .ifi = 2, .addr = A("192.0.2.15"),
		.prefix_len = 24, .gw = A("192.0.2.1"), .candidates = 1,
	};
	facts.fam[V6].template = (struct nl_template){
		.ifname = "eth0", .ifi = 2, .addr = A("2001:db8::15"),
		.prefix_len = 64, .gw = A("fe80::1"), .ll = A("fe80::15"),
		.candidates = 1,
	};
}

static void has_resolvers(const char *text)
{
	char copy[512];

	snprintf(copy, sizeof(copy), "%s", text);
	resolv_parse(copy, &facts.resolv);
}

static void resolve(void)
{
	memset(&net, 0x55, sizeof(net));
	net_resolve(&opts, &facts, &net);
}

static void test_local_mode(void)
{
	nothing();
	resolve();
	ok(net.fam[V4].local_mode && net.fam[V6].local_mode && !net.usable,
	   "no network: local mode");
	is_addr(&net.fam[V4].guest, "169.254.2.1", "guest then");
	is_addr(&net.fam[V4].gw, "169.254.2.2", "gateway then");
	is_addr(&net.fam[V6].guest, "", "IPv6 guest then");
	is_addr(&net.fam[V6].our, "fe80::1", "our IPv6 address then");

	has_network();
	resolve();
	ok(!net.fam[V4].local_mode && !net.fam[V6].local_mode && net.usable,
	   "network comes: no local mode");
	is_addr(&net.fam[V4].guest, "192.0.2.15", "guest then");
	is_addr(&net.fam[V4].map_host_loopback, "192.0.2.1",
		"what leads to the host then");
	is_addr(&net.fam[V6].our, "fe80::1", "our IPv6 address then");

	facts.fam[V6].template.gw = A("2001:db8::1");
	resolve();
	is_addr(&net.fam[V6].our, "fe80::15",
		"our IPv6 address with a global gateway");
}

static void test_given(void)
{
	nothing();
	opts.fam[V4].guest = A("10.0.2.100");
	opts.fam[V4].gw = A("10.0.2.2");
	opts.fam[V4].have_len = true;
	opts.fam[V4].len = 24;
	opts.fam[V4].dns[0] = A("10.0.2.3");
	opts.fam[V4].dns_count = 1;
	opts.fam[V4].dns_host = A("198.51.100.1");
	opts.fam[V4].dns_forward = A("10.0.2.3");
	opts.copy_addrs = opts.copy_routes = true;
	for (int with_network = 0; with_network < 2; with_network++) {
		if (with_network)
			has_network();
		has_resolvers(with_network ? "nameserver 192.0.2.53\n" : "");
		resolve();
		is_addr(&net.fam[V4].guest, "10.0.2.100", "-a holds");
		is_addr(&net.fam[V4].gw, "10.0.2.2", "-g holds");
		ok(net.fam[V4].prefix_len == 24, "-n holds");
		ok(net.fam[V4].dns_count == 1, "-D holds");
		is_addr(&net.fam[V4].dns_host, "198.51.100.1",
			"--dns-host holds");
		ok(net.usable && net.fam[V4].guest_fixed,
		   "a given address can be used");
		ok(!net.fam[V4].copy_addrs && !net.fam[V4].copy_routes,
		   "what was given isn't copied");
		ok(net.fam[V6].copy_addrs == with_network,
		   "what wasn't is");
	}
}

static void test_problems(void)
{
	nothing();
	strcpy(opts.ifname, "eth7");
	facts.fam[V4].error = -ENODEV;
	resolve();
	ok(net.fam[V4].problem == NET_NO_IFNAME, "-i of no interface");
	ok(net.fam[V6].problem == NET_FINE && net.fam[V6].local_mode,
	   "-i without addresses of a family");

	nothing();
	strcpy(opts.fam[V6].outbound_if, "eth7");
	resolve();
	ok(net.fam[V6].problem == NET_OUTBOUND_UNUSABLE,
	   "--outbound-if6 without addresses");
	facts.fam[V6].no_outbound_if = true;
	resolve();
	ok(net.fam[V6].problem == NET_NO_OUTBOUND_IF,
	   "--outbound-if6 of no interface");
	facts.fam[V6].no_outbound_if = false;
	opts.fam[V6].guest = A("2001:db8::1");
	resolve();
	ok(net.fam[V6].problem == NET_FINE,
	   "--outbound-if6 without addresses, but -a");

	has_network();
	opts.fam[V6].guest = A("");
	resolve();
	ok(net.fam[V6].problem == NET_FINE, "--outbound-if6 with addresses");
}

static void test_off(void)
{
	static const struct net_family zero;

	nothing();
	has_network();
	has_resolvers("nameserver 2001:db8::53\nsearch a.example\n");
	opts.fam[V6].enabled = false;
	opts.fam[V6].dns_forward = A("fd00::53");
	opts.fam[V4].dns_forward = A("192.0.2.53");
	resolve();
	ok(!memcmp(&net.fam[V6], &zero, sizeof(zero)),
	   "nothing in a family that is off");
	is_addr(&net.fam[V4].dns_host, "2001:db8::53",
		"its resolver serves the other");
	ok(net.search.count == 1, "search domains are of no family");

	opts.no_link = true;
	resolve();
	ok(net.fam[V4].enabled && !net.search.count, "no link: nothing to give");
	is_addr(&net.fam[V4].guest, "", "nor an address");
}

int main(void)
{
	test_local_mode();
	test_given();
	test_problems();
	test_off();
	return done();
}
