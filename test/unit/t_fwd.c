// SPDX-License-Identifier: GPL-2.0-or-later
/* Where flows go: the mapping between the guest's side and the host's, row by
 * row, with the options that change it
 *
 * Links: engine/guest.o fwd/fwd.o util/addr.o
 */
#include "fwd/fwd.h"

#include "tap_test.h"
#include "util/wire.h"

static struct conf conf;
static struct net net;
static struct guest_addrs seen;

static struct addr A(const char *s)
{
	struct addr a = { { 0 } };

	if (*s && !addr_parse(s, &a))
		ok(false, "'%s' is an address", s);
	return a;
}

/* As copied from a host with 192.0.2.15/24 and 2001:db8:1::15 */
static void defaults(void)
{
	struct net_family *v4 = &net.fam[V4], *v6 = &net.fam[V6];

	memset(&conf, 0, sizeof(conf));
	memset(&net, 0, sizeof(net));
	v4->enabled = v6->enabled = true;
	v4->guest = A("192.0.2.15");
	v4->prefix_len = 24;
	v4->gw = v4->our = v4->map_host_loopback = A("192.0.2.2");
	v6->guest = A("2001:db8:1::15");
	v6->gw = v6->our = v6->map_host_loopback = A("fe80::1");
	seen = (struct guest_addrs){ .v4 = v4->guest, .v6 = v6->guest };
}

/* "-": none, "no": not forwarded */
static const char *print(bool forwarded, const struct addr *peer,
			 uint16_t peer_port, const struct addr *our,
			 uint16_t our_port)
{
	static char s[2 * ENDPOINT_STRLEN + 8];

	if (!forwarded)
		return "no";
	sprintf(s, "%s", ENDPOINT_STR(peer, peer_port));
	if (!addr_is_none(our) || our_port)
		sprintf(s + strlen(s), " from %s", ENDPOINT_STR(our, our_port));
	return s;
}

/* Where a flow of the guest goes, and from which address if that's fixed */
static const char *out_from(const char *src, const char *dst, uint16_t port)
{
	struct flow_side guest = { .peer = A(src), .peer_port = 40000,
				   .our = A(dst), .our_port = port };
	struct flow_side host;
	bool yes;

	memset(&host, 0xa5, sizeof(host));
	yes = fwd_map_out(&net, &guest, &host);
	if (!yes && host.our_port != 0xa5a5)
		return "no, but *ret_host is changed";
	return print(yes, &host.peer, host.peer_port, &host.our,
		     host.our_port);
}

static const char *out(const char *dst, uint16_t port)
{
	return out_from(strchr(dst, ':') ? "2001:db8:1::15" : "192.0.2.15",
			dst, port);
}

/* What the guest sees of a connection by this rule: its own side, then whom */
static const char *in_by(const struct fwd_rule *r, const char *src,
			 const char *dst, uint16_t port)
{
	struct flow_side host = { .peer = A(src), .peer_port = 50000,
				  .our = A(dst), .our_port = port };
	struct flow_side guest;
	bool yes;

	memset(&guest, 0xa5, sizeof(guest));
	yes = fwd_map_in(&net, &seen, r, &host, &guest);
	if (!yes && guest.our_port != 0xa5a5)
		return "no, but *ret_guest is changed";
	return print(yes, &guest.peer, guest.peer_port, &guest.our,
		     guest.our_port);
}

/* By --config-net */
static void give(const char *s)
{
	struct addr a = A(s);

	guest_addrs_give(&seen, &a);
}

/* By a plain rule, 8080 → 80 */
static const struct fwd_rule plain = {
	.first = 8080, .last = 8090, .to = 80, .proto = PROTO_TCP,
	.flags = FWD_DUAL,
};

static const char *in(const char *src)
{
	return in_by(&plain, src, strchr(src, ':') ? "2001:db8:1::15" :
		     "192.0.2.15", 8080);
}

