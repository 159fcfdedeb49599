// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: neighbour discovery, where we are the router and every neighbour
 *
 * Solicitations (NS) for any address but the guest's own, assigned or
 * observed, are answered with our MAC; those of duplicate address detection
 * (source unspecified) only for what is ours alone, see fwd_is_our(), as all
 * else is free for the guest to take. Router solicitations (RS) are answered with
 * an advertisement (RA) to whoever asked. What the guest itself advertises or
 * redirects isn't for us: its addresses are learned from its frames.
 *
 * RA: we are the default router, for 65535 s (RFC 8319 allows that), also if
 * the host's route has no gateway or there's no route yet: whatever the guest
 * sends is tried by the host's sockets, which know better, and at once when
 * that changes. Prefix: the /64 of the guest's address, on-link and for
 * autoconfiguration, for ever; none without an address. M only if our DHCPv6
 * server has that address to give.
 *
 * The host's network changes: RAs as when a link comes up. The prefix of before is
 * in them, deprecated (preferred for no time, RFC 4862 5.5.4) and valid for two
 * hours from then on, so that what uses it goes on; resolvers and search domains of
 * before are taken back in each of these RAs, also if it changes again meanwhile, and
 * so is the router, if our address is another one.
 *
 * Timers: one. When a link comes up, RAs go to all nodes at once and twice more
 * at 16 s distance (RFC 4861 6.2.4), for guests that came up before us or have
 * been moved; then after a random 200 to 600 s each. It stops with the link,
 * and never runs without RAs: an idle daemon pays one wake-up in some minutes.
 *
 * Standards: RFC 4861 (4.1 to 4.6 formats, 6.1.1 and 7.1.1 validation, 6.2
 * router, 7.2 neighbour), RFC 4862 5.4.3, RFC 8106 (RDNSS, DNSSL), RFC 8319.
 */
#include "local/ndp.h"

#include <string.h>

#include "engine/conf_types.h"
#include "engine/drop.h"
#include "engine/loop.h"
#include "engine/timer.h"
#include "frame/frame_build.h"
#include "frame/frame_parse.h"
#include "fwd/fwd.h"
#include "host/net.h"
#include "local/former.h"
#include "util.h"
#include "util/dnsname.h"
#include "util/log.h"
#include "util/rdwr.h"
#include "util/wire.h"

enum {
	ND_REDIRECT		= 137,
	ND_HOP_LIMIT		= 255,	/* never been through a router */
	ND_CUR_HOP_LIMIT	= 64,	/* for the guest's own packets */
	ND_ROUTER_LIFETIME_S	= 65535,
	ND_PREFIX_LEN		= 64,
	ND_MSG_MAX		= 1280 - sizeof(struct wire_ip6),
	ND_MTU_MIN		= 1280,

	ND_RA_MIN_S		= 200,	/* MinRtrAdvInterval */
	ND_RA_MAX_S		= 600,	/* MaxRtrAdvInterval */
	ND_RA_INITIAL		= 3,	/* MAX_INITIAL_RTR_ADVERTISEMENTS */
	ND_RA_INITIAL_S		= 16,	/* MAX_INITIAL_RTR_ADVERT_INTERVAL */

	ND_GONE_DNS		= 2 * CONF_DNS_MAX,
};

static const uint32_t nd_infinity = UINT32_MAX;

enum nd_opt_type {
	ND_OPT_SOURCE_LL	= 1,
	ND_OPT_TARGET_LL	= 2,
	ND_OPT_PREFIX		= 3,
	ND_OPT_MTU_		= 5,
	ND_OPT_RDNSS		= 25,
	ND_OPT_DNSSL		= 31,
};

enum nd_flags {
	ND_RA_MANAGED		= 0x80,
	ND_NA_ROUTER		= 0x80,
	ND_NA_SOLICITED		= 0x40,
	ND_NA_OVERRIDE		= 0x20,
	ND_PREFIX_ONLINK	= 0x80,
	ND_PREFIX_AUTO		= 0x40,
};

/* Options: type, length in units of eight bytes including these two, body */
struct nd_opt {
	struct rd rd;			/* what follows */
	uint8_t type;
	struct rd body;
	bool bad;			/* stopped by a malformed one */
};

