// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the event loop, see loop.h
 *
 * Flow of a turn: epoll_wait() for as long as timer_timeout_ms() says → clock
 * read once → handlers, the link's events first (data from the guest may free
 * or advance what a socket event would look at) → timers → hooks.
 *
 * Waiting: to be woken up takes longer than most answers of a service nearby. So
 * while turns alternate between the link and sockets, as with requests and
 * responses, the next event is looked for without sleeping, for LOOP_SPIN_US; if
 * that was in vain, not again for twice as many turns as the last time.
 *
 * Stopped: where a wait took much longer than it should (SIGSTOP, a machine that was
 * suspended and counts that, one that is overloaded), timers are due whose answer has
 * come meanwhile, and lies in more sockets than one turn looks at. All of it is read
 * first.
 *
 * Invariants: nothing else blocks; nothing else reads the clock. A handler may
 * close descriptors whose events are still in this batch: refs carry a
 * generation that the owner checks.
 */
#include "engine/loop.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "engine/counters.h"
#include "engine/timer.h"
#include "util/log.h"

enum {
	LOOP_EVENTS	= 256,
	LOOP_HOOKS	= 8,
	LOOP_LINGER_MS	= 50,		/* how often to look */
	LOOP_SPIN_US	= 100,
	LOOP_SPIN_SKIP	= 255,		/* turns, at most */
	LOOP_LATE_US	= 1000000,	/* longer than a busy machine takes */
	LOOP_CATCH_UP	= 64,		/* turns before timers, at most */
	LOOP_SPANS	= 8,
	LOOP_OPEN_PART	= 3,		/* of the time for anything else */
	LOOP_OPEN_MIN_US = 50,		/* in each turn, however short */
	LOOP_OPEN_MAX_US = 2000,	/* after a pause */
	LOOP_OPEN_DEBT_US = 10000,	/* at most: we may have been stopped */
};

/* Where a turn's events came from, as bits */
enum { FROM_LINK = 1, FROM_SOCKETS = 2 };

static struct {
	int fd;
	bool again;
	bool exiting;
	bool lingering;
	int status;
	void (*end)(void);		/* due as soon as we are exiting */
	mono_t now;
	uint64_t turns;
	uint64_t span[LOOP_SPANS];	/* turns, by how long they took */
	uint64_t busy_us;		/* all of them together */
	bool spins;			/* others can run meanwhile */
	bool alternates;		/* link and sockets, in turn */
	unsigned source;		/* of the last turn's events */
	unsigned spin_skip;		/* turns without, if the next is in vain */
	unsigned spin_left;		/* such turns that are left */
	unsigned catch_up;		/* turns to read what came meanwhile */
	mono_t ended;			/* the last turn */
	bool opening;
	mono_t opening_since;
	int64_t opening_us;		/* in this turn */
	int64_t opening_left_us;	/* negative: it took more than it may */
	loop_handler handler[LOOP_KINDS];
	loop_hook hook[LOOP_HOOKS];
	unsigned hooks;
	struct epoll_event events[LOOP_EVENTS];
} loop = { .fd = -1 };

/* More than one CPU: who waits for the next event isn't in its way */
static bool loop_has_cpus(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	return !sched_getaffinity(0, sizeof(set), &set) && CPU_COUNT(&set) > 1;
}

static const struct counter loop_rows[] = {
	COUNTER("turns", loop.turns, "turns", "of the loop"),
	COUNTER("busy_us", loop.busy_us, "microseconds", "spent in them"),
	COUNTER_OF("turn_us", "16", loop.span[0], "turns", "of up to 16 µs"),
	COUNTER_OF("turn_us", "64", loop.span[1], "turns", "of up to 64 µs"),
	COUNTER_OF("turn_us", "256", loop.span[2], "turns", "of up to 256 µs"),
	COUNTER_OF("turn_us", "1024", loop.span[3], "turns", "of up to 1 ms"),
	COUNTER_OF("turn_us", "4096", loop.span[4], "turns", "of up to 4 ms"),
	COUNTER_OF("turn_us", "16384", loop.span[5], "turns", "of up to 16 ms"),
	COUNTER_OF("turn_us", "65536", loop.span[6], "turns", "of up to 66 ms"),
	COUNTER_OF("turn_us", "+Inf", loop.span[7], "turns", "of more"),
};