/* interfaces: 8.3 */
static void outbound(void)
{
	defaults();
	is_str(out("198.51.100.7", 443), "198.51.100.7:443", "anywhere");
	is_str(out("2001:db8:9::7", 443), "[2001:db8:9::7]:443", "  IPv6");
	is_str(out("192.0.2.77", 22), "192.0.2.77:22", "the host's subnet");
	is_str(out("169.254.1.1", 80), "169.254.1.1:80", "link-local");
	is_str(out("fe80::77", 80), "[fe80::77]:80", "  IPv6");
	is_str(out("192.0.2.2", 80), "127.0.0.1:80",
	       "the gateway is the host's loopback");
	is_str(out("fe80::1", 80), "[::1]:80", "  IPv6");
	is_str(out("192.0.2.2", 53), "127.0.0.1:53", "  port 53 too");

	is_str(out("127.0.0.1", 80), "no", "to a loopback address: never");
	is_str(out("127.9.9.9", 80), "no", "  any");
	is_str(out("::1", 80), "no", "  IPv6");
	is_str(out_from("127.0.0.1", "198.51.100.7", 80), "no", "from one");
	is_str(out_from("::1", "2001:db8:9::7", 80), "no", "  IPv6");
	is_str(out("0.0.0.0", 80), "no", "to 0.0.0.0");
	is_str(out("::", 80), "no", "to ::");
	is_str(out("255.255.255.255", 80), "no", "broadcast");
	is_str(out("192.0.2.255", 80), "no", "  of the guest's network");
	is_str(out("198.51.100.255", 80), "198.51.100.255:80",
	       "  of another, that may be a host");
	is_str(out("224.0.0.251", 5353), "no", "multicast");
	is_str(out("ff02::fb", 5353), "no", "  IPv6");
	is_str(out_from("0.0.0.0", "198.51.100.7", 80), "no", "from 0.0.0.0");
	is_str(out_from("224.0.0.1", "198.51.100.7", 80), "no",
	       "from multicast");
	is_str(out_from("192.0.2.255", "198.51.100.7", 80), "no",
	       "from broadcast");
	net.fam[V4].guest = A("192.0.2.255");
	is_str(out_from("192.0.2.255", "198.51.100.7", 80), "198.51.100.7:80",
	       "  that the guest was given as its own");

	defaults();
	net.fam[V6].enabled = false;
	is_str(out("2001:db8:9::7", 443), "no", "-4: no IPv6");
	is_str(out("198.51.100.7", 443), "198.51.100.7:443", "  but IPv4");
	defaults();
	net.fam[V4].enabled = false;
	is_str(out("198.51.100.7", 443), "no", "-6: no IPv4");
	is_str(out("fe80::1", 443), "[::1]:443", "  but IPv6");
}

static void outbound_options(void)
{
	defaults();
	net.fam[V4].map_host_loopback = A("");
	is_str(out("192.0.2.2", 80), "192.0.2.2:80",
	       "--no-map-gw: the gateway itself");
	net.fam[V4].map_host_loopback = A("10.9.9.9");
	is_str(out("10.9.9.9", 80), "127.0.0.1:80", "--map-host-loopback");
	is_str(out("192.0.2.2", 80), "192.0.2.2:80", "  and no other");

	net.fam[V4].map_guest_addr = A("169.254.1.2");
	net.fam[V6].map_guest_addr = A("fd00::2");
	is_str(out("169.254.1.2", 80), "192.0.2.15:80",
	       "--map-guest-addr: the assigned address, on the host");
	is_str(out("fd00::2", 80), "[2001:db8:1::15]:80", "  IPv6");
	seen.v4 = A("192.0.2.99");
	is_str(out("169.254.1.2", 80), "192.0.2.15:80",
	       "  not the observed one");
	net.fam[V6].guest = A("");
	is_str(out("fd00::2", 80), "no", "  nowhere, without one");

	net.fam[V4].map_host_loopback = A("169.254.1.2");
	is_str(out("169.254.1.2", 80), "127.0.0.1:80",
	       "loopback comes before the guest's address");

	defaults();
	net.fam[V4].outbound = A("192.0.2.14");
	net.fam[V6].outbound = A("2001:db8:1::14");
	is_str(out("198.51.100.7", 443), "198.51.100.7:443 from 192.0.2.14:0",
	       "-o: the source");
	is_str(out("2001:db8:9::7", 443),
	       "[2001:db8:9::7]:443 from [2001:db8:1::14]:0", "  IPv6");
	is_str(out("192.0.2.2", 443), "127.0.0.1:443", "  not for loopback");
}