static struct {
	const struct conf *conf;
	struct timer timer;		/* next RA to all nodes */
	unsigned initial;		/* RAs left at short distance */
	struct former old;		/* the guest's, one for each prefix */
	struct addr gone_dns[ND_GONE_DNS];	/* taken back by these RAs, as */
	unsigned gone_dns_count;		/* are */
	struct net_search gone_search;
	uint32_t random;		/* state of the generator, not zero */
} ndp;

static const struct addr all_nodes = {
	.b = { 0xff, 0x02, [15] = 1 }
};
static const uint8_t all_nodes_mac[6] = { 0x33, 0x33, 0, 0, 0, 1 };

static struct nd_opt nd_opt_init(struct rd rd)
{
	return (struct nd_opt){ .rd = rd, .bad = rd.bad };
}

/* Advance to the next option; false at the end, or if it is malformed: a
 * length of zero would be one without end (RFC 4861 4.6: discard the packet).
 */
static bool nd_opt_next(struct nd_opt *it)
{
	uint8_t units;

	if (it->bad || !it->rd.left)
		return false;
	it->type = rd_u8(&it->rd);
	units = rd_u8(&it->rd);
	it->body = rd_sub(&it->rd, units ? units * 8U - 2 : 0);
	it->bad = !units || it->rd.bad;
	return !it->bad;
}

/* Checks that RS and NS share: RFC 4861 6.1.1, 7.1.1. `opts` is what follows
 * the fixed part; a source link-layer address contradicts an unspecified
 * source.
 */
static bool ndp_is_valid(const struct pkt *pkt, struct rd opts)
{
	struct nd_opt it = nd_opt_init(opts);
	bool has_source_ll = false;

	if (pkt->ttl != ND_HOP_LIMIT || pkt->icmp.code)
		return false;
	while (nd_opt_next(&it))
		has_source_ll |= it.type == ND_OPT_SOURCE_LL;
	if (it.bad)
		return false;
	return !(has_source_ll && addr_is_none(&pkt->src));
}

/* Do we stand in for this address? */
static bool ndp_is_ours(const struct addr *target)
{
	return !addr_is_loopback(target) &&
	       !addr_eq(target, &net_get()->fam[V6].guest) &&
	       !addr_eq(target, &tap_guest.v6) &&
	       !addr_eq(target, &tap_guest.v6_ll);
}

static void ndp_put_link_addr(struct wr *wr, enum nd_opt_type type)
{
	wr_u8(wr, type);
	wr_u8(wr, 1);
	wr_bytes(wr, ndp.conf->our_mac, sizeof(ndp.conf->our_mac));
}

static void ndp_send(const struct addr *src, const struct addr *dst,
		     const uint8_t *dst_mac, uint8_t type, const struct wr *wr)
{
	struct iovec iov = { .iov_base = wr->buf, .iov_len = wr->len };
	struct bytes rest = { .iov = &iov, .cnt = 1, .len = (uint32_t)wr->len };
	struct frame_ip ip = {
		.src = *src,
		.dst = *dst,
		.dst_mac = dst_mac,
		.proto = PROTO_ICMP6,
		.ttl = ND_HOP_LIMIT,
	};

	assert(!wr->bad);
	frame_send_icmp(&ip, type, 0, &rest);
}

/* RFC 4861 4.4: from the target itself, to whoever asked; to all nodes if that
 * has no address yet (7.2.4)
 */
static void ndp_send_na(const struct pkt *ns, const struct addr *target)
{
	bool solicited = !addr_is_none(&ns->src);
	uint8_t buf[28];
	struct wr wr = wr_init(buf, sizeof(buf));

	wr_u8(&wr, ND_NA_ROUTER | ND_NA_OVERRIDE |
		   (solicited ? ND_NA_SOLICITED : 0));
	wr_zero(&wr, 3);
	wr_bytes(&wr, target->b, sizeof(target->b));
	ndp_put_link_addr(&wr, ND_OPT_TARGET_LL);
	if (solicited)
		ndp_send(target, &ns->src, ns->src_mac, ICMP6_NA, &wr);
	else
		ndp_send(target, &all_nodes, all_nodes_mac, ICMP6_NA, &wr);
}

