// SPDX-License-Identifier: GPL-2.0-or-later
/* The flow table, against a model that is a plain list
 *
 * Links: engine/flow.o engine/idle.o engine/news.o util/addr.o
 */
#include "engine/flow.h"

#include "engine/drop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "random.h"
#include "tap_test.h"
#include "util.h"
#include "util/wire.h"

enum log_level log_max = LOG_LVL_ERR;

void log_msg(enum log_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
}

static mono_t now;

void loop_opening_starts(void)
{
}

void loop_opening_ends(void)
{
}

mono_t loop_now(void)
{
	return now;
}

void random_bytes(void *buf, size_t n)
{
	random_fill(buf, n);
}

static struct flow_side side_of(const char *our, uint16_t our_port,
				const char *peer, uint16_t peer_port)
{
	struct flow_side s = { .our_port = our_port, .peer_port = peer_port };

	addr_parse(our, &s.our);
	addr_parse(peer, &s.peer);
	return s;
}

/* Few different ones, so that they collide with each other */
static struct flow_side some_side(uint32_t n)
{
	uint32_t our = 0xc0000200 + n % 7, peer = 0x0a000000 + n / 7 % 11;

	return (struct flow_side){
		.our = addr_v4(our), .peer = addr_v4(peer),
		.our_port = (uint16_t)(80 + n % 3),
		.peer_port = (uint16_t)(n / 77 + 1),
	};
}

static void life(void)
{
	struct flow_side guest = side_of("192.0.2.1", 80, "10.0.2.15", 40000);
	struct flow_side host = side_of("::", 0, "192.0.2.1", 80);
	struct loop_ref ref;
	struct flow *f = flow_alloc();
	uint32_t index;

	is_int(f->type, FLOW_NEW, "a new flow");
	is_int(flow_count(FLOW_NEW), 1, "  is counted");
	ok(flow_high() >= 1, "  and within the bound for walking");
	f->proto = PROTO_TCP;
	f->side[GUEST] = guest;
	f->side[HOST] = host;
	ok(!flow_lookup(GUEST, PROTO_TCP, &guest), "not found before it's "
	   "hashed");
	flow_hash(f, GUEST);
	ok(flow_lookup(GUEST, PROTO_TCP, &guest) == f, "then found");
	ok(!flow_lookup(GUEST, PROTO_UDP, &guest), "not by another protocol");
	ok(!flow_lookup(HOST, PROTO_TCP, &guest), "nor as the other side");
	ok(!flow_lookup(HOST, PROTO_TCP, &host), "nor by the other side");
	flow_hash(f, HOST);
	ok(flow_lookup(HOST, PROTO_TCP, &host) == f, "unless hashed by it");
	guest.peer_port++;
	ok(!flow_lookup(GUEST, PROTO_TCP, &guest), "nor by another port");
	guest.peer_port--;
	guest.peer.b[0] ^= 1;
	ok(!flow_lookup(GUEST, PROTO_TCP, &guest), "nor by another address");
	guest.peer.b[0] ^= 1;

	flow_activate(f, FLOW_TCP);
	is_int(flow_count(FLOW_TCP), 1, "activated: counted by type");
	is_int(flow_count(FLOW_NEW), 0, "  and no longer as new");
	index = flow_index(f);
	ok(flow_at(index) == f, "found by its index");

	ref = flow_ref(f, LOOP_TCP);
	is_int(ref.kind, LOOP_TCP, "reference for events");
	ok(flow_from_ref(ref, FLOW_TCP) == f, "  leads to it");
	ok(!flow_from_ref(ref, FLOW_UDP), "  not as another type");

	flow_free(f);
	ok(!flow_lookup(GUEST, PROTO_TCP, &guest) &&
	   !flow_lookup(HOST, PROTO_TCP, &host), "freed: not found");
	ok(!flow_from_ref(ref, FLOW_TCP), "  its reference is stale");
	is_int(f->type, FLOW_DEAD, "  but still there");
	ok(addr_eq(&f->side[GUEST].peer, &guest.peer), "  with its contents");
	flow_free(f);
	is_int(flow_count(FLOW_DEAD), 1, "twice is harmless");
	ok(flow_alloc() != f, "not reused within the turn");
	flow_reap();
	is_int(flow_count(FLOW_DEAD), 0, "free at the end of the turn");
	ok(!flow_from_ref(ref, FLOW_TCP), "  the reference still stale");
	f = flow_alloc();
	is_int(flow_index(f), index, "then reused, most recently freed first");
	flow_activate(f, FLOW_TCP);
	ok(!flow_from_ref(ref, FLOW_TCP), "  not for the old reference");
	ok(addr_is_none(&f->side[GUEST].peer) && !f->hashed && !f->proto,
	   "  and empty");
	ref.index = FLOW_MAX;
	ok(!flow_from_ref(ref, FLOW_TCP), "reference beyond the table");
	ref.index = UINT32_MAX;
	ok(!flow_from_ref(ref, FLOW_TCP), "  and far beyond");

	flow_free(f);
	flow_free(flow_at(index ? 0 : 1));
	flow_reap();
	is_int(flow_count(FLOW_NEW) + flow_count(FLOW_TCP), 0, "all freed");
}