/* 8.4 */
static void dns(void)
{
	static const uint16_t others[] = { 1, 52, 54, 80, 852, 854, 5353, 65535 };

	defaults();
	net.fam[V4].dns_forward = A("169.254.1.1");
	net.fam[V4].dns_host = A("192.0.2.53");
	net.fam[V6].dns_forward = A("fd00::53");
	net.fam[V6].dns_host = A("2001:db8:1::53");
	is_str(out("169.254.1.1", 53), "192.0.2.53:53", "--dns-forward");
	is_str(out("169.254.1.1", 853), "192.0.2.53:853", "  over TLS");
	is_str(out("fd00::53", 53), "[2001:db8:1::53]:53", "  IPv6");
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
		char want[32];

		sprintf(want, "169.254.1.1:%u", others[i]);
		is_str(out("169.254.1.1", others[i]), want, "  not port %u",
		       others[i]);
	}
	is_str(out("192.0.2.53", 53), "192.0.2.53:53", "nor another address");

	net.fam[V4].dns_host = A("127.0.0.53");
	net.fam[V4].outbound = A("192.0.2.14");
	is_str(out("169.254.1.1", 53), "127.0.0.53:53",
	       "a resolver on the host's loopback, source the kernel's choice");
	net.fam[V4].dns_host = A("2001:db8:1::53");
	net.fam[V6].outbound = A("2001:db8:1::14");
	is_str(out("169.254.1.1", 53),
	       "[2001:db8:1::53]:53 from [2001:db8:1::14]:0",
	       "a resolver of the other family");
	net.fam[V4].dns_host = A("");
	is_str(out("169.254.1.1", 53), "no", "no resolver: nowhere");

	/* The gateway is a resolver as well */
	defaults();
	net.fam[V4].dns_forward = net.fam[V4].gw;
	net.fam[V4].dns_host = A("192.0.2.2");
	is_str(out("192.0.2.2", 53), "192.0.2.2:53",
	       "DNS to a gateway that resolves isn't loopback");
	is_str(out("192.0.2.2", 80), "127.0.0.1:80", "  other ports are");
}

/* 8.5: the source that the guest sees */
static void inbound_source(void)
{
	defaults();
	is_str(in("198.51.100.7"), "192.0.2.15:80 from 198.51.100.7:50000",
	       "a client elsewhere: its own address and port");
	is_str(in("2001:db8:9::7"),
	       "[2001:db8:1::15]:80 from [2001:db8:9::7]:50000", "  IPv6");
	is_str(in("127.0.0.1"), "192.0.2.15:80 from 192.0.2.2:50000",
	       "loopback: the gateway");
	is_str(in("::1"), "[2001:db8:1::15]:80 from [fe80::1]:50000", "  IPv6, "
	       "no link-local address of the guest seen");
	is_str(in("127.0.0.2"), "192.0.2.15:80 from 192.0.2.2:50000",
	       "other loopback: ours");
	is_str(in("0.0.0.0"), "192.0.2.15:80 from 192.0.2.2:50000", "0.0.0.0");
	is_str(in("192.0.2.15"), "192.0.2.15:80 from 192.0.2.2:50000",
	       "the guest's own address: ours");
	is_str(in("2001:db8:1::15"),
	       "[2001:db8:1::15]:80 from [fe80::1]:50000", "  IPv6");

	net.fam[V4].map_host_loopback = A("10.9.9.9");
	is_str(in("127.0.0.1"), "192.0.2.15:80 from 10.9.9.9:50000",
	       "--map-host-loopback");
	is_str(in("127.0.0.2"), "192.0.2.15:80 from 192.0.2.2:50000",
	       "  127.0.0.1 only");
	net.fam[V4].map_guest_addr = A("169.254.1.2");
	is_str(in("192.0.2.15"), "192.0.2.15:80 from 169.254.1.2:50000",
	       "--map-guest-addr");
	net.fam[V4].map_host_loopback = A("");
	is_str(in("127.0.0.1"), "192.0.2.15:80 from 192.0.2.2:50000",
	       "--no-map-gw: ours");
	give("192.0.2.16");
	is_str(in("192.0.2.16"), "192.0.2.15:80 from 169.254.1.2:50000",
	       "another of the guest's addresses: likewise");
	net.fam[V4].map_guest_addr = A("");
	is_str(in("192.0.2.16"), "192.0.2.15:80 from 192.0.2.2:50000",
	       "  ours, without --map-guest-addr");

	defaults();
	seen.v4 = A("192.0.2.99");
	seen.v6 = A("2001:db8:1::99");
	seen.v6_ll = A("fe80::99");
	is_str(in("192.0.2.99"), "192.0.2.99:80 from 192.0.2.2:50000",
	       "the guest's observed address: ours");
	is_str(in("2001:db8:1::99"), "[fe80::99]:80 from [fe80::1]:50000",
	       "  IPv6");
	is_str(in("fe80::99"), "[fe80::99]:80 from [fe80::1]:50000",
	       "  link-local");

	defaults();
	net.fam[V4].our = net.fam[V4].gw = A("");
	net.fam[V4].map_host_loopback = A("");
	is_str(in("127.0.0.1"), "no", "without an address of ours: refused");
	is_str(in("192.0.2.15"), "no", "  likewise");
	is_str(in("198.51.100.7"), "192.0.2.15:80 from 198.51.100.7:50000",
	       "  others have their own");
	defaults();
	net.fam[V4].enabled = false;
	is_str(in("198.51.100.7"), "no", "-6: no IPv4");
}

