// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the flow table, see flow.h
 *
 * Data: FLOW_MAX entries, and as many chain heads. Entries come from a free
 * list, most recently freed first, so that the pages in use stay few; those
 * never used are never touched. Heads and chains are indices, not pointers.
 *
 * Invariants: an entry is FLOW_FREE, or allocated (FLOW_NEW until it is
 * complete), or FLOW_DEAD until flow_reap(): within a turn, an index that
 * somebody holds stays what it was. gen changes with each reuse, and every
 * epoll reference carries it.
 *
 * Eviction: when entries or descriptors are used up, what is in idle.h's lists
 * makes room. For entries that is done ahead, by flow_reap(), so that flow_alloc()
 * never ends a flow that somebody holds; for a descriptor, where the caller asks:
 * flow_make_room().
 */
#include "engine/flow.h"

#include <stdio.h>
#include <string.h>

#include "engine/drop.h"
#include "engine/news.h"
#include "util.h"
#include "util/siphash.h"

enum {
	FLOW_BUCKETS	= FLOW_MAX,
	FLOW_RESERVE	= 256,		/* ended at a time when the table is full */
	FLOW_SPARES	= 4,
	FLOW_PORT_TRIES	= 16,		/* for one that is free */
	FLOW_PORT_MIN	= 1024,
};
static_assert((FLOW_BUCKETS & (FLOW_BUCKETS - 1)) == 0, "used as a mask");

static struct {
	struct siphash_key key;
	uint32_t high;			/* entries [high, FLOW_MAX) are fresh */
	uint32_t free_head, dead_head;	/* index + 1, 0: empty */
	uint64_t count[FLOW_TYPES];
	struct flow_ops ops[FLOW_TYPES];	/* no end(): not in use */
	bool (*spare[FLOW_SPARES])(void);
	unsigned spares;
	uint32_t bucket[FLOW_BUCKETS];	/* index * 2 + side, + 1; 0: empty */
	struct flow entry[FLOW_MAX];
	struct flow_use use[FLOW_MAX];
} flows;

static const struct counter flow_rows[] = {
	GAUGE_OF("flows", "tcp", flows.count[FLOW_TCP], "flows", "of TCP"),
	GAUGE_OF("flows", "udp", flows.count[FLOW_UDP], "flows", "of UDP"),
	GAUGE_OF("flows", "ping", flows.count[FLOW_PING], "flows", "of ping"),
	GAUGE_OF("flows", "splice", flows.count[FLOW_SPLICE], "flows",
		 "of spliced TCP"),
	GAUGE_OF("flows", "udp_splice", flows.count[FLOW_UDP_SPLICE], "flows",
		 "of spliced UDP"),
};

void flow_init(void)
{
	counters_add("now", flow_rows, ARRAY_SIZE(flow_rows));
	random_bytes(&flows.key, sizeof(flows.key));
}

uint32_t flow_index(const struct flow *f)
{
	return (uint32_t)(f - flows.entry);
}

struct flow *flow_at(uint32_t index)
{
	assert(index < FLOW_MAX);
	return &flows.entry[index];
}

static void flow_set_type(struct flow *f, enum flow_type type)
{
	flows.count[f->type]--;
	f->type = (uint8_t)type;
	flows.count[type]++;
}

struct flow *flow_alloc(void)
{
	struct flow *f;
	uint16_t gen;

	if (flows.free_head) {
		f = &flows.entry[flows.free_head - 1];
		flows.free_head = f->next[0];
	} else if (flows.high < FLOW_MAX) {
		f = &flows.entry[flows.high++];
	} else {
		drop(DROP_NO_ENTRY);
		return NULL;
	}
	gen = f->gen;
	memset(f, 0, sizeof(*f));
	f->gen = gen;
	flow_set_type(f, FLOW_NEW);
	return f;
}

void flow_activate(struct flow *f, enum flow_type type)
{
	flow_assert(f, f->type == FLOW_NEW);
	flow_set_type(f, type);
	flows.use[flow_index(f)] = (struct flow_use){
		.begun = loop_now(),
		.moved_s = (uint32_t)(loop_now().us / 1000000),
	};
	news_tell(NEWS_FLOW_BEGIN, f);
}

uint64_t flow_side_hash(uint8_t proto, const struct flow_side *addrs)
{
	struct {
		struct flow_side side;
		uint32_t proto;
	} in = { *addrs, proto };

	static_assert(sizeof(in) == 40, "no padding in what is hashed");
	return siphash(&flows.key, &in, sizeof(in));
}

static uint32_t *flow_bucket(enum flow_side_name side, uint8_t proto,
			     const struct flow_side *addrs)
{
	uint64_t h = flow_side_hash(proto, addrs);

	/* The sides have chains of their own */
	return &flows.bucket[(uint32_t)(side == HOST ? h >> 32 : h) &
			     (FLOW_BUCKETS - 1)];
}

void flow_hash(struct flow *f, enum flow_side_name side)
{
	uint32_t *head = flow_bucket(side, f->proto, &f->side[side]);

	flow_assert(f, !(f->hashed & 1 << side));
	f->next[side] = *head;
	*head = flow_index(f) * 2 + side + 1;
	f->hashed |= (uint8_t)(1 << side);
}

void flow_unhash(struct flow *f, enum flow_side_name side)
{
	uint32_t *link = flow_bucket(side, f->proto, &f->side[side]);
	uint32_t self = flow_index(f) * 2 + side + 1;

	while (*link != self) {
		flow_assert(f, *link);
		link = &flows.entry[(*link - 1) / 2].next[(*link - 1) % 2];
	}
	*link = f->next[side];
	f->hashed &= (uint8_t)~(1 << side);
}

