// SPDX-License-Identifier: GPL-2.0-or-later
/* ARP, as Linux and dhcpcd send it
 *
 * Links: local/arp.o engine/guest.o fwd/fwd.o util/addr.o util/iov.o util/rdwr.o
 */
#include "local/arp.h"

#include "fake_frame.h"
#include "tap_test.h"

static struct conf conf;

/* RFC 826: a request of the guest, 192.0.2.15, for the gateway */
static const uint8_t request[] = {
	0x00, 0x01,				/* hardware: Ethernet */
	0x08, 0x00,				/* protocol: IPv4 */
	6, 4,					/* lengths */
	0x00, 0x01,				/* request */
	0x52, 0x54, 0x00, 0x12, 0x34, 0x56,	/* sender */
	192, 0, 2, 15,
	0, 0, 0, 0, 0, 0,			/* target */
	192, 0, 2, 2,
};

enum { AT_HTYPE = 1, AT_PTYPE = 2, AT_HLEN = 4, AT_PLEN = 5, AT_OP = 7,
       AT_SHA = 8, AT_SPA = 14, AT_TPA = 24 };

static void input(const uint8_t *p, size_t len)
{
	struct pkt pkt = { .kind = PKT_ARP, .l3 = fake_bytes(p, len) };

	memcpy(pkt.src_mac, fake_guest_mac, 6);
	fake_sent_count = 0;
	memset(drop_counts, 0, sizeof(drop_counts));
	arp_input(&pkt);
}

/* The request with sender and target of our choice; is it answered? */
static bool answers(const char *sender, const char *target)
{
	struct addr spa = fake_addr(sender), tpa = fake_addr(target);
	uint8_t a[sizeof(request)];

	memcpy(a, request, sizeof(a));
	memcpy(a + AT_SPA, addr_v4_bytes(&spa), 4);
	memcpy(a + AT_TPA, addr_v4_bytes(&tpa), 4);
	input(a, sizeof(a));
	return fake_sent_count;
}

static void reply(void)
{
	const struct fake_sent *s = fake_sent;

	input(request, sizeof(request));
	is_int(fake_sent_count, 1, "a request is answered");
	is_int(s->what, SENT_ETH, "  in a frame");
	is_int(s->ethertype, 0x0806, "  of ARP");
	is_str(fake_hex(s->dst_mac, 6), "525400123456", "  to the guest");
	is_str(fake_hex(s->data, s->len),
	       "00010800" "0604" "0002"
	       "9a559a559a55" "c0000202"
	       "525400123456" "c000020f", "  with our MAC");
}

static void who(void)
{
	fake_reset();
	ok(answers("192.0.2.15", "192.0.2.77"), "any address of the subnet");
	ok(answers("192.0.2.15", "198.51.100.1"), "and others");
	ok(!answers("0.0.0.0", "192.0.2.15"), "probe for the guest's address");
	ok(!answers("192.0.2.15", "192.0.2.15"), "announcement");
	ok(!answers("192.0.2.9", "192.0.2.9"), "announcement, other address");
	ok(!answers("0.0.0.0", "192.0.2.77"), "probe for a free address");
	ok(!answers("0.0.0.0", "198.51.100.1"), "  of another network, too");
	ok(answers("0.0.0.0", "192.0.2.2"), "probe for the gateway's");
	is_str(fake_hex(fake_sent[0].data, fake_sent[0].len),
	       "00010800" "0604" "0002" "9a559a559a55" "c0000202"
	       "525400123456" "00000000", "  says that it's in use");
	net.fam[V4].dns_forward = fake_addr("192.0.2.3");
	net.fam[V4].map_host_loopback = fake_addr("192.0.2.4");
	net.fam[V4].map_guest_addr = fake_addr("192.0.2.5");
	ok(answers("0.0.0.0", "192.0.2.3"), "probe for our resolver's");
	ok(answers("0.0.0.0", "192.0.2.4"), "  for the host's loopback");
	ok(answers("0.0.0.0", "192.0.2.5"), "  for the host itself");
	fake_conf(&conf);

	tap_guest.v4 = fake_addr("192.0.2.99");
	ok(!answers("0.0.0.0", "192.0.2.99"), "observed address");
	ok(!answers("0.0.0.0", "192.0.2.15"), "assigned one, still");
	fake_reset();

	ok(!answers("192.0.2.15", "0.0.0.0"), "unspecified");
	ok(!answers("192.0.2.15", "255.255.255.255"), "broadcast");
	ok(!answers("192.0.2.15", "224.0.0.1"), "multicast");
	ok(!answers("192.0.2.15", "127.0.0.1"), "loopback");
	is_int(fake_bad(), 0, "  which isn't malformed");

	net.fam[V4].enabled = false;
	ok(!answers("192.0.2.15", "192.0.2.2"), "not without IPv4");
	net.fam[V4].enabled = true;
}

