// SPDX-License-Identifier: GPL-2.0-or-later
/* DHCP and BOOTP, with requests as real clients send them
 *
 * Links: local/dhcp.o util/dnsname.o util/addr.o util/iov.o util/rdwr.o
 */
#include "local/dhcp.h"

#include "fake_frame.h"
#include "tap_test.h"

static struct conf conf;

enum { AT_OP = 0, AT_HLEN = 2, AT_XID = 4, AT_FLAGS = 10, AT_CIADDR = 12,
       AT_YIADDR = 16, AT_SIADDR = 20, AT_GIADDR = 24, AT_CHADDR = 28,
       AT_SNAME = 44, AT_FILE = 108, AT_MAGIC = 236, AT_OPTS = 240 };

/* RFC 2131 2, figure 1: what all requests here begin with */
static const uint8_t fixed[] = {
	1, 1, 6, 0,				/* request, Ethernet, hops */
	0xe7, 0x16, 0x4e, 0x7d,			/* xid */
	0, 3, 0, 0,				/* secs, flags */
	0, 0, 0, 0,				/* ciaddr */
	0, 0, 0, 0,				/* yiaddr */
	0, 0, 0, 0,				/* siaddr */
	0, 0, 0, 0,				/* giaddr */
	0x52, 0x54, 0x00, 0x12, 0x34, 0x56,	/* chaddr */
};

static const uint8_t udhcpc_discover[] = {
	53, 1, 1,				/* DISCOVER */
	57, 2, 0x02, 0x40,			/* takes 576 bytes */
	55, 7, 1, 3, 6, 12, 15, 28, 42,		/* asks for */
	60, 12, 'u', 'd', 'h', 'c', 'p', ' ', '1', '.', '3', '5', '.', '0',
	61, 7, 1, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56,
	255,
};

static const uint8_t udhcpc_request[] = {
	53, 1, 3,				/* REQUEST */
	50, 4, 192, 0, 2, 15,			/* for this address */
	54, 4, 192, 0, 2, 2,			/* from this server */
	57, 2, 0x02, 0x40,
	55, 7, 1, 3, 6, 12, 15, 28, 42,
	60, 12, 'u', 'd', 'h', 'c', 'p', ' ', '1', '.', '3', '5', '.', '0',
	61, 7, 1, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56,
	255,
};

static const uint8_t dhclient_discover[] = {
	53, 1, 1,
	12, 2, 'v', 'm',
	55, 13, 1, 28, 2, 3, 15, 6, 119, 12, 44, 47, 26, 121, 42,
	255,
};

/* With a lease from another network: INIT-REBOOT */
static const uint8_t dhclient_reboot[] = {
	53, 1, 3,
	50, 4, 192, 0, 2, 77,
	12, 2, 'v', 'm',
	55, 13, 1, 28, 2, 3, 15, 6, 119, 12, 44, 47, 26, 121, 42,
	255,
};

/* Rapid commit, client identifier made of a DUID */
static const uint8_t dhcpcd_discover[] = {
	53, 1, 1,
	55, 14, 1, 121, 3, 6, 12, 15, 26, 28, 33, 51, 54, 58, 59, 119,
	57, 2, 0x05, 0xc0,			/* takes 1472 bytes */
	61, 19, 255, 0x00, 0x12, 0x34, 0x56, 0, 1, 0, 1,
	0x32, 0x95, 0x42, 0x81, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56,
	80, 0,					/* rapid commit */
	116, 1, 1, 145, 1, 1,
	255,
};

/* After it is configured, Windows asks for a proxy's address (252) */
static const uint8_t windows_inform[] = {
	53, 1, 8,
	61, 7, 1, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56,
	12, 4, 'W', 'I', 'N', '1',
	60, 8, 'M', 'S', 'F', 'T', ' ', '5', '.', '0',
	55, 13, 1, 3, 6, 15, 31, 33, 43, 44, 46, 47, 119, 121, 252,
	255,
};

static const uint8_t ipxe_discover[] = {
	53, 1, 1,
	57, 2, 0x05, 0xc0,
	93, 2, 0, 0,				/* x86 BIOS */
	94, 3, 1, 2, 1,
	60, 9, 'P', 'X', 'E', 'C', 'l', 'i', 'e', 'n', 't',
	77, 4, 'i', 'P', 'X', 'E',
	55, 8, 1, 3, 6, 12, 15, 66, 67, 119,
	175, 6, 177, 5, 1, 0x1a, 0xf4, 0x10,
	61, 7, 1, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56,
	255,
};

