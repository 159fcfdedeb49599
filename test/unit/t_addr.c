// SPDX-License-Identifier: GPL-2.0-or-later
/* Addresses of both families: parse, print, classify, prefixes, sockets
 *
 * Links: util/addr.o
 */
#include "util/addr.h"

#include "random.h"
#include "tap_test.h"

static struct addr A(const char *s)
{
	struct addr a = { { 0 } };

	if (!addr_parse(s, &a))
		ok(false, "'%s' is an address", s);
	return a;
}

static void parse(void)
{
	static const struct { const char *text, *printed; } good[] = {
		{ "0.0.0.0", NULL },
		{ "192.0.2.1", NULL },
		{ "255.255.255.255", NULL },
		{ "::", NULL },
		{ "::1", NULL },
		{ "2001:db8::1", NULL },
		{ "2001:DB8:0:0:0:0:0:1", "2001:db8::1" },
		{ "fe80::9a55:9aff:fe55:9a55", NULL },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "64:ff9b::c000:201", NULL },
	};
	static const char *const bad[] = {
		"", " ", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.4 ",
		" 1.2.3.4", "1.2.3.4/24", "01.2.3.004x", "1.2.3.-4", "0x7f.1",
		":", ":::", "::1::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
		"[::1]", "fe80::1%eth0", "::1/128", "::g", "12345::",
		"localhost",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		struct addr a = A(good[i].text);

		is_str(ADDR_STR(&a), good[i].printed ? good[i].printed :
		       good[i].text, "'%s', printed", good[i].text);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct addr a, before;

		memset(&a, 0xa5, sizeof(a));
		before = a;
		ok(!addr_parse(bad[i], &a) && addr_eq(&a, &before),
		   "'%s' isn't one", bad[i]);
	}
}

static void round_trips(void)
{
	unsigned wrong = 0;

	for (int i = 0; i < 20000; i++) {
		struct addr a, back = { { 0 } };
		uint8_t mac[6], mac2[6];

		random_fill(&a, sizeof(a));
		if (i % 3 == 0)
			a = addr_v4(random_32());
		if (i % 3 == 1)
			memset(a.b + random_below(16), 0, 1);
		wrong += !addr_parse(ADDR_STR(&a), &back) ||
			 !addr_eq(&a, &back);
		random_fill(mac, sizeof(mac));
		wrong += !mac_parse(MAC_STR(mac), mac2) ||
			 memcmp(mac, mac2, sizeof(mac));
	}
	is_int(wrong, 0, "20000 addresses and MACs, printed and parsed");
}

enum { ANY = 1, LOOP = 2, MULTI = 4, LINK = 8, BCAST = 16, UNI = 32,
       IS_V4 = 64, NONE = 128 };