/* 8.5: where in the guest */
static void inbound_destination(void)
{
	defaults();
	seen.v4 = A("192.0.2.99");
	seen.v6 = A("2001:db8:1::99");
	seen.v6_ll = A("fe80::99");
	is_str(in("198.51.100.7"), "192.0.2.99:80 from 198.51.100.7:50000",
	       "the address seen last");
	is_str(in("2001:db8:9::7"),
	       "[2001:db8:1::99]:80 from [2001:db8:9::7]:50000", "  IPv6");
	is_str(in("fe80::7"), "[fe80::99]:80 from [fe80::7]:50000",
	       "link-local to link-local");
	is_str(in("::1"), "[fe80::99]:80 from [fe80::1]:50000",
	       "  from our own address, too");
	seen = (struct guest_addrs){ .v6_ll = A("fe80::99") };
	is_str(in("198.51.100.7"), "192.0.2.15:80 from 198.51.100.7:50000",
	       "none seen: the assigned one");
	net.fam[V6].guest = A("");
	is_str(in("2001:db8:9::7"), "[fe80::99]:80 from [fe80::1]:50000",
	       "none but link-local: from ours, which it can answer");
	seen = (struct guest_addrs){ .v4 = A("") };
	is_str(in("2001:db8:9::7"), "no", "none at all");
	net.fam[V4].guest = A("");
	is_str(in("198.51.100.7"), "no", "  IPv4");

	defaults();
	net.fam[V4].guest_fixed = net.fam[V6].guest_fixed = true;
	seen.v4 = A("192.0.2.99");
	seen.v6 = A("2001:db8:1::99");
	is_str(in("198.51.100.7"), "192.0.2.15:80 from 198.51.100.7:50000",
	       "-a: the assigned one, whatever is seen");
	is_str(in("2001:db8:9::7"),
	       "[2001:db8:1::15]:80 from [2001:db8:9::7]:50000", "  IPv6");
	is_str(in("169.254.7.7"), "192.0.2.15:80 from 169.254.7.7:50000",
	       "  to a link-local client as well: IPv4 has one address");
	is_str(in("::1"), "[2001:db8:1::15]:80 from [fe80::1]:50000",
	       "  and IPv6, while no link-local one was seen");
	seen.v6_ll = A("fe80::99");
	is_str(in("fe80::7"), "[fe80::99]:80 from [fe80::7]:50000",
	       "  but link-local to link-local, IPv6");
}

