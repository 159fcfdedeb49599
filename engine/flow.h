/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The flow table: static, found by either side's addresses, freed at the end of
 * a turn, with generations so that no stale event meets a new flow
 */
#ifndef ENGINE_FLOW_H
#define ENGINE_FLOW_H

#include "engine/flow_types.h"
#include "engine/loop.h"
#include "util/log.h"

void flow_init(void);

/* A new entry of FLOW_NEW, zeroed but for gen; NULL if the table is full.
 * The caller fills in proto, ini and sides, then calls flow_activate().
 */
struct flow *flow_alloc(void);
void flow_activate(struct flow *f, enum flow_type type);
/* Make it findable by that side */
void flow_hash(struct flow *f, enum flow_side_name side);
/* It isn't found by that side any more; it must have been */
void flow_unhash(struct flow *f, enum flow_side_name side);
/* Out of the hash now, entry reused after this turn. Twice is harmless. */
void flow_free(struct flow *f);
/* End-of-turn hook. If the table is full, flows that may be ended make room */
void flow_reap(void);

/* The flow whose `side` has these addresses; NULL if there is none */
struct flow *flow_lookup(enum flow_side_name side, uint8_t proto,
			 const struct flow_side *addrs);

/* Two flows that the guest couldn't tell from each other: give our side of one
 * that is to begin another port. False if none of some is free.
 */
bool flow_other_port(uint8_t proto, struct flow_side *guest);

uint32_t flow_index(const struct flow *f);
struct flow *flow_at(uint32_t index);
/* The flow an event is for, NULL if that one is gone */
struct flow *flow_from_ref(struct loop_ref ref, enum flow_type type);
struct loop_ref flow_ref(const struct flow *f, enum loop_kind kind);

/* What a flow was used for: apart from its entry, since few ask */
struct flow_use {
	mono_t begun;
	uint64_t bytes[FLOW_SIDES];	/* payload that came from that side */
	uint32_t moved_s;		/* when the last of it did, seconds */
	uint32_t resent;		/* segments sent to the guest again */
};
const struct flow_use *flow_use(const struct flow *f);
/* Payload came from that side, and was taken by the other one */
void flow_moved(const struct flow *f, enum flow_side_name from, uint64_t bytes);
void flow_resent(const struct flow *f);

/* TCP between us and the peer of a side */
struct flow_path {
	uint32_t rtt_us;		/* 0: not known */
	uint32_t window;		/* bytes that the peer would take… */
	uint32_t our_window;		/* …and we would; UINT32_MAX: not known */
	uint32_t queued;		/* bytes that it hasn't acknowledged */
	uint32_t resent;		/* segments */
};

/* What each type does in its own way */
struct flow_ops {
	const char *name;		/* as in "TCP" */
	/* In what state it is: one of states, a list that ends with NULL */
	const char *(*state)(const struct flow *f);
	const char *const *states;
	/* Last used */
	mono_t (*active)(const struct flow *f);
	/* A connection's socket on that side, or -1; NULL: it is none */
	int (*sock)(const struct flow *f, enum flow_side_name side);
	/* A connection's way to the guest, where that is no socket; may be NULL */
	void (*guest_path)(const struct flow *f, struct flow_path *ret);
	/* What a connection waits for: a word of doc/control.md's; NULL: nothing but
	 * what sockets tell. May be NULL itself.
	 */
	const char *(*waits_for)(const struct flow *f);
	/* Is over: whoever is at its ends is told, as far as that's possible. Ends
	 * in flow_free(), for TCP maybe later.
	 */
	void (*end)(struct flow *f);
	/* The host's network has changed: what can't go on ends, or goes elsewhere, see
	 * host/net_flows.h. May be NULL.
	 */
	void (*host_changed)(struct flow *f);
};
void flow_set_ops(enum flow_type type, const struct flow_ops *ops);
/* NULL: none that is in use */
const struct flow_ops *flow_type_ops(enum flow_type type);
const struct flow_ops *flow_ops(const struct flow *f);
void flow_end(struct flow *f);
/* The same, to make room for another */
void flow_evict(struct flow *f);

/* If rc is a lack of descriptors, negative: have some that nobody uses given up
 * or, if there are none, end what may be for one, see idle.h; `whose` as there.
 * True: try again. Flows that the caller knows, and their sockets, may be gone
 * then.
 */
bool flow_make_room_for(int rc, enum idle_kind whose);
/* The same, for a connection */
bool flow_make_room(int rc);
/* Who keeps descriptors for later; true if some are given up */
void flow_add_spare(bool (*give_up)(void));

/* Entries in use, by type */
unsigned flow_count(enum flow_type type);
/* Highest index ever used plus one: bound for walking the table */
uint32_t flow_high(void);

/* Keyed hash of a side, also for initial sequence numbers (RFC 6528) */
uint64_t flow_side_hash(uint8_t proto, const struct flow_side *addrs);

/* "TCP 10.0.0.2:1234 -> 192.0.2.1:80 => 192.0.2.1:80" */
enum { FLOW_STRLEN = 4 * ENDPOINT_STRLEN + 32 };
const char *flow_print(const struct flow *f, char *buf);
#define FLOW_STR(f)	flow_print((f), (char[FLOW_STRLEN]){ 0 })

/* assert() that names the flow */
#define flow_assert(f, condition)					\
	((condition) ? (void)0 :					\
	 assert_failed(#condition, __FILE__, __LINE__, FLOW_STR(f)))

#define flow_debug(f, fmt, ...) \
	debug("flow %u (%s): " fmt, flow_index(f), FLOW_STR(f), ##__VA_ARGS__)
#define flow_trace(f, fmt, ...) \
	trace("flow %u (%s): " fmt, flow_index(f), FLOW_STR(f), ##__VA_ARGS__)

#endif /* ENGINE_FLOW_H */
