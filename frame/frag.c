// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: fragments → datagrams, see frag.h
 *
 * Data: FRAG_POOL datagrams that wait for fragments, and their bytes apart, so
 * that looking for one touches no cold page. Data is copied to where it will
 * be in the datagram; the IP header of the first fragment, options and all, to
 * right in front of it, so that no second copy is needed:
 *
 *	| … Ethernet | IP header, v6: with fragment header |  data at its offset
 *	             ^                                     ^ FRAG_ROOM
 *	             FRAG_ROOM - hdr_len
 *
 * Flow: fragment → its datagram, by addresses, id and (IPv4) protocol → does it
 * fit? → copied. When no byte is missing, the header is made one of a whole
 * datagram, and frame_parse() gets that as if it were a frame: checks and
 * parsers are the same for both.
 *
 * Overlaps: a fragment that overlaps another one, or disagrees about where the
 * end is, makes the datagram worthless: nobody can tell which bytes were meant,
 * and systems that guessed were attacked by it (RFC 1858, RFC 3128). It stays
 * in the pool without its data, so that fragments that follow are dropped, too
 * (RFC 5722, RFC 8200 4.5; we do so for IPv4 as well). Only an exact duplicate,
 * which networks may well produce, is left out alone.
 *
 * Timers: one, set for the oldest datagram; not armed when there is none.
 *
 * Standards: RFC 791 3.2, RFC 815, RFC 1122 3.3.2, RFC 3168 5.3, RFC 5722,
 * RFC 6946, RFC 8200 4.5.
 */
#include "frame/frag.h"

#include <string.h>

#include "engine/counters.h"
#include "engine/drop.h"
#include "engine/loop.h"
#include "engine/timer.h"
#include "frame/icmp_err.h"
#include "util/csum.h"
#include "util/log.h"
#include "util/wire.h"

enum {
	FRAG_POOL	= 64,
	/* 64 KiB at the smallest MTU that IPv4 hosts can count on, 576 */
	FRAG_PIECES	= 128,
	/* frame_parse() doesn't look at more than that */
	FRAG_ROOM	= 256,
	FRAG_LEN_MAX	= UINT16_MAX,	/* IPv4 packet, IPv6 payload */
	FRAG_UNIT	= 8,
	FRAG_HDR6	= 8,		/* IPv6 fragment header */
	FRAG_TIMEOUT_S	= 30,		/* until all must be here */
	/* RFC 4443 2.4 (c): quote no more than what fits the minimum MTU */
	FRAG_QUOTE4	= 8,		/* after the IP header: RFC 792 */
	FRAG_QUOTE6	= 1232,
	TIME_REASSEMBLY	= 1,		/* code of Time Exceeded */
	ECN_MASK	= 3,
	ECN_NOT_ECT	= 0,
	ECN_CE		= 3,
};

struct frag_dgram {
	struct addr src, dst;
	uint32_t id;
	uint8_t proto;			/* as the first fragment says */
	uint8_t family;			/* enum family */
	bool used;
	bool broken;			/* dropped: swallow what follows */

	uint64_t born;			/* order of arrival */
	mono_t expires;

	uint8_t ecn_seen;		/* bit per codepoint */
	uint16_t next_hdr_at;		/* as in struct pkt_frag */
	uint16_t hdr_len;		/* 0: first fragment isn't here yet */

	uint16_t total;			/* bytes of data; 0: not known yet */
	uint16_t have;
	uint16_t count;			/* pieces, sorted, none overlapping */
	struct { uint16_t off, end; } piece[FRAG_PIECES];
};

struct frag_counters frag_counters;

/* The last one is for atomic fragments, which don't wait */
static struct {
	struct frag_dgram dgram[FRAG_POOL + 1];
	uint8_t buf[FRAG_POOL + 1][FRAG_ROOM + FRAG_LEN_MAX];
	struct iovec iov;		/* the one put together last */
	struct timer timer;
	uint64_t born;
} frag_pool;

static uint8_t *frag_data(const struct frag_dgram *d)
{
	return frag_pool.buf[d - frag_pool.dgram] + FRAG_ROOM;
}