/* A message: `fixed`, the cookie, these options, zeroes up to 300 bytes */
static uint8_t msg[1472];
static size_t msg_len;

static void compose(const uint8_t *opts, size_t len)
{
	memset(msg, 0, sizeof(msg));
	memcpy(msg, fixed, sizeof(fixed));
	memcpy(msg + AT_MAGIC, (uint8_t[]){ 99, 130, 83, 99 }, 4);
	memcpy(msg + AT_OPTS, opts, len);
	msg_len = MAX(AT_OPTS + len, 300);
}

static bool input_from(const char *src, size_t len)
{
	struct pkt pkt = {
		.kind = PKT_IP, .family = V4, .proto = PROTO_UDP, .ttl = 64,
		.src = fake_addr(src), .dst = fake_addr("255.255.255.255"),
		.sport = 68, .dport = 67, .payload = fake_bytes(msg, len),
	};

	memcpy(pkt.src_mac, fake_guest_mac, 6);
	fake_sent_count = 0;
	memset(drop_counts, 0, sizeof(drop_counts));
	return dhcp_input(&pkt);
}

static bool input(void)
{
	return input_from("0.0.0.0", msg_len);
}

/* Body of an option in the reply, its parts put together; NULL if there's none.
 * Valid until the next call.
 */
static const uint8_t *opt(uint8_t code, size_t *len)
{
	const struct fake_sent *s = fake_sent;
	static uint8_t body[2048];
	bool found = false;
	size_t at;

	*len = 0;
	for (at = AT_OPTS; at + 1 < s->len && s->data[at] != 255;
	     at += 2U + s->data[at + 1]) {
		if (s->data[at] != code)
			continue;
		memcpy(body + *len, s->data + at + 2, s->data[at + 1]);
		*len += s->data[at + 1];
		found = true;
	}
	return found ? body : NULL;
}

static void opt_is(uint8_t code, const char *hex)
{
	size_t len;
	const uint8_t *p = opt(code, &len);

	is_str(fake_hex(p, len), hex, "  option %u", code);
}

/* Codes of all options in the reply, in order */
static const char *opt_order(void)
{
	const struct fake_sent *s = fake_sent;
	static char text[1024];
	size_t at, n = 0;

	text[0] = '\0';
	for (at = AT_OPTS; at < s->len && s->data[at] != 255;
	     at += 2U + s->data[at + 1])
		n += (size_t)sprintf(text + n, "%s%u", n ? " " : "",
				     s->data[at]);
	return at < s->len ? text : "(no end)";
}

/* Is the reply one that a client can parse? */
static bool well_formed(void)
{
	const struct fake_sent *s = fake_sent;
	size_t at = AT_OPTS;

	if (s->len < 300 || s->len > 1472 || s->data[0] != 2 ||
	    memcmp(s->data + AT_MAGIC, (uint8_t[]){ 99, 130, 83, 99 }, 4))
		return false;
	while (at + 1 < s->len && s->data[at] != 255)
		at += 2U + s->data[at + 1];
	if (at >= s->len || s->data[at] != 255)
		return false;
	while (++at < s->len) {
		if (s->data[at])
			return false;
	}
	return true;
}

static void replies_to(const uint8_t *opts, size_t len, unsigned type,
		       const char *what)
{
	uint8_t type_byte = (uint8_t)type;

	compose(opts, len);
	ok(input(), "%s is taken", what);
	if (!is_int(fake_sent_count, !!type, "  replies") || !type)
		return;
	ok(well_formed(), "  well-formed");
	opt_is(53, fake_hex(&type_byte, 1));
}

#define REPLIES_TO(opts, type, what) \
	replies_to((opts), sizeof(opts), (type), (what))

