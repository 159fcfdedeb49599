// SPDX-License-Identifier: GPL-2.0-or-later
/* The timer wheel, on a clock of our own that a loop like the real one moves
 *
 * Links: engine/timer.o
 */
#include "engine/timer.h"

#include "engine/loop.h"
#include "random.h"
#include "tap_test.h"

enum { TICK_US = 1024 };		/* timer.h: resolution */

#define SECOND	1000000LL
#define HOUR	(3600 * SECOND)
#define DAY	(24 * HOUR)

static mono_t clock_now;

/* A timer, and what is expected of it */
struct owner {
	struct timer t;
	bool armed;
	int64_t when, set_at;
	unsigned fired;
	void (*then)(struct owner *o);	/* from the handler; may be NULL */
};

static struct {
	unsigned fired, early, late, unwanted;
	int64_t worst;			/* µs too late */
	unsigned wakes, busy;		/* of advance(); for nothing at once */
	bool free_running;		/* the clock jumps: may be late */
} seen;

static void fired(struct timer *t)
{
	struct owner *o = container_of(t, struct owner, t);
	int64_t due = MAX(o->when, o->set_at);
	int64_t late = clock_now.us - due;

	seen.fired++;
	seen.unwanted += !o->armed || timer_is_armed(t);
	seen.early += clock_now.us < o->when;
	seen.late += late > 2 * TICK_US && !seen.free_running;
	seen.worst = MAX(seen.worst, late);
	o->armed = false;
	o->fired++;
	if (o->then)
		o->then(o);
}

static void set(struct owner *o, int64_t when)
{
	o->armed = true;
	o->when = when;
	o->set_at = clock_now.us;
	timer_set(&o->t, TIMER_TCP, (mono_t){ when });
}

static void cancel(struct owner *o)
{
	o->armed = false;
	timer_cancel(&o->t);
}

/* A new wheel, and no expectations */
static void reset(int64_t at)
{
	clock_now.us = at;
	timer_init(clock_now);
	memset(&seen, 0, sizeof(seen));
}

/* The loop until `end`: sleeps as long as the wheel says, never longer */
static void advance_to(int64_t end)
{
	unsigned idle = 0;

	for (;;) {
		int ms = timer_timeout_ms(clock_now);
		unsigned before = seen.fired;

		if (ms < 0 || clock_now.us + ms * 1000LL > end)
			break;
		clock_now.us += ms * 1000LL;
		timer_run(clock_now);
		seen.wakes++;
		idle = ms || seen.fired != before ? 0 : idle + 1;
		if (idle > 1 && seen.busy++ > 1000)
			return;
	}
	clock_now.us = end;
	timer_run(clock_now);
}

/* No timer was early, late, or fired without being asked to */
static bool fine(void)
{
	if (!seen.early && !seen.late && !seen.unwanted && !seen.busy)
		return true;
	printf("# early %u, late %u (by %" PRId64 " us), unwanted %u, busy %u\n",
	       seen.early, seen.late, seen.worst, seen.unwanted, seen.busy);
	return false;
}

