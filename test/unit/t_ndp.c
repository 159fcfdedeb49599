// SPDX-License-Identifier: GPL-2.0-or-later
/* Neighbour discovery, as Linux sends it
 *
 * Links: local/former.o local/ndp.o engine/guest.o fwd/fwd.o util/dnsname.o
 * Links: util/addr.o util/iov.o util/rdwr.o
 */
#include "local/ndp.h"

#include "fake_frame.h"
#include "tap_test.h"

static struct conf conf;

/* What follows the checksum of ICMPv6 messages */

/* RFC 4861 4.1: router solicitation */
static const uint8_t rs[] = {
	0, 0, 0, 0,				/* reserved */
	1, 1, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56, /* source link-layer */
};

/* RFC 4861 4.3: neighbour solicitation for the router */
static const uint8_t ns[] = {
	0, 0, 0, 0,				/* reserved */
	0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, /* target */
	1, 1, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56, /* source link-layer */
};

/* Duplicate address detection, with Linux's nonce (RFC 7527) */
static const uint8_t ns_dad[] = {
	0, 0, 0, 0,				/* reserved */
	0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x50, 0x54, 0, 0xff, 0xfe, 0x12, 0x34,
	0x56,					/* target */
	14, 1, 0xbe, 0x0f, 0xed, 0x8e, 0xf5, 0xa0, /* nonce */
};

enum { NS_TARGET = 4, NS_OPTS = 20, RS_OPTS = 4 };

static const char guest_ll[] = "fe80::5054:ff:fe12:3456";

static struct pkt make(uint8_t type, const char *src, const char *dst,
		       const void *body, size_t len)
{
	struct pkt pkt = {
		.kind = PKT_IP, .family = V6, .proto = PROTO_ICMP6, .ttl = 255,
		.src = fake_addr(src), .dst = fake_addr(dst),
		.icmp.type = type, .payload = fake_bytes(body, len),
	};

	memcpy(pkt.src_mac, fake_guest_mac, 6);
	return pkt;
}

static bool input(const struct pkt *pkt)
{
	fake_sent_count = 0;
	memset(drop_counts, 0, sizeof(drop_counts));
	return ndp_input(pkt);
}

/* NS from src for target: is it answered? */
static bool answers(const char *src, const char *target)
{
	struct addr t = fake_addr(target);
	uint8_t body[NS_OPTS];
	struct pkt pkt;

	memcpy(body, ns, sizeof(body));
	memcpy(body + NS_TARGET, t.b, 16);
	pkt = make(ICMP6_NS, src, "ff02::1:ff00:1", body, sizeof(body));
	ok(input(&pkt), "a solicitation is taken");
	return fake_sent_count;
}

static void na(void)
{
	struct pkt pkt = make(ICMP6_NS, guest_ll, "ff02::1:ff00:1", ns,
			      sizeof(ns));
	const struct fake_sent *s = fake_sent;

	ok(input(&pkt), "NS is taken");
	is_int(fake_sent_count, 1, "and answered");
	is_int(s->what, SENT_ICMP, "  by an ICMP");
	is_int(s->proto, PROTO_ICMP6, "  v6");
	is_int(s->type, 136, "  NA");
	is_int(s->code, 0, "  of code 0");
	is_int(s->ttl, 255, "  with hop limit 255");
	is_str(ADDR_STR(&s->src), "fe80::1", "  from the target");
	is_str(ADDR_STR(&s->dst), guest_ll, "  to whoever asked");
	is_str(fake_hex(s->dst_mac, 6), "525400123456", "  at its MAC");
	is_str(fake_hex(s->data, s->len),
	       "e0000000"			/* R, S, O */
	       "fe800000000000000000000000000001"
	       "0201" "9a559a559a55", "  telling ours");
}

