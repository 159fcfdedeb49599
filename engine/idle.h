/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may be ended to make room for something new, by its last use
 *
 * Lists, so that all of it costs the same however much there is. There are
 * some kinds, each with its owner, who ends them; of each kind, three ranks:
 * what is new or used takes the place of what is of less worth and longer
 * idle, never of what is in use itself.
 */
#ifndef ENGINE_IDLE_H
#define ENGINE_IDLE_H

#include "util/mono.h"

enum idle_kind {
	IDLE_FLOW,			/* id: flow; IDLE_ENTRY */
	IDLE_SOCK,			/* id: datagram socket; IDLE_FD */
	IDLE_UDP_SPLICE,		/* id: flow; IDLE_FD */
	IDLE_TCP_PENDING,		/* id: flow; both */
	IDLE_KINDS,
};

/* What is gained by ending it, at once; bits */
enum idle_gain {
	IDLE_ENTRY	= 1,		/* of the flow table */
	IDLE_FD		= 2,		/* a descriptor, at least */
};

/* As the host's connection tracking has it: what was answered and went on for two
 * seconds is a conversation, what ended before was a question and its answer
 */
enum idle_rank {
	IDLE_ONE_WAY,			/* never answered */
	IDLE_ANSWERED,
	IDLE_ASSURED,
	IDLE_RANKS,
};

/* Embedded in its owner; all zero means in no list */
struct idle {
	struct idle *prev, *next;
	mono_t used;			/* within some milliseconds */
	uint32_t id;
	uint8_t kind, rank;
};

struct idle_ops {
	unsigned gain;			/* of enum idle_gain */
	unsigned keep;			/* so many are only ended for others of
					 * their kind */
	void (*end)(uint32_t id);	/* calls idle_remove() */
};
void idle_set_ops(enum idle_kind kind, const struct idle_ops *ops);

/* It was used now; `began` is when it was for the first time, `answered`: seen both
 * ways. A rank never gets less. Into its list if it's in none.
 */
void idle_used(struct idle *n, enum idle_kind kind, uint32_t id, mono_t began,
	       bool answered);
/* Twice is harmless */
void idle_remove(struct idle *n);

/* End one of those that may be, for one more of kind `whose` (IDLE_KINDS: of another
 * kind than these). False if there's none.
 */
bool idle_end_one(enum idle_gain gain, enum idle_kind whose);

#endif /* ENGINE_IDLE_H */