/* Each reuse of an entry makes references to the one before stale */
static void generations(void)
{
	struct loop_ref last = { 0 };
	unsigned wrong = 0;

	for (int i = 0; i < 70000; i++) {
		struct flow *f = flow_alloc();
		struct loop_ref ref = flow_ref(f, LOOP_UDP);

		flow_activate(f, FLOW_UDP);
		wrong += flow_from_ref(ref, FLOW_UDP) != f;
		wrong += i && flow_from_ref(last, FLOW_UDP);
		last = ref;
		flow_free(f);
		flow_reap();
	}
	is_int(wrong, 0, "70000 uses of an entry: the reference before is "
	       "stale each time");
}

static void printing(void)
{
	const struct flow_ops tcp = { .name = "TCP", .end = flow_free };
	const struct flow_ops udp = { .name = "UDP", .end = flow_free };
	struct flow *f = flow_alloc();
	char buf[FLOW_STRLEN];

	flow_set_ops(FLOW_TCP, &tcp);
	flow_set_ops(FLOW_UDP, &udp);
	ok(!flow_ops(f), "a new flow is of no type yet");
	flow_activate(f, FLOW_TCP);
	f->ini = GUEST;
	f->side[GUEST] = side_of("192.0.2.1", 80, "10.0.2.15", 40000);
	f->side[HOST] = side_of("::", 0, "127.0.0.1", 80);
	is_str(FLOW_STR(f), "TCP 10.0.2.15:40000 -> 192.0.2.1:80 => "
	       "127.0.0.1:80", "as the guest began it");
	flow_end(f);
	ok(f->type == FLOW_DEAD && !flow_ops(f), "ended as its type does");
	f = flow_alloc();
	flow_activate(f, FLOW_UDP);
	f->ini = HOST;
	f->side[HOST] = side_of("2001:db8::1", 53, "2001:db8::2", 5353);
	f->side[GUEST] = side_of("2001:db8::2", 5353, "2001:db8::15", 53);
	is_str(FLOW_STR(f), "UDP [2001:db8::2]:5353 -> [2001:db8::1]:53 => "
	       "[2001:db8::2]:5353 -> [2001:db8::15]:53",
	       "as the host began it");

	/* The longest there is, in a buffer of exactly that size */
	memset(&f->side, 0xff, sizeof(f->side));
	flow_print(f, buf);
	ok(strlen(buf) > 4 * 47 && strlen(buf) < sizeof(buf) - 1,
	   "the longest one: %zu of %zu", strlen(buf), sizeof(buf) - 1);
	flow_free(f);
	flow_reap();
}

