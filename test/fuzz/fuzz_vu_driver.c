// SPDX-License-Identifier: GPL-2.0-or-later
/* Links: tap.o tap/tap_vu.o tap/vhost_user.o tap/vu_msg.o tap/virtq.o tap/guest_mem.o
 * Links: util.o util/iov.o util/addr.o util/csum.o util/rdwr.o
 * Links: frame/frame_parse.o engine/drop.o engine/counters.o
 *
 * A driver that keeps the rules, and knows what the device has to do: make fuzz, then
 * build/fuzz/fuzz_vu_driver [CORPUS]. The first two bytes are features, and where the
 * indices begin; then come chains that it lends, in pieces of any size, frames for it,
 * and stops and starts of a ring. It kicks only when it was asked to.
 *
 * Checked after each of them: a chain comes back once, in its order, of those that were
 * lent; with the length of what was written to it, and all of its frame in it; nothing
 * else in memory has changed; what can go both ways has gone; the driver was called, if
 * it wants to be, and the connection is still there.
 */
#include "fuzz_vu.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

enum {
	/* Of each descriptor: a table, and room for its chain's pieces */
	TABLES	= FRONT_BUF, TABLE = 0x600, PIECES = 90,
	ROOMS	= TABLES + 2 * FRONT_NUM * TABLE, ROOM = 0x1000,

	VNET = 12, ETH = 14, LEAST = 60,
	HDR	= 54,			/* of frames in reservations */
	SEND_MAX = 180,			/* of others: half a ring has room */
	EXPECTED = 4096,
	F_NEXT = 1, F_WRITE = 2, F_INDIRECT = 4,
};
static_assert(ROOMS + 2 * FRONT_NUM * ROOM <= FRONT_MEM, "they fit");

/* A chain that was lent, by its head */
struct chain {
	bool lent;
	unsigned descs;			/* of the ring */
	uint16_t desc[FRONT_NUM];
	unsigned cnt;
	uint32_t len;
	struct piece { uint32_t at, len; } piece[PIECES];
};

struct frame {
	uint32_t hdr_len, len;
	uint8_t first;			/* its bytes count on from here */
};

static struct driver {
	uint64_t features;
	struct ring {
		struct chain chain[FRONT_NUM];
		uint16_t order[FRONT_NUM];	/* heads, as lent */
		uint16_t avail, used;
		uint16_t free[FRONT_NUM];
		unsigned frees;
		int call;
		bool quiet;		/* it doesn't want to be called */
		bool runs;
	} ring[VU_RINGS];
	/* What has to come out, in order: of the receive ring, and of the other one */
	struct frame frame[VU_RINGS][EXPECTED];
	unsigned first[VU_RINGS], last[VU_RINGS];
	uint8_t shadow[FRONT_MEM];	/* memory, as it should be */
} d;

static bool has(int feature)
{
	return d.features >> feature & 1;
}

static uint16_t get16(uint32_t at)
{
	uint16_t v;

	memcpy(&v, front.mem + at, sizeof(v));
	return v;
}

/* What the driver itself writes */
static void put(uint32_t at, const void *p, size_t n)
{
	memcpy(front.mem + at, p, n);
	memcpy(d.shadow + at, p, n);
}

static void put16(uint32_t at, unsigned v)
{
	uint16_t v16 = (uint16_t)v;

	put(at, &v16, sizeof(v16));
}

/* What the device may have written */
static void accept_at(uint32_t at, size_t n)
{
	memcpy(d.shadow + at, front.mem + at, n);
}

static uint32_t avail_at(enum vu_ring_name i)
{
	return i * FRONT_RING + FRONT_AVAIL;
}

static uint32_t used_at(enum vu_ring_name i)
{
	return i * FRONT_RING + FRONT_USED;
}

static void expect(enum vu_ring_name i, uint32_t hdr_len, uint32_t len,
		   uint8_t first)
{
	assert(d.last[i] < EXPECTED);
	d.frame[i][d.last[i]++] = (struct frame){ hdr_len, len, first };
}