static void discover(void)
{
	const struct fake_sent *s = fake_sent;

	net.fam[V4].dns[0] = fake_addr("192.0.2.3");
	net.fam[V4].dns[1] = fake_addr("198.51.100.53");
	net.fam[V4].dns_count = 2;
	strcpy(net.search.name[0], "example.org");
	strcpy(net.search.name[1], "lab.example.org");
	net.search.count = 2;
	strcpy(conf.hostname, "box");
	strcpy(conf.fqdn, "box.example.org");

	REPLIES_TO(udhcpc_discover, 2, "DISCOVER of udhcpc");
	is_int(s->what, SENT_UDP, "  by UDP");
	is_str(ADDR_STR(&s->src), "192.0.2.2", "  from the gateway");
	is_int(s->sport, 67, "  port 67");
	is_str(ADDR_STR(&s->dst), "192.0.2.15", "  to the address offered");
	is_int(s->dport, 68, "  port 68");
	is_str(fake_hex(s->dst_mac, 6), "525400123456", "  and its MAC");
	is_str(fake_hex(s->data, 44),
	       "02010600" "e7164e7d" "0000" "0000"
	       "00000000" "c000020f" "00000000" "00000000"
	       "525400123456" "00000000000000000000", "  fixed part");
	opt_is(1, "ffffff00");
	opt_is(3, "c0000202");
	opt_is(6, "c0000203c6336435");
	opt_is(12, "626f78");
	opt_is(15, "6578616d706c652e6f7267");
	opt_is(26, "fff0");
	opt_is(51, "ffffffff");
	opt_is(54, "c0000202");
	opt_is(61, "01525400123456");
	opt_is(80, "(none)");
	opt_is(81, "04" "ffff" "03626f78" "076578616d706c65" "036f726700");
	opt_is(119, "076578616d706c65036f726700" "036c6162" "c000");
	opt_is(121, "(none)");
	is_str(opt_order(), "53 1 3 6 12 15 26 51 54 61 81 119",
	       "  as asked for, then ascending");

	REPLIES_TO(dhclient_discover, 2, "DISCOVER of dhclient");
	is_str(opt_order(), "53 1 3 15 6 119 12 26 51 54 81",
	       "  as asked for, then ascending");
	REPLIES_TO(ipxe_discover, 2, "DISCOVER of iPXE");
	REPLIES_TO(((uint8_t[]){ 53, 1, 1, 50, 4, 192, 0, 2, 99, 255 }), 2,
		   "DISCOVER that hopes for another address");
	is_str(fake_hex(s->data + AT_YIADDR, 4), "c000020f", "  in vain");
	REPLIES_TO(((uint8_t[]){ 53, 1, 1, 55, 4, 51, 53, 51, 1, 255 }), 2,
		   "DISCOVER that asks for the type, and twice for the lease");
	is_str(opt_order(), "53 51 1 3 6 12 15 26 54 81 119",
	       "  gets the type first all the same");
	REPLIES_TO(((uint8_t[]){ 53, 1, 1 }), 2, "DISCOVER without end");
	REPLIES_TO(((uint8_t[]){ 0, 0, 0, 53, 1, 1, 0, 55, 1, 3, 0, 255, 9 }),
		   2, "DISCOVER with pads, and rubbish after the end");
	REPLIES_TO(((uint8_t[]){ 53, 1, 1, 55, 0, 61, 0, 12, 0, 255 }), 2,
		   "DISCOVER with empty options");
	opt_is(61, "(none)");
	REPLIES_TO(((uint8_t[]){ 53, 1, 1, 55, 2, 51, 6, 55, 1, 1, 255 }), 2,
		   "DISCOVER with a list in two parts");
	is_str(opt_order(), "53 51 6 1 3 12 15 26 54 81 119",
	       "  both count");
	REPLIES_TO(((uint8_t[]){ 53, 1, 1, 81, 3, 1, 0, 0, 255 }), 2,
		   "DISCOVER of one who wants us to update the DNS");
	opt_is(81, "06" "ffff" "03626f78" "076578616d706c65" "036f726700");

	REPLIES_TO(dhcpcd_discover, 5, "DISCOVER of dhcpcd, rapid commit:");
	opt_is(80, "");
	opt_is(51, "ffffffff");
	opt_is(61, "ff00123456000100013295428152540012" "3456");
	is_str(fake_hex(s->data + AT_YIADDR, 4), "c000020f", "  address");
	fake_conf(&conf);
}

/* An address that may become another one has to be asked for again */
static void follows(void)
{
	conf.no_follow_host = false;
	REPLIES_TO(udhcpc_discover, 2, "DISCOVER, the host may move:");
	opt_is(51, "00000e10");
	net.fam[V4].local_mode = true;
	REPLIES_TO(udhcpc_discover, 2, "  the host has no network yet:");
	opt_is(51, "00000078");
	net.fam[V4].guest_fixed = true;
	REPLIES_TO(udhcpc_discover, 2, "  an address that was given:");
	opt_is(51, "ffffffff");
	fake_conf(&conf);
}