static void full_table(void)
{
	struct flow *f;
	unsigned n = 0, wrong = 0;

	while ((f = flow_alloc())) {
		f->proto = PROTO_TCP;
		f->side[GUEST] = f->side[HOST] = some_side(n++);
		flow_hash(f, GUEST);
		flow_hash(f, HOST);
		flow_activate(f, FLOW_TCP);
	}
	is_int(n, FLOW_MAX, "as many flows as there are entries");
	is_int(flow_high(), FLOW_MAX, "  the bound is the table's end");
	is_int(flow_count(FLOW_TCP), FLOW_MAX, "  all counted");
	ok(!flow_alloc(), "  no more");
	for (unsigned i = 0; i < FLOW_MAX; i++) {
		struct flow_side s = some_side(i);

		f = flow_lookup(i % 2 ? GUEST : HOST, PROTO_TCP, &s);
		wrong += !f || memcmp(&f->side[GUEST], &s, sizeof(s));
	}
	is_int(wrong, 0, "  all found");

	f = flow_at(4711);
	flow_free(f);
	ok(!flow_alloc(), "one freed: not before the turn has ended");
	flow_reap();
	ok(flow_alloc() == f, "  but then");
	for (uint32_t i = 0; i < FLOW_MAX; i++)
		flow_free(flow_at(i));
	is_int(flow_count(FLOW_DEAD), FLOW_MAX, "all freed at once");
	flow_reap();
	is_int(flow_count(FLOW_DEAD) + flow_count(FLOW_TCP), 0, "  and gone");
}

/* The model: what was hashed, by number of its side's addresses */
enum { SIDES = 900 };
static struct {
	struct flow *flow[FLOW_SIDES][SIDES];
	struct { struct flow *f; struct loop_ref ref; uint32_t n[FLOW_SIDES];
	} live[SIDES];
	unsigned count;
} model;

static void model_add(void)
{
	uint32_t g = random_below(SIDES), h = random_below(SIDES);
	struct flow *f;

	if (model.count == SIDES || model.flow[GUEST][g] ||
	    model.flow[HOST][h])
		return;
	f = flow_alloc();
	f->proto = PROTO_UDP;
	f->side[GUEST] = some_side(g);
	f->side[HOST] = some_side(h);
	if (random_below(4)) {
		flow_hash(f, GUEST);
		model.flow[GUEST][g] = f;
	}
	if (random_below(4)) {
		flow_hash(f, HOST);
		model.flow[HOST][h] = f;
	}
	flow_activate(f, FLOW_UDP);
	model.live[model.count].f = f;
	model.live[model.count].ref = flow_ref(f, LOOP_UDP);
	model.live[model.count].n[GUEST] = g;
	model.live[model.count++].n[HOST] = h;
}

static unsigned model_remove(void)
{
	unsigned i = random_below(model.count), wrong = 0;
	struct flow *f = model.live[i].f;

	if (!model.count)
		return 0;
	wrong += flow_from_ref(model.live[i].ref, FLOW_UDP) != f;
	for (unsigned s = 0; s < FLOW_SIDES; s++)
		if (model.flow[s][model.live[i].n[s]] == f)
			model.flow[s][model.live[i].n[s]] = NULL;
	flow_free(f);
	wrong += flow_from_ref(model.live[i].ref, FLOW_UDP) != NULL;
	model.live[i] = model.live[--model.count];
	return wrong;
}

static unsigned model_differs(void)
{
	unsigned wrong = 0;

	for (uint32_t n = 0; n < SIDES; n++) {
		struct flow_side s = some_side(n);

		for (unsigned side = 0; side < FLOW_SIDES; side++)
			wrong += flow_lookup(side, PROTO_UDP, &s) !=
				 model.flow[side][n];
	}
	return wrong + (flow_count(FLOW_UDP) != model.count);
}

static void against_model(void)
{
	unsigned wrong = 0;

	for (int i = 0; i < 200000; i++) {
		if (random_below(2))
			model_add();
		else
			wrong += model_remove();
		if (!random_below(16))
			flow_reap();
		if (!random_below(1000))
			wrong += model_differs();
	}
	is_int(wrong, 0, "200000 random operations, as in the model");
	while (model.count)
		wrong += model_remove();
	flow_reap();
	is_int(wrong + model_differs(), 0, "all gone in the end");
}