/* First of those in the pool; NULL if it's empty */
static struct frag_dgram *frag_oldest(void)
{
	struct frag_dgram *oldest = NULL;

	for (unsigned i = 0; i < FRAG_POOL; i++) {
		struct frag_dgram *d = &frag_pool.dgram[i];

		if (d->used && (!oldest || d->born < oldest->born))
			oldest = d;
	}
	return oldest;
}

static void frag_arm(void)
{
	const struct frag_dgram *oldest = frag_oldest();

	if (oldest)
		timer_set(&frag_pool.timer, TIMER_FRAG, oldest->expires);
	else
		timer_cancel(&frag_pool.timer);
}

static void frag_reset(struct frag_dgram *d, const struct pkt *frag)
{
	*d = (struct frag_dgram){
		.src = frag->src, .dst = frag->dst,
		.id = frag->frag.id,
		.proto = frag->proto,
		.family = frag->family,
	};
}

/* The datagram that a fragment belongs to, a new one if it's the first seen */
static struct frag_dgram *frag_find(const struct pkt *frag)
{
	struct frag_dgram *d, *unused = NULL;

	for (unsigned i = 0; i < FRAG_POOL; i++) {
		d = &frag_pool.dgram[i];
		if (!d->used) {
			unused = d;
			continue;
		}
		/* In IPv6, the next header isn't part of it: RFC 8200 4.5 */
		if (d->id == frag->frag.id &&
		    (frag->family == V6 || d->proto == frag->proto) &&
		    addr_eq(&d->src, &frag->src) &&
		    addr_eq(&d->dst, &frag->dst))
			return d;
	}
	d = unused;
	if (!d) {
		d = frag_oldest();
		drop(DROP_FRAGMENT_EVICTED);
	}
	frag_reset(d, frag);
	d->used = true;
	d->born = ++frag_pool.born;
	d->expires = mono_add(loop_now(), DUR_S(FRAG_TIMEOUT_S));
	frag_arm();
	return d;
}

static void frag_free(struct frag_dgram *d)
{
	d->used = false;
	frag_arm();
}

static bool frag_same(const uint8_t *p, const struct bytes *b)
{
	uint8_t part[512];
	uint32_t off = 0;
	size_t n;

	while ((n = bytes_copy(b, off, part, sizeof(part)))) {
		if (memcmp(p + off, part, n))
			return false;
		off += (uint32_t)n;
	}
	return true;
}

enum frag_fit { FRAG_FITS, FRAG_DUPLICATE, FRAG_CLASHES };

/* How a fragment and those that are here go together; *ret_at is its place
 * among the pieces
 */
static enum frag_fit frag_fit(const struct frag_dgram *d,
			      const struct pkt *frag, unsigned *ret_at)
{
	uint32_t off = frag->frag.off, end = off + frag->payload.len;
	bool more = frag->frag.more;
	unsigned i = d->count;

	/* There is one end, and nothing behind it */
	if (d->total && (more ? end >= d->total : end != d->total))
		return FRAG_CLASHES;
	if (!more && i && d->piece[i - 1].end > end)
		return FRAG_CLASHES;

	while (i && d->piece[i - 1].off > off)
		i--;
	if (i && d->piece[i - 1].off == off && d->piece[i - 1].end == end &&
	    (more || d->total))
		return frag_same(frag_data(d) + off, &frag->payload) ?
		       FRAG_DUPLICATE : FRAG_CLASHES;
	if ((i && d->piece[i - 1].end > off) ||
	    (i < d->count && d->piece[i].off < end) ||
	    d->count == FRAG_PIECES)
		return FRAG_CLASHES;
	*ret_at = i;
	return FRAG_FITS;
}

/* Ethernet and IP header of the first fragment, as they came */
static void frag_add_header(struct frag_dgram *d, const struct pkt *frag)
{
	uint32_t hdr_len = frag->l3.len - frag->payload.len;
	uint8_t *l3 = frag_data(d) - hdr_len;
	struct wire_eth eth = {
		.type = be16_put(d->family == V4 ? ETHERTYPE_IPV4 :
						   ETHERTYPE_IPV6_),
	};

	memcpy(eth.dst, frag->dst_mac, sizeof(eth.dst));
	memcpy(eth.src, frag->src_mac, sizeof(eth.src));
	memcpy(l3 - sizeof(eth), &eth, sizeof(eth));
	bytes_copy(&frag->l3, 0, l3, hdr_len);
	d->hdr_len = (uint16_t)hdr_len;
	d->proto = frag->proto;
	d->next_hdr_at = frag->frag.next_hdr_at;
}