/* RFC 4861 4.3, to the solicited-node group (RFC 4291 2.7.1) */
static void ndp_send_ns(const struct addr *target)
{
	const uint8_t *t = target->b;
	struct addr group = {
		.b = { 0xff, 0x02, [11] = 1, 0xff, t[13], t[14], t[15] }
	};
	uint8_t group_mac[6] = { 0x33, 0x33, 0xff, t[13], t[14], t[15] };
	uint8_t buf[28];
	struct wr wr = wr_init(buf, sizeof(buf));

	wr_zero(&wr, 4);
	wr_bytes(&wr, t, sizeof(target->b));
	ndp_put_link_addr(&wr, ND_OPT_SOURCE_LL);
	ndp_send(&net_get()->fam[V6].our, &group, group_mac, ICMP6_NS, &wr);
}

/* RFC 4861 4.6.2: the prefix of an address, unless that is none */
static void ndp_put_prefix(struct wr *wr, const struct addr *guest,
			   uint32_t valid_s, uint32_t preferred_s)
{
	if (addr_is_none(guest))
		return;
	wr_u8(wr, ND_OPT_PREFIX);
	wr_u8(wr, 4);
	wr_u8(wr, ND_PREFIX_LEN);
	wr_u8(wr, ND_PREFIX_ONLINK | ND_PREFIX_AUTO);
	wr_u32(wr, valid_s);
	wr_u32(wr, preferred_s);
	wr_zero(wr, 4);
	wr_bytes(wr, guest->b, ND_PREFIX_LEN / 8);
	wr_zero(wr, (128 - ND_PREFIX_LEN) / 8);
}

/* Those of before, until they have expired */
static void ndp_put_old_prefixes(struct wr *wr)
{
	for (unsigned i = 0; i < FORMER_MAX; i++) {
		uint32_t left_s = former_left_s(&ndp.old, i, loop_now());

		if (left_s)
			ndp_put_prefix(wr, &ndp.old.addr[i], left_s, 0);
	}
}

/* RFC 4861 4.6.4; hosts ignore what is below IPv6's minimum */
static void ndp_put_mtu(struct wr *wr)
{
	if (ndp.conf->mtu < ND_MTU_MIN)
		return;
	wr_u8(wr, ND_OPT_MTU_);
	wr_u8(wr, 1);
	wr_zero(wr, 2);
	wr_u32(wr, ndp.conf->mtu);
}

/* RFC 8106 5.1; for no time: they aren't to be used any more */
static void ndp_put_rdnss(struct wr *wr, const struct addr *dns, unsigned count,
			  uint32_t lifetime_s)
{
	if (!ndp.conf->dhcp_dns || !count)
		return;
	wr_u8(wr, ND_OPT_RDNSS);
	wr_u8(wr, (uint8_t)(1 + 2 * count));
	wr_zero(wr, 2);
	wr_u32(wr, lifetime_s);
	for (unsigned i = 0; i < count; i++)
		wr_bytes(wr, dns[i].b, sizeof(dns[i].b));
}

/* RFC 8106 5.2: names are not compressed, zeroes fill up the last unit. Names
 * that don't fit into the smallest MTU are left out.
 */
static void ndp_put_dnssl(struct wr *wr, const struct net_search *s,
			  uint32_t lifetime_s)
{
	size_t room = (wr->size - wr->len) / 8 * 8;
	uint8_t buf[ND_MSG_MAX];
	struct wr names = wr_init(buf, room ? room - 8 : 0);

	if (!ndp.conf->dhcp_search)
		return;
	for (unsigned i = 0; i < s->count; i++)
		dnsname_put(&names, s->name[i]);
	if (!names.len)
		return;
	wr_zero(&names, -names.len & 7);
	wr_u8(wr, ND_OPT_DNSSL);
	wr_u8(wr, (uint8_t)(1 + names.len / 8));
	wr_zero(wr, 2);
	wr_u32(wr, lifetime_s);
	wr_bytes(wr, buf, names.len);
}