/* RFC 4861 7.2.4: who has no address is answered by all */
static void dad(void)
{
	const struct fake_sent *s = fake_sent;

	fake_reset();
	ok(!answers("::", "2001:db8:1::2"), "DAD: a free address");
	is_str(ADDR_STR(&tap_guest.v6), "2001:db8:1::2",
	       "  where the guest is, from now on");
	ok(!answers("::", "fe80::2"), "  a free link-local one");
	ok(answers("::", "fe80::1"), "  the gateway's");
	is_str(ADDR_STR(&s->src), "fe80::1", "  from the target");
	is_str(ADDR_STR(&s->dst), "ff02::1", "  to all nodes");
	is_str(fake_hex(s->dst_mac, 6), "333300000001", "  at their MAC");
	is_str(fake_hex(s->data, s->len),
	       "a0000000"			/* R, O */
	       "fe800000000000000000000000000001"
	       "0201" "9a559a559a55", "  unsolicited");
	net.fam[V6].dns_forward = fake_addr("2001:db8:1::3");
	ok(answers("::", "2001:db8:1::3"), "  our resolver's");
	fake_conf(&conf);
}

static void who(void)
{
	struct pkt pkt;

	fake_reset();
	ok(answers(guest_ll, "2001:db8:1::2"), "any address of the prefix");
	ok(answers(guest_ll, "2001:db8:9::9"), "and others");
	ok(answers("2001:db8:1::15", "fe80::9"), "link-local ones too");
	ok(!answers(guest_ll, "2001:db8:1::15"), "not the assigned address");
	ok(!answers(guest_ll, "::1"), "loopback");

	tap_guest.v6 = fake_addr("2001:db8:1::99");
	tap_guest.v6_ll = fake_addr(guest_ll);
	ok(!answers(guest_ll, "2001:db8:1::99"), "not the observed one");
	ok(!answers("2001:db8:1::15", guest_ll), "nor the link-local one");
	is_int(fake_bad(), 0, "  which isn't malformed");
	fake_reset();

	pkt = make(ICMP6_NS, "::", "ff02::1:ff12:3456", ns_dad,
		   sizeof(ns_dad));
	input(&pkt);
	ok(!fake_sent_count && !fake_bad(), "DAD of Linux");
}

static void malformed_ns(void)
{
	uint8_t body[sizeof(ns) + 8];
	struct pkt pkt;

	pkt = make(ICMP6_NS, guest_ll, "ff02::1:ff00:1", ns, sizeof(ns));
	pkt.ttl = 254;
	input(&pkt);
	ok(!fake_sent_count && fake_bad() == 1, "hop limit 254");
	pkt.ttl = 255;
	pkt.icmp.code = 1;
	input(&pkt);
	ok(!fake_sent_count && fake_bad() == 1, "code 1");

	for (size_t len = 0; len < sizeof(ns); len++) {
		pkt = make(ICMP6_NS, guest_ll, "ff02::1:ff00:1", ns, len);
		input(&pkt);
		if (len == NS_OPTS)
			is_int(fake_sent_count, 1, "no options");
		else
			ok(!fake_sent_count && fake_bad() == 1,
			   "cut to %zu bytes", len);
	}

	memcpy(body, ns, sizeof(ns));
	body[NS_OPTS + 1] = 0;
	pkt = make(ICMP6_NS, guest_ll, "ff02::1:ff00:1", body, sizeof(ns));
	input(&pkt);
	ok(!fake_sent_count && fake_bad() == 1, "option of length 0");

	memcpy(body, ns, sizeof(ns));
	memset(body + sizeof(ns), 0, 8);
	pkt = make(ICMP6_NS, guest_ll, "ff02::1:ff00:1", body, sizeof(body));
	input(&pkt);
	ok(!fake_sent_count && fake_bad() == 1,
	   "option of length 0 after a good one");

	body[NS_OPTS + 1] = 32;
	pkt = make(ICMP6_NS, guest_ll, "ff02::1:ff00:1", body, sizeof(ns));
	input(&pkt);
	ok(!fake_sent_count && fake_bad() == 1,
	   "option beyond the end");

	memcpy(body, ns, sizeof(ns));
	body[NS_TARGET] = 0xff;
	pkt = make(ICMP6_NS, guest_ll, "ff02::1:ff00:1", body, sizeof(ns));
	input(&pkt);
	ok(!fake_sent_count && fake_bad() == 1, "multicast target");

	pkt = make(ICMP6_NS, "::", "ff02::1:ff00:1", ns, sizeof(ns));
	input(&pkt);
	ok(!fake_sent_count && fake_bad() == 1,
	   "link-layer address of an unspecified source");

	pkt = make(ICMP6_NS, "ff02::1", "ff02::1:ff00:1", ns, sizeof(ns));
	input(&pkt);
	is_int(fake_sent_count, 0, "multicast source");
}

