/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lies below the responders (arp, ndp, dhcp, dhcpv6), faked: frames that
 * are sent end up in fake_sent[], the link, the clock and the timer do what the
 * test says. A test program is one file, so these are its own.
 */
#ifndef FAKE_FRAME_H
#define FAKE_FRAME_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/conf_types.h"
#include "engine/drop.h"
#include "fake_log.h"
#include "frame/frame_build.h"
#include "frame/frame_parse.h"
#include "host/net.h"
#include "engine/loop.h"
#include "engine/timer.h"
#include "util.h"
#include "util/wire.h"

/* Sent since fake_reset(): the first ones, and how many there were */
struct fake_sent {
	enum { SENT_ETH, SENT_UDP, SENT_ICMP } what;
	struct addr src, dst;
	uint8_t dst_mac[6];
	uint8_t proto, ttl;
	uint16_t ethertype;
	uint16_t sport, dport;
	uint8_t type, code;		/* ICMP */
	uint8_t data[2048];		/* after UDP header, ICMP checksum */
	size_t len;
};
static struct fake_sent fake_sent[4];
static unsigned fake_sent_count;

static bool fake_link_up = true;
static mono_t fake_now;
static struct timer *fake_timer;	/* armed, or NULL */
static mono_t fake_timer_when;
static timer_handler fake_timer_fn;

static const uint8_t fake_guest_mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };

enum log_level log_max = LOG_LVL_ERR;
struct guest_addrs tap_guest;

static struct fake_sent *fake_next(void)
{
	struct fake_sent *s = &fake_sent[MIN(fake_sent_count,
					     ARRAY_SIZE(fake_sent) - 1)];

	fake_sent_count++;
	memset(s, 0, sizeof(*s));
	return s;
}

static void fake_ip(struct fake_sent *s, const struct frame_ip *ip)
{
	s->src = ip->src;
	s->dst = ip->dst;
	s->proto = ip->proto;
	s->ttl = ip->ttl;
	memcpy(s->dst_mac, ip->dst_mac ? ip->dst_mac : fake_guest_mac, 6);
}

bool frame_send_eth(const uint8_t dst_mac[6], uint16_t ethertype,
		    const void *data, size_t len)
{
	struct fake_sent *s = fake_next();

	s->what = SENT_ETH;
	memcpy(s->dst_mac, dst_mac, 6);
	s->ethertype = ethertype;
	s->len = MIN(len, sizeof(s->data));
	memcpy(s->data, data, s->len);
	return true;
}

bool frame_send_udp(const struct frame_ip *ip, uint16_t sport, uint16_t dport,
		    const struct bytes *payload, uint16_t gso_size)
{
	struct fake_sent *s = fake_next();

	(void)gso_size;
	s->what = SENT_UDP;
	fake_ip(s, ip);
	s->sport = sport;
	s->dport = dport;
	s->len = bytes_copy(payload, 0, s->data, sizeof(s->data));
	return true;
}

bool frame_send_icmp(const struct frame_ip *ip, uint8_t type, uint8_t code,
		     const struct bytes *rest)
{
	struct fake_sent *s = fake_next();

	s->what = SENT_ICMP;
	fake_ip(s, ip);
	s->type = type;
	s->code = code;
	s->len = bytes_copy(rest, 0, s->data, sizeof(s->data));
	return true;
}

bool tap_is_up(void)
{
	return fake_link_up;
}

mono_t loop_now(void)
{
	return fake_now;
}

void timer_set_handler(enum timer_kind kind, timer_handler fn)
{
	(void)kind;
	fake_timer_fn = fn;
}

void timer_set(struct timer *t, enum timer_kind kind, mono_t when)
{
	(void)kind;
	fake_timer = t;
	fake_timer_when = when;
}

void timer_cancel(struct timer *t)
{
	(void)t;
	fake_timer = NULL;
}