void loop_init(void)
{
	counters_add("loop", loop_rows, ARRAY_SIZE(loop_rows));
	loop.fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop.fd < 0)
		die("Couldn't create epoll instance: %s", strerror(errno));
	loop.spins = loop_has_cpus();
	loop.opening_left_us = LOOP_OPEN_MAX_US;
	loop_update_now();
	loop.ended = loop.now;
}

void loop_set_handler(enum loop_kind kind, loop_handler fn)
{
	loop.handler[kind] = fn;
}

void loop_add_hook(loop_hook fn)
{
	assert(loop.hooks < LOOP_HOOKS);
	loop.hook[loop.hooks++] = fn;
}

void loop_at_exit(loop_hook fn)
{
	loop.end = fn;
}

static int loop_ctl(int op, int fd, uint32_t events, struct loop_ref ref)
{
	struct epoll_event ev = { .events = events };

	memcpy(&ev.data.u64, &ref, sizeof(ref));
	return epoll_ctl(loop.fd, op, fd, &ev) ? -errno : 0;
}

int loop_add(int fd, uint32_t events, struct loop_ref ref)
{
	return loop_ctl(EPOLL_CTL_ADD, fd, events, ref);
}

int loop_mod(int fd, uint32_t events, struct loop_ref ref)
{
	return loop_ctl(EPOLL_CTL_MOD, fd, events, ref);
}

void loop_del(int fd)
{
	epoll_ctl(loop.fd, EPOLL_CTL_DEL, fd, NULL);
}

mono_t loop_now(void)
{
	return loop.now;
}

static mono_t loop_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (mono_t){ (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000 };
}

void loop_update_now(void)
{
	loop.now = loop_clock();
}

bool loop_may_open(void)
{
	return loop.opening_left_us > 0;
}

void loop_opening_starts(void)
{
	if (loop.opening)
		return;
	loop.opening = true;
	loop.opening_since = loop_clock();
}

void loop_opening_ends(void)
{
	int64_t us;

	if (!loop.opening)
		return;
	loop.opening = false;
	us = mono_sub(loop_clock(), loop.opening_since).us;
	loop.opening_us += us;
	loop.opening_left_us = MAX(loop.opening_left_us - us,
				   -LOOP_OPEN_DEBT_US);
}

/* What has gone by since the last turn, and not for opening, earns a part of it */
static void loop_earn(mono_t now)
{
	int64_t us = mono_sub(now, loop.ended).us - loop.opening_us;

	us = MAX(us / LOOP_OPEN_PART, LOOP_OPEN_MIN_US);
	loop.opening_left_us = MIN(loop.opening_left_us + us, LOOP_OPEN_MAX_US);
	loop.opening_us = 0;
	loop.ended = now;
}

/* How long has this turn taken? */
static void loop_account(void)
{
	mono_t now = loop_clock();
	int64_t us = mono_sub(now, loop.now).us;
	unsigned i = 0;

	loop_earn(now);

	for (int64_t up_to = 16; us > up_to && i < LOOP_SPANS - 1; up_to *= 4)
		i++;
	loop.span[i]++;
	loop.busy_us += (uint64_t)us;
}