static void ra(void)
{
	struct pkt pkt = make(ICMP6_RS, guest_ll, "ff02::2", rs, sizeof(rs));
	const struct fake_sent *s = fake_sent;

	net.fam[V6].dns[0] = fake_addr("2001:db8::53");
	net.fam[V6].dns[1] = fake_addr("2001:db8::54");
	net.fam[V6].dns_count = 2;
	strcpy(net.search.name[0], "example.org");
	strcpy(net.search.name[1], "not a name");
	strcpy(net.search.name[2], "lan");
	net.search.count = 3;

	ok(input(&pkt), "RS is taken");
	is_int(fake_sent_count, 1, "and answered");
	is_int(s->type, 134, "  by RA");
	is_int(s->code, 0, "  of code 0");
	is_int(s->ttl, 255, "  with hop limit 255");
	is_str(ADDR_STR(&s->src), "fe80::1", "  from our link-local address");
	is_str(ADDR_STR(&s->dst), guest_ll, "  to whoever asked");
	is_str(fake_hex(s->dst_mac, 6), "525400123456", "  at its MAC");
	is_str(fake_hex(s->data, 12),
	       "40" "80" "ffff"		/* hop limit, M, lifetime */
	       "00000000" "00000000", "  fixed part");
	is_str(fake_hex(s->data + 12, 8), "0101" "9a559a559a55",
	       "  source link-layer address");
	is_str(fake_hex(s->data + 20, 8), "0501" "0000" "0000fff0", "  MTU");
	is_str(fake_hex(s->data + 28, 32),
	       "0304" "40" "c0" "ffffffff" "ffffffff" "00000000"
	       "20010db8000100000000000000000000", "  prefix, masked");
	is_str(fake_hex(s->data + 60, 40),
	       "1905" "0000" "ffffffff"
	       "20010db8000000000000000000000053"
	       "20010db8000000000000000000000054", "  RDNSS");
	is_str(fake_hex(s->data + 100, s->len - 100),
	       "1f04" "0000" "ffffffff"
	       "076578616d706c65" "036f726700" "036c616e00"
	       "000000000000", "  DNSSL, padded, without what is no name");

	pkt = make(ICMP6_RS, "::", "ff02::2", rs, RS_OPTS);
	input(&pkt);
	is_int(fake_sent_count, 1, "RS from nobody is answered");
	is_str(ADDR_STR(&s->dst), "ff02::1", "  to all");
	is_str(fake_hex(s->dst_mac, 6), "333300000001", "  at their MAC");
}

/* RS is answered by this after the fixed part, or not at all if NULL */
static void ra_is(const char *flags, const char *opts, const char *what)
{
	struct pkt pkt = make(ICMP6_RS, guest_ll, "ff02::2", rs, sizeof(rs));
	const struct fake_sent *s = fake_sent;

	ok(input(&pkt), "%s: taken", what);
	is_int(fake_sent_count, !!opts, "  answered?");
	if (!opts || !fake_sent_count)
		return;
	is_str(fake_hex(s->data + 1, 1), flags, "  flags");
	is_str(fake_hex(s->data + 20, s->len - 20), opts, "  options");
}