static void simple(void)
{
	struct owner a = { 0 };

	reset(12345678);
	is_int(timer_timeout_ms(clock_now), -1, "an empty wheel: no timeout");
	ok(!timer_is_armed(&a.t), "a timer of zeroes isn't armed");
	timer_cancel(&a.t);
	ok(!timer_is_armed(&a.t), "cancelling it is harmless");

	set(&a, clock_now.us + 10000);
	ok(timer_is_armed(&a.t), "armed");
	ok(timer_deadline(&a.t).us >= a.when &&
	   timer_deadline(&a.t).us < a.when + TICK_US, "its deadline");
	ok(timer_timeout_ms(clock_now) >= 10 &&
	   timer_timeout_ms(clock_now) <= 12, "the timeout is to it");
	timer_run(clock_now);
	is_int(seen.fired, 0, "nothing is due");
	clock_now.us += 20000;
	is_int(timer_timeout_ms(clock_now), 0, "overdue: don't wait");
	clock_now.us -= 20000;
	clock_now.us += 9999;
	timer_run(clock_now);
	is_int(seen.fired, 0, "nor a microsecond before");
	clock_now.us += 2 * TICK_US;
	timer_run(clock_now);
	is_int(seen.fired, 1, "but then");
	ok(!timer_is_armed(&a.t), "it fires once");
	is_int(timer_timeout_ms(clock_now), -1, "and leaves the wheel empty");
	timer_run(clock_now);
	is_int(seen.fired, 1, "once");

	set(&a, clock_now.us + 5000);
	cancel(&a);
	ok(!timer_is_armed(&a.t), "cancelled");
	advance_to(clock_now.us + SECOND);
	is_int(seen.fired, 1, "  it doesn't fire");
	is_int(timer_timeout_ms(clock_now), -1, "  and is forgotten");
	cancel(&a);

	reset(0);
	seen.fired = 1;
	set(&a, 125 * TICK_US);
	is_int(timer_timeout_ms(clock_now), 128, "the timeout is exact");
	clock_now.us = 1;
	is_int(timer_timeout_ms(clock_now), 128, "  rounded up");
	clock_now.us = 1000;
	is_int(timer_timeout_ms(clock_now), 127, "  by less than 1 ms");
	cancel(&a);

	set(&a, clock_now.us);
	advance_to(clock_now.us + 2 * TICK_US);
	is_int(seen.fired, 2, "one for now fires at once");
	set(&a, clock_now.us - HOUR);
	advance_to(clock_now.us + 2 * TICK_US);
	is_int(seen.fired, 3, "as does one for the past");
	set(&a, 0);
	advance_to(clock_now.us + 2 * TICK_US);
	is_int(seen.fired, 4, "  even before the wheel's beginning");
	ok(fine(), "all in time");
}

/* One timer alone, set when the wheel stands at `phase` */
static void one_delay(int64_t phase, int64_t delay, unsigned *wrong)
{
	struct owner a = { 0 };
	unsigned before;

	reset(777);
	advance_to(clock_now.us + phase);
	before = seen.wakes;
	set(&a, clock_now.us + delay);
	if (delay > TICK_US)
		advance_to(a.when - 1);
	*wrong += delay > TICK_US && seen.fired;
	advance_to(a.when + 2 * TICK_US);
	*wrong += seen.fired != 1 || seen.early || seen.late || seen.busy ||
		  timer_is_armed(&a.t) || timer_timeout_ms(clock_now) != -1;
	/* One wake-up to fire, and one for each hour of waiting */
	*wrong += seen.wakes - before > 1 + delay / HOUR;
}

static void delays(void)
{
	static const int64_t phases[] = { 0, 1, 500, 255, 256, 65535, 65536,
					  (1 << 24) - 1, 1 << 24, 123456789 };
	unsigned wrong = 0;

	for (int64_t us = 0; us < 300 * TICK_US; us += 61)
		one_delay(us * 7, us, &wrong);
	is_int(wrong, 0, "each delay within the finest level");

	for (unsigned level = 1; level <= 3; level++) {
		const int64_t edge = 1LL << 8 * level;

		wrong = 0;
		for (unsigned p = 0; p < ARRAY_SIZE(phases); p++)
			for (int64_t d = -3; d <= 3; d++)
				for (int64_t us = -1; us <= 1; us++)
					one_delay(phases[p] * TICK_US,
						  (edge + d) * TICK_US + us,
						  &wrong);
		is_int(wrong, 0, "around %lld ticks, where level %u begins",
		       (long long)edge, level);
	}
	wrong = 0;
	for (int i = 0; i < 20000; i++)
		one_delay((int64_t)random_magnitude(30) * TICK_US +
			  random_below(TICK_US),
			  (int64_t)random_magnitude(29) * TICK_US +
			  random_below(TICK_US), &wrong);
	is_int(wrong, 0, "20000 delays up to six days");
	wrong = 0;
	for (int i = 0; i < 20; i++)
		one_delay((int64_t)random_magnitude(32) * TICK_US,
			  24 * DAY - random_below(SECOND), &wrong);
	is_int(wrong, 0, "and the longest, 24 days");
}

