// SPDX-License-Identifier: GPL-2.0-or-later
/* The thread that writes files: all of it, in order, or not at all
 *
 * Links: util/writer.o
 */
#include "util/writer.h"

#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <sys/resource.h>
#include <unistd.h>

#include "random.h"
#include "tap_test.h"

enum { SUM_OF_NOTHING = 5381 };

static struct {
	_Atomic unsigned pieces, wrong;
	atomic_bool hang, hangs;	/* wanted, and so it is */
} sink;

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Number, length, then bytes that follow from both */
static size_t make(uint8_t *buf, uint32_t number, uint32_t len)
{
	memcpy(buf, &number, 4);
	memcpy(buf + 4, &len, 4);
	for (uint32_t i = 8; i < len; i++)
		buf[i] = (uint8_t)(number + i);
	return len;
}

/* In the thread: is this the next one, whole? */
static void take(const void *data, size_t len)
{
	static uint8_t want[WRITER_MAX];

	while (atomic_load(&sink.hang)) {
		atomic_store(&sink.hangs, true);
		poll(NULL, 0, 1);
	}
	atomic_store(&sink.hangs, false);
	make(want, sink.pieces, (uint32_t)len);
	sink.wrong += len < 8 || memcmp(data, want, len);
	sink.pieces++;
}

static uint32_t some_length(void)
{
	uint32_t len = 8 + random_magnitude(17);

	return MIN(len, WRITER_MAX);
}

static void at_once(void)
{
	static uint8_t buf[WRITER_MAX];

	ok(writer_put(take, buf, make(buf, 0, 100)), "without a thread");
	is_int(sink.pieces, 1, "  it's done when it returns");
	ok(writer_has_room(WRITER_MAX), "  there is always room");
}

static void all_of_it(void)
{
	static uint8_t buf[WRITER_MAX];
	unsigned put = sink.pieces, refused = 0;

	for (int i = 0; i < 30000; i++) {
		if (writer_put(take, buf, make(buf, put, some_length())))
			put++;
		else
			refused++;
	}
	writer_drain();
	is_int(sink.pieces, put, "%u pieces of any length, %u refused", put,
	       refused);
	is_int(sink.wrong, 0, "  each whole, and in order");

	for (int i = 0; i < 2000; i++) {
		writer_put(take, buf, make(buf, put++, 8 + i));
		writer_drain();
	}
	is_int(sink.pieces, put, "2000 more, one at a time");
	is_int(sink.wrong, 0, "  each whole");
	ok(!writer_put(take, buf, WRITER_MAX + (size_t)1), "one too large");
	is_int(sink.pieces, put, "  isn't taken");
}

/* How often this thread has slept */
static long sleeps(void)
{
	struct rusage use;

	getrusage(RUSAGE_THREAD, &use);
	return use.ru_nvcsw;
}

/* No room, and no patience, although there would be some by now */
static void hasty(uint8_t *buf, unsigned put)
{
	unsigned refused = 0;
	long before;

	poll(NULL, 0, 200);
	before = sleeps();
	for (int i = 0; i < 10000; i++)
		refused += !writer_try(take, buf, make(buf, put, WRITER_MAX));
	is_int(refused, 10000, "  none is taken from who is in a hurry");
	is_int((int)(sleeps() - before), 0, "  who doesn't sleep");
}

/* A disk that hangs costs a moment, once */
static void hangs(void)
{
	static uint8_t buf[WRITER_MAX];
	unsigned put = sink.pieces, refused = 0;
	int64_t begin, most = 0;

	atomic_store(&sink.hang, true);
	if (writer_put(take, buf, make(buf, put, 8)))
		put++;
	while (!atomic_load(&sink.hangs))
		poll(NULL, 0, 1);
	begin = now_ms();
	for (int i = 0; i < 20000; i++) {
		int64_t at = now_ms();

		if (writer_put(take, buf, make(buf, put, 1000)))
			put++;
		else
			refused++;
		most = MAX(most, now_ms() - at);
	}
	ok(refused > 10000, "it hangs: %u refused", refused);
	ok(now_ms() - begin < 2000, "  in %d ms",
	   (int)(now_ms() - begin));
	ok(most < 500, "  %d ms at most for one", (int)most);
	ok(!writer_has_room(WRITER_MAX), "  no room is there");
	hasty(buf, put);
	atomic_store(&sink.hang, false);
	writer_drain();
	is_int(sink.pieces, put, "it goes on: what was taken is written");
	is_int(sink.wrong, 0, "  in order");
	ok(writer_has_room(WRITER_MAX), "  and there's room again");
}

/* Patience is bounded over time, not for each */
static void patience(void)
{
	int64_t begin = now_ms();
	int p[2], given_up = 0;

	if (pipe2(p, O_NONBLOCK))
		return;
	ok(writer_wait(p[1]), "a pipe with room isn't waited for");
	while (write(p[1], &p, sizeof(p)) > 0)
		;
	for (int i = 0; i < 100000 && now_ms() - begin < 1000; i++)
		given_up += !writer_wait(p[1]);
	ok(given_up > 1000, "one without: %d times given up", given_up);
	close(p[0]);
	ok(writer_wait(-1) || now_ms() - begin < 5000, "  in %d ms",
	   (int)(now_ms() - begin));
	close(p[1]);
}

int main(void)
{
	at_once();
	is_int(writer_start(), 0, "the thread begins");
	all_of_it();
	hangs();
	patience();
	return done();
}