static void fill(uint8_t *p, size_t n, unsigned first)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(first + i);
}

/* ---- To the device ---- */

static void put_desc(uint32_t at, uint64_t addr, uint32_t len, unsigned flags,
		     unsigned next)
{
	addr += FRONT_GPA;
	put(at, &addr, sizeof(addr));
	put(at + 8, &len, sizeof(len));
	put16(at + 12, flags);
	put16(at + 14, next);
}

/* Where the chain's pieces are, of sizes that come of `sizes` */
static void lay_out(enum vu_ring_name i, struct chain *c, uint16_t head,
		    unsigned cnt, unsigned sizes)
{
	uint32_t room = ROOMS + (i * FRONT_NUM + head) * ROOM;
	uint32_t stride = ROOM / cnt;

	c->cnt = cnt;
	c->len = 0;
	for (unsigned n = 0; n < cnt; n++) {
		uint32_t len = (sizes * (n + 1) * 2654435761U >> 20) %
			       (stride - 4);

		/* A buffer has to be enough for something */
		if (n + 1 == cnt)
			len = i == VU_RX && !has(VU_F_MRG_RXBUF) ?
			      MAX(len, 300U) : MAX(len, 32U);
		c->piece[n] = (struct piece){ room + n * stride + 2, len };
		c->len += len;
	}
}

/* Descriptors for it: of the ring, or of a table */
static void describe(enum vu_ring_name i, const struct chain *c)
{
	unsigned flags = i == VU_RX ? F_WRITE : 0;
	bool indirect = c->descs < c->cnt;
	uint32_t ring = i * FRONT_RING;
	uint32_t table = TABLES + (i * FRONT_NUM + c->desc[0]) * TABLE;

	for (unsigned n = 0; n < c->cnt; n++) {
		bool last = n + 1 == c->cnt;

		put_desc(indirect ? table + n * 16 : ring + c->desc[n] * 16U,
			 c->piece[n].at, c->piece[n].len,
			 flags | (last ? 0 : F_NEXT),
			 last ? 0 : indirect ? n + 1 : c->desc[n + 1]);
	}
	if (indirect)
		put_desc(ring + c->desc[0] * 16U, table, c->cnt * 16,
			 F_INDIRECT, 0);
}

/* What the driver sends in it: a header of nothing, and bytes that count */
static void fill_chain(const struct chain *c)
{
	static uint8_t all[ROOM];
	uint32_t at = 0;

	memset(all, 0, VNET);
	fill(all + VNET, c->len - VNET, c->desc[0]);
	for (unsigned n = 0; n < c->cnt; n++) {
		put(c->piece[n].at, all + at, c->piece[n].len);
		at += c->piece[n].len;
	}
	if (c->len >= VNET + ETH)
		expect(VU_TX, 0, c->len - VNET, (uint8_t)c->desc[0]);
}

static void kick(enum vu_ring_name i, uint16_t old)
{
	uint16_t now = d.ring[i].avail, event;
	bool wanted;

	event = get16(used_at(i) + 4 + FRONT_NUM * 8);
	wanted = has(VU_F_EVENT_IDX) ?
		 (uint16_t)(now - event - 1) < (uint16_t)(now - old) :
		 !(get16(used_at(i)) & 1);
	if (wanted && d.ring[i].runs)
		front_kick(i);
	else
		front_end_of_turn();
}