static void ra_variants(void)
{
#define MTU	"05010000" "0000fff0"
#define PREFIX	"030440c0" "ffffffff" "ffffffff" "00000000" \
		"20010db8000100000000000000000000"
	static const char rdnss[] = MTU PREFIX "19030000" "ffffffff"
		"20010db8000000000000000000000053";
	static const char dnssl[] = MTU PREFIX "1f020000" "ffffffff"
		"036c616e00000000";

	fake_conf(&conf);
	ra_is("80", MTU PREFIX, "no resolvers");
	net.fam[V6].prefix_len = 128;
	ra_is("80", MTU PREFIX, "always /64");
	conf.no_dhcpv6 = true;
	ra_is("00", MTU PREFIX, "no DHCPv6");
	conf.mtu = 0;
	ra_is("00", PREFIX, "no MTU");
	conf.mtu = 1279;
	ra_is("00", PREFIX, "MTU that IPv6 can't have");

	fake_conf(&conf);
	net.fam[V6].dns[0] = fake_addr("2001:db8::53");
	net.fam[V6].dns_count = 1;
	ra_is("80", rdnss, "one resolver");
	conf.dhcp_dns = false;
	ra_is("80", MTU PREFIX, "not to be told");
	strcpy(net.search.name[0], "lan");
	net.search.count = 1;
	ra_is("80", dnssl, "one domain");
	conf.dhcp_search = false;
	ra_is("80", MTU PREFIX, "not to be told");
	conf.dhcp_search = true;
	strcpy(net.search.name[0], "..");
	ra_is("80", MTU PREFIX, "nothing but what is no name");

	fake_conf(&conf);
	net.fam[V6].guest = fake_addr("");
	ra_is("00", MTU, "local mode: no prefix, nothing to ask DHCPv6 for");
	fake_conf(&conf);
	conf.no_ra = true;
	ra_is("", NULL, "no RA");
	conf.no_ra = false;
	conf.no_ndp = true;
	ra_is("", NULL, "no NDP");
	ok(!answers(guest_ll, "fe80::1"), "which means no NA either");
	fake_conf(&conf);
	net.fam[V6].enabled = false;
	ra_is("", NULL, "no IPv6");
	fake_conf(&conf);
#undef MTU
#undef PREFIX
}

/* The longest configuration fits into the smallest MTU */
static void ra_long(void)
{
	struct pkt pkt = make(ICMP6_RS, guest_ll, "ff02::2", rs, sizeof(rs));
	const struct fake_sent *s = fake_sent;

	net.fam[V6].dns_count = CONF_DNS_MAX;
	net.search.count = CONF_SEARCH_MAX;
	for (unsigned i = 0; i < CONF_SEARCH_MAX; i++) {
		memset(net.search.name[i], 'a' + (int)i, CONF_NAME_MAX);
		for (unsigned j = 63; j < CONF_NAME_MAX; j += 64)
			net.search.name[i][j] = '.';
	}
	input(&pkt);
	is_int(fake_sent_count, 1, "long search list: answered");
	ok(s->len + 4 + 40 <= 1280, "  in %zu bytes", s->len + 4 + 40);
	/* Header, MAC, MTU, prefix, RDNSS: 12 + 8 + 8 + 32 + 56 */
	is_str(fake_hex(s->data + 116, 2), "1f81",
	       "  with four names of 255 bytes");
	is_int(s->len, 116 + 8 * 0x81, "  and nothing else");
	fake_conf(&conf);
}

