// SPDX-License-Identifier: GPL-2.0-or-later
/* What follows from options and the host's facts: row by row what test/conf,
 * which shows whole command lines, can't: facts that change
 *
 * Links: host/net.o host/net_resolve.o host/netlink.o host/nlmsg.o
 * Links: fwd/fwd.o engine/guest.o host/resolv.o util.o util/addr.o
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "host/net.h"
#include "host/nlmsg.h"
#include "random.h"
#include "tap_test.h"
#include "util/log.h"
#include "util/wire.h"

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
	resolv_parse(copy, strlen(copy), &facts.resolv);
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
	facts.links = 3;
	resolve();
	is_int(net.links, 3, "interfaces that may be others");
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

/* Facts that are newer */

static void test_renew(void)
{
	static struct net_facts kept;
	bool has[FAMILIES];

	nothing();
	has_network();
	has_resolvers("nameserver 192.0.2.53\n");
	kept = facts;
	nothing();
	facts.fam[V6].error = -EPERM;
	net_facts_renew(&facts, &kept, has);
	ok(!has[V4] && !has[V6], "the host has lost its network");
	ok(!kept.fam[V4].error && !kept.fam[V6].error,
	   "what it had is kept");
	is_int(kept.resolv.count[V4], 1, "and so are its resolvers");

	has_network();
	facts.fam[V6].template.addr = A("2001:db8::99");
	facts.fam[V6].template.tentative = true;
	net_facts_renew(&facts, &kept, has);
	ok(has[V4] && !has[V6], "an address that can't be used yet is none");
	is_addr(&kept.fam[V6].template.addr, "2001:db8::15",
		"  that of before is kept");
	facts.fam[V6].template.tentative = false;
	net_facts_renew(&facts, &kept, has);
	ok(has[V6], "  until it can");
	is_addr(&kept.fam[V6].template.addr, "2001:db8::99", "  the other one");

	facts.fam[V4].template.addr = A("198.51.100.7");
	facts.fam[V6].template.ll = A("");
	has_resolvers("nameserver 2001:db8::53\nsearch a.example\n");
	net_facts_renew(&facts, &kept, has);
	ok(has[V4] && !has[V6], "it has another one, without usable IPv6");
	is_addr(&kept.fam[V4].template.addr, "198.51.100.7", "the other one");
	is_addr(&kept.fam[V6].template.addr, "2001:db8::99", "the old one");
	is_int(kept.resolv.count[V4], 0, "other resolvers");
	is_int(kept.resolv.count[V6], 1, "  of the other family");
}

/* Messages of rtnetlink, put together like those of the kernel */

static struct nlmsg msg;

static bool link_says(uint16_t type, int ifi)
{
	struct ifinfomsg *info = nlmsg_init(&msg, type, 0, sizeof(*info));

	info->ifi_index = ifi;
	return net_matters(&opts, &facts, &msg.nh);
}

static bool addr_says(uint16_t type, enum family f, unsigned ifi)
{
	struct ifaddrmsg *ifa = nlmsg_init(&msg, type, 0, sizeof(*ifa));

	ifa->ifa_family = nlmsg_af(f);
	ifa->ifa_index = ifi;
	return net_matters(&opts, &facts, &msg.nh);
}

static bool route_says(enum family f, unsigned len, unsigned ifi, uint8_t table)
{
	struct rtmsg *rt = nlmsg_init(&msg, RTM_DELROUTE, 0, sizeof(*rt));

	rt->rtm_family = nlmsg_af(f);
	rt->rtm_dst_len = (uint8_t)len;
	rt->rtm_table = table;
	rt->rtm_type = RTN_UNICAST;
	nlmsg_put_u32(&msg, RTA_OIF, ifi);
	return net_matters(&opts, &facts, &msg.nh);
}

