// SPDX-License-Identifier: GPL-2.0-or-later
/* DHCPv6, with requests as real clients send them
 *
 * Links: local/dhcpv6.o local/former.o util/dnsname.o util/addr.o util/iov.o util/rdwr.o
 */
#include "local/dhcpv6.h"

#include "fake_frame.h"
#include "tap_test.h"

static struct conf conf;

/* Pieces that all messages are made of: RFC 8415 21 */
#define CLIENT_ID	0, 1, 0, 14,	/* DUID-LLT */			\
			0, 1, 0, 1, 0x32, 0x95, 0x42, 0x6d,		\
			0x52, 0x54, 0x00, 0x12, 0x34, 0x56
#define SERVER_ID	0, 2, 0, 10,	/* ours: DUID-LL */		\
			0, 3, 0, 1, 0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55
#define ORO		0, 6, 0, 8, 0, 23, 0, 24, 0, 39, 0, 31
#define ELAPSED		0, 8, 0, 2, 0, 0
#define IAADDR(...)	0, 5, 0, 24, __VA_ARGS__, 0, 0, 28, 32, 0, 0, 29, 76
#define T1_T2		0, 0, 14, 16, 0, 0, 21, 24
#define IA_NA_NONE	0, 3, 0, 12, 0x00, 0x12, 0x34, 0x56, T1_T2
#define IA_NA(...)	0, 3, 0, 40, 0x00, 0x12, 0x34, 0x56, T1_T2,	\
			IAADDR(__VA_ARGS__)
#define OURS		0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0,		\
			0, 0, 0, 0, 0, 0, 0, 0x15
#define OTHER		0x20, 0x01, 0x0d, 0xb8, 0, 9, 0, 0,		\
			0, 0, 0, 0, 0, 0, 0, 0x15
#define RAPID		0, 14, 0, 0

/* As dhclient sends them, in this order */
static const uint8_t solicit[] = {
	1, 0x0d, 0x07, 0x75, CLIENT_ID, ORO, ELAPSED, IA_NA_NONE,
};
static const uint8_t request[] = {
	3, 0x83, 0x64, 0x71, CLIENT_ID, SERVER_ID, ORO, ELAPSED, IA_NA(OURS),
};
static const uint8_t confirm[] = {
	4, 0x8a, 0x2c, 0xfc, CLIENT_ID, ORO, ELAPSED, IA_NA(OURS),
};
static const uint8_t confirm_other[] = {
	4, 0x8a, 0x2c, 0xfc, CLIENT_ID, ORO, ELAPSED, IA_NA(OTHER),
};
static const uint8_t information_request[] = {
	11, 0x7b, 0x23, 0xc6, CLIENT_ID, ORO, ELAPSED,
};

/* Options in the replies to those, as hexadecimal digits */
static const char client_id[] = "000100013295426d525400123456";
static const char server_id[] = "000300019a559a559a55";
#define HEX_OURS	"20010db8000100000000000000000015"
#define HEX_OTHER	"20010db8000900000000000000000015"
#define HEX_FOREVER	"ffffffff" "ffffffff"
static const char ia_ours[] = "00123456" HEX_FOREVER
	"00050018" HEX_OURS HEX_FOREVER;

static bool input(const uint8_t *p, size_t len)
{
	struct pkt pkt = {
		.kind = PKT_IP, .family = V6, .proto = PROTO_UDP, .ttl = 1,
		.src = fake_addr("fe80::5054:ff:fe12:3456"),
		.dst = fake_addr("ff02::1:2"),
		.sport = 546, .dport = 547, .payload = fake_bytes(p, len),
	};

	memcpy(pkt.src_mac, fake_guest_mac, 6);
	fake_sent_count = 0;
	memset(drop_counts, 0, sizeof(drop_counts));
	return dhcpv6_input(&pkt);
}

