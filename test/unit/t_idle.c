// SPDX-License-Identifier: GPL-2.0-or-later
/* What ends to make room: who goes first, who never; and against a model that
 * looks through all of them
 *
 * Links: engine/idle.o
 */
#include "engine/idle.h"

#include <stdlib.h>

#include "engine/loop.h"
#include "random.h"
#include "tap_test.h"
#include "util.h"

enum { NODES = 400 };

static mono_t now = { 1000000000 };

mono_t loop_now(void)
{
	return now;
}

static struct node {
	struct idle idle;
	mono_t began;
	bool there;
} nodes[IDLE_KINDS][NODES];

static int ended_kind = -1, ended_id = -1;

static void end_of(enum idle_kind kind, uint32_t id)
{
	ended_kind = (int)kind;
	ended_id = (int)id;
	idle_remove(&nodes[kind][id].idle);
	idle_remove(&nodes[kind][id].idle);
	nodes[kind][id].there = false;
}

static void end_flow(uint32_t id)
{
	end_of(IDLE_FLOW, id);
}

static void end_sock(uint32_t id)
{
	end_of(IDLE_SOCK, id);
}

static void end_splice(uint32_t id)
{
	end_of(IDLE_UDP_SPLICE, id);
}

static void end_pending(uint32_t id)
{
	end_of(IDLE_TCP_PENDING, id);
}

static void later_ms(int64_t ms)
{
	now.us += ms * 1000;
}

static void used(enum idle_kind kind, uint32_t id, bool answered)
{
	struct node *n = &nodes[kind][id];

	if (!n->there)
		*n = (struct node){ .began = now, .there = true };
	idle_used(&n->idle, kind, id, n->began, answered);
}

/* The id of what ends, -1 if nothing does */
static int ends_for(enum idle_gain gain, enum idle_kind whose)
{
	ended_id = ended_kind = -1;
	if (idle_end_one(gain, whose) != (ended_id >= 0))
		return -2;
	return ended_id;
}

static int ends(void)
{
	return ends_for(IDLE_ENTRY, IDLE_FLOW);
}

static void order(void)
{
	is_int(ends(), -1, "nothing there");
	used(IDLE_FLOW, 1, false);
	is_int(ends(), -1, "used in this turn");
	later_ms(1);
	used(IDLE_FLOW, 2, false);
	later_ms(1);
	is_int(ends(), 1, "the older one of two");
	is_int(ends(), 2, "the other one");
	is_int(ends(), -1, "none is left");

	used(IDLE_FLOW, 1, false);
	used(IDLE_FLOW, 2, false);
	later_ms(50);
	used(IDLE_FLOW, 1, false);
	later_ms(50);
	is_int(ends(), 2, "the one that wasn't used again");
	is_int(ends(), 1, "then the other one");

	used(IDLE_FLOW, 1, true);
	later_ms(50);
	used(IDLE_FLOW, 2, false);
	later_ms(50);
	is_int(ends(), 2, "a question before an answered one");
	is_int(ends(), 1, "that one too, if need be");

	used(IDLE_FLOW, 1, true);
	later_ms(1500);
	used(IDLE_FLOW, 2, false);
	later_ms(50);
	is_int(ends(), 1, "one that was answered a second ago before a question");
	is_int(ends(), 2, "then the question");

	used(IDLE_FLOW, 1, true);
	later_ms(2500);
	used(IDLE_FLOW, 1, true);
	later_ms(29000);
	is_int(ends(), -1, "a conversation stays");
	used(IDLE_FLOW, 1, false);
	later_ms(29000);
	is_int(ends(), -1, "  one way, too");
	used(IDLE_FLOW, 2, false);
	later_ms(1100);
	is_int(ends(), 2, "  and a question ends before it");
	is_int(ends(), 1, "  that has been silent for half a minute");
}

static void kinds(void)
{
	used(IDLE_FLOW, 1, false);
	used(IDLE_SOCK, 2, false);
	used(IDLE_UDP_SPLICE, 3, true);
	later_ms(100);
	is_int(ends_for(IDLE_FD, IDLE_SOCK), 2, "what has a descriptor");
	is_int(ends_for(IDLE_FD, IDLE_SOCK), 3, "  another one");
	is_int(ends_for(IDLE_FD, IDLE_SOCK), -1, "  not an entry");
	is_int(ends(), 1, "nor for an entry what has a descriptor");
}

