/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Timers: one hashed hierarchical wheel, intrusive nodes, no system call
 *
 * Resolution is about a millisecond (1024 µs); a timer never fires early, and
 * at most two ticks late. Moving a timer to a later time is free: it stays
 * where it is in the wheel and moves itself when its slot comes up.
 */
#ifndef ENGINE_TIMER_H
#define ENGINE_TIMER_H

#include "util/mono.h"

enum timer_kind {
	TIMER_TCP,
	TIMER_TCP_ACK,
	TIMER_UDP,
	TIMER_ICMP,
	TIMER_NDP,			/* periodic router advertisements */
	TIMER_NETNS,			/* is the namespace still there? */
	TIMER_FWD,			/* auto ports */
	TIMER_STATS,
	TIMER_DUMP,			/* more of a long list, for SIGUSR1 */
	TIMER_FRAG,
	TIMER_DNS,			/* a resolver is silent */
	TIMER_DNS_TCP,
	TIMER_API,
	TIMER_RETRY,			/* after faults of the moment: retry.c */
	TIMER_WATCHER,			/* has it ended? */
	TIMER_NET_FLOWS,		/* more flows, after a change */
	TIMER_KINDS,
};

/* Embedded in its owner; all zero means not armed */
struct timer {
	struct timer *next;
	struct timer **pprev;		/* NULL: not in the wheel */
	uint32_t slot_tick;		/* when its slot is due */
	uint32_t deadline;		/* tick at which it really fires */
	uint8_t kind;
	bool armed;
};

typedef void (*timer_handler)(struct timer *t);

/* The wheel begins to turn; nothing is due before `now` */
void timer_init(mono_t now);
void timer_set_handler(enum timer_kind kind, timer_handler fn);
/* Fire once at `when` (or as soon as possible if that has passed) */
void timer_set(struct timer *t, enum timer_kind kind, mono_t when);
void timer_cancel(struct timer *t);
bool timer_is_armed(const struct timer *t);
/* When it will fire, or, in its handler, should have; only for an armed one */
mono_t timer_deadline(const struct timer *t);

/* Milliseconds from `now` until something is due, rarely less; -1: nothing is
 * armed
 */
int timer_timeout_ms(mono_t now);
/* Fire everything that is due */
void timer_run(mono_t now);

#endif /* ENGINE_TIMER_H */