static void nothing_known(void)
{
	conf.mtu = 0;
	REPLIES_TO(udhcpc_discover, 2, "DISCOVER, little known:");
	is_str(opt_order(), "53 1 3 51 54 61", "  just what must be");
	is_int(fake_sent[0].len, 300, "  in BOOTP's least size");

	fake_conf(&conf);
	net.fam[V4].dns[0] = fake_addr("192.0.2.3");
	net.fam[V4].dns_count = 1;
	strcpy(net.search.name[0], "lan");
	net.search.count = 1;
	conf.dhcp_dns = conf.dhcp_search = false;
	REPLIES_TO(udhcpc_discover, 2, "DISCOVER, resolvers not to be told:");
	is_str(opt_order(), "53 1 3 26 51 54 61", "  nor is the search list");
	conf.dhcp_dns = true;
	REPLIES_TO(udhcpc_discover, 2, "DISCOVER, just resolvers:");
	is_str(opt_order(), "53 1 3 6 26 51 54 61", "  just those");
	fake_conf(&conf);
}

static void routes(void)
{
	net.fam[V4].prefix_len = 32;
	REPLIES_TO(udhcpc_discover, 2, "DISCOVER, gateway off the subnet:");
	opt_is(1, "ffffffff");
	opt_is(3, "c0000202");
	opt_is(121, "20c0000202" "00000000" "00" "c0000202");

	net.fam[V4].prefix_len = 28;
	REPLIES_TO(udhcpc_discover, 2, "DISCOVER, gateway just on it:");
	opt_is(1, "fffffff0");
	opt_is(121, "(none)");
	net.fam[V4].gw = net.fam[V4].our = fake_addr("192.0.2.16");
	REPLIES_TO(udhcpc_discover, 2, "DISCOVER, gateway just off it:");
	opt_is(121, "20c0000210" "00000000" "00" "c0000210");
	fake_conf(&conf);
}

static void request(void)
{
	const struct fake_sent *s = fake_sent;

	REPLIES_TO(udhcpc_request, 5, "REQUEST of udhcpc");
	is_str(fake_hex(s->data + AT_YIADDR, 4), "c000020f", "  address");
	is_str(ADDR_STR(&s->dst), "192.0.2.15", "  sent there");
	opt_is(51, "ffffffff");
	opt_is(54, "c0000202");
	REPLIES_TO(((uint8_t[]){ 53, 1, 3, 255 }), 5,
		   "REQUEST for no address in particular");
	REPLIES_TO(((uint8_t[]){ 53, 1, 3, 50, 4, 192, 0, 2, 15, 255 }), 5,
		   "REQUEST after reboot");
	REPLIES_TO(((uint8_t[]){ 53, 1, 3, 50, 4, 192, 0, 2, 15,
				 54, 4, 192, 0, 2, 1, 255 }), 5,
		   "REQUEST for our address, of our predecessor");
	REPLIES_TO(((uint8_t[]){ 53, 1, 3, 50, 4, 10, 0, 0, 15,
				 54, 4, 10, 0, 0, 1, 255 }), 0,
		   "REQUEST to another server");

	/* Renewal: by unicast, from the address */
	compose((uint8_t[]){ 53, 1, 3, 255 }, 4);
	memcpy(msg + AT_CIADDR, (uint8_t[]){ 192, 0, 2, 15 }, 4);
	msg[AT_FLAGS] = 0x80;
	ok(input_from("192.0.2.15", msg_len), "REQUEST that renews");
	opt_is(53, "05");
	is_str(fake_hex(s->data + AT_FLAGS, 10), "8000" "c000020f" "c000020f",
	       "  flags, both addresses");
	is_str(ADDR_STR(&s->dst), "192.0.2.15", "  sent to it");

	memcpy(msg + AT_CIADDR, (uint8_t[]){ 192, 0, 2, 99 }, 4);
	ok(input_from("192.0.2.99", msg_len), "REQUEST that renews another");
	opt_is(53, "06");
	is_int(fake_sent_count, 2, "  two NAKs");
	is_str(ADDR_STR(&s[0].dst), "255.255.255.255", "  one is broadcast");
	is_str(ADDR_STR(&s[1].dst), "192.0.2.99", "  one is for who renews");
}