static void classify(void)
{
	static const struct { const char *text; unsigned is; } t[] = {
		{ "0.0.0.0",		IS_V4 | ANY },
		{ "0.0.0.1",		IS_V4 | UNI },
		{ "126.255.255.255",	IS_V4 | UNI },
		{ "127.0.0.0",		IS_V4 | UNI | LOOP },
		{ "127.0.0.1",		IS_V4 | UNI | LOOP },
		{ "127.255.255.255",	IS_V4 | UNI | LOOP },
		{ "128.0.0.0",		IS_V4 | UNI },
		{ "169.253.255.255",	IS_V4 | UNI },
		{ "169.254.0.0",	IS_V4 | UNI | LINK },
		{ "169.254.255.255",	IS_V4 | UNI | LINK },
		{ "169.255.0.0",	IS_V4 | UNI },
		{ "223.255.255.255",	IS_V4 | UNI },
		{ "224.0.0.0",		IS_V4 | MULTI },
		{ "239.255.255.255",	IS_V4 | MULTI },
		{ "240.0.0.0",		IS_V4 | UNI },
		{ "255.255.255.254",	IS_V4 | UNI },
		{ "255.255.255.255",	IS_V4 | BCAST },
		{ "::",			NONE | ANY },
		{ "::1",		UNI | LOOP },
		{ "::2",		UNI },
		{ "::7f00:1",		UNI },
		{ "::fffe:7f00:1",	UNI },
		{ "::ffff:127.0.0.1",	IS_V4 | UNI | LOOP },
		{ "::ffff:0.0.0.0",	IS_V4 | ANY },
		{ "1::",		UNI },
		{ "fe7f:ffff::",	UNI },
		{ "fe80::",		UNI | LINK },
		{ "febf:ffff::1",	UNI | LINK },
		{ "fec0::1",		UNI },
		{ "feff:ffff::1",	UNI },
		{ "ff00::",		MULTI },
		{ "ff02::1",		MULTI },
		{ "ffff::1",		MULTI },
		{ "ffff:ffff::",	MULTI },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		struct addr a = A(t[i].text);
		unsigned is = (addr_is_any(&a) ? ANY : 0) |
			      (addr_is_loopback(&a) ? LOOP : 0) |
			      (addr_is_multicast(&a) ? MULTI : 0) |
			      (addr_is_linklocal(&a) ? LINK : 0) |
			      (addr_is_broadcast(&a) ? BCAST : 0) |
			      (addr_is_unicast(&a) ? UNI : 0) |
			      (addr_is_v4(&a) ? IS_V4 : 0) |
			      (addr_is_none(&a) ? NONE : 0);

		is_int(is, t[i].is, "what %s is", t[i].text);
		is_int(addr_family(&a), t[i].is & IS_V4 ? V4 : V6,
		       "  and its family");
	}
}

static void makers(void)
{
	struct addr a = addr_v4(0x7f000001), b = addr_loopback(V4), c;
	static const uint8_t four[] = { 127, 0, 0, 1 };

	ok(addr_eq(&a, &b), "127.0.0.1 from a number is the loopback address");
	ok(!memcmp(addr_v4_bytes(&a), four, 4), "its bytes in wire order");
	b = addr_from_v4(four);
	ok(addr_eq(&a, &b), "  and back");
	c = A("::1");
	b = addr_loopback(V6);
	ok(addr_eq(&b, &c), "::1 is that of IPv6");
	b = addr_from_v6(c.b);
	ok(addr_eq(&b, &c), "sixteen bytes");
	ok(!addr_eq(&a, &b), "not the same");
}

/* The control message with which the kernel tells our address */
static void pktinfo(void)
{
	const struct in_pktinfo pi4 = { .ipi_spec_dst = { htonl(0x7f000001) },
					.ipi_addr = { htonl(0xc0000201) } };
	const struct addr lo = A("127.0.0.1"), mcast = A("ff02::1");
	const struct addr v4 = A("192.0.2.1"), v6 = A("2001:db8::1");
	struct addr got, from;
	struct in6_pktinfo pi6 = { .ipi6_ifindex = 7 };
	union {
		struct cmsghdr c;
		char buf[64];
	} m = { .c = { .cmsg_len = CMSG_LEN(sizeof(pi4)),
		       .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO } };

	memcpy(CMSG_DATA(&m.c), &pi4, sizeof(pi4));
	ok(addr_from_pktinfo(&m.c, &got, &from) && addr_eq(&got, &v4), "IP_PKTINFO");
	ok(addr_eq(&from, &lo), "  and what to answer from");
	m.c.cmsg_type = IP_TTL;
	got = v6;
	ok(!addr_from_pktinfo(&m.c, &got, &from), "another message of IPv4");
	ok(addr_eq(&got, &v6), "  changes nothing");

	memcpy(&pi6.ipi6_addr, v6.b, sizeof(v6.b));
	m.c.cmsg_len = CMSG_LEN(sizeof(pi6));
	m.c.cmsg_level = IPPROTO_IPV6;
	m.c.cmsg_type = IPV6_PKTINFO;
	memcpy(CMSG_DATA(&m.c), &pi6, sizeof(pi6));
	got = v4;
	ok(addr_from_pktinfo(&m.c, &got, &from) && addr_eq(&got, &v6), "IPV6_PKTINFO");
	ok(addr_eq(&from, &v6), "  and what to answer from");
	memcpy(&pi6.ipi6_addr, mcast.b, sizeof(mcast.b));
	memcpy(CMSG_DATA(&m.c), &pi6, sizeof(pi6));
	ok(addr_from_pktinfo(&m.c, &got, &from) && addr_eq(&got, &mcast) &&
	   addr_is_none(&from), "multicast: answer from any");
}