static void test_matters(void)
{
	nothing();
	has_network();
	ok(addr_says(RTM_NEWADDR, V4, 2) && addr_says(RTM_DELADDR, V6, 2),
	   "addresses of the template interface matter");
	ok(addr_says(RTM_NEWADDR, V4, 3) && addr_says(RTM_NEWADDR, V6, 3),
	   "  of others, too: they may be used, or the next template's");
	ok(addr_says(RTM_DELADDR, V4, 3), "  and if they go");
	ok(link_says(RTM_DELLINK, 2) && !link_says(RTM_NEWLINK, 3),
	   "its own state does, that of others doesn't");
	ok(route_says(V4, 0, 3, RT_TABLE_MAIN),
	   "a default route matters, by whatever interface");
	ok(!route_says(V4, 24, 2, RT_TABLE_MAIN), "another one doesn't");
	opts.copy_routes = true;
	ok(route_says(V4, 24, 2, RT_TABLE_MAIN) &&
	   !route_says(V4, 24, 3, RT_TABLE_MAIN),
	   "  but where routes are copied: those of the interface");
	ok(!route_says(V4, 0, 2, RT_TABLE_LOCAL), "other tables don't");
	has_resolvers("nameserver fe80::53%7\nnameserver fe80::54\n");
	net_ask_scopes(-1, &facts.resolv);
	ok(link_says(RTM_NEWLINK, 7) && link_says(RTM_DELLINK, 7) &&
	   !link_says(RTM_NEWLINK, 3),
	   "a resolver's link matters, no other then");
	has_resolvers("nameserver fe80::53%usb0\n");
	ok(link_says(RTM_NEWLINK, 3), "  any, if it isn't there: it may come");
	has_resolvers("");
	opts.fam[V6].enabled = false;
	ok(!route_says(V6, 0, 2, RT_TABLE_MAIN) &&
	   !addr_says(RTM_NEWADDR, V6, 2), "a family that is off doesn't");
	strcpy(opts.ifname, "eth9");
	ok(link_says(RTM_NEWLINK, 3), "an interface that is named may come");
	nothing();
	ok(addr_says(RTM_NEWADDR, V4, 3) &&
	   route_says(V4, 24, 3, RT_TABLE_MAIN),
	   "without a network, all may be one");
}

static void test_odd_messages(void)
{
	for (unsigned i = 0; i < 100000; i++) {
		uint32_t len;

		route_says(V4, i % 33, 2, RT_TABLE_MAIN);
		len = msg.nh.nlmsg_len;
		for (unsigned n = random_below(8); n; n--)
			((uint8_t *)&msg)[random_below(len)] =
				(uint8_t)random_32();
		msg.nh.nlmsg_len = random_below(sizeof(struct rtmsg) + 64);
		if (msg.nh.nlmsg_len >= sizeof(msg.nh))
			net_matters(&opts, &facts, &msg.nh);
	}
	ok(true, "messages that make no sense");
}

static void test_facts_ok(void)
{
	nothing();
	has_network();
	ok(net_facts_ok(&facts), "facts");
	memset(facts.fam[V6].template.ifname, 'x', IFNAMSIZ);
	ok(!net_facts_ok(&facts), "a name without end");
	has_network();
	facts.fam[V4].template.prefix_len = 33;
	ok(!net_facts_ok(&facts), "a prefix that is too long");
	has_network();
	facts.resolv.count[V6] = CONF_DNS_MAX + 1;
	ok(!net_facts_ok(&facts), "too many resolvers");
	facts.resolv.count[V6] = 0;
	facts.resolv.search.count = UINT32_MAX;
	ok(!net_facts_ok(&facts), "too many search domains");
	facts.resolv.search.count = 1;
	memset(facts.resolv.search.name, 'x', sizeof(facts.resolv.search.name));
	ok(!net_facts_ok(&facts), "a search domain without end");
}

/* The owner, and who is told */

static unsigned told;
static struct net before;

static void hook(const struct net *old)
{
	told++;
	before = *old;
}

static void test_update(void)
{
	nothing();
	ok(net_update(&facts), "first facts");
	net_add_hook(hook);
	ok(!net_update(&facts) && !told, "nothing new: nobody is told");
	has_network();
	ok(net_update(&facts), "a network");
	is_int(told, 1, "the hook is called");
	ok(before.fam[V4].local_mode && !net_get()->fam[V4].local_mode,
	   "with what was before");
}

static const char *turn(void)
{
	static char text[ADDR_STRLEN];

	return addr_print(&net_get()->fam[V4].dns_host, text);
}