static void malformed_rs(void)
{
	uint8_t body[sizeof(rs)];
	struct pkt pkt;

	for (size_t len = 0; len < sizeof(rs); len++) {
		pkt = make(ICMP6_RS, guest_ll, "ff02::2", rs, len);
		input(&pkt);
		if (len == RS_OPTS)
			is_int(fake_sent_count, 1, "no options");
		else
			ok(!fake_sent_count && fake_bad() == 1,
			   "cut to %zu bytes", len);
	}
	memcpy(body, rs, sizeof(rs));
	body[RS_OPTS + 1] = 0;
	pkt = make(ICMP6_RS, guest_ll, "ff02::2", body, sizeof(body));
	input(&pkt);
	ok(!fake_sent_count && fake_bad() == 1, "option of length 0");
	pkt = make(ICMP6_RS, "::", "ff02::2", rs, sizeof(rs));
	input(&pkt);
	ok(!fake_sent_count && fake_bad() == 1,
	   "link-layer address of an unspecified source");
	pkt = make(ICMP6_RS, guest_ll, "ff02::2", rs, sizeof(rs));
	pkt.ttl = 64;
	input(&pkt);
	ok(!fake_sent_count && fake_bad() == 1, "hop limit 64");
}

static void others(void)
{
	for (unsigned type = 0; type < 256; type++) {
		struct pkt pkt = make((uint8_t)type, guest_ll, "fe80::1", ns,
				      sizeof(ns));
		bool ours = type >= 133 && type <= 137;
		bool right = input(&pkt) == ours &&
			     fake_sent_count == (type == ICMP6_NS);

		/* As an RS, that target is an option beyond the end */
		if (!right || ours)
			ok(right, "type %u", type);
	}
}

static int64_t seconds_to_timer(void)
{
	return mono_sub(fake_timer_when, fake_now).us / 1000000;
}

static void periodic(void)
{
	int64_t least = INT64_MAX, most = 0;

	fake_reset();
	fake_now = (mono_t){ 1000000 };
	ndp_solicit();
	is_int(fake_sent_count, 2, "the link comes up: two messages");
	is_int(fake_sent[0].type, 135, "  NS");
	is_int(fake_sent[0].ttl, 255, "  hop limit 255");
	is_str(ADDR_STR(&fake_sent[0].src), "fe80::1", "  from us");
	is_str(ADDR_STR(&fake_sent[0].dst), "ff02::1:ff00:15",
	       "  to the solicited-node group");
	is_str(fake_hex(fake_sent[0].dst_mac, 6), "3333ff000015",
	       "  at its MAC");
	is_str(fake_hex(fake_sent[0].data, fake_sent[0].len),
	       "00000000" "20010db8000100000000000000000015"
	       "0101" "9a559a559a55", "  for the guest's address");
	for (int i = 0; i < 3; i++) {
		const struct fake_sent *s = &fake_sent[!i];

		if (i) {
			fake_reset();
			fake_fire();
			is_int(fake_sent_count, 1, "RA %d", i + 1);
		}
		is_int(s->type, 134, "RA %d", i + 1);
		is_str(ADDR_STR(&s->dst), "ff02::1", "  to all");
		is_str(fake_hex(s->dst_mac, 6), "333300000001",
		       "  at their MAC");
		if (i < 2)
			is_int(seconds_to_timer(), 16, "  the next in 16 s");
	}
	for (int i = 0; i < 1000; i++) {
		int64_t s = seconds_to_timer();

		least = MIN(least, s);
		most = MAX(most, s);
		fake_fire();
	}
	ok(least >= 200 && least < 210, "then after 200 s or more (%d)",
	   (int)least);
	ok(most < 600 && most > 590, "and less than 600 s (%d)", (int)most);

	fake_link_up = false;
	fake_reset();
	fake_fire();
	ok(!fake_sent_count && !fake_timer, "it ends with the link");
	fake_link_up = true;
	ndp_solicit();
	ok(fake_timer, "and begins with the next");

	ndp_init(&conf);
	ok(!fake_timer, "not before there is one");
	conf.no_ra = true;
	fake_reset();
	ndp_solicit();
	ok(fake_sent_count == 1 && fake_sent[0].type == 135 && !fake_timer,
	   "no RA: just NS");
	conf.no_ra = false;
	net.fam[V6].guest = fake_addr("");
	fake_reset();
	ndp_solicit();
	ok(fake_sent_count == 1 && fake_sent[0].type == 134 && fake_timer,
	   "local mode: just RA");
	ndp_init(&conf);
	fake_conf(&conf);
	conf.no_ndp = true;
	fake_reset();
	ndp_solicit();
	ok(!fake_sent_count && !fake_timer, "no NDP: nothing");
	fake_conf(&conf);
}