static void both_gains(void)
{
	used(IDLE_TCP_PENDING, 4, false);
	used(IDLE_TCP_PENDING, 5, false);
	later_ms(100);
	is_int(ends_for(IDLE_FD, IDLE_SOCK), 4, "what is worth both");
	is_int(ends_for(IDLE_ENTRY, IDLE_FLOW), 5, "  for an entry, too");
}

static void keep(void)
{
	const struct idle_ops ops = { .gain = IDLE_FD, .keep = 2,
				      .end = end_sock };

	idle_set_ops(IDLE_SOCK, &ops);
	for (uint32_t i = 0; i < 3; i++)
		used(IDLE_SOCK, i, false);
	later_ms(5000);
	is_int(ends_for(IDLE_FD, IDLE_KINDS), 0, "kept: more than that");
	is_int(ends_for(IDLE_FD, IDLE_KINDS), -1, "  not the others");
	is_int(ends_for(IDLE_FD, IDLE_UDP_SPLICE), -1, "  for whomever");
	used(IDLE_UDP_SPLICE, 7, false);
	later_ms(10);
	is_int(ends_for(IDLE_FD, IDLE_KINDS), 7, "  another kind's instead");
	is_int(ends_for(IDLE_FD, IDLE_SOCK), 1, "  but for one of their own");
	is_int(ends_for(IDLE_FD, IDLE_SOCK), 2, "  and the last one");
}

/* How early one of the model goes: 0 with the oldest ones, 4: not at all */
static unsigned model_order(const struct idle *n)
{
	int64_t us = now.us - n->used.us;

	if (n->rank == IDLE_ASSURED)
		return us > 30000000 ? 3 : 4;
	if (us > 1000000)
		return 0;
	return us > 0 ? 1 + (n->rank == IDLE_ANSWERED) : 4;
}

static bool model_is_first(const struct idle *n, enum idle_kind kind)
{
	unsigned mine = model_order(n);

	for (unsigned i = 0; i < NODES; i++) {
		const struct idle *o = &nodes[kind][i].idle;
		unsigned other = model_order(o);

		if (nodes[kind][i].there && o != n &&
		    (other < mine || (other == mine &&
				      o->used.us < n->used.us)))
			return false;
	}
	return mine < 4;
}

static void against_model(void)
{
	unsigned wrong = 0, gone = 0, none = 0;

	for (unsigned round = 0; round < rounds_of(200000); round++) {
		uint32_t id = random_below(NODES);

		if (!random_below(4))
			later_ms((int64_t)random_below(random_below(100) ?
						       40 : 40000));
		if (random_below(3)) {
			used(IDLE_FLOW, id, random_below(2));
			continue;
		}
		if (nodes[IDLE_FLOW][id].there && !random_below(8)) {
			end_flow(id);
			continue;
		}
		/* Who would it be? Looked up before it is gone. */
		for (id = 0; id < NODES; id++)
			if (nodes[IDLE_FLOW][id].there &&
			    model_is_first(&nodes[IDLE_FLOW][id].idle,
					   IDLE_FLOW))
				break;
		if (id == NODES) {
			none++;
			wrong += ends() != -1;
		} else {
			mono_t at = nodes[IDLE_FLOW][id].idle.used;
			int got = ends();

			gone++;
			/* Which of several that are equally old doesn't matter */
			wrong += got < 0 ||
				 nodes[IDLE_FLOW][got].idle.used.us != at.us;
		}
	}
	is_int((int)wrong, 0, "as in the model");
	ok(gone > rounds_of(1000) && none, "  %u ended, %u times there was none", gone,
	   none);
}

int main(void)
{
	const struct idle_ops flow = { .gain = IDLE_ENTRY, .end = end_flow };
	const struct idle_ops sock = { .gain = IDLE_FD, .end = end_sock };
	const struct idle_ops splice = { .gain = IDLE_FD, .end = end_splice };
	const struct idle_ops pending = { .gain = IDLE_FD | IDLE_ENTRY,
					  .end = end_pending };

	idle_set_ops(IDLE_FLOW, &flow);
	idle_set_ops(IDLE_SOCK, &sock);
	idle_set_ops(IDLE_UDP_SPLICE, &splice);
	idle_set_ops(IDLE_TCP_PENDING, &pending);
	order();
	kinds();
	both_gains();
	keep();
	against_model();
	return done();
}