static mono_t at(int ms)
{
	return mono_add((mono_t){ 0 }, DUR_MS(ms));
}

static void test_turns(void)
{
	struct addr second = A("192.0.2.54"), third = A("2001:db8::53");
	const struct flow_side query = { .our = A("169.254.1.1"),
					 .our_port = PORT_DNS };
	struct flow_side tls = query;

	nothing();
	has_network();
	has_resolvers("nameserver 192.0.2.53\nnameserver 192.0.2.54\n"
		      "nameserver 2001:db8::53\nnameserver fe80::53\n");
	opts.fam[V4].dns_forward = A("169.254.1.1");
	net_update(&facts);
	is_int(net_get()->fam[V4].dns_host_count, 3,
	       "all but a link-local one of the other family without link");
	is_str(turn(), "192.0.2.53", "the first one begins");
	net_dns_turn(&query, at(-2000));
	net_dns_turn(&query, at(0));
	is_str(turn(), "192.0.2.53", "  nobody is late with what wasn't asked");
	net_dns_asked(&query, at(0));
	net_dns_turn(&query, at(900));
	net_dns_asked(&query, at(900));
	is_str(turn(), "192.0.2.53", "  it may take its time");
	net_dns_turn(&query, at(1100));
	is_str(turn(), "192.0.2.54", "  but not too long");
	net_dns_turn(&query, at(3000));
	is_str(turn(), "192.0.2.54", "  the next one's time hasn't begun");
	net_dns_asked(&query, at(3000));
	net_dns_answered(&query, &second);
	net_dns_turn(&query, at(9000));
	is_str(turn(), "192.0.2.54", "who answers keeps the turn");
	net_dns_answered(&query, &second);
	net_dns_failed(&query, &third);
	is_str(turn(), "192.0.2.54", "who fails without it changes nothing");
	tls.our_port = PORT_DNS_TLS;
	net_dns_failed(&tls, &second);
	is_str(turn(), "192.0.2.54", "nor does who knows no TLS");
	net_dns_failed(&query, &second);
	is_str(turn(), "2001:db8::53", "who fails with it loses it");
	facts.fam[V4].template.prefix_len = 25;
	net_update(&facts);
	is_str(turn(), "2001:db8::53", "another network: the same turn");
	has_resolvers("nameserver fe80::53%7\nnameserver 192.0.2.54\n");
	net_ask_scopes(-1, &facts.resolv);
	net_update(&facts);
	is_str(turn(), "192.0.2.54", "other resolvers: the first one");
	third = A("fe80::53");
	net_dns_failed(&query, &second);
	is_str(turn(), "fe80::53", "a link-local one that names its link");
	is_int(net_scope(&third), 7, "  which is used");
	is_int(net_scope(&second), 2, "any other is the template's");
	net_dns_failed(&query, &third);
	is_str(turn(), "192.0.2.54", "after the last one: the first one");
	has_resolvers("nameserver fe80::53%usb0\nnameserver 192.0.2.54\n");
	net_update(&facts);
	net_dns_failed(&query, &second);
	is_str(turn(), "192.0.2.54", "a link that isn't there: nobody's turn");
	opts.fam[V6].dns_forward = A("fd00::53");
	resolve();
	is_int(net.fam[V6].dns_host_count, 1, "  for its own family, too");
	has_resolvers("nameserver fe80::53\nnameserver 192.0.2.54\n");
	resolve();
	is_int(net.fam[V6].dns_host_count, 2, "one that names none has a turn");
	is_int(net.fam[V4].dns_host_count, 1, "  not by IPv4");
}

/* A NUL byte ends its line, and no more */
static void test_nul(void)
{
	char text[] = "search a.example\0b\n#\0\nnameserver 192.0.2.53\n";
	struct resolv r;

	resolv_parse(text, sizeof(text) - 1, &r);
	is_int(r.count[V4], 1, "a resolver behind NUL bytes");
	is_int(r.search.count, 1, "... and a search list before them");
}

int main(void)
{
	test_nul();
	net_init(&opts);
	test_renew();
	test_matters();
	test_odd_messages();
	test_facts_ok();
	test_update();
	test_turns();
	test_local_mode();
	test_given();
	test_problems();
	test_off();
	return done();
}