dur_t loop_cpu_time(void)
{
	struct timespec ts = { 0 };

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (dur_t){ (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000 };
}

void loop_again(void)
{
	loop.again = true;
}

/* Never within a handler, which may hold on to what this takes away */
static void loop_end_begins(void)
{
	void (*end)(void) = loop.end;

	if (!loop.exiting || !end)
		return;
	loop.end = NULL;
	end();
}

static void loop_dispatch(const struct epoll_event *ev)
{
	struct loop_ref ref;

	memcpy(&ref, &ev->data.u64, sizeof(ref));
	if (ref.kind < LOOP_KINDS && loop.handler[ref.kind])
		loop.handler[ref.kind](ref, ev->events);
	loop_end_begins();
}

static bool loop_is_tap(const struct epoll_event *ev)
{
	struct loop_ref ref;

	memcpy(&ref, &ev->data.u64, sizeof(ref));
	return ref.kind == LOOP_TAP;
}

/* Events, if there are some soon; 0: wait for them */
static int loop_spin(void)
{
	mono_t end = mono_add(loop.now, DUR_US(LOOP_SPIN_US));
	int n;

	if (loop.spin_left) {
		loop.spin_left--;
		return 0;
	}
	do {
		n = epoll_wait(loop.fd, loop.events, LOOP_EVENTS, 0);
		if (n) {
			loop.spin_skip /= 2;
			return n;
		}
		loop_update_now();
	} while (mono_before(loop.now, end));
	loop.spin_skip = MIN(2 * loop.spin_skip + 1, LOOP_SPIN_SKIP);
	loop.spin_left = loop.spin_skip;
	return 0;
}

static int loop_wait(int timeout)
{
	int n = timeout && loop.spins && loop.alternates ? loop_spin() : 0;

	return n ? n : epoll_wait(loop.fd, loop.events, LOOP_EVENTS, timeout);
}

/* Have a turn's timers to wait, as others of the n events may say what they wait
 * for? `took` since the last turn began, which was to wait for timeout ms.
 */
static bool loop_catches_up(dur_t took, int timeout, int n)
{
	if (timeout >= 0 && took.us > timeout * 1000LL + LOOP_LATE_US)
		loop.catch_up = LOOP_CATCH_UP;
	if (!loop.catch_up)
		return false;
	if (n <= 0)
		loop.catch_up = 0;
	else
		loop.catch_up--;
	return loop.catch_up;
}

static void loop_turn(void)
{
	int timeout = loop.again ? 0 : timer_timeout_ms(loop.now);
	mono_t begin = loop.now;
	unsigned source = 0;
	bool catches_up;
	int n;

	if (loop.lingering && (timeout < 0 || timeout > LOOP_LINGER_MS))
		timeout = LOOP_LINGER_MS;

	loop.again = false;
	n = loop_wait(timeout);
	loop_update_now();
	loop.turns++;
	if (n < 0 && errno != EINTR)
		die("epoll_wait() failed: %s", strerror(errno));
	catches_up = loop_catches_up(mono_sub(loop.now, begin), timeout, n);

	for (int i = 0; i < n; i++) {
		if (loop_is_tap(&loop.events[i])) {
			source |= FROM_LINK;
			loop_dispatch(&loop.events[i]);
		} else {
			source |= FROM_SOCKETS;
		}
	}
	for (int i = 0; i < n; i++)
		if (!loop_is_tap(&loop.events[i]))
			loop_dispatch(&loop.events[i]);

	loop.alternates = source && source != loop.source;
	loop.source = source;

	if (catches_up)
		loop_again();
	else
		timer_run(loop.now);
	loop_end_begins();
	for (unsigned i = 0; i < loop.hooks; i++)
		loop.hook[i]();
	loop_end_begins();
	loop_account();
}

int loop_run(void)
{
	/* What has been done until now wants a turn's end, too: frames to the guest
	 * wait for one
	 */
	loop_again();
	while (!loop.exiting)
		loop_turn();
	return loop.status;
}

void loop_linger(bool (*done)(void), dur_t limit)
{
	mono_t end = mono_add(loop.now, limit);

	loop.exiting = false;
	loop.lingering = true;
	while (!loop.exiting && !done() && mono_before(loop.now, end))
		loop_turn();
}

void loop_exit(int status)
{
	if (!loop.exiting)
		loop.status = status;
	loop.exiting = true;
}

uint64_t loop_turns(void)
{
	return loop.turns;
}

int loop_fd(void)
{
	return loop.fd;
}