/* Body of the nth option of this code among `left` bytes at p; NULL: none */
static const uint8_t *find(const uint8_t *p, size_t left, unsigned code,
			   unsigned n, size_t *len)
{
	while (left >= 4) {
		*len = (size_t)(p[2] << 8 | p[3]);
		if (*len > left - 4)
			return NULL;
		if ((unsigned)(p[0] << 8 | p[1]) == code && !n--)
			return p + 4;
		p += 4 + *len;
		left -= 4 + *len;
	}
	*len = 0;
	return NULL;
}

static const uint8_t *opt(unsigned code, unsigned n, size_t *len)
{
	return find(fake_sent[0].data + 4, fake_sent[0].len - 4, code, n, len);
}

static void opt_is(unsigned code, const char *hex)
{
	size_t len;
	const uint8_t *p = opt(code, 0, &len);

	is_str(fake_hex(p, len), hex, "  option %u", code);
}

/* The nth IA of this kind carries this status, or -1: none */
static void ia_status_is(unsigned code, unsigned n, int want)
{
	size_t ia_len, len, fixed = code == 4 ? 4 : 12;
	const uint8_t *ia = opt(code, n, &ia_len);
	const uint8_t *p = NULL;

	if (ia && ia_len >= fixed)
		p = find(ia + fixed, ia_len - fixed, 13, 0, &len);
	is_int(p ? p[0] << 8 | p[1] : -1, want, "  status in option %u (%u)",
	       code, n);
}

/* Status of the whole message */
static void status_is(int want)
{
	size_t len;
	const uint8_t *p = opt(13, 0, &len);

	is_int(p ? p[0] << 8 | p[1] : -1, want, "  status");
}

/* Are there nothing but whole options in the reply? */
static bool well_formed(void)
{
	const struct fake_sent *s = fake_sent;
	size_t at = 4;

	if (s->len < 4 || s->len + 48 > 1280)
		return false;
	while (at + 4 <= s->len)
		at += 4 + (size_t)(s->data[at + 2] << 8 | s->data[at + 3]);
	return at == s->len;
}

static void replies_to(const uint8_t *p, size_t len, unsigned type,
		       const char *what)
{
	const struct fake_sent *s = fake_sent;

	ok(input(p, len), "%s is taken", what);
	if (!is_int(fake_sent_count, !!type, "  replies") || !type)
		return;
	is_int(s->data[0], type, "  type");
	is_str(fake_hex(s->data + 1, 3), fake_hex(p + 1, 3), "  transaction");
	ok(well_formed(), "  well-formed");
	opt_is(1, client_id);
	opt_is(2, server_id);
}

#define REPLIES_TO(msg, type, what) \
	replies_to((msg), sizeof(msg), (type), (what))
#define MSG(...)	((const uint8_t[]){ __VA_ARGS__ })

