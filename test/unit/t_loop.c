// SPDX-License-Identifier: GPL-2.0-or-later
/* Turns of the loop after it was stopped, on a clock and with events of our own
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
	return done();
}