static void frag_add(struct frag_dgram *d, const struct pkt *frag, unsigned at)
{
	uint32_t off = frag->frag.off, len = frag->payload.len;

	memmove(&d->piece[at + 1], &d->piece[at],
		(d->count - at) * sizeof(d->piece[0]));
	d->piece[at].off = (uint16_t)off;
	d->piece[at].end = (uint16_t)(off + len);
	d->count++;
	d->have = (uint16_t)(d->have + len);
	d->ecn_seen |= (uint8_t)(1U << (frag->tos & ECN_MASK));
	if (!frag->frag.more)
		d->total = (uint16_t)(off + len);
	bytes_copy(&frag->payload, 0, frag_data(d) + off, len);
	if (!off)
		frag_add_header(d, frag);
}

/* Can an IP packet be that long? hdr_len is with fragment header */
static bool frag_len_ok(uint8_t family, uint32_t hdr_len, uint32_t data_len)
{
	if (family == V6)
		hdr_len -= (uint32_t)sizeof(struct wire_ip6) + FRAG_HDR6;
	return hdr_len + data_len <= FRAG_LEN_MAX;
}

/* Make the header one of a datagram that was never fragmented; where it starts.
 * It isn't trusted: frame_parse() is to see it.
 */
static uint8_t *frag_whole_ip4(const struct frag_dgram *d, bool ce)
{
	uint8_t *l3 = frag_data(d) - d->hdr_len;
	struct wire_ip4 ip;

	memcpy(&ip, l3, sizeof(ip));
	ip.tot_len = be16_put((uint16_t)(d->hdr_len + d->total));
	ip.frag = be16_put(0);
	ip.tos |= ce ? ECN_CE : 0;
	ip.csum = be16_put(0);
	memcpy(l3, &ip, sizeof(ip));
	ip.csum = csum_finish(csum_add(0, l3, d->hdr_len));
	memcpy(l3, &ip, sizeof(ip));
	return l3;
}

static uint8_t *frag_whole_ip6(const struct frag_dgram *d, bool ce)
{
	uint32_t len = d->hdr_len - (uint32_t)FRAG_HDR6;
	uint8_t *l3 = frag_data(d) - len;
	struct wire_ip6 ip;

	/* Close the gap that the fragment header leaves */
	memmove(l3 - sizeof(struct wire_eth),
		l3 - sizeof(struct wire_eth) - FRAG_HDR6,
		sizeof(struct wire_eth) + len);
	l3[d->next_hdr_at] = d->proto;
	memcpy(&ip, l3, sizeof(ip));
	ip.payload_len = be16_put((uint16_t)(len - sizeof(ip) + d->total));
	ip.ver_tc_flow.raw |= be32_put(ce ? ECN_CE << 20 : 0).raw;
	memcpy(l3, &ip, sizeof(ip));
	return l3;
}

/* All is here: parse it */
static enum pkt_verdict frag_finish(const struct frag_dgram *d,
				    struct pkt *ret_pkt)
{
	bool ce = d->ecn_seen & 1U << ECN_CE;
	struct tap_frame frame = { .meta = { 0 } };
	enum pkt_verdict verdict;
	uint8_t *start;
	size_t len;

	frag_counters.whole++;
	if (!frag_len_ok(d->family, d->hdr_len, d->total))
		return PKT_BAD;
	/* RFC 3168 5.3: this can't be expressed in one header */
	if (ce && d->ecn_seen & 1U << ECN_NOT_ECT)
		return PKT_FRAGMENT;

	start = d->family == V4 ? frag_whole_ip4(d, ce) : frag_whole_ip6(d, ce);
	start -= sizeof(struct wire_eth);
	len = (size_t)(frag_data(d) + d->total - start);
	frag_pool.iov = (struct iovec){ start, len };
	frame.data = (struct bytes){ &frag_pool.iov, 1, 0, (uint32_t)len };