static void solicits(void)
{
	const struct fake_sent *s = fake_sent;

	net.fam[V6].dns[0] = fake_addr("2001:db8::53");
	net.fam[V6].dns[1] = fake_addr("2001:db8::54");
	net.fam[V6].dns_count = 2;
	strcpy(net.search.name[0], "example.org");
	strcpy(net.search.name[1], "not a name");
	strcpy(net.search.name[2], "lan");
	net.search.count = 3;
	strcpy(conf.fqdn, "box.example.org");

	REPLIES_TO(solicit, 2, "SOLICIT");
	is_str(ADDR_STR(&s->src), "fe80::1", "  from our link-local address");
	is_int(s->sport, 547, "  port 547");
	is_str(ADDR_STR(&s->dst), "fe80::5054:ff:fe12:3456", "  to the sender");
	is_int(s->dport, 546, "  port 546");
	is_str(fake_hex(s->dst_mac, 6), "525400123456", "  at its MAC");
	opt_is(3, ia_ours);
	opt_is(7, "ff");
	opt_is(14, "(none)");
	opt_is(23, "20010db8000000000000000000000053"
		   "20010db8000000000000000000000054");
	opt_is(24, "076578616d706c65036f726700" "036c616e00");
	opt_is(39, "00" "03626f78" "076578616d706c65" "036f726700");

	REPLIES_TO(MSG(1, 1, 2, 3, CLIENT_ID, RAPID, IA_NA_NONE), 7,
		   "SOLICIT with rapid commit");
	opt_is(3, ia_ours);
	opt_is(14, "");
	opt_is(7, "(none)");
	REPLIES_TO(MSG(1, 1, 2, 3, CLIENT_ID, IA_NA(OTHER)), 2,
		   "SOLICIT that hopes for another address");
	opt_is(3, ia_ours);
	REPLIES_TO(MSG(1, 1, 2, 3, CLIENT_ID, IA_NA_NONE,
		       0, 39, 0, 5, 1, 2, 'v', 'm', 0), 2,
		   "SOLICIT of one who wants us to update the DNS");
	opt_is(39, "02" "03626f78" "076578616d706c65" "036f726700");
	fake_conf(&conf);

	REPLIES_TO(solicit, 2, "SOLICIT, nothing known");
	opt_is(23, "(none)");
	opt_is(24, "(none)");
	opt_is(39, "(none)");
	net.fam[V6].dns[0] = fake_addr("2001:db8::53");
	net.fam[V6].dns_count = 1;
	strcpy(net.search.name[0], "lan");
	net.search.count = 1;
	conf.dhcp_dns = false;
	REPLIES_TO(solicit, 2, "SOLICIT, resolvers not to be told");
	opt_is(23, "(none)");
	opt_is(24, "036c616e00");
	conf.dhcp_dns = true;
	conf.dhcp_search = false;
	REPLIES_TO(solicit, 2, "SOLICIT, search list not to be told");
	opt_is(23, "20010db8000000000000000000000053");
	opt_is(24, "(none)");
	fake_conf(&conf);
}

static void several_ias(void)
{
	REPLIES_TO(MSG(1, 1, 2, 3, CLIENT_ID,
		       0, 4, 0, 4, 0, 0, 0, 9,		/* IA_TA */
		       0, 25, 0, 12, 0, 0, 0, 8, T1_T2,	/* IA_PD */
		       IA_NA_NONE,
		       0, 3, 0, 12, 0, 0, 0, 7, T1_T2), 2,
		   "SOLICIT with four associations");
	opt_is(3, ia_ours);
	ia_status_is(3, 0, -1);
	ia_status_is(3, 1, 2);
	ia_status_is(4, 0, 2);
	ia_status_is(25, 0, 6);
	REPLIES_TO(MSG(1, 1, 2, 3, CLIENT_ID), 2, "SOLICIT with none");
	opt_is(3, "(none)");
}

static void requests(void)
{
	REPLIES_TO(request, 7, "REQUEST");
	opt_is(3, ia_ours);
	opt_is(7, "(none)");
	REPLIES_TO(MSG(3, 1, 2, 3, CLIENT_ID, SERVER_ID, IA_NA_NONE), 7,
		   "REQUEST for any address");
	opt_is(3, ia_ours);
	REPLIES_TO(MSG(3, 1, 2, 3, CLIENT_ID, SERVER_ID, IA_NA(OTHER)), 7,
		   "REQUEST for another address");
	ia_status_is(3, 0, 4);
}

static void renewals(void)
{
	REPLIES_TO(MSG(5, 1, 2, 3, CLIENT_ID, SERVER_ID, IA_NA(OURS)), 7,
		   "RENEW");
	opt_is(3, ia_ours);
	REPLIES_TO(MSG(6, 1, 2, 3, CLIENT_ID, IA_NA(OURS)), 7, "REBIND");
	opt_is(3, ia_ours);
	REPLIES_TO(MSG(6, 1, 2, 3, CLIENT_ID, SERVER_ID, IA_NA(OURS)), 7,
		   "REBIND with our identifier");
	REPLIES_TO(MSG(6, 1, 2, 3, CLIENT_ID, IA_NA(OTHER)), 7,
		   "REBIND of another address");
	opt_is(3, "00123456" HEX_FOREVER
		  "00050018" HEX_OURS HEX_FOREVER
		  "00050018" HEX_OTHER "00000000" "00000000");
}