/* Bit by bit, for every prefix length */
static bool naive_prefix(const struct addr *a, const struct addr *b,
			 unsigned bits)
{
	unsigned skip = addr_is_v4(a) ? 96 : 0;

	if (addr_is_v4(a) != addr_is_v4(b))
		return false;
	for (unsigned i = skip; i < 128 && i < skip + bits; i++)
		if (((a->b[i / 8] ^ b->b[i / 8]) << i % 8) & 0x80)
			return false;
	return true;
}

static void prefixes(void)
{
	struct addr a = A("192.0.2.128"), b = A("192.0.2.255"), c;
	unsigned wrong = 0;

	ok(addr_same_prefix(&a, &b, 25), "192.0.2.128 and .255 share 25 bits");
	ok(!addr_same_prefix(&a, &b, 26), "not 26");
	ok(addr_same_prefix(&a, &a, 32), "itself: all of them");
	ok(!addr_same_prefix(&a, &b, 32), "two: not all");
	ok(!addr_same_prefix(&a, &b, 33), "nor more than there are");
	ok(addr_same_prefix(&a, &a, 128), "more than there are: all");
	c = A("2001:db8::");
	ok(!addr_same_prefix(&a, &c, 0), "families share nothing");
	ok(addr_same_prefix(&b, &a, 0), "no bits: everything of a family");

	for (unsigned bits = 0; bits <= 128; bits++)
		for (unsigned flip = 0; flip < 128; flip++) {
			struct addr x, y;

			random_fill(&x, sizeof(x));
			if (flip >= 96 && bits <= 32)
				x = addr_v4(random_32());
			y = x;
			y.b[flip / 8] ^= (uint8_t)(0x80 >> flip % 8);
			wrong += addr_same_prefix(&x, &y, bits) !=
				 naive_prefix(&x, &y, bits);
			wrong += !addr_same_prefix(&x, &x, bits);
		}
	is_int(wrong, 0, "every length with every bit different");

	wrong = 0;
	for (unsigned bits = 0; bits <= 32; bits++) {
		uint32_t mask = (uint32_t)(0xffffffff00000000ULL >> bits);

		a = addr_v4_mask(bits);
		b = addr_v4(mask);
		wrong += !addr_eq(&a, &b);
	}
	is_int(wrong, 0, "every netmask");
}

static void broadcasts(void)
{
	static const struct {
		const char *a, *net;
		unsigned bits;
		bool is;
	} t[] = {
		{ "192.0.2.255",	"192.0.2.15",	24,	true },
		{ "192.0.2.254",	"192.0.2.15",	24,	false },
		{ "192.0.2.0",		"192.0.2.15",	24,	false },
		{ "192.0.3.255",	"192.0.2.15",	24,	false },
		{ "192.0.3.255",	"192.0.2.15",	23,	true },
		{ "192.0.2.255",	"192.0.2.15",	23,	false },
		{ "192.0.2.15",		"192.0.2.13",	30,	true },
		{ "192.0.2.15",		"192.0.2.15",	31,	false },
		{ "192.0.2.15",		"192.0.2.15",	32,	false },
		{ "255.255.255.255",	"192.0.2.15",	0,	true },
		{ "2001:db8::ffff",	"2001:db8::1",	112,	false },
		{ "2001:db8::ffff",	"2001:db8::1",	16,	false },
		{ "::ffff:ffff",	"192.0.2.15",	0,	false },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		struct addr a = A(t[i].a), net = A(t[i].net);

		is_int(addr_is_broadcast_of(&a, &net, t[i].bits), t[i].is,
		       "%s, network of %s/%u", t[i].a, t[i].net, t[i].bits);
	}
}