/* The network becomes one with this resolver and this search domain */
static void becomes(const char *dns, const char *search)
{
	struct net old = net;

	net.fam[V6].dns[0] = fake_addr(dns);
	net.fam[V6].dns_count = 1;
	strcpy(net.search.name[0], search);
	net.search.count = 1;
	fake_hook(&old);
}

/* What the next RA has behind the two prefixes */
static void next_ra_is(const char *opts, const char *what)
{
	const struct fake_sent *s = fake_sent;

	fake_reset();
	fake_fire();
	is_int(fake_sent_count, 1, "%s: one RA", what);
	is_str(fake_hex(s->data + 84, s->len - 84), opts, "  which says so");
}

/* Resolvers and search domains are taken back in all RAs that follow a change at
 * short distance, also if the next change comes between them
 */
static void taken_back(void)
{
#define RDNSS(t, n)	"1903" "0000" t "20010db80000000000000000000" n
#define DNSSL(t, c)	"1f02" "0000" t "01" c "000000000000"
#define EVER		"ffffffff"
#define NEVER		"00000000"
	becomes("2001:db8::61", "a");
	becomes("2001:db8::62", "b");
	becomes("2001:db8::63", "c");
	for (int i = 0; i < 3; i++)
		next_ra_is(RDNSS(EVER, "00063") "1907" "0000" NEVER
			   "20010db8000000000000000000000062"
			   "20010db8000000000000000000000061"
			   "20010db8000000000000000000000054"
			   DNSSL(EVER, "63")
			   "1f02" "0000" NEVER "0162000161000000",
			   "three changes at once");
	next_ra_is(RDNSS(EVER, "00063") DNSSL(EVER, "63"),
		   "told often enough");
	becomes("2001:db8::62", "b");
	next_ra_is(RDNSS(EVER, "00062") RDNSS(NEVER, "00063") DNSSL(EVER, "62")
		   DNSSL(NEVER, "63"), "back: what was taken back is used");
	becomes("2001:db8::63", "c");
	next_ra_is(RDNSS(EVER, "00063") RDNSS(NEVER, "00062") DNSSL(EVER, "63")
		   DNSSL(NEVER, "62"), "and again");
	for (unsigned i = 0; i < 20; i++) {
		char name[] = { (char)('a' + i), '\0' };
		char addr[32];

		snprintf(addr, sizeof(addr), "2001:db8::1:%u", i);
		becomes(addr, name);
	}
	fake_reset();
	fake_fire();
	is_str(fake_hex(fake_sent->data + 84 + 24, 8 + 16),
	       "190d" "0000" NEVER "20010db8000000000000000000010018",
	       "twenty changes: the last ones, as many as there is room for");
#undef RDNSS
#undef DNSSL
#undef EVER
#undef NEVER
}