/* Deadlines of timers at any distance, by the wheel's account */
static void deadlines(void)
{
	unsigned wrong = 0;
	struct owner a = { 0 };

	reset(4242);
	for (int i = 0; i < 20000; i++) {
		int64_t when = clock_now.us + random_magnitude(30) * 1000LL;
		int64_t d;

		advance_to(clock_now.us + random_magnitude(22));
		set(&a, when);
		d = timer_deadline(&a.t).us - MAX(when, clock_now.us);
		wrong += d < 0 || d > 2 * TICK_US;
	}
	cancel(&a);
	is_int(wrong, 0, "20000 deadlines are what was asked for");
}

/* What TCP does: moved a bit later with every segment */
static void moved(void)
{
	struct owner a = { 0 };
	unsigned wakes;

	reset(1);
	for (int ms = 0; ms < 60000; ms++) {
		set(&a, clock_now.us + 200000);
		advance_to(clock_now.us + 1000);
	}
	is_int(seen.fired, 0, "moved later again and again: it doesn't fire");
	wakes = seen.wakes;
	ok(wakes <= 60 * 8, "  and wakes us %u times in a minute",
	   wakes);
	advance_to(clock_now.us + 202000);
	is_int(seen.fired, 1, "until it's left alone");

	set(&a, clock_now.us + HOUR);
	advance_to(clock_now.us + SECOND);
	set(&a, clock_now.us + 3000);
	advance_to(clock_now.us + 6000);
	is_int(seen.fired, 2, "moved earlier: fires then");
	advance_to(clock_now.us + 2 * HOUR);
	is_int(seen.fired, 2, "  and not again");

	set(&a, clock_now.us + SECOND);
	set(&a, clock_now.us + DAY);
	set(&a, clock_now.us + 2 * SECOND);
	advance_to(clock_now.us + 2 * SECOND - 1);
	is_int(seen.fired, 2, "later, then earlier: the last one counts");
	advance_to(clock_now.us + 2 * TICK_US);
	is_int(seen.fired, 3, "  in time");

	set(&a, clock_now.us + SECOND);
	set(&a, clock_now.us + DAY);
	cancel(&a);
	set(&a, clock_now.us + 3 * SECOND);
	advance_to(clock_now.us + 3 * SECOND + 2 * TICK_US);
	is_int(seen.fired, 4, "cancelled and armed anew");
	advance_to(clock_now.us + 2 * DAY);
	is_int(seen.fired, 4, "  once");
	ok(fine(), "all in time");
}

/* Wake-ups are for what is due, wherever in the wheel that is */
static void again(struct owner *o)
{
	set(o, clock_now.us + 1500000);
}

static void wakes(void)
{
	static struct owner many[2000];
	struct owner poll = { .then = again }, idle = { 0 };
	int64_t end;

	reset(9);
	set(&poll, clock_now.us + 1500000);
	set(&idle, clock_now.us + 2 * HOUR);
	advance_to(clock_now.us + HOUR);
	ok(poll.fired >= 2390 && seen.wakes <= poll.fired + 1,
	   "polled each 1.5 s beside an idle timer: %u wake-ups for %u",
	   seen.wakes, poll.fired);
	cancel(&poll);
	cancel(&idle);
	ok(fine(), "  all in time");

	/* More in a slot than one would look at, due at its end */
	reset(0);
	end = HOUR;
	for (unsigned i = 0; i < ARRAY_SIZE(many); i++)
		set(&many[i], end - (int64_t)i);
	advance_to(end - SECOND);
	ok(!seen.fired && seen.wakes <= 4,
	   "a crowd far away: %u wake-ups on the way", seen.wakes);
	advance_to(end + 2 * TICK_US);
	is_int(seen.fired, ARRAY_SIZE(many), "  all of it fires");
	ok(fine(), "  in time");

	/* One that was moved away hides none behind it */
	reset(0);
	set(&many[0], 300 * TICK_US);
	set(&many[0], 10 * HOUR);
	set(&many[1], 600 * TICK_US);
	advance_to(650 * TICK_US);
	is_int(many[1].fired, 2, "behind one that was moved later: fires");
	ok(fine(), "  in time");
}

/* Handlers that arm and cancel */
static struct owner group[8];

static void then_now(struct owner *o)
{
	if (o->fired < 1000)
		set(o, clock_now.us);
}

static void then_past(struct owner *o)
{
	if (o->fired < 1000)
		set(o, clock_now.us - SECOND);
}