/* Same addresses on a side twice: the later one is found, then the other */
static void twins(void)
{
	struct flow_side s = some_side(5);
	struct flow *a = flow_alloc(), *b = flow_alloc();

	a->proto = b->proto = PROTO_TCP;
	a->side[GUEST] = b->side[GUEST] = s;
	flow_hash(a, GUEST);
	flow_hash(b, GUEST);
	ok(flow_lookup(GUEST, PROTO_TCP, &s) == b, "of two alike, the later");
	flow_free(b);
	ok(flow_lookup(GUEST, PROTO_TCP, &s) == a, "  then the other one");
	flow_free(a);
	ok(!flow_lookup(GUEST, PROTO_TCP, &s), "  then none");
	flow_reap();
}

static void hashes(void)
{
	struct flow_side s = some_side(1), t = s;

	ok(flow_side_hash(PROTO_TCP, &s) == flow_side_hash(PROTO_TCP, &t),
	   "equal sides have equal hashes");
	ok(flow_side_hash(PROTO_TCP, &s) != flow_side_hash(PROTO_UDP, &s),
	   "the protocol matters");
	t.peer_port ^= 1;
	ok(flow_side_hash(PROTO_TCP, &s) != flow_side_hash(PROTO_TCP, &t),
	   "as does a port");
	flow_init();
	ok(flow_side_hash(PROTO_TCP, &t) != flow_side_hash(PROTO_TCP, &s),
	   "and the key: another one in each run");
}

static void evict_end(struct flow *f)
{
	idle_remove(&f->dgram.idle);
	flow_free(f);
}

static void evict_at(uint32_t index)
{
	flow_evict(flow_at(index));
}

static struct flow *evict_new(enum flow_type type)
{
	struct flow *f = flow_alloc();

	if (!f)
		return NULL;
	flow_activate(f, type);
	if (type == FLOW_UDP)
		idle_used(&f->dgram.idle, IDLE_FLOW, flow_index(f), now, false);
	return f;
}

static void evict(void)
{
	const struct flow_ops ops = { .name = "UDP", .end = evict_end };
	const struct idle_ops room = { .gain = IDLE_ENTRY, .end = evict_at };
	struct flow *old, *f, *tcp;
	unsigned full = 0;

	flow_set_ops(FLOW_UDP, &ops);
	idle_set_ops(IDLE_FLOW, &room);
	ok(!flow_make_room(-EMFILE), "no room to make without flows");
	tcp = evict_new(FLOW_TCP);
	old = evict_new(FLOW_UDP);
	now.us += 200000;
	f = evict_new(FLOW_UDP);
	ok(!flow_make_room(-ECONNREFUSED), "not for other errors");
	ok(!flow_make_room(-EMFILE), "nor where nobody has a descriptor to give");
	while (evict_new(FLOW_TCP))
		full++;
	ok(full, "the table is full");
	is_int(old->type, FLOW_UDP, "  which ends none in that turn");
	flow_reap();
	is_int(old->type, FLOW_FREE, "  then the one that can be ended");
	is_int(f->type, FLOW_UDP, "  but not one that was used in that turn");
	is_int(tcp->type, FLOW_TCP, "  and no connection");
	is_int((int)drop_counts[DROP_EVICTED], 1, "  which is counted");
	ok(evict_new(FLOW_TCP) == old, "  then there's an entry");
	now.us += 200000;
	flow_reap();
	is_int(f->type, FLOW_FREE, "  the next one, a turn later");
	for (uint32_t i = 0; i < flow_high(); i++)
		if (flow_at(i)->type == FLOW_TCP)
			flow_free(flow_at(i));
	flow_reap();
	is_int(flow_count(FLOW_TCP), 0, "all are gone");
}

int main(void)
{
	flow_init();
	life();
	generations();
	printing();
	twins();
	against_model();
	full_table();
	evict();
	against_model();
	hashes();
	return done();
}