static void nak(void)
{
	const struct fake_sent *s = fake_sent;

	REPLIES_TO(dhclient_reboot, 6, "REQUEST with a lease from elsewhere");
	is_str(ADDR_STR(&s->dst), "255.255.255.255", "  NAK is broadcast");
	is_str(fake_hex(s->dst_mac, 6), "ffffffffffff", "  on the link too");
	is_str(fake_hex(s->data + AT_CIADDR, 16),
	       "00000000000000000000000000000000", "  no addresses");
	is_str(fake_hex(s->data + AT_CHADDR, 6), "525400123456",
	       "  but the client's MAC");
	is_str(opt_order(), "53 54 56", "  and what a NAK may carry");
	opt_is(54, "c0000202");
	REPLIES_TO(((uint8_t[]){ 53, 1, 3, 50, 4, 192, 0, 2, 99,
				 54, 4, 192, 0, 2, 2, 255 }), 6,
		   "REQUEST to us, for what we never offered");
	REPLIES_TO(((uint8_t[]){ 53, 1, 3, 50, 4, 192, 0, 2, 99,
				 61, 2, 0, 'x', 255 }), 6,
		   "the same with an identifier");
	is_str(opt_order(), "53 54 56 61", "  that is echoed");
}

static void inform(void)
{
	const struct fake_sent *s = fake_sent;

	compose(windows_inform, sizeof(windows_inform));
	memcpy(msg + AT_CIADDR, (uint8_t[]){ 192, 0, 2, 15 }, 4);
	msg[AT_FLAGS] = 0x80;
	ok(input_from("192.0.2.15", msg_len), "INFORM of Windows is taken");
	is_int(fake_sent_count, 1, "  and answered");
	opt_is(53, "05");
	opt_is(51, "(none)");
	opt_is(1, "ffffff00");
	is_str(fake_hex(s->data + AT_CIADDR, 8), "c000020f" "00000000",
	       "  without an address for it");
	is_str(ADDR_STR(&s->dst), "192.0.2.15", "  where it is");

	memset(msg + AT_CIADDR, 0, 4);
	input_from("192.0.2.88", msg_len);
	is_str(ADDR_STR(&s->dst), "255.255.255.255",
	       "INFORM without address: broadcast if so flagged");
	msg[AT_FLAGS] = 0;
	input_from("192.0.2.88", msg_len);
	is_str(ADDR_STR(&s->dst), "192.0.2.88", "  to the sender if not");
	input_from("0.0.0.0", msg_len);
	is_str(ADDR_STR(&s->dst), "255.255.255.255",
	       "  broadcast if there's none either");
}

static void broadcast(void)
{
	const struct fake_sent *s = fake_sent;

	compose(udhcpc_discover, sizeof(udhcpc_discover));
	msg[AT_FLAGS] = 0x80;
	input();
	is_str(ADDR_STR(&s->dst), "255.255.255.255", "broadcast flag");
	is_str(fake_hex(s->dst_mac, 6), "ffffffffffff", "  on the link too");
	is_str(fake_hex(s->data + AT_FLAGS, 2), "8000", "  told again");
}

static void bootp(void)
{
	const struct fake_sent *s = fake_sent;

	memset(conf.hostname, 'h', 200);
	compose((uint8_t[]){ 255 }, 1);
	ok(input(), "BOOTP is taken");
	is_int(fake_sent_count, 1, "  and answered");
	is_int(s->len, 300, "  in 300 bytes");
	is_str(fake_hex(s->data + AT_YIADDR, 4), "c000020f", "  address");
	is_str(opt_order(), "1 3 26", "  no options of DHCP, none too long");

	compose((uint8_t[]){ 0 }, 1);
	memset(msg + AT_MAGIC, 0, 64);
	input();
	is_int(fake_sent_count, 1, "BOOTP without cookie");
	input_from("0.0.0.0", AT_MAGIC);
	is_int(fake_sent_count, 1, "BOOTP without vendor area");
	fake_conf(&conf);
}