struct flow *flow_lookup(enum flow_side_name side, uint8_t proto,
			 const struct flow_side *addrs)
{
	uint32_t at = *flow_bucket(side, proto, addrs);

	while (at) {
		struct flow *f = &flows.entry[(at - 1) / 2];
		unsigned s = (at - 1) % 2;

		if (s == side && f->proto == proto &&
		    !memcmp(&f->side[s], addrs, sizeof(*addrs)))
			return f;
		at = f->next[s];
	}
	return NULL;
}

bool flow_other_port(uint8_t proto, struct flow_side *guest)
{
	uint32_t any = (uint32_t)flow_side_hash(proto, guest);
	struct flow_side other = *guest;

	for (uint32_t i = 0; i < FLOW_PORT_TRIES; i++) {
		other.our_port = (uint16_t)(FLOW_PORT_MIN + (any + i) %
					    (UINT16_MAX + 1 - FLOW_PORT_MIN));
		if (!flow_lookup(GUEST, proto, &other)) {
			*guest = other;
			return true;
		}
	}
	return false;
}

void flow_free(struct flow *f)
{
	if (f->type == FLOW_DEAD)
		return;
	flow_assert(f, f->type != FLOW_FREE);
	for (unsigned side = 0; side < FLOW_SIDES; side++)
		if (f->hashed & 1 << side)
			flow_unhash(f, side);
	if (f->type != FLOW_NEW)
		news_tell(NEWS_FLOW_END, f);
	flow_set_type(f, FLOW_DEAD);
	f->next[0] = flows.dead_head;
	flows.dead_head = flow_index(f) + 1;
}

/* The dead ones' entries can be used again, with another gen */
static void flow_bury(void)
{
	while (flows.dead_head) {
		struct flow *f = &flows.entry[flows.dead_head - 1];

		flows.dead_head = f->next[0];
		flow_set_type(f, FLOW_FREE);
		f->gen++;
		f->next[0] = flows.free_head;
		flows.free_head = flow_index(f) + 1;
	}
}

void flow_reap(void)
{
	flow_bury();
	if (flows.free_head || flows.high < FLOW_MAX)
		return;
	/* Whoever begins the next ones pays for it */
	loop_opening_starts();
	for (unsigned i = 0; i < FLOW_RESERVE; i++)
		if (!idle_end_one(IDLE_ENTRY, IDLE_FLOW))
			break;
	loop_opening_ends();
	flow_bury();
}

struct flow *flow_from_ref(struct loop_ref ref, enum flow_type type)
{
	struct flow *f;

	if (ref.index >= FLOW_MAX)
		return NULL;
	f = &flows.entry[ref.index];
	return f->type == type && f->gen == ref.gen ? f : NULL;
}

struct loop_ref flow_ref(const struct flow *f, enum loop_kind kind)
{
	return (struct loop_ref){ .kind = (uint8_t)kind, .gen = f->gen,
				  .index = flow_index(f) };
}

const struct flow_use *flow_use(const struct flow *f)
{
	return &flows.use[flow_index(f)];
}

void flow_moved(const struct flow *f, enum flow_side_name from, uint64_t bytes)
{
	struct flow_use *use = &flows.use[flow_index(f)];

	use->bytes[from] += bytes;
	use->moved_s = (uint32_t)(loop_now().us / 1000000);
}

void flow_resent(const struct flow *f)
{
	flows.use[flow_index(f)].resent++;
}

void flow_set_ops(enum flow_type type, const struct flow_ops *ops)
{
	flows.ops[type] = *ops;
}

const struct flow_ops *flow_type_ops(enum flow_type type)
{
	const struct flow_ops *ops = &flows.ops[type];

	return ops->end ? ops : NULL;
}

const struct flow_ops *flow_ops(const struct flow *f)
{
	return flow_type_ops((enum flow_type)f->type);
}

void flow_end(struct flow *f)
{
	flows.ops[f->type].end(f);
}

void flow_evict(struct flow *f)
{
	flow_debug(f, "ended to make room");
	drop(DROP_EVICTED);
	flow_end(f);
}

void flow_add_spare(bool (*give_up)(void))
{
	assert(flows.spares < FLOW_SPARES);
	flows.spare[flows.spares++] = give_up;
}

bool flow_make_room_for(int rc, enum idle_kind whose)
{
	if (!is_out_of_files(rc))
		return false;
	for (unsigned i = 0; i < flows.spares; i++) {
		if (flows.spare[i]())
			return true;
	}
	return idle_end_one(IDLE_FD, whose);
}

bool flow_make_room(int rc)
{
	return flow_make_room_for(rc, IDLE_KINDS);
}

unsigned flow_count(enum flow_type type)
{
	return (unsigned)flows.count[type];
}

uint32_t flow_high(void)
{
	return flows.high;
}

const char *flow_print(const struct flow *f, char *buf)
{
	const struct flow_side *g = &f->side[GUEST], *h = &f->side[HOST];
	const struct flow_ops *ops = flow_ops(f);
	const char *name = ops ? ops->name : "new";

	if (f->ini == GUEST)
		snprintf(buf, FLOW_STRLEN, "%s %s -> %s => %s", name,
			 ENDPOINT_STR(&g->peer, g->peer_port),
			 ENDPOINT_STR(&g->our, g->our_port),
			 ENDPOINT_STR(&h->peer, h->peer_port));
	else
		snprintf(buf, FLOW_STRLEN, "%s %s -> %s => %s -> %s", name,
			 ENDPOINT_STR(&h->peer, h->peer_port),
			 ENDPOINT_STR(&h->our, h->our_port),
			 ENDPOINT_STR(&g->our, g->our_port),
			 ENDPOINT_STR(&g->peer, g->peer_port));
	return buf;
}