static void lend(enum vu_ring_name i, unsigned cnt, unsigned sizes,
		 bool indirect)
{
	struct ring *r = &d.ring[i];
	struct chain *c;
	uint16_t old = r->avail;

	indirect &= has(VU_F_INDIRECT_DESC);
	cnt = 1 + cnt % (indirect ? PIECES : 8);
	if (!r->frees || (!indirect && cnt > r->frees) ||
	    (i == VU_TX && d.last[i] == EXPECTED))
		return;
	/* Without mergeable buffers, the last piece is for a whole frame */
	if (i == VU_RX && !has(VU_F_MRG_RXBUF))
		cnt = MIN(cnt, (unsigned)ROOM / 512);
	c = &r->chain[r->free[r->frees - 1]];
	assert(!c->lent);
	c->descs = indirect ? 1 : cnt;
	for (unsigned n = 0; n < c->descs; n++)
		c->desc[n] = r->free[--r->frees];
	lay_out(i, c, c->desc[0], cnt, sizes);
	describe(i, c);
	if (i == VU_TX)
		fill_chain(c);
	c->lent = true;
	r->order[r->avail % FRONT_NUM] = c->desc[0];
	put16(avail_at(i) + 4 + r->avail % FRONT_NUM * 2U, c->desc[0]);
	put16(avail_at(i) + 2, ++r->avail);
	kick(i, old);
}

/* ---- From the device ---- */

/* A frame that the driver sent */
static void received(const struct tap_frame *f)
{
	const struct frame *want = &d.frame[VU_TX][d.first[VU_TX]++];
	static uint8_t got[ROOM], right[ROOM];

	assert(d.first[VU_TX] <= d.last[VU_TX] && f->data.len == want->len);
	fill(right, want->len, want->first);
	bytes_copy(&f->data, 0, got, want->len);
	assert(!memcmp(got, right, want->len));
}

/* The chain that comes back next, and how many bytes were written to it; NULL */
static struct chain *take_back(enum vu_ring_name i, uint32_t *ret_len)
{
	struct ring *r = &d.ring[i];
	uint32_t at = used_at(i) + 4 + r->used % FRONT_NUM * 8U, entry[2];
	struct chain *c;

	if (get16(used_at(i) + 2) == r->used)
		return NULL;
	assert(r->used != r->avail);
	memcpy(entry, front.mem + at, sizeof(entry));
	accept_at(at, sizeof(entry));
	assert(entry[0] == r->order[r->used % FRONT_NUM]);
	c = &r->chain[entry[0]];
	assert(c->lent && entry[1] <= c->len && (i == VU_RX || !entry[1]));
	for (unsigned n = 0; i == VU_RX && n < c->cnt; n++)
		accept_at(c->piece[n].at, c->piece[n].len);
	c->lent = false;
	for (unsigned n = 0; n < c->descs; n++)
		r->free[r->frees++] = c->desc[n];
	r->used++;
	*ret_len = entry[1];
	return c;
}

/* The first len bytes of a chain */
static void copy_chain(const struct chain *c, uint32_t len, uint8_t *to)
{
	for (unsigned n = 0; len && n < c->cnt; n++) {
		uint32_t piece = MIN(len, c->piece[n].len);

		memcpy(to, front.mem + c->piece[n].at, piece);
		to += piece;
		len -= piece;
	}
	assert(!len);
}

/* A whole frame comes, of as many chains as it says */
static bool frame_comes(void)
{
	static uint8_t got[FRONT_MEM], right[FRONT_MEM];
	uint32_t len, all, head = 0, sum = 0;
	const struct frame *want;
	struct chain *c = take_back(VU_RX, &len);
	unsigned chains = 1;

	if (!c)
		return false;
	assert(d.first[VU_RX] < d.last[VU_RX]);
	want = &d.frame[VU_RX][d.first[VU_RX]++];
	all = VNET + MAX(want->hdr_len + want->len, (uint32_t)LEAST);
	for (;;) {
		copy_chain(c, len, got + sum);
		sum += len;
		assert(sum <= all);
		if (sum == all)
			break;
		/* Filled to its end before another one begins */
		assert(len == c->len && has(VU_F_MRG_RXBUF));
		c = take_back(VU_RX, &len);
		assert(c && len);
		chains++;
	}
	memset(right, 0, all);
	right[10] = (uint8_t)chains;
	fill(right + VNET, want->hdr_len, want->first);
	head = VNET + want->hdr_len;
	fill(right + head, want->len, want->first + want->hdr_len);
	assert(!memcmp(got, right, all));
	return true;
}