/* What doesn't fit is left out; what must be, isn't */
static void sizes(void)
{
	static const struct {
		uint16_t told;
		unsigned mtu;
		size_t most;
	} cases[] = {
		{ 0, 65520, 548 }, { 200, 65520, 548 }, { 576, 65520, 548 },
		{ 700, 65520, 672 }, { 1472, 65520, 1444 },
		{ 1500, 65520, 1472 }, { 65535, 65520, 1472 },
		{ 1500, 1280, 1252 }, { 1500, 600, 572 }, { 1500, 576, 548 },
		{ 1500, 100, 1472 },
	};

	for (unsigned i = 0; i < CONF_SEARCH_MAX; i++) {
		memset(net.search.name[i], 'a' + (int)i, CONF_NAME_MAX);
		for (unsigned j = 63; j < CONF_NAME_MAX; j += 64)
			net.search.name[i][j] = '.';
	}
	net.search.count = CONF_SEARCH_MAX;
	strcpy(conf.fqdn, net.search.name[0]);
	memset(conf.hostname, 'h', CONF_NAME_MAX);

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t opts[] = { 53, 1, 1, 57, 2,
				   (uint8_t)(cases[i].told >> 8),
				   (uint8_t)cases[i].told,
				   55, 6, 119, 12, 15, 81, 1, 3, 255 };

		conf.mtu = cases[i].mtu;
		REPLIES_TO(opts, 2, "long everything");
		ok(fake_sent[0].len <= cases[i].most,
		   "  at most %zu bytes: %zu, %s", cases[i].most,
		   fake_sent[0].len, opt_order());
		ok(fake_sent[0].len > cases[i].most - 260, "  and not few");
		opt_is(1, "ffffff00");
		opt_is(3, "c0000202");
		opt_is(51, "ffffffff");
		opt_is(54, "c0000202");
	}
	conf.mtu = 1500;
	net.search.count = 1;
	REPLIES_TO(((uint8_t[]){ 53, 1, 1, 57, 2, 6, 0, 255 }), 2, "all of it");
	is_str(opt_order(), "53 1 3 12 15 26 51 54 81 81 119",
	       "  in parts where it takes more than 255 bytes");
	fake_conf(&conf);
}

/* However little room an option leaves, what must be there is */
static void squeezed(void)
{
	unsigned wrong = 0, without = 0;

	net.fam[V4].prefix_len = 32;
	strcpy(net.search.name[0], "example.org");
	net.search.count = 1;
	for (unsigned i = 0; i < 120; i++)
		conf.fqdn[i] = i % 5 ? 'a' : '.';
	conf.fqdn[0] = 'a';
	for (size_t len = 1; len <= CONF_NAME_MAX; len++) {
		static const uint8_t must[] = { 1, 3, 26, 51, 54, 80, 121 };
		uint8_t opts[300] = { 53, 1, 1, 80, 0, 55, 4, 81, 12, 119, 15,
				      61, 40, [53] = 255 };
		size_t body_len;

		memset(conf.hostname, 'h', len);
		compose(opts, sizeof(opts));
		input();
		wrong += fake_sent_count != 1 || !well_formed();
		without += !opt(12, &body_len);
		for (unsigned i = 0; i < ARRAY_SIZE(must); i++)
			wrong += !opt(must[i], &body_len);
	}
	is_int(wrong, 0, "less and less room: nothing vital is left out");
	ok(without > 50 && without < 200, "  but %u times the name", without);
	fake_conf(&conf);
}

static void overload(void)
{
	/* Type in the options, address asked for in `file`, list in `sname` */
	compose((uint8_t[]){ 53, 1, 3, 52, 1, 3, 255 }, 7);
	memcpy(msg + AT_FILE, (uint8_t[]){ 50, 4, 192, 0, 2, 99, 255 }, 7);
	memcpy(msg + AT_SNAME, (uint8_t[]){ 55, 2, 54, 3, 255 }, 5);
	input();
	opt_is(53, "06");
	memset(msg + AT_FILE, 0, 128);
	input();
	opt_is(53, "05");
	is_str(opt_order(), "53 54 3 1 26 51", "options in sname count");
	msg[AT_FILE + 127] = 50;
	input();
	ok(!fake_sent_count && fake_bad() == 1,
	   "one that is cut off at the end of file");
	msg[AT_OPTS + 5] = 2;
	input();
	ok(fake_sent_count == 1 && !fake_bad(),
	   "  which isn't looked at if not said so");
}

