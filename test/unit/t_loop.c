// SPDX-License-Identifier: GPL-2.0-or-later
/* Turns of the loop after it was stopped, and what time there is for opening, on a
 * clock and with events of our own
 *
 * Links: engine/loop.o engine/timer.o util/log.o
 */
#include "engine/loop.h"

#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "engine/timer.h"
#include "tap_test.h"

#define SECOND	1000000LL

static struct {
	int64_t us;			/* our clock */
	int64_t stop_us;		/* the next wait takes so much longer */
	int waiting;			/* sockets with something to read */
	bool endless;			/* …and always more */
	unsigned turns;			/* since the stop */
	int unread;			/* of them when the timer fired, or -1 */
} world;

static struct timer timer;

int clock_gettime(clockid_t id, struct timespec *ts)
{
	(void)id;
	ts->tv_sec = world.us / SECOND;
	ts->tv_nsec = world.us % SECOND * 1000;
	return 0;
}

int epoll_wait(int fd, struct epoll_event *ev, int max, int timeout)
{
	struct loop_ref ref = { .kind = LOOP_UDP };
	int n = MIN(world.waiting, max);

	(void)fd;
	world.turns++;
	if (!n && timeout > 0)
		world.us += timeout * 1000LL;
	world.us += world.stop_us;
	world.stop_us = 0;
	for (int i = 0; i < n; i++) {
		ev[i].events = EPOLLIN;
		memcpy(&ev[i].data.u64, &ref, sizeof(ref));
	}
	return n;
}

static void readable(struct loop_ref ref, uint32_t events)
{
	(void)ref;
	(void)events;
	if (!world.endless)
		world.waiting--;
}

static void fired(struct timer *t)
{
	(void)t;
	world.unread = world.waiting;
}

static bool has_fired(void)
{
	return world.unread >= 0;
}

/* A timer is due after 40 ms; `waiting` sockets become readable meanwhile */
static void run(int64_t stop_us, int waiting, bool endless)
{
	timer_set(&timer, TIMER_UDP, mono_add(loop_now(), DUR_MS(40)));
	world.stop_us = stop_us;
	world.waiting = waiting;
	world.endless = endless;
	world.turns = 0;
	world.unread = -1;
	loop_linger(has_fired, DUR_S(100000));
}

static struct {
	int64_t cost_us;		/* of opening one; 0: off */
	int64_t others_us;		/* of a turn */
	unsigned opened, turns, idle;	/* turns in which none was */
	unsigned most;			/* in one turn */
} flood;

static void flood_turn(void)
{
	unsigned n = 0;

	if (!flood.cost_us)
		return;
	for (; loop_may_open(); n++) {
		loop_opening_starts();
		world.us += flood.cost_us;
		loop_opening_ends();
	}
	world.us += flood.others_us;
	flood.opened += n;
	flood.idle += !n;
	flood.most = MAX(flood.most, n);
	flood.turns++;
	loop_again();
}

static bool flood_done(void)
{
	return flood.turns >= 1000;
}

static void run_flood(int64_t cost_us, int64_t others_us)
{
	world.us += SECOND;		/* a pause */
	flood.cost_us = 1;
	flood.others_us = 0;
	flood.turns = 999;
	loop_linger(flood_done, DUR_S(1));
	flood.cost_us = cost_us;
	flood.others_us = others_us;
	flood.opened = flood.turns = flood.idle = flood.most = 0;
	loop_linger(flood_done, DUR_S(100000));
	flood.cost_us = 0;
}

int main(void)
{
	loop_init();
	timer_init(loop_now());
	loop_set_handler(LOOP_UDP, readable);
	timer_set_handler(TIMER_UDP, fired);

	run(600 * SECOND, 1000, false);
	is_int(world.unread, 0, "stopped: a timer waits until all was read");
	is_int(world.turns, 5, "... and no longer");
	run(600 * SECOND, 0, false);
	is_int(world.turns, 1, "nothing to read: it fires at once");
	run(600 * SECOND, 10, true);
	ok(world.turns <= 64, "always more to read: it fires in the end (%u turns)",
	   world.turns);
	run(SECOND / 2, 1000, false);
	is_int(world.unread, 1000 - 256, "half a second late: as ever");

	loop_add_hook(flood_turn);
	world.waiting = 0;
	run_flood(50, 1000);
	ok(flood.opened * 50LL <= flood.turns * 1000LL / 3 + 2000 &&
	   flood.opened * 50LL >= flood.turns * 1000LL * 3 / 10,
	   "opening has a quarter of the time beside others (%u)", flood.opened);
	ok(flood.most * 50 <= 2000 + 50, "... and never more than 2 ms at once");
	run_flood(50, 1);
	ok(flood.opened >= 980 && flood.opened <= 1080,
	   "... nothing else to do: a little in each turn (%u)", flood.opened);
	run_flood(3000, 1000);
	ok(flood.opened >= 107 && flood.opened <= 117,
	   "... a slow kernel: not in each turn (%u)", flood.opened);
	run_flood(30 * SECOND, 1000);
	ok(flood.opened >= 28 && flood.opened <= 38,
	   "... stopped meanwhile: soon again (%u)", flood.opened);
	return done();
}