static void then_cancel_all(struct owner *o)
{
	(void)o;
	for (unsigned i = 0; i < ARRAY_SIZE(group); i++)
		cancel(&group[i]);
}

static void then_postpone_all(struct owner *o)
{
	for (unsigned i = 0; i < ARRAY_SIZE(group); i++)
		if (&group[i] != o && group[i].armed)
			set(&group[i], clock_now.us + 50000);
}

static void then_arm_all(struct owner *o)
{
	for (unsigned i = 0; i < ARRAY_SIZE(group); i++)
		if (&group[i] != o && !group[i].fired)
			set(&group[i], clock_now.us);
}

static unsigned group_fired(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(group); i++)
		n += group[i].fired;
	return n;
}

/* All of the group due at the same time, `ahead` ticks from now */
static void group_set(int64_t ahead, void (*then)(struct owner *o))
{
	memset(group, 0, sizeof(group));
	reset(99);
	for (unsigned i = 0; i < ARRAY_SIZE(group); i++) {
		group[i].then = then;
		set(&group[i], clock_now.us + ahead * TICK_US);
	}
}

static void handlers(void)
{
	/* The last ones are due where levels cascade */
	static const int64_t ahead[] = { 1, 5, 255, 256, 512, 65536, 3 << 16,
					 1 << 24 };
	struct owner a = { .then = then_now };

	reset(5);
	set(&a, clock_now.us + 100);
	seen.free_running = true;
	for (int i = 0; i < 10 && a.fired < 1000; i++) {
		unsigned before = a.fired;

		clock_now.us += 5 * TICK_US;
		timer_run(clock_now);
		if (a.fired > before + 5)
			break;
	}
	ok(a.fired >= 10 && a.fired <= 50,
	   "re-armed for now by its handler: next tick, not this one for ever");
	a.then = then_past;
	advance_to(clock_now.us + 2 * TICK_US);
	seen.free_running = false;
	advance_to(clock_now.us + 2 * SECOND);
	is_int(a.fired, 1000, "likewise for the past");
	ok(fine(), "  all in time");

	for (unsigned i = 0; i < ARRAY_SIZE(ahead); i++) {
		int64_t us = (ahead[i] + 2) * TICK_US;

		group_set(ahead[i], then_cancel_all);
		advance_to(clock_now.us + us);
		is_int(group_fired(), 1, "%lld ticks: the first cancels those "
		       "of the same slot", (long long)ahead[i]);

		group_set(ahead[i], NULL);
		group[4].then = then_postpone_all;
		advance_to(clock_now.us + us);
		ok(group[4].fired == 1 && group_fired() < ARRAY_SIZE(group),
		   "one postpones those that are left");
		advance_to(clock_now.us + 60000);
		is_int(group_fired(), ARRAY_SIZE(group), "  they fire later");
		ok(fine(), "  in time, once");

		group_set(ahead[i], NULL);
		for (unsigned j = 1; j < ARRAY_SIZE(group); j++)
			cancel(&group[j]);
		group[0].then = then_arm_all;
		advance_to(clock_now.us + us + 2 * TICK_US);
		is_int(group_fired(), ARRAY_SIZE(group),
		       "one arms the others for now");
		ok(fine(), "  in time, once");
	}
}

/* Random use, from outside and from handlers; whatever is armed must fire in
 * time, whatever isn't must not
 */
enum { CROWD = 300 };
static struct owner crowd[CROWD];

static int64_t random_delay(void)
{
	return (int64_t)random_magnitude(32) << random_below(8);
}

static void random_op(struct owner *o)
{
	switch (random_below(8)) {
	case 0:
		set(o, clock_now.us);
		break;
	case 1:
	case 2:
		cancel(o);
		break;
	default:
		set(o, clock_now.us + random_delay());
	}
}

static void then_random(struct owner *o)
{
	if (random_below(2))
		random_op(o);
	for (uint32_t n = random_below(3); n; n--)
		random_op(&crowd[random_below(CROWD)]);
}

/* Timers that should have fired by now, or differ from what they should be */
static unsigned overdue(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < CROWD; i++) {
		const struct owner *o = &crowd[i];

		n += o->armed != timer_is_armed(&o->t);
		n += o->armed && MAX(o->when, o->set_at) + 2 * TICK_US <=
				 clock_now.us;
	}
	return n;
}