	verdict = frame_parse(&frame, ret_pkt);
	if (verdict == PKT_FRAGMENT)
		return PKT_BAD;		/* fragments of fragments */
	if (verdict == PKT_OK && ret_pkt->proto == PROTO_TCP && d->used)
		return PKT_FRAGMENT;	/* behind extension headers */
	/* Who fragments doesn't ask for the path's MTU */
	ret_pkt->df = false;
	return verdict;
}

enum pkt_verdict frag_input(const struct pkt *frag, struct pkt *ret_pkt)
{
	uint32_t len = frag->payload.len, hdr_len = frag->l3.len - len;
	bool atomic = !frag->frag.off && !frag->frag.more;
	enum pkt_verdict verdict;
	struct frag_dgram *d;
	unsigned at = 0;

	if (!len || (frag->frag.more && len % FRAG_UNIT) ||
	    hdr_len > FRAG_ROOM - sizeof(struct wire_eth) ||
	    !frag_len_ok(frag->family, hdr_len, frag->frag.off + len))
		return PKT_BAD;
	/* RFC 6946: has nothing to do with others of the same id */
	if (atomic) {
		d = &frag_pool.dgram[FRAG_POOL];
		frag_reset(d, frag);
		frag_add(d, frag, 0);
		return frag_finish(d, ret_pkt);
	}
	if (frag->proto == PROTO_TCP)
		return PKT_FRAGMENT;

	d = frag_find(frag);
	if (d->broken)
		return PKT_FRAGMENT;
	switch (frag_fit(d, frag, &at)) {
	case FRAG_DUPLICATE:
		return PKT_HELD;
	case FRAG_CLASHES:
		d->broken = true;
		drop(DROP_FRAGMENT_CLASH);
		return PKT_FRAGMENT;
	case FRAG_FITS:
		break;
	}
	frag_add(d, frag, at);
	if (!d->total || d->have != d->total)
		return PKT_HELD;
	verdict = frag_finish(d, ret_pkt);
	frag_free(d);
	return verdict;
}

/* Errors about errors are never sent: RFC 1122 3.2.2, RFC 4443 2.4 (e) */
static bool frag_may_report(const struct frag_dgram *d)
{
	if (d->broken || !d->hdr_len || !addr_is_unicast(&d->src) ||
	    addr_is_loopback(&d->src) || !addr_is_unicast(&d->dst))
		return false;
	if (d->proto == PROTO_ICMP)
		return *frag_data(d) == ICMP4_ECHO;
	return d->proto != PROTO_ICMP6 || *frag_data(d) >= ICMP6_ECHO;
}

/* Time Exceeded, which quotes the first fragment: RFC 792, RFC 4443 3.3. The
 * size of the pool limits the rate.
 */
static void frag_report(const struct frag_dgram *d)
{
	bool v4 = d->family == V4;
	struct icmp_about about = {
		.src = d->src, .dst = d->dst,
		.packet = frag_data(d) - d->hdr_len,
		.len = MIN(d->hdr_len + (v4 ? (uint32_t)FRAG_QUOTE4 :
					      d->piece[0].end),
			   (uint32_t)FRAG_QUOTE6),
	};

	icmp_err_about(&about, v4 ? ICMP4_TIME_EXCEEDED : ICMP6_TIME_EXCEEDED_,
		       TIME_REASSEMBLY, 0);
}

static void frag_timer(struct timer *t)
{
	struct frag_dgram *d;

	(void)t;
	while ((d = frag_oldest()) && !mono_before(loop_now(), d->expires)) {
		d->used = false;
		if (!d->broken)
			drop(DROP_FRAGMENT_LATE);
		if (frag_may_report(d))
			frag_report(d);
	}
	frag_arm();
}

static const struct counter frag_rows[] = {
	COUNTER("fragments_whole", frag_counters.whole, "datagrams",
		"put together"),
};

void frag_init(void)
{
	counters_add("fragments", frag_rows,
		     ARRAY_SIZE(frag_rows));
	timer_set_handler(TIMER_FRAG, frag_timer);
}
