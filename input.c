// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the way in from the link to the protocols
 *
 * Flow: a batch of frames → frame_parse() each, fragments wait in frag_input()
 * until they are whole → what the guest's addresses are → runs of the same
 * protocol, addresses and ports go to TCP and UDP as one; ARP, NDP, DHCP and
 * echo are answered one by one.
 */
#include "input.h"

#include <string.h>

#include "engine/loop.h"
#include "engine/drop.h"
#include "engine/news.h"
#include "frame/frag.h"
#include "frame/frame_parse.h"
#include "frame/icmp_err.h"
#include "frame/opening.h"
#include "host/net.h"
#include "icmp.h"
#include "local/arp.h"
#include "local/dhcp.h"
#include "local/dhcpv6.h"
#include "local/ndp.h"
#include "tap.h"
#include "tcp.h"
#include "udp.h"
#include "util/log.h"
#include "util/wire.h"

static struct {
	const struct conf *conf;
	struct pkt pkt[TAP_RX_BATCH];
} input;

static void input_learn_addr(const struct pkt *p)
{
	if (addr_eq(&p->src, &tap_guest.v4) || addr_eq(&p->src, &tap_guest.v6) ||
	    !addr_is_unicast(&p->src) || addr_is_loopback(&p->src))
		return;
	guest_addrs_see(&tap_guest, &p->src, net_follows_guest(&p->src));
}

static void input_learn(const struct pkt *p)
{
	if (!(p->src_mac[0] & 1) &&
	    memcmp(p->src_mac, tap_guest_mac(), sizeof(p->src_mac)) &&
	    memcmp(p->src_mac, tap_our_mac(), sizeof(p->src_mac))) {
		tap_learn_mac(p->src_mac);
		news_tell(NEWS_GUEST, NULL);
		info_limited("New guest MAC address observed: %s",
			     MAC_STR(p->src_mac));
	}
	if (p->kind == PKT_IP)
		input_learn_addr(p);
}

/* One packet that isn't TCP or UDP, or is UDP for a server of ours: taken */
static bool input_local(const struct pkt *p)
{
	if (p->kind == PKT_ARP) {
		arp_input(p);
		return true;
	}
	switch (p->proto) {
	case PROTO_ICMP:
		if (!input.conf->no_icmp)
			icmp_input(p);
		return true;
	case PROTO_ICMP6:
		if (!ndp_input(p) && !input.conf->no_icmp)
			icmp_input(p);
		return true;
	case PROTO_UDP:
		return p->family == V4 ? dhcp_input(p) : dhcpv6_input(p);
	}
	return false;
}

/* For --trace */
static void input_trace(const struct pkt *p)
{
	if (p->kind == PKT_ARP)
		trace("guest > ARP, %u bytes", p->l3.len);
	else
		trace("guest > protocol %u %s -> %s, %u bytes", p->proto,
		      ENDPOINT_STR(&p->src, p->sport),
		      ENDPOINT_STR(&p->dst, p->dport), p->payload.len);
}

static bool input_same_flow(const struct pkt *a, const struct pkt *b)
{
	return a->kind == b->kind && a->proto == b->proto &&
	       a->sport == b->sport && a->dport == b->dport &&
	       addr_eq(&a->src, &b->src) && addr_eq(&a->dst, &b->dst);
}

/* n packets, all parsed: hand them on in runs */
static void input_runs(const struct pkt *pkts, unsigned n)
{
	unsigned i = 0, j;

	if (log_max >= LOG_LVL_TRACE)
		for (unsigned k = 0; k < n; k++)
			input_trace(&pkts[k]);
	for (; i < n; i = j) {
		j = i + 1;
		if (input_local(&pkts[i])) {
			loop_opening_ends();
			continue;
		}
		while (j < n && input_same_flow(&pkts[i], &pkts[j]))
			j++;
		if (pkts[i].proto == PROTO_TCP && !input.conf->no_tcp)
			tcp_input(&pkts[i], j - i);
		else if (pkts[i].proto == PROTO_UDP && !input.conf->no_udp)
			udp_input(&pkts[i], j - i);
		loop_opening_ends();
	}
}

static void input_frames(const struct tap_frame *frames, unsigned count)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++) {
		struct pkt *p = &input.pkt[n];
		enum pkt_verdict verdict = frame_parse(&frames[i], p);
		bool is_frag = verdict == PKT_FRAGMENT;

		if (is_frag)
			verdict = frag_input(p, p);
		switch (verdict) {
		case PKT_OK:
			input_learn(p);
			n++;
			/* It lies where the next one may have to */
			if (is_frag) {
				input_runs(input.pkt, n);
				n = 0;
			}
			continue;
		case PKT_HELD:
			continue;
		case PKT_BAD:
			drop(DROP_FRAME_MALFORMED);
			break;
		case PKT_CSUM:
			drop(DROP_FRAME_CHECKSUM);
			break;
		case PKT_IGNORED:
			drop(DROP_FRAME_OTHER);
			continue;
		case PKT_FRAGMENT:
			drop(DROP_FRAGMENT);
			break;
		case PKT_UNKNOWN_PROTO:
			drop(DROP_FRAME_PROTOCOL);
			if (p->proto != PROTO_IGMP)
				icmp_err_protocol(p);
			break;
		}
		trace("frame of %u bytes from the guest dropped",
		      frames[i].data.len);
	}
	input_runs(input.pkt, n);
}

static void input_link_up(void)
{
	opening_forget();
	arp_solicit();
	ndp_solicit();
}

void input_init(const struct conf *c)
{
	static const struct tap_events events = {
		.rx = input_frames,
		.up = input_link_up,
		.down = opening_forget,
	};

	input.conf = c;
	frag_init();
	opening_init(input_runs);
	tap_init(&events, c->our_mac);
	for (enum family f = V4; f < FAMILIES; f++) {
		const struct addr *a = &net_get()->fam[f].guest;

		if (!addr_is_none(a))
			guest_addrs_see(&tap_guest, a, true);
	}
}