static void malformed(void)
{
	static const struct {
		size_t at;
		uint8_t value;
		const char *what;
	} cases[] = {
		{ AT_HTYPE, 6, "hardware type" },
		{ AT_PTYPE, 0x86, "protocol type" },
		{ AT_HLEN, 8, "hardware length" },
		{ AT_PLEN, 16, "protocol length" },
		{ AT_SHA, 0x53, "multicast sender" },
	};
	uint8_t a[sizeof(request) + 18] = { 0 };

	for (size_t len = 0; len < sizeof(request); len++) {
		input(request, len);
		ok(!fake_sent_count && fake_bad() == 1,
		   "%zu bytes: dropped and counted", len);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		memcpy(a, request, sizeof(request));
		a[cases[i].at] = cases[i].value;
		input(a, sizeof(request));
		ok(!fake_sent_count && fake_bad() == 1, "wrong %s",
		   cases[i].what);
	}
	memcpy(a, request, sizeof(request));
	memset(a + AT_SHA, 0, 6);
	input(a, sizeof(request));
	ok(!fake_sent_count && fake_bad() == 1, "no sender");

	for (uint8_t op = 0; op < 10; op++) {
		memcpy(a, request, sizeof(request));
		a[AT_OP] = op;
		input(a, sizeof(request));
		is_int(fake_sent_count, op == 1, "operation %u", op);
	}
	memcpy(a, request, sizeof(request));
	input(a, sizeof(a));
	is_int(fake_sent_count, 1, "padding of the frame is no harm");
}

static void solicit(void)
{
	fake_reset();
	arp_solicit();
	is_int(fake_sent_count, 1, "we ask for the guest");
	is_str(fake_hex(fake_sent[0].dst_mac, 6), "ffffffffffff",
	       "  everybody");
	is_str(fake_hex(fake_sent[0].data, fake_sent[0].len),
	       "00010800" "0604" "0001"
	       "9a559a559a55" "c0000202"
	       "ffffffffffff" "c000020f", "  by its address");

	net.fam[V4].our = fake_addr("");
	arp_solicit();
	is_str(fake_hex(fake_sent[1].data + AT_SPA, 4), "00000000",
	       "without an address of ours: a probe");
	net.fam[V4].guest = fake_addr("");
	arp_solicit();
	is_int(fake_sent_count, 2, "without an address of the guest: no");
	fake_conf(&conf);
	net.fam[V4].enabled = false;
	arp_solicit();
	is_int(fake_sent_count, 2, "without IPv4: no");
	fake_conf(&conf);
}

static void mutations(void)
{
	unsigned long replies = 0, wrong = 0;

	for (int i = 0; i < 100000; i++) {
		uint8_t a[sizeof(request) + 64];
		size_t len;

		memcpy(a, request, sizeof(request));
		len = fake_mutate(a, sizeof(request), sizeof(a));
		input(a, len);
		replies += fake_sent_count;
		wrong += fake_sent_count > 1 ||
			 (fake_sent_count && fake_sent[0].len != 28);
	}
	ok(replies > 1000, "100000 mutations: %lu replies", replies);
	is_int(wrong, 0, "  none of them odd");
}

int main(void)
{
	fake_conf(&conf);
	arp_init(&conf);
	reply();
	who();
	malformed();
	solicit();
	mutations();
	return done();
}