/* Can a frame that is expected be sent? */
static bool has_room(void)
{
	const struct frame *want = &d.frame[VU_RX][d.first[VU_RX]];
	const struct ring *r = &d.ring[VU_RX];
	uint32_t need = VNET + MAX(want->hdr_len + want->len, (uint32_t)LEAST);
	uint32_t sum = 0;

	if (d.first[VU_RX] == d.last[VU_RX])
		return false;
	for (uint16_t n = r->used; n != r->avail; n++)
		sum += r->chain[r->order[n % FRONT_NUM]].len;
	return sum >= need;
}

static void check_call(enum vu_ring_name i, bool given)
{
	struct ring *r = &d.ring[i];
	uint64_t n = 0;
	bool called = read(r->call, &n, sizeof(n)) > 0;

	assert(!given || called || r->quiet);
	/* When it next wants to be */
	put16(avail_at(i) + 4 + FRONT_NUM * 2, r->used + (r->quiet ? 0x8000 : 0));
	put16(avail_at(i), r->quiet && !has(VU_F_EVENT_IDX));
}

/* After all that happens */
static void check(void)
{
	uint16_t was[VU_RINGS] = { d.ring[VU_RX].used, d.ring[VU_TX].used };
	uint32_t len;

	/* More than a batch takes several turns */
	for (unsigned n = 0; n < 4 * FRONT_NUM && d.ring[VU_TX].runs &&
	     d.ring[VU_RX].runs; n++)
		front_end_of_turn();
	assert(front.here);
	while (frame_comes())
		;
	while (take_back(VU_TX, &len))
		;
	if (d.ring[VU_RX].runs && d.ring[VU_TX].runs) {
		assert(d.ring[VU_TX].used == d.ring[VU_TX].avail);
		assert(d.first[VU_TX] == d.last[VU_TX]);
		assert(!has_room());
	}
	for (enum vu_ring_name i = VU_RX; i < VU_RINGS; i++) {
		const struct ring *r = &d.ring[i];

		check_call(i, r->used != was[i]);
		accept_at(used_at(i), 4);
		accept_at(used_at(i) + 4 + FRONT_NUM * 8, 2);
	}
	/* What is lent is the device's to write to */
	for (uint16_t n = d.ring[VU_RX].used; n != d.ring[VU_RX].avail; n++) {
		const struct chain *c = &d.ring[VU_RX].chain[
			d.ring[VU_RX].order[n % FRONT_NUM]];

		for (unsigned i = 0; i < c->cnt; i++)
			accept_at(c->piece[i].at, c->piece[i].len);
	}
	assert(!memcmp(front.mem, d.shadow, FRONT_MEM));
}

/* ---- What happens ---- */

static void reserve(size_t want, size_t seg, unsigned frames, size_t last)
{
	static const struct tap_meta meta;
	static uint8_t hdr[HDR], data[FRONT_MEM];
	static struct tap_tx tx;
	size_t room, sum = 0;

	if (d.last[VU_RX] + TAP_TX_FRAMES > EXPECTED)
		return;
	room = tap_reserve(&tx, want, seg, HDR);
	assert(room <= want);
	for (unsigned i = 0; i < tx.count; i++) {
		assert(tx.frame[i].len && tx.frame[i].len <= seg);
		sum += tx.frame[i].len;
	}
	assert(sum == room);
	for (unsigned i = 0; i < tx.count && i < frames; i++) {
		size_t len = tx.frame[i].len;
		uint8_t first = (uint8_t)(d.last[VU_RX] * 7);
		struct bytes payload;

		if (i + 1 == frames)
			len = 1 + last % len;
		payload = tap_tx_payload(&tx, i, len);
		fill(hdr, HDR, first);
		fill(data, len, first + HDR);
		assert(bytes_fill(&payload, 0, data, len) == len);
		assert(tap_commit(&tx, i, hdr, len, &meta));
		expect(VU_RX, HDR, (uint32_t)len, first);
	}
	if (room)
		tap_cancel(&tx);
}