/* The host's network is another one, and the guest's address, too */
static void moves(void)
{
	struct net old = net;

	old.fam[V6].guest = fake_addr("2001:db8:9::15");
	conf.no_follow_host = false;
	REPLIES_TO(MSG(5, 1, 2, 3, CLIENT_ID, SERVER_ID, IA_NA(OURS)), 7,
		   "RENEW, the host may move");
	opt_is(3, "00123456" "00000708" "00000b40"
		  "00050018" HEX_OURS "00000e10" "00001c20");
	fake_hook(&old);
	fake_now = mono_add(fake_now, DUR_S(1200));
	REPLIES_TO(MSG(5, 1, 2, 3, CLIENT_ID, SERVER_ID, IA_NA(OTHER)), 7,
		   "RENEW of the address of before");
	opt_is(3, "00123456" "00000708" "00000b40"
		  "00050018" HEX_OURS "00000e10" "00001c20"
		  "00050018" HEX_OTHER "00000000" "00001770");

	/* And again, and again */
	old = net;
	net.fam[V6].guest = fake_addr("2001:db8:7::15");
	fake_hook(&old);
	old = net;
	net.fam[V6].guest = fake_addr("2001:db8:1::15");
	fake_hook(&old);
	REPLIES_TO(MSG(5, 1, 2, 3, CLIENT_ID, SERVER_ID, IA_NA(OTHER)), 7,
		   "... after more changes");
	opt_is(3, "00123456" "00000708" "00000b40"
		  "00050018" HEX_OURS "00000e10" "00001c20"
		  "00050018" HEX_OTHER "00000000" "00001770");
	fake_now = mono_add(fake_now, DUR_S(6000));
	REPLIES_TO(MSG(5, 1, 2, 3, CLIENT_ID, SERVER_ID, IA_NA(OTHER)), 7,
		   "... when it has expired");
	opt_is(3, "00123456" "00000708" "00000b40"
		  "00050018" HEX_OURS "00000e10" "00001c20"
		  "00050018" HEX_OTHER "00000000" "00000000");
	fake_conf(&conf);
	dhcpv6_init(&conf);
}

static void confirms(void)
{
	REPLIES_TO(confirm, 7, "CONFIRM");
	status_is(0);
	opt_is(3, "(none)");
	REPLIES_TO(confirm_other, 7, "CONFIRM of another address");
	status_is(4);
	REPLIES_TO(MSG(4, 1, 2, 3, CLIENT_ID, IA_NA_NONE), 0,
		   "CONFIRM of nothing");
}

static void releases(void)
{
	REPLIES_TO(MSG(8, 1, 2, 3, CLIENT_ID, SERVER_ID, IA_NA(OURS)), 7,
		   "RELEASE");
	status_is(0);
	opt_is(3, "(none)");
	REPLIES_TO(MSG(9, 1, 2, 3, CLIENT_ID, SERVER_ID, IA_NA(OURS)), 7,
		   "DECLINE");
	status_is(0);
	REPLIES_TO(MSG(8, 1, 2, 3, CLIENT_ID, SERVER_ID, IA_NA(OTHER)), 7,
		   "RELEASE of another address");
	status_is(0);
	ia_status_is(3, 0, 3);
}

static void information_requests(void)
{
	net.fam[V6].dns[0] = fake_addr("2001:db8::53");
	net.fam[V6].dns_count = 1;
	REPLIES_TO(information_request, 7, "INFORMATION-REQUEST");
	opt_is(3, "(none)");
	opt_is(23, "20010db8000000000000000000000053");
	ok(input(MSG(11, 1, 2, 3, ORO), 16), "INFORMATION-REQUEST of nobody");
	is_int(fake_sent_count, 1, "  replies");
	opt_is(1, "(none)");
	opt_is(2, server_id);
	REPLIES_TO(MSG(11, 1, 2, 3, CLIENT_ID, SERVER_ID), 7,
		   "INFORMATION-REQUEST to us");
	REPLIES_TO(MSG(11, 1, 2, 3, CLIENT_ID, IA_NA_NONE), 0,
		   "INFORMATION-REQUEST with an association");
	fake_conf(&conf);
}