/* The host's network is another one */
static void moves(void)
{
	const struct fake_sent *s = fake_sent;
	struct net old;

	fake_conf(&conf);
	ndp_init(&conf);
	fake_link_up = true;
	conf.mtu = 0;
	net.fam[V6].dns[0] = fake_addr("2001:db8::53");
	net.fam[V6].dns_count = 1;
	old = net;
	net.fam[V6].guest = fake_addr("2001:db8:2::9");
	net.fam[V6].our = fake_addr("fe80::2");
	net.fam[V6].dns[0] = fake_addr("2001:db8::54");
	fake_reset();
	fake_hook(&old);
	is_int(fake_sent_count, 1, "another address of ours: one RA at once");
	is_str(ADDR_STR(&s->src), "fe80::1", "  from the old one");
	is_str(fake_hex(s->data, s->len), "40" "00" "0000" "00000000" "00000000",
	       "  which is no router any more");
	fake_reset();
	fake_fire();
	is_str(ADDR_STR(&s->src), "fe80::2", "then one from the new one");
	is_str(fake_hex(s->data + 20, s->len - 20),
	       "0304" "40" "c0" "ffffffff" "ffffffff" "00000000"
	       "20010db8000200000000000000000000"
	       "0304" "40" "c0" "00001c20" "00000000" "00000000"
	       "20010db8000100000000000000000000"
	       "1903" "0000" "ffffffff" "20010db8000000000000000000000054"
	       "1903" "0000" "00000000" "20010db8000000000000000000000053",
	       "  the old prefix is deprecated, the old resolver taken back");
	fake_now = mono_add(fake_now, DUR_S(3600));
	ra_is("80", "0304" "40" "c0" "ffffffff" "ffffffff" "00000000"
	      "20010db8000200000000000000000000"
	      "0304" "40" "c0" "00000e10" "00000000" "00000000"
	      "20010db8000100000000000000000000"
	      "1903" "0000" "ffffffff" "20010db8000000000000000000000054"
	      "1903" "0000" "00000000" "20010db8000000000000000000000053",
	      "an hour later");
	for (int i = 0; i < 2; i++)
		fake_fire();
	fake_now = mono_add(fake_now, DUR_S(7201));
	ra_is("80", "0304" "40" "c0" "ffffffff" "ffffffff" "00000000"
	      "20010db8000200000000000000000000"
	      "1903" "0000" "ffffffff" "20010db8000000000000000000000054",
	      "two hours later it has expired");

	old = net;
	net.fam[V6].guest = fake_addr("2001:db8:1::15");
	fake_hook(&old);
	old = net;
	net.fam[V6].guest = fake_addr("2001:db8:2::9");
	fake_hook(&old);
	for (int i = 0; i < 3; i++)
		fake_fire();
	ra_is("80", "0304" "40" "c0" "ffffffff" "ffffffff" "00000000"
	      "20010db8000200000000000000000000"
	      "0304" "40" "c0" "00001c00" "00000000" "00000000"
	      "20010db8000100000000000000000000"
	      "1903" "0000" "ffffffff" "20010db8000000000000000000000054",
	      "there and back: one is preferred, the other one isn't");
	taken_back();
	fake_link_up = false;
	fake_conf(&conf);
	ndp_init(&conf);
}

static void mutations(void)
{
	unsigned long replies = 0, wrong = 0;

	for (int i = 0; i < 100000; i++) {
		uint8_t body[1500];
		size_t len = i & 1 ? sizeof(ns) : sizeof(rs);
		struct pkt pkt;

		memcpy(body, i & 1 ? ns : rs, len);
		len = fake_mutate(body, len, sizeof(body));
		pkt = make(i & 1 ? ICMP6_NS : ICMP6_RS,
			   fake_random() % 8 ? guest_ll : "::", "ff02::2",
			   body, len);
		if (!(fake_random() % 8))
			pkt.ttl = (uint8_t)fake_random();
		wrong += !input(&pkt);
		replies += fake_sent_count;
		wrong += fake_sent_count + fake_bad() > 1 ||
			 (fake_sent_count && fake_sent[0].len % 8 != 4);
	}
	ok(replies > 1000, "100000 mutations: %lu replies", replies);
	is_int(wrong, 0, "  none of them odd");
}

int main(void)
{
	fake_conf(&conf);
	ndp_init(&conf);
	na();
	dad();
	who();
	malformed_ns();
	ra();
	ra_variants();
	ra_long();
	malformed_rs();
	others();
	periodic();
	moves();
	mutations();
	return done();
}
