// SPDX-License-Identifier: GPL-2.0-or-later
/* What is tried again, and when, on a clock of our own
 *
 * Links: engine/retry.o engine/timer.o
 */
#include "engine/retry.h"

#include <string.h>

#include "engine/loop.h"
#include "tap_test.h"

enum { INDICES = 200 };

static mono_t clock_now;

mono_t loop_now(void)
{
	return clock_now;
}

static struct retry retry;
static uint64_t marks[RETRY_LEVELS * RETRY_WORDS(INDICES)];
static unsigned tried[INDICES], rounds;
static unsigned fails[INDICES];		/* how often each is still to fail */

static void again(uint32_t index)
{
	tried[index]++;
	if (fails[index]) {
		fails[index]--;
		retry_later(&retry, index, tried[index]);
	}
}

/* Let time pass, as the loop does: sleep until something is due */
static void advance(int ms)
{
	mono_t end = mono_add(clock_now, DUR_MS(ms));

	for (;;) {
		int wait = timer_timeout_ms(clock_now);

		if (wait < 0 || mono_before(end, mono_add(clock_now,
							  DUR_MS(wait))))
			break;
		clock_now = mono_add(clock_now, DUR_MS(wait));
		timer_run(clock_now);
		rounds++;
	}
	clock_now = end;
	timer_run(clock_now);
}

static void start(void)
{
	memset(tried, 0, sizeof(tried));
	memset(fails, 0, sizeof(fails));
	rounds = 0;
}

static unsigned sum(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < INDICES; i++)
		n += tried[i];
	return n;
}

static void once(void)
{
	start();
	advance(5000);
	is_int(rounds, 0, "nothing to try: nobody is woken up");
	retry_later(&retry, 0, 0);
	retry_later(&retry, 63, 0);
	retry_later(&retry, 64, 0);
	retry_later(&retry, INDICES - 1, 0);
	retry_later(&retry, 64, 0);
	is_int(sum(), 0, "nothing is tried at once");
	advance(4);
	is_int(sum(), 4, "a moment later, each is, once");
	ok(tried[0] && tried[63] && tried[64] && tried[INDICES - 1],
	   "  those that asked for it");
	advance(5000);
	is_int(sum(), 4, "  and never again");
}

static void in_vain(void)
{
	start();
	fails[7] = 1000;
	retry_later(&retry, 7, 0);
	advance(4);
	is_int(tried[7], 1, "who fails again");
	advance(20);
	is_int(tried[7], 2, "  waits longer");
	advance(150);
	is_int(tried[7], 3, "  and longer");
	advance(10200);
	ok(tried[7] >= 11 && tried[7] <= 13, "  up to a second");
	retry_later(&retry, 8, 0);
	advance(4);
	is_int(tried[8], 1, "nobody else waits for that");
	fails[7] = 0;
	advance(3000);
	start();
	advance(5000);
	is_int(sum(), 0, "who succeeds is left alone");
}

int main(void)
{
	timer_init(loop_now());
	retry_init(&retry, marks, RETRY_WORDS(INDICES), again);
	once();
	in_vain();
	return done();
}