static void model(void)
{
	unsigned wrong = 0, steps = 0;

	reset(31337);
	for (unsigned i = 0; i < CROWD; i++)
		crowd[i].then = then_random;
	for (int i = 0; i < 100000; i++) {
		random_op(&crowd[random_below(CROWD)]);
		if (random_below(4))
			continue;
		advance_to(clock_now.us + random_magnitude(21));
		steps++;
		if (!(steps % 16))
			wrong += overdue();
	}
	is_int(wrong, 0, "100000 random operations: none is overdue");
	ok(seen.fired > 20000, "  %u fired", seen.fired);
	ok(fine(), "  all in time");

	/* The clock jumps: late, but not early, and all of them */
	seen.free_running = true;
	for (int i = 0; i < 3000; i++) {
		for (uint32_t n = random_below(20); n; n--)
			random_op(&crowd[random_below(CROWD)]);
		clock_now.us += random_delay();
		timer_run(clock_now);
		wrong += overdue();
	}
	is_int(wrong, 0, "3000 jumps of the clock: none is overdue");
	ok(fine(), "  none early");

	for (unsigned i = 0; i < CROWD; i++)
		cancel(&crowd[i]);
	seen.wakes = 0;
	advance_to(clock_now.us + 23 * DAY);
	is_int(timer_timeout_ms(clock_now), -1, "all cancelled: -1");
	is_int(seen.wakes, 0, "  no wake-up for nothing");
}

/* Longer than 2^32 ticks: 51 days */
static void hourly(struct owner *o)
{
	set(o, o->when + HOUR);
}

static void weekly(struct owner *o)
{
	set(o, o->when + 7 * DAY);
}

static void odd(struct owner *o)
{
	set(o, o->when + 421 * SECOND + 7);
}

static void long_life(void)
{
	struct owner h = { .then = hourly }, w = { .then = weekly },
		     m = { .then = odd }, once = { 0 };

	reset(50 * DAY);
	set(&h, clock_now.us + HOUR);
	set(&w, clock_now.us + 7 * DAY);
	set(&m, clock_now.us + 421 * SECOND + 7);
	advance_to(clock_now.us + 43 * DAY);
	/* in sight of the wrap, due after it */
	set(&once, clock_now.us + 20 * DAY);
	advance_to(clock_now.us + 20 * DAY + SECOND);

	is_int(h.fired, 63 * 24, "63 days: hourly timer");
	is_int(w.fired, 9, "  weekly one");
	is_int(m.fired, 63 * DAY / (421 * SECOND + 7), "  every 421 seconds");
	is_int(once.fired, 1, "  one across 2^32 ticks");
	ok(fine(), "  all in time");
	ok(seen.wakes <= seen.fired + 63 * 24,
	   "  %u wake-ups for %u of them", seen.wakes, seen.fired);

	cancel(&h);
	cancel(&w);
	cancel(&m);
	reset(0);
	timer_run((mono_t){ 60 * DAY });
	clock_now.us = 60 * DAY;
	set(&once, clock_now.us + 300000);
	advance_to(clock_now.us + 299999);
	is_int(seen.fired, 0, "after 60 days without any: not early");
	advance_to(clock_now.us + 2 * TICK_US);
	is_int(seen.fired, 1, "  and in time");
}

static void kinds(void)
{
	struct owner a = { 0 };

	reset(1);
	timer_set(&a.t, TIMER_UDP, (mono_t){ 1000 });
	clock_now.us = 10000;
	timer_run(clock_now);
	ok(!timer_is_armed(&a.t) && !seen.fired,
	   "without a handler of its kind: nothing happens");
	timer_set_handler(TIMER_UDP, fired);
	a.armed = true;
	seen.free_running = true;
	timer_set(&a.t, TIMER_UDP, clock_now);
	clock_now.us = 20000;
	timer_run(clock_now);
	is_int(seen.fired, 1, "with one: it's called");
}

int main(void)
{
	timer_set_handler(TIMER_TCP, fired);
	simple();
	delays();
	deadlines();
	moved();
	wakes();
	handlers();
	model();
	long_life();
	kinds();
	return done();
}