static void endpoints(void)
{
	struct addr a = A("192.0.2.1"), b = A("2001:db8::1"), c;
	char buf[ENDPOINT_STRLEN];

	is_str(ENDPOINT_STR(&a, 80), "192.0.2.1:80", "endpoint");
	is_str(ENDPOINT_STR(&b, 65535), "[2001:db8::1]:65535", "of IPv6");
	c = A("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	is_str(endpoint_print(&c, 65535, buf),
	       "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
	       "the longest one");
}

static void sockaddrs(void)
{
	struct addr a = A("192.0.2.1"), b;
	union sockaddr_any sa;
	uint16_t port;
	static const struct { const char *text; unsigned scope; } t[] = {
		{ "2001:db8::1", 0 }, { "::1", 0 }, { "::", 0 },
		{ "fe80::1", 7 }, { "febf::1", 7 },
		{ "ff01::1", 7 }, { "ff02::1", 7 }, { "ff12::1", 7 },
		{ "ff03::1", 0 }, { "ff05::1", 0 }, { "ff0e::1", 0 },
	};

	memset(&sa, 0xa5, sizeof(sa));
	is_int(addr_to_sockaddr(&sa, &a, 8080, 7), sizeof(struct sockaddr_in),
	       "IPv4 for sockets");
	is_int(sa.sa.sa_family, AF_INET, "  the family");
	is_int(ntohs(sa.sin.sin_port), 8080, "  the port");
	is_int(ntohl(sa.sin.sin_addr.s_addr), 0xc0000201, "  the address");
	ok(!memcmp(sa.sin.sin_zero, "\0\0\0\0\0\0\0\0", 8), "  and zeroes");
	b = addr_from_sockaddr(&sa, &port);
	ok(addr_eq(&a, &b) && port == 8080, "  and back");

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		a = A(t[i].text);
		memset(&sa, 0xa5, sizeof(sa));
		is_int(addr_to_sockaddr(&sa, &a, 53, 7),
		       sizeof(struct sockaddr_in6), "%s", t[i].text);
		is_int(sa.sin6.sin6_scope_id, t[i].scope, "  its scope");
		ok(sa.sin6.sin6_family == AF_INET6 &&
		   ntohs(sa.sin6.sin6_port) == 53 &&
		   !memcmp(&sa.sin6.sin6_addr, a.b, 16) &&
		   !sa.sin6.sin6_flowinfo, "  the rest");
		b = addr_from_sockaddr(&sa, &port);
		ok(addr_eq(&a, &b) && port == 53, "  and back");
	}

	/* As a dual-stack socket tells an IPv4 peer */
	memset(&sa, 0, sizeof(sa));
	sa.sin6.sin6_family = AF_INET6;
	a = A("192.0.2.1");
	memcpy(&sa.sin6.sin6_addr, a.b, 16);
	b = addr_from_sockaddr(&sa, &port);
	ok(addr_is_v4(&b) && addr_eq(&a, &b), "v4-mapped from a socket is v4");

	memset(&sa, 0xa5, sizeof(sa));
	sa.sa.sa_family = AF_UNIX;
	port = 1;
	b = addr_from_sockaddr(&sa, &port);
	ok(addr_is_none(&b) && !port, "another family: none, port 0");
}

static void macs(void)
{
	static const char *const bad[] = {
		"", "52:54:00:12:34", "52:54:00:12:34:5", "52:54:00:12:34:567",
		"52:54:00:12:34:56:", "52:54:00:12:34:5g", "52-54-00-12-34-56",
		"525:4:00:12:34:56", " 2:54:00:12:34:56", "+2:54:00:12:34:56",
		"0x:54:00:12:34:56", "52:54:00:12:34 56",
	};
	uint8_t mac[6] = { 1, 2, 3, 4, 5, 6 };

	ok(mac_parse("52:54:00:Ab:cD:ff", mac), "a MAC");
	is_str(MAC_STR(mac), "52:54:00:ab:cd:ff", "  printed");
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		ok(!mac_parse(bad[i], mac), "'%s' isn't one", bad[i]);
	is_str(MAC_STR(mac), "52:54:00:ab:cd:ff", "those left no trace");
}

int main(void)
{
	parse();
	round_trips();
	classify();
	makers();
	pktinfo();
	prefixes();
	broadcasts();
	endpoints();
	sockaddrs();
	macs();
	return done();
}