static void send_frame(size_t hdr_len, size_t len)
{
	static const struct tap_meta meta;
	uint8_t hdr[HDR], data[SEND_MAX], first = (uint8_t)(d.last[VU_RX] * 7);
	struct iovec iov = { data, len };
	struct bytes b = { &iov, 1, 0, (uint32_t)len };

	if (d.last[VU_RX] == EXPECTED)
		return;
	fill(hdr, hdr_len, first);
	fill(data, len, first + (unsigned)hdr_len);
	if (tap_send(hdr, hdr_len, &b, &meta))
		expect(VU_RX, (uint32_t)hdr_len, (uint32_t)len, first);
}

static void stop(enum vu_ring_name i)
{
	struct ring *r = &d.ring[i];

	front_say_state(GET_VRING_BASE, i, 0);
	assert(front.reply.p.state.num == get16(used_at(i) + 2));
	r->runs = false;
}

static void start(enum vu_ring_name i)
{
	d.ring[i].runs = true;
	front_ring_starts(i, get16(used_at(i) + 2), d.ring[i].call);
	/* A driver that starts finds nothing that waits for its last one */
	if (d.ring[!i].runs)
		d.first[VU_RX] = d.last[VU_RX];
}

static void step(const uint8_t *p)
{
	enum vu_ring_name i = p[0] >> 3 & 1;
	unsigned word = p[2] | (unsigned)p[3] << 8;

	switch (p[0] & 7) {
	case 0:
	case 1:
		lend(i, p[1], word, p[0] & 16);
		break;
	case 2:
		for (unsigned n = 0; n < FRONT_NUM; n++)
			lend(i, p[1], word + n, p[0] & 16);
		break;
	case 3:
	case 4:
		reserve(1 + word, 1 + p[4] * 64U, p[5], p[1]);
		front_end_of_turn();
		break;
	case 5:
		send_frame(ETH + p[1] % (HDR - ETH), word % SEND_MAX);
		front_end_of_turn();
		break;
	case 6:
		d.ring[i].quiet = p[1] & 1;
		break;
	case 7:
		if (!d.ring[i].runs)
			start(i);
		else
			stop(i);
		break;
	}
	check();
}

static void begin(const uint8_t *p)
{
	uint16_t base = p[1] & 1 ? (uint16_t)(65535 - p[1] % 32) : 0;

	for (enum vu_ring_name i = VU_RX; i < VU_RINGS; i++) {
		struct ring *r = &d.ring[i];
		int call = r->call;

		*r = (struct ring){ .call = call, .frees = FRONT_NUM,
				    .avail = base, .used = base };
		for (uint16_t n = 0; n < FRONT_NUM; n++)
			r->free[n] = n;
		put16(avail_at(i) + 2, base);
		put16(avail_at(i) + 4 + FRONT_NUM * 2, base);
		put16(used_at(i) + 2, base);
	}
	d.features = 1ULL << VU_F_VERSION_1 | 1ULL << VU_F_PROTOCOL |
		     (uint64_t)(p[0] & 1) << VU_F_MRG_RXBUF |
		     (uint64_t)(p[0] >> 1 & 3) << VU_F_INDIRECT_DESC |
		     (uint64_t)(p[0] >> 3 & 1) << VU_F_IN_ORDER;
	front_comes(d.features);
	start(VU_RX);
	start(VU_TX);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	if (len < 2)
		return 0;
	front.received = received;
	for (enum vu_ring_name i = VU_RX; i < VU_RINGS; i++) {
		d.first[i] = d.last[i] = 0;
		if (!d.ring[i].call)
			d.ring[i].call = eventfd(0, EFD_NONBLOCK);
	}
	memset(front.mem, 0, FRONT_MEM);
	memset(d.shadow, 0, FRONT_MEM);
	begin(p);
	check();
	for (size_t at = 2; at + 6 <= len; at += 6)
		step(p + at);
	front_goes();
	return 0;
}