/* The guest is asked at an address that the host has, too */
static void inbound_asked(void)
{
	struct addr a;

	defaults();
	give("192.0.2.16");
	give("198.51.100.16");
	give("fd00::15");
	is_str(in_by(&plain, "203.0.113.7", "192.0.2.16", 8080),
	       "192.0.2.16:80 from 203.0.113.7:50000", "asked at one of several");
	is_str(in_by(&plain, "203.0.113.7", "198.51.100.16", 8080),
	       "198.51.100.16:80 from 203.0.113.7:50000", "  of another network");
	is_str(in_by(&plain, "2001:db8:9::7", "fd00::15", 8080),
	       "[fd00::15]:80 from [2001:db8:9::7]:50000", "  IPv6");
	is_str(in_by(&plain, "198.51.100.16", "198.51.100.16", 8080),
	       "198.51.100.16:80 from 192.0.2.2:50000", "  by itself: from ours");
	is_str(in_by(&plain, "fd00::15", "2001:db8:1::15", 8080),
	       "[2001:db8:1::15]:80 from [fe80::1]:50000", "  IPv6");
	is_str(in_by(&plain, "203.0.113.7", "198.51.100.17", 8080),
	       "192.0.2.15:80 from 203.0.113.7:50000",
	       "at one that the guest hasn't: the one seen last");
	net.fam[V4].guest_fixed = true;
	is_str(in_by(&plain, "203.0.113.7", "192.0.2.16", 8080),
	       "192.0.2.15:80 from 203.0.113.7:50000", "-a: at that one, always");

	defaults();
	a = A("198.51.100.16");
	guest_addrs_see(&seen, &a, true);
	is_str(in_by(&plain, "203.0.113.7", "198.51.100.16", 8080),
	       "198.51.100.16:80 from 203.0.113.7:50000", "one that was seen");
	a = A("192.0.2.99");
	guest_addrs_see(&seen, &a, true);
	is_str(in_by(&plain, "203.0.113.7", "198.51.100.16", 8080),
	       "192.0.2.99:80 from 203.0.113.7:50000",
	       "  no longer, as there is a new one");
	is_str(in_by(&plain, "198.51.100.16", "198.51.100.16", 8080),
	       "192.0.2.99:80 from 192.0.2.2:50000",
	       "  but still none that the guest is shown");
	a = A("198.51.100.16");
	guest_addrs_see(&seen, &a, true);
	is_str(in_by(&plain, "203.0.113.7", "198.51.100.16", 8080),
	       "198.51.100.16:80 from 203.0.113.7:50000", "  seen again");
	is_str(in_by(&plain, "203.0.113.7", "192.0.2.99", 8080),
	       "192.0.2.99:80 from 203.0.113.7:50000", "  beside the other");
}

/* More addresses than are remembered */
static void addresses_full(void)
{
	struct addr a;

	defaults();
	for (unsigned i = 0; i < GUEST_ADDRS_MAX / 2; i++) {
		a = addr_v4(0x0a000000 + i);
		guest_addrs_give(&seen, &a);
	}
	for (unsigned i = 0; i < 1000; i++) {
		a = addr_v4(0x0b000000 + i);
		guest_addrs_see(&seen, &a, true);
	}
	ok(addr_eq(&seen.v4, &a), "many addresses: the last one");
	ok(guest_addrs_reach(&seen, &a), "  can be reached");
	a = addr_v4(0x0b000000);
	ok(!guest_addrs_have(&seen, &a), "  the first one is forgotten");
	a = addr_v4(0x0a000000);
	ok(guest_addrs_reach(&seen, &a), "  never one that was given");
	for (unsigned i = 0; i < GUEST_ADDRS_MAX; i++) {
		a = addr_v4(0x0c000000 + i);
		guest_addrs_give(&seen, &a);
	}
	a = addr_v4(0x0d000000);
	guest_addrs_see(&seen, &a, true);
	ok(addr_eq(&seen.v4, &a), "no room: the last one is known");
	guest_addrs_give_all(&seen, &a, 1);
	ok(guest_addrs_reach(&seen, &a), "what is given now instead of all of them");
	for (unsigned i = 0; i < GUEST_ADDRS_MAX; i++) {
		struct addr other = addr_v4(0x0e000000 + i);

		guest_addrs_see(&seen, &other, true);
	}
	ok(guest_addrs_reach(&seen, &a), "  it stays");
	a = addr_v4(0x0c000000);
	ok(!guest_addrs_have(&seen, &a), "  the others make room");
}