static void ignored(void)
{
	struct pkt pkt = { .dport = 68 };

	for (unsigned type = 0; type < 256; type++) {
		bool ours = type == 1 || type == 3 || type == 8 || !type;

		compose((uint8_t[]){ 53, 1, (uint8_t)type, 255 }, 4);
		if (!input() || fake_sent_count != ours || type < 10)
			ok(fake_sent_count == ours, "type %u", type);
	}

	compose(udhcpc_discover, sizeof(udhcpc_discover));
	msg[AT_GIADDR] = 10;
	ok(input() && !fake_sent_count, "a relayed one");
	compose(udhcpc_discover, sizeof(udhcpc_discover));
	msg[AT_OP] = 2;
	ok(input() && !fake_sent_count && fake_bad(), "a reply");
	msg[AT_OP] = 1;
	msg[AT_HLEN] = 17;
	ok(input() && !fake_sent_count && fake_bad(),
	   "hardware address of 17 bytes");

	compose(udhcpc_discover, sizeof(udhcpc_discover));
	conf.no_dhcp = true;
	ok(input() && !fake_sent_count, "all if switched off");
	fake_conf(&conf);
	net.fam[V4].gw = fake_addr("");
	ok(input() && !fake_sent_count, "all if there's no gateway");
	fake_conf(&conf);
	net.fam[V4].enabled = false;
	ok(input() && !fake_sent_count, "all without IPv4");
	fake_conf(&conf);
	ok(!dhcp_input(&pkt), "what isn't for port 67 isn't ours");
}

static void truncated(void)
{
	unsigned wrong = 0, answered = 0;

	for (size_t len = 0; len < AT_MAGIC; len++) {
		compose(udhcpc_request, sizeof(udhcpc_request));
		input_from("0.0.0.0", len);
		wrong += fake_sent_count || fake_bad() != 1;
	}
	is_int(wrong, 0, "cut in the fixed part: dropped and counted");
	for (size_t len = AT_MAGIC; len < AT_OPTS + sizeof(udhcpc_request);
	     len++) {
		compose(udhcpc_request, sizeof(udhcpc_request));
		input_from("0.0.0.0", len);
		answered += fake_sent_count;
		wrong += fake_sent_count + fake_bad() != 1 ||
			 (fake_sent_count && !well_formed());
	}
	is_int(wrong, 0, "cut in the options: dropped, or a shorter one");
	/* Cookie missing or incomplete, just it, and after each of 7 options */
	is_int(answered, 4 + 1 + 7, "  the latter where an option ends");
}

static void mutations(void)
{
	static const struct {
		const uint8_t *opts;
		size_t len;
	} seeds[] = {
		{ udhcpc_discover, sizeof(udhcpc_discover) },
		{ udhcpc_request, sizeof(udhcpc_request) },
		{ dhclient_discover, sizeof(dhclient_discover) },
		{ dhclient_reboot, sizeof(dhclient_reboot) },
		{ dhcpcd_discover, sizeof(dhcpcd_discover) },
		{ windows_inform, sizeof(windows_inform) },
		{ ipxe_discover, sizeof(ipxe_discover) },
	};
	unsigned long replies = 0, wrong = 0;

	strcpy(net.search.name[0], "example.org");
	net.search.count = 1;
	strcpy(conf.fqdn, "box.example.org");
	for (unsigned i = 0; i < rounds_of(100000); i++) {
		unsigned n = fake_random() % ARRAY_SIZE(seeds);
		size_t len;

		compose(seeds[n].opts, seeds[n].len);
		if (fake_random() % 4)	/* mostly options */
			len = AT_OPTS + fake_mutate(msg + AT_OPTS, seeds[n].len,
						    sizeof(msg) - AT_OPTS);
		else
			len = fake_mutate(msg, msg_len, sizeof(msg));
		wrong += !input_from("0.0.0.0", len);
		replies += fake_sent_count;
		wrong += fake_sent_count + fake_bad() > 1 ||
			 (fake_sent_count && !well_formed());
	}
	ok(replies > rounds_of(1000), "mutations: %lu replies", replies);
	is_int(wrong, 0, "  none of them odd");
	fake_conf(&conf);
}

int main(void)
{
	fake_conf(&conf);
	dhcp_init(&conf);
	discover();
	follows();
	nothing_known();
	routes();
	request();
	nak();
	inform();
	broadcast();
	bootp();
	sizes();
	squeezed();
	overload();
	ignored();
	truncated();
	mutations();
	return done();
}