/* RFC 8415 16: what is discarded */
static void identifiers(void)
{
	static const uint8_t types[] = { 1, 3, 4, 5, 6, 8, 9 };
	static const bool needs_ours[] = { 0, 1, 0, 1, 0, 1, 1 };
	static const bool stands_ours[] = { 0, 1, 0, 1, 1, 1, 1 };

	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		uint8_t ours[] = { types[i], 1, 2, 3, CLIENT_ID, SERVER_ID,
				   IA_NA(OURS) };
		uint8_t none[] = { types[i], 1, 2, 3, CLIENT_ID,
				   IA_NA(OURS) };
		uint8_t nobody[] = { types[i], 1, 2, 3, SERVER_ID,
				     IA_NA(OURS) };

		input(ours, sizeof(ours));
		is_int(fake_sent_count, stands_ours[i],
		       "type %u with our identifier", types[i]);
		input(none, sizeof(none));
		is_int(fake_sent_count, !needs_ours[i], "  with none");
		ours[4 + 18 + 4 + 9] ^= 1;
		input(ours, sizeof(ours));
		is_int(fake_sent_count, 0, "  with another server's");
		input(nobody, sizeof(nobody));
		is_int(fake_sent_count, 0, "  without client identifier");
	}
}

static void client_ids(void)
{
	uint8_t msg[256] = { 1, 1, 2, 3, 0, 1 };
	size_t len;

	for (len = 0; len <= 140; len++) {
		bool fine = len && len <= 130;

		msg[7] = (uint8_t)len;
		input(msg, 8 + len);
		if (fake_sent_count != fine || len < 2 || len > 128)
			is_int(fake_sent_count, fine,
			       "client identifier of %zu bytes", len);
	}
}

static void ignored(void)
{
	struct pkt pkt = { .dport = 547, .dst = fake_addr("fe80::1") };
	uint8_t msg[sizeof(request)];

	ok(!dhcpv6_input(&pkt), "what is unicast isn't ours");
	pkt.dst = fake_addr("ff02::1:2");
	pkt.dport = 546;
	ok(!dhcpv6_input(&pkt), "nor is what goes to clients");

	for (unsigned type = 0; type < 256; type++) {
		bool ours = type == 3 || (type >= 5 && type <= 9 && type != 7);

		memcpy(msg, request, sizeof(msg));
		msg[0] = (uint8_t)type;
		if (!input(msg, sizeof(msg)) || fake_sent_count != ours ||
		    type < 15)
			is_int(fake_sent_count, ours, "type %u", type);
	}
	conf.no_dhcpv6 = true;
	REPLIES_TO(solicit, 0, "SOLICIT, switched off,");
	fake_conf(&conf);
	net.fam[V6].guest = fake_addr("");
	REPLIES_TO(solicit, 0, "SOLICIT, no address,");
	fake_conf(&conf);
	net.fam[V6].enabled = false;
	REPLIES_TO(solicit, 0, "SOLICIT, no IPv6,");
	fake_conf(&conf);
}

static void stable(void)
{
	char before[64];
	size_t len;
	const uint8_t *p;

	input(solicit, sizeof(solicit));
	p = opt(2, 0, &len);
	snprintf(before, sizeof(before), "%s", fake_hex(p, len));
	fake_now = (mono_t){ 1000000000 };
	dhcpv6_init(&conf);
	input(solicit, sizeof(solicit));
	opt_is(2, before);
}

