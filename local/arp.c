// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: ARP, where we are everybody but the guest
 *
 * Whatever address the guest asks for is reached through us, so every request
 * is answered with our MAC. There are two exceptions: the guest's own address,
 * assigned or observed, as the answer would be a conflict for duplicate address
 * detection (RFC 5227 2.1.1); and announcements (sender is target, RFC 5227
 * 3), which ask nothing. Probes (sender 0.0.0.0) are answered for the addresses
 * that are ours alone, see fwd_is_our(): all others are free for the guest to
 * take, though we would carry what it sends there (Linux' proxy ARP does so).
 *
 * Standards: RFC 826, RFC 5227.
 */
#include "local/arp.h"

#include <string.h>

#include "engine/conf_types.h"
#include "engine/drop.h"
#include "frame/frame_build.h"
#include "frame/frame_parse.h"
#include "fwd/fwd.h"
#include "host/net.h"
#include "util/log.h"
#include "util/wire.h"

enum {
	ARP_HTYPE_ETHER	= 1,
	ARP_OP_REQUEST	= 1,
	ARP_OP_REPLY	= 2,
};

static struct {
	const struct conf *conf;
} arp;

static const uint8_t mac_broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

/* Ethernet and IPv4, sent by somebody whom we can answer? */
static bool arp_is_valid(const struct wire_arp *a)
{
	static const uint8_t mac_none[6];

	return be16_get(a->htype) == ARP_HTYPE_ETHER &&
	       be16_get(a->ptype) == ETHERTYPE_IPV4 &&
	       a->hlen == sizeof(a->sha) && a->plen == sizeof(a->spa) &&
	       !(a->sha[0] & 1) && memcmp(a->sha, mac_none, sizeof(mac_none));
}

/* Do we stand in for this address? */
static bool arp_is_ours(const struct addr *target, bool probe)
{
	if (probe && !fwd_is_our(net_get(), target))
		return false;
	return addr_is_unicast(target) && !addr_is_loopback(target) &&
	       !addr_eq(target, &net_get()->fam[V4].guest) &&
	       !addr_eq(target, &tap_guest.v4);
}

static void arp_send(uint16_t op, const uint8_t spa[4], const uint8_t tha[6],
		     const uint8_t tpa[4])
{
	struct wire_arp a = {
		.htype = be16_put(ARP_HTYPE_ETHER),
		.ptype = be16_put(ETHERTYPE_IPV4),
		.hlen = sizeof(a.sha),
		.plen = sizeof(a.spa),
		.op = be16_put(op),
	};

	memcpy(a.sha, arp.conf->our_mac, sizeof(a.sha));
	memcpy(a.spa, spa, sizeof(a.spa));
	memcpy(a.tha, tha, sizeof(a.tha));
	memcpy(a.tpa, tpa, sizeof(a.tpa));
	frame_send_eth(tha, ETHERTYPE_ARP_, &a, sizeof(a));
}

void arp_init(const struct conf *c)
{
	arp.conf = c;
}

void arp_input(const struct pkt *pkt)
{
	struct addr sender, target;
	struct wire_arp a;

	if (!net_get()->fam[V4].enabled)
		return;
	if (bytes_copy(&pkt->l3, 0, &a, sizeof(a)) < sizeof(a) ||
	    !arp_is_valid(&a)) {
		drop(DROP_ARP);
		return;
	}
	if (be16_get(a.op) != ARP_OP_REQUEST ||
	    !memcmp(a.spa, a.tpa, sizeof(a.spa)))
		return;

	sender = addr_from_v4(a.spa);
	target = addr_from_v4(a.tpa);
	if (!arp_is_ours(&target, addr_is_any(&sender)))
		return;
	trace("ARP: %s is at %s, that's us", ADDR_STR(&target),
	      MAC_STR(arp.conf->our_mac));
	arp_send(ARP_OP_REPLY, a.tpa, a.sha, a.spa);
}

void arp_solicit(void)
{
	const struct net_family *fam = &net_get()->fam[V4];
	struct addr any = addr_v4(INADDR_ANY);

	if (!fam->enabled || !addr_is_unicast(&fam->guest))
		return;
	/* Without an address of ours, it's a probe: answered just as well */
	arp_send(ARP_OP_REQUEST,
		 addr_v4_bytes(addr_is_v4(&fam->our) ? &fam->our : &any),
		 mac_broadcast, addr_v4_bytes(&fam->guest));
}