/* RFC 4861 4.2 */
static void ndp_send_ra(const struct addr *dst, const uint8_t *dst_mac)
{
	const struct conf *c = ndp.conf;
	const struct net_family *fam = &net_get()->fam[V6];
	bool managed = !c->no_dhcpv6 && !addr_is_none(&fam->guest);
	uint8_t buf[ND_MSG_MAX - 4];
	struct wr wr = wr_init(buf, sizeof(buf));

	wr_u8(&wr, ND_CUR_HOP_LIMIT);
	wr_u8(&wr, managed ? ND_RA_MANAGED : 0);
	wr_u16(&wr, ND_ROUTER_LIFETIME_S);
	wr_zero(&wr, 8);			/* times: unspecified */
	ndp_put_link_addr(&wr, ND_OPT_SOURCE_LL);
	ndp_put_mtu(&wr);
	ndp_put_prefix(&wr, &fam->guest, nd_infinity, nd_infinity);
	ndp_put_old_prefixes(&wr);
	ndp_put_rdnss(&wr, fam->dns, fam->dns_count, nd_infinity);
	if (ndp.initial)
		ndp_put_rdnss(&wr, ndp.gone_dns, ndp.gone_dns_count, 0);
	ndp_put_dnssl(&wr, &net_get()->search, nd_infinity);
	if (ndp.initial)
		ndp_put_dnssl(&wr, &ndp.gone_search, 0);
	ndp_send(&fam->our, dst, dst_mac, ICMP6_RA, &wr);
}

/* We aren't a router any more, by that address of ours: RFC 4861 6.2.5 */
static void ndp_send_end(const struct addr *our)
{
	uint8_t buf[16];
	struct wr wr = wr_init(buf, sizeof(buf));

	wr_u8(&wr, ND_CUR_HOP_LIMIT);
	wr_zero(&wr, 11);			/* flags, lifetime, times */
	ndp_send(our, &all_nodes, all_nodes_mac, ICMP6_RA, &wr);
}

/* Do we advertise ourselves as router at all? */
static bool ndp_is_router(void)
{
	return net_get()->fam[V6].enabled && !ndp.conf->no_ndp &&
	       !ndp.conf->no_ra;
}

static void ndp_input_rs(const struct pkt *pkt, struct rd rd)
{
	rd_u32(&rd);				/* reserved */
	if (rd.bad || !ndp_is_valid(pkt, rd)) {
		drop(DROP_NDP);
		return;
	}
	if (!ndp_is_router())
		return;
	debug("NDP: router solicitation from %s", ADDR_STR(&pkt->src));
	if (addr_is_none(&pkt->src))
		ndp_send_ra(&all_nodes, all_nodes_mac);
	else
		ndp_send_ra(&pkt->src, pkt->src_mac);
}

/* The guest will use this address, if nobody has it: whoever publishes a port needn't wait
 * for it to speak, if it had none of the kind (RFC 4862 5.4)
 */
static void ndp_probed(const struct addr *target)
{
	const struct addr *known = addr_is_linklocal(target) ?
				   &tap_guest.v6_ll : &tap_guest.v6;

	if (addr_is_none(known) && !addr_is_loopback(target))
		guest_addrs_see(&tap_guest, target, net_follows_guest(target));
}

static void ndp_input_ns(const struct pkt *pkt, struct rd rd)
{
	bool dad = addr_is_none(&pkt->src);
	struct addr target;

	rd_u32(&rd);				/* reserved */
	rd_copy(&rd, target.b, sizeof(target.b));
	if (rd.bad || !ndp_is_valid(pkt, rd) || addr_is_v4(&target) ||
	    !addr_is_unicast(&target)) {
		drop(DROP_NDP);
		return;
	}
	if (dad && !fwd_is_our(net_get(), &target)) {
		ndp_probed(&target);
		return;
	}
	if (!dad && !addr_is_unicast(&pkt->src))
		return;
	if (!ndp_is_ours(&target))
		return;
	trace("NDP: %s is at %s, that's us", ADDR_STR(&target),
	      MAC_STR(ndp.conf->our_mac));
	ndp_send_na(pkt, &target);
}

/* Uniform enough for a distance in time: xorshift (Marsaglia) */
static uint32_t ndp_random(void)
{
	ndp.random ^= ndp.random << 13;
	ndp.random ^= ndp.random >> 17;
	ndp.random ^= ndp.random << 5;
	return ndp.random;
}

static void ndp_timer(struct timer *t)
{
	uint32_t span_us = (ND_RA_MAX_S - ND_RA_MIN_S) * 1000000U;
	dur_t next = DUR_S(ND_RA_INITIAL_S);

	if (!tap_is_up())
		return;
	ndp_send_ra(&all_nodes, all_nodes_mac);
	if (ndp.initial)
		ndp.initial--;
	if (!ndp.initial)
		next = DUR_US(ND_RA_MIN_S * 1000000LL + ndp_random() % span_us);
	timer_set(t, TIMER_NDP, mono_add(loop_now(), next));
}