static void inbound_rules(void)
{
	struct fwd_rule r = plain;

	defaults();
	is_str(in_by(&r, "198.51.100.7", "192.0.2.15", 8090),
	       "192.0.2.15:90 from 198.51.100.7:50000", "the last of a range");
	r.first = 1;
	r.to = r.last = 65535;
	is_str(in_by(&r, "198.51.100.7", "192.0.2.15", 1),
	       "192.0.2.15:65535 from 198.51.100.7:50000", "the largest port");
	r.first = r.to = 1;
	is_str(in_by(&r, "198.51.100.7", "192.0.2.15", 65535),
	       "192.0.2.15:65535 from 198.51.100.7:50000", "  of all");

	r = plain;
	r.target = A("10.1.2.3");
	is_str(in_by(&r, "198.51.100.7", "192.0.2.15", 8080),
	       "10.1.2.3:80 from 198.51.100.7:50000", "a target address");
	is_str(in_by(&r, "127.0.0.1", "127.0.0.1", 8080),
	       "10.1.2.3:80 from 192.0.2.2:50000", "  from loopback");
	is_str(in_by(&r, "2001:db8:9::7", "2001:db8:1::15", 8080), "no",
	       "  of the other family");
	r.target = A("2001:db8:5::5");
	is_str(in_by(&r, "2001:db8:9::7", "2001:db8:1::15", 8080),
	       "[2001:db8:5::5]:80 from [2001:db8:9::7]:50000", "  of IPv6");

	r = plain;
	r.proto = PROTO_UDP;
	is_str(in_by(&r, "198.51.100.7", "224.0.0.251", 8080),
	       "192.0.2.15:80 from 198.51.100.7:50000",
	       "to a multicast group: who in it answers is the guest");
	is_str(in_by(&r, "2001:db8:9::7", "ff02::fb", 8080),
	       "[2001:db8:1::15]:80 from [2001:db8:9::7]:50000", "  IPv6");
}

/* What becomes of a flow at a listener: "splice ", "tap " and where it goes */
static const char *at(const struct fwd_rule *r, enum flow_side_name ini,
		      const char *src, const char *dst)
{
	struct flow_side from = { .peer = A(src), .peer_port = 50000,
				  .our = A(dst), .our_port = 8081 };
	struct flow_side to;
	static char s[128];

	memset(&to, 0xa5, sizeof(to));
	switch (fwd_map_listener(&conf, &net, &seen, r, ini, &from, &to)) {
	case FWD_REFUSE:
		return to.our_port == 0xa5a5 ? "no" : "no, but *ret is changed";
	case FWD_TAP:
		return "tap";
	case FWD_SPLICE:
		sprintf(s, "splice %s", ENDPOINT_STR(&to.peer, to.peer_port));
		return s;
	}
	return "?";
}

/* Where the same host is by the other family */
static const char *elsewhere(const char *to)
{
	struct addr a = A(to), other = fwd_splice_other(&net, &seen, &a);
	static char s[64];

	snprintf(s, sizeof(s), "%s", addr_is_none(&other) ? "none" :
		 ADDR_STR(&other));
	return s;
}

static void spliced_elsewhere(void)
{
	defaults();
	is_str(elsewhere("127.0.0.1"), "::1", "loopback by the other family");
	is_str(elsewhere("::1"), "127.0.0.1", "  and back");
	is_str(elsewhere("192.0.2.15"), "2001:db8:1::15", "the guest's address");
	is_str(elsewhere("2001:db8:1::15"), "192.0.2.15", "  and back");
	net.fam[V6].enabled = false;
	is_str(elsewhere("127.0.0.1"), "none", "a family that is off");
	is_str(elsewhere("192.0.2.15"), "none", "  for addresses, too");
}