void random_bytes(void *buf, size_t n)
{
	memset(buf, 0xa5, n);
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	(void)level;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/* Messages dropped as malformed, of all that are answered here */
static inline uint64_t fake_bad(void)
{
	return drop_counts[DROP_ARP] + drop_counts[DROP_NDP] +
	       drop_counts[DROP_DHCP] + drop_counts[DROP_DHCPV6];
}

/* Forget what was sent and counted, and what the guest was seen to use */
static inline void fake_reset(void)
{
	fake_sent_count = 0;
	memset(drop_counts, 0, sizeof(drop_counts));
	memset(&tap_guest, 0, sizeof(tap_guest));
}

/* Move the clock to the deadline of the timer, and fire it */
static inline void fake_fire(void)
{
	struct timer *t = fake_timer;

	fake_now = fake_timer_when;
	fake_timer = NULL;
	fake_timer_fn(t);
}

static inline struct addr fake_addr(const char *text)
{
	struct addr a = { { 0 } };

	if (*text && !addr_parse(text, &a))
		abort();
	return a;
}

/* A view of exactly these bytes: a copy on the heap, where sanitizers see any
 * access beyond, in two parts. Valid until the next call.
 */
static inline struct bytes fake_bytes(const void *p, size_t len)
{
	static struct iovec iov[2];

	for (unsigned i = 0; i < 2; i++) {
		size_t part = i ? len - len / 2 : len / 2;

		free(iov[i].iov_base);
		iov[i].iov_base = malloc(part + !part);
		iov[i].iov_len = part;
		if (part)
			memcpy(iov[i].iov_base,
			       (const uint8_t *)p + (i ? len / 2 : 0), part);
	}
	return (struct bytes){ .iov = iov, .cnt = 2, .len = (uint32_t)len };
}

/* Hexadecimal digits of some bytes; valid until the fourth next call */
static inline const char *fake_hex(const void *p, size_t len)
{
	static char text[4][4096];
	static unsigned turn;
	char *s = text[turn++ % 4];

	*s = '\0';
	for (size_t i = 0; p && i < len && i < 2000; i++)
		sprintf(s + 2 * i, "%02x", ((const uint8_t *)p)[i]);
	return p ? s : "(none)";
}

static inline uint32_t fake_random(void)
{
	static uint32_t state = 2463534242;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

/* Change some bytes of a message, and often its length (which stays between 0
 * and max); returns the new one
 */
static inline size_t fake_mutate(uint8_t *p, size_t len, size_t max)
{
	static const uint8_t nasty[] = { 0, 1, 2, 4, 127, 128, 254, 255 };

	for (uint32_t n = fake_random() % 8 + 1; n && len; n--) {
		uint32_t r = fake_random();
		size_t at = fake_random() % len;

		if (r & 1)
			p[at] = nasty[r >> 8 & 7];
		else
			p[at] ^= (uint8_t)(1U << (r >> 8 & 7));
	}
	switch (fake_random() % 4) {
	case 0:
		return fake_random() % (len + 1);
	case 1:
		while (len < max && fake_random() % 32)
			p[len++] = (uint8_t)fake_random();
		break;
	}
	return len;
}

/* In place of host/net.c */
static struct net net;

const struct net *net_get(void)
{
	return &net;
}

bool net_follows_guest(const struct addr *a)
{
	return !net.fam[addr_family(a)].guest_fixed;
}

static net_hook fake_hook;		/* the last one */

void net_add_hook(net_hook fn)
{
	fake_hook = fn;
}

/* A guest with 192.0.2.15/24 and 2001:db8:1::15 */
static inline void fake_conf(struct conf *c)
{
	struct net_family *v4 = &net.fam[V4], *v6 = &net.fam[V6];

	memset(c, 0, sizeof(*c));
	memset(&net, 0, sizeof(net));
	memcpy(c->our_mac, (uint8_t[]){ 0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55 },
	       6);
	c->mtu = 65520;
	c->no_follow_host = true;	/* leases without end */
	c->dhcp_dns = c->dhcp_search = true;

	v4->enabled = v6->enabled = true;
	v4->guest = fake_addr("192.0.2.15");
	v4->prefix_len = 24;
	v4->gw = v4->our = fake_addr("192.0.2.2");
	v6->guest = fake_addr("2001:db8:1::15");
	v6->prefix_len = 64;
	v6->gw = v6->our = fake_addr("fe80::1");
}

#endif /* FAKE_FRAME_H */