/* Those of the last change first, then those of before it, if they may not have been
 * told yet; what is used again isn't taken back
 */
static void ndp_note_dns(const struct net_family *was,
			 const struct net_family *now)
{
	struct addr list[CONF_DNS_MAX + ND_GONE_DNS];
	unsigned count = was->dns_count;

	memcpy(list, was->dns, count * sizeof(list[0]));
	for (unsigned i = 0; ndp.initial && i < ndp.gone_dns_count; i++)
		list[count++] = ndp.gone_dns[i];
	ndp.gone_dns_count = 0;
	for (unsigned i = 0; i < count; i++) {
		if (ndp.gone_dns_count < ND_GONE_DNS &&
		    !addr_in(now->dns, now->dns_count, &list[i]) &&
		    !addr_in(ndp.gone_dns, ndp.gone_dns_count, &list[i]))
			ndp.gone_dns[ndp.gone_dns_count++] = list[i];
	}
}

static bool search_has(const struct net_search *s, const char *name)
{
	for (unsigned i = 0; i < s->count; i++) {
		if (!strcmp(s->name[i], name))
			return true;
	}
	return false;
}

/* The same with search domains */
static void ndp_note_search(const struct net_search *was,
			    const struct net_search *now)
{
	const struct net_search before = ndp.gone_search;
	const struct net_search *from[] = { was, &before };
	struct net_search *gone = &ndp.gone_search;

	gone->count = 0;
	for (unsigned k = 0; k < (ndp.initial ? 2 : 1); k++) {
		for (unsigned i = 0; i < from[k]->count; i++) {
			const char *name = from[k]->name[i];

			if (gone->count < CONF_SEARCH_MAX &&
			    !search_has(now, name) && !search_has(gone, name))
				strcpy(gone->name[gone->count++], name);
		}
	}
}

static void ndp_net_changed(const struct net *old)
{
	const struct net_family *was = &old->fam[V6];
	const struct net_family *now = &net_get()->fam[V6];

	if (!ndp_is_router() ||
	    (!memcmp(was, now, sizeof(*was)) &&
	     !memcmp(&old->search, &net_get()->search, sizeof(old->search))))
		return;
	former_note(&ndp.old, &was->guest, &now->guest, loop_now());
	ndp_note_dns(was, now);
	ndp_note_search(&old->search, &net_get()->search);
	ndp.initial = ND_RA_INITIAL;
	if (!tap_is_up())
		return;
	if (!addr_eq(&was->our, &now->our))
		ndp_send_end(&was->our);
	timer_set(&ndp.timer, TIMER_NDP, loop_now());
}

void ndp_init(const struct conf *c)
{
	timer_cancel(&ndp.timer);
	ndp.conf = c;
	random_bytes(&ndp.random, sizeof(ndp.random));
	ndp.random |= 1;
	timer_set_handler(TIMER_NDP, ndp_timer);
	ndp.old = (struct former){ .prefix_len = ND_PREFIX_LEN };
	ndp.gone_dns_count = ndp.gone_search.count = 0;
	net_add_hook(ndp_net_changed);
}

bool ndp_input(const struct pkt *pkt)
{
	uint8_t buf[ND_MSG_MAX];
	size_t len;

	if (pkt->icmp.type < ICMP6_RS || pkt->icmp.type > ND_REDIRECT)
		return false;
	if (ndp.conf->no_ndp || !net_get()->fam[V6].enabled)
		return true;

	len = bytes_copy(&pkt->payload, 0, buf, sizeof(buf));
	if (len < pkt->payload.len) {
		drop(DROP_NDP);
		return true;
	}
	if (pkt->icmp.type == ICMP6_RS)
		ndp_input_rs(pkt, rd_init(buf, len));
	else if (pkt->icmp.type == ICMP6_NS)
		ndp_input_ns(pkt, rd_init(buf, len));
	return true;
}

void ndp_solicit(void)
{
	const struct net_family *fam = &net_get()->fam[V6];

	if (fam->enabled && !ndp.conf->no_ndp && !addr_is_none(&fam->guest))
		ndp_send_ns(&fam->guest);
	if (!ndp_is_router())
		return;
	ndp.initial = ND_RA_INITIAL;
	ndp_timer(&ndp.timer);
}