/* The most that a client can make us say, and we have to say, fits */
static void sizes(void)
{
	uint8_t msg[1500] = { 6, 1, 2, 3, 0, 1, 0, 130 };
	static const uint8_t pd[] = { 0, 25, 0, 12, 0, 0, 0, 1, T1_T2 };
	static const uint8_t addr[] = { IAADDR(OTHER) };
	size_t len = 8 + 130, ia;

	net.fam[V6].dns_count = CONF_DNS_MAX;
	net.search.count = CONF_SEARCH_MAX;
	for (unsigned i = 0; i < CONF_SEARCH_MAX; i++) {
		memset(net.search.name[i], 'a' + (int)i, CONF_NAME_MAX);
		for (unsigned j = 63; j < CONF_NAME_MAX; j += 64)
			net.search.name[i][j] = '.';
	}
	strcpy(conf.fqdn, net.search.name[0]);

	/* One IA_NA with 40 addresses between IA_PDs, which are too many */
	for (int i = 0; i < 4; i++, len += sizeof(pd))
		memcpy(msg + len, pd, sizeof(pd));
	ia = len;
	memcpy(msg + len, (uint8_t[]){ 0, 3, 0, 0, 0, 0, 0, 1, T1_T2 }, 16);
	len += 16;
	for (int i = 0; i < 40; i++, len += sizeof(addr))
		memcpy(msg + len, addr, sizeof(addr));
	msg[ia + 2] = (uint8_t)((len - ia - 4) >> 8);
	msg[ia + 3] = (uint8_t)(len - ia - 4);
	for (int i = 0; i < 10; i++, len += sizeof(pd))
		memcpy(msg + len, pd, sizeof(pd));

	input(msg, len);
	is_int(fake_sent_count, 1, "a huge message");
	ok(well_formed(), "  gets a reply that fits: %zu", fake_sent[0].len);
	opt_is(23, "00000000000000000000000000000000"
		   "00000000000000000000000000000000"
		   "00000000000000000000000000000000");
	input(solicit, sizeof(solicit));
	ok(well_formed(), "long everything fits: %zu", fake_sent[0].len);
	fake_conf(&conf);
}

static void truncated(void)
{
	unsigned wrong = 0, answered = 0;

	for (size_t len = 0; len < sizeof(request); len++) {
		input(request, len);
		answered += fake_sent_count;
		wrong += fake_sent_count && fake_bad();
	}
	is_int(wrong, 0, "cut off: dropped, or a shorter one");
	/* After server identifier, option list, time */
	is_int(answered, 3, "  the latter where an option ends");

	ok(input(MSG(1, 1, 2, 3, CLIENT_ID, 0, 3, 0, 0), 26) &&
	   fake_bad() == 1, "association of no bytes");
	ok(input(MSG(1, 1, 2, 3, CLIENT_ID, 0, 3, 0, 16, 0, 0, 0, 1, T1_T2,
		     0, 5, 0, 0), 42) &&
	   fake_bad() == 1, "address of no bytes in it");
	ok(input(MSG(1, 1, 2, 3, CLIENT_ID, 0, 3, 0, 16, 0, 0, 0, 1, T1_T2,
		     0, 5, 0, 24), 42) &&
	   fake_bad() == 1, "address beyond its end");
	ok(input(MSG(1, 1, 2, 3, CLIENT_ID, 0, 0, 0, 0, 0, 39, 0, 0), 30) &&
	   fake_sent_count == 1, "empty options of no such kind");
}

static void mutations(void)
{
	static const struct {
		const uint8_t *p;
		size_t len;
	} seeds[] = {
		{ solicit, sizeof(solicit) },
		{ request, sizeof(request) },
		{ confirm, sizeof(confirm) },
		{ confirm_other, sizeof(confirm_other) },
		{ information_request, sizeof(information_request) },
	};
	unsigned long replies = 0, wrong = 0;

	for (int i = 0; i < 100000; i++) {
		unsigned n = fake_random() % ARRAY_SIZE(seeds);
		uint8_t msg[1600];
		size_t len;

		memcpy(msg, seeds[n].p, seeds[n].len);
		len = fake_mutate(msg, seeds[n].len, sizeof(msg));
		wrong += !input(msg, len);
		replies += fake_sent_count;
		wrong += fake_sent_count + fake_bad() > 1 ||
			 (fake_sent_count && !well_formed());
	}
	ok(replies > 1000, "100000 mutations: %lu replies", replies);
	is_int(wrong, 0, "  none of them odd");
}

int main(void)
{
	fake_conf(&conf);
	dhcpv6_init(&conf);
	solicits();
	several_ias();
	requests();
	renewals();
	moves();
	confirms();
	releases();
	information_requests();
	identifiers();
	client_ids();
	ignored();
	stable();
	sizes();
	truncated();
	mutations();
	return done();
}