/* interfaces: 8.6 */
static void spliced(void)
{
	struct fwd_rule r = plain;

	defaults();
	is_str(at(&r, HOST, "127.0.0.1", "127.0.0.1"), "tap",
	       "loopback, for a virtual machine");
	conf.mode = MODE_PASTA;
	is_str(at(&r, HOST, "127.0.0.1", "127.0.0.1"), "splice 192.0.2.15:81",
	       "loopback, for a namespace: to its address");
	is_str(at(&r, HOST, "127.0.0.5", "127.9.9.9"), "splice 192.0.2.15:81",
	       "  any loopback");
	is_str(at(&r, HOST, "::1", "::1"), "splice [2001:db8:1::15]:81",
	       "  IPv6");
	is_str(at(&r, HOST, "198.51.100.7", "192.0.2.15"), "tap",
	       "other clients: by the link");
	is_str(at(&r, HOST, "127.0.0.1", "224.0.0.1"), "tap", "multicast, too");
	seen.v4 = A("192.0.2.99");
	is_str(at(&r, HOST, "127.0.0.1", "127.0.0.1"), "splice 192.0.2.99:81",
	       "to the address that the guest uses");
	net.fam[V6].guest = seen.v6 = A("");
	seen.v6_ll = A("fe80::99");
	is_str(at(&r, HOST, "::1", "::1"), "tap",
	       "  only a link-local one: by the link");

	defaults();
	conf.mode = MODE_PASTA;
	conf.host_lo_to_ns_lo = true;
	is_str(at(&r, HOST, "127.0.0.1", "127.0.0.7"), "splice 127.0.0.7:81",
	       "--host-lo-to-ns-lo: the same loopback address");
	is_str(at(&r, HOST, "::1", "::1"), "splice [::1]:81", "  IPv6");
	is_str(at(&r, HOST, "127.0.0.1", "192.0.2.15"), "splice 127.0.0.1:81",
	       "  from loopback to another one");
	conf.host_lo_to_ns_lo = false;
	r.target = A("192.0.2.77");
	is_str(at(&r, HOST, "127.0.0.1", "127.0.0.1"), "tap",
	       "a rule with a target: by the link");
	r.target = A("");
	conf.no_splice = true;
	is_str(at(&r, HOST, "127.0.0.1", "127.0.0.1"), "tap", "--no-splice");

	conf.no_splice = false;
	give("198.51.100.15");
	is_str(at(&r, HOST, "127.0.0.1", "198.51.100.15"),
	       "splice 198.51.100.15:81", "from loopback to another address of the guest's");
	conf.splice_only = conf.host_lo_to_ns_lo = true;
	is_str(at(&r, HOST, "127.0.0.1", "127.0.0.1"), "splice 127.0.0.1:81",
	       "--splice-only");
	is_str(at(&r, HOST, "198.51.100.7", "192.0.2.15"), "no",
	       "  no other clients");

	is_str(at(&r, GUEST, "127.0.0.1", "127.0.0.1"), "splice 127.0.0.1:81",
	       "from the namespace: the host's loopback");
	is_str(at(&r, GUEST, "127.0.0.1", "127.0.0.53"), "splice 127.0.0.53:81",
	       "  the same address");
	is_str(at(&r, GUEST, "::1", "::1"), "splice [::1]:81", "  IPv6");
	is_str(at(&r, GUEST, "127.0.0.1", "192.0.2.15"), "no",
	       "  not at other addresses");
	is_str(at(&r, GUEST, "192.0.2.15", "127.0.0.1"), "no",
	       "  nor from them");
}

/* A network of the guest's own, of which the host knows nothing */
static void test_own_net(void)
{
	defaults();
	for (enum family f = V4; f < FAMILIES; f++)
		net.fam[f].own_net = true;
	net.fam[V4].prefix_len = 24;
	net.fam[V6].prefix_len = 64;
	net.fam[V4].dns_forward = A("192.0.2.3");
	net.fam[V4].dns_host = A("127.0.0.53");

	is_str(out("192.0.2.2", 80), "127.0.0.1:80", "own net: the gateway");
	is_str(out("192.0.2.3", 53), "127.0.0.53:53", "own net: names");
	is_str(out("192.0.2.3", 80), "no", "own net: else nothing there");
	is_str(out("192.0.2.99", 80), "no", "own net: nobody");
	is_str(out("2001:db8:1::99", 80), "no", "own net: nobody, IPv6");
	is_str(out("192.0.3.1", 80), "192.0.3.1:80", "own net: the next one");
	is_str(out("2001:db8:1:1::1", 80), "[2001:db8:1:1::1]:80",
	       "own net: the next one, IPv6");
	net.fam[V4].map_host_loopback = A("");
	is_str(out("192.0.2.2", 80), "no", "own net: no way to the loopback");
}

int main(void)
{
	spliced();
	spliced_elsewhere();
	outbound();
	outbound_options();
	dns();
	inbound_source();
	inbound_destination();
	inbound_asked();
	addresses_full();
	inbound_rules();
	test_own_net();
	return done();
}
