/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event loop: epoll, typed references, the one clock, end-of-turn hooks
 *
 * A turn: epoll_wait(until the next timer) → clock read once → handlers of the
 * ready descriptors → timers that are due → hooks in the order of their
 * registration. Nothing else in the program blocks.
 */
#ifndef ENGINE_LOOP_H
#define ENGINE_LOOP_H

#include "util/mono.h"

/* What an event belongs to: handlers are found by it */
enum loop_kind {
	LOOP_NONE,
	LOOP_TAP,			/* the link's descriptor */
	LOOP_TAP_LISTEN,		/* passt: UNIX socket that guests open */
	LOOP_LISTEN_TCP,		/* index: listener, gen */
	LOOP_TCP,			/* index: flow, gen: its generation */
	LOOP_UDP,			/* index: UDP socket, gen */
	LOOP_PING,			/* index: flow, gen */
	LOOP_SPLICE,			/* index: flow, gen, side */
	LOOP_UDP_SPLICE,		/* index: flow, gen */
	LOOP_DNS,			/* index: query, gen */
	LOOP_DNS_TCP,			/* index: connection, gen, side */
	LOOP_NETNS,			/* the namespace may be gone */
	LOOP_COMMAND,			/* the command in it may have ended */
	LOOP_SIGNAL,
	LOOP_WATCHER,			/* news of the host's network */
	LOOP_API,			/* index: client of a control socket, or
					 * the socket itself */
	LOOP_SLIRP,			/* somebody wants us to end */
	LOOP_KINDS,
};

/* Packed into epoll_data */
struct loop_ref {
	uint8_t kind;
	uint8_t side;
	uint16_t gen;			/* must match, else the event is stale */
	uint32_t index;
};
static_assert(sizeof(struct loop_ref) == 8, "fits epoll_data");

typedef void (*loop_handler)(struct loop_ref ref, uint32_t events);
typedef void (*loop_hook)(void);

/* Create the epoll instance; dies if it can't */
void loop_init(void);
void loop_set_handler(enum loop_kind kind, loop_handler fn);
/* Called at the end of every turn, in the order of registration */
void loop_add_hook(loop_hook fn);
/* Called once, right after the handler, timer or hook that calls loop_exit():
 * what mustn't wait for the rest of the turn, and what comes after it
 */
void loop_at_exit(loop_hook fn);

/* Watch fd for `events` (EPOLLIN, …, EPOLLET); 0 or -errno */
int loop_add(int fd, uint32_t events, struct loop_ref ref);
int loop_mod(int fd, uint32_t events, struct loop_ref ref);
void loop_del(int fd);

/* The time of this turn; never goes back */
mono_t loop_now(void);
/* Re-read the clock (start-up, tests) */
void loop_update_now(void);
/* What we have worked so far, whatever others did meanwhile; a system call */
dur_t loop_cpu_time(void);

/* Beginning a flow takes some 10 to 100 µs, mostly of the kernel's, and at times
 * milliseconds; and whoever floods us asks for nothing else. So it has a share of the
 * time: a third of what all else takes, and a little in each turn. May one more begin now, or
 * has it to wait for the next turn? Each who asks, for guest or host, may begin one a turn
 * without: the time is for all.
 */
bool loop_may_open(void);
/* From here on it's that which takes time, up to the other one of these; or, twice and
 * without the first one: harmless
 */
void loop_opening_starts(void);
void loop_opening_ends(void);

/* Ask for another turn at once: work is left that no descriptor announces */
void loop_again(void);

/* Run until loop_exit(); returns its status */
int loop_run(void);
void loop_exit(int status);
/* Go on after loop_run() returned, until done() is true, at most that long, or
 * loop_exit() is called again
 */
void loop_linger(bool (*done)(void), dur_t limit);
/* Turns run so far: how often we woke up */
uint64_t loop_turns(void);
/* Descriptor of the epoll instance */
int loop_fd(void);

#endif /* ENGINE_LOOP_H */
