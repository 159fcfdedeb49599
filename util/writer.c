// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: one thread beside the loop, which waits for disks, see writer.h
 *
 * Data: a ring of records, each in one piece: what is to be called, and a copy
 * of what is to be written. `head` is where the next record begins, and is
 * moved by the loop's thread; `tail` is where the first unwritten one does,
 * moved by the writer. Both only grow. A record that doesn't fit before the end
 * of the ring is preceded by one that says to skip the rest. An empty ring
 * begins anew in front, so that few pages are used for few lines; what is skipped
 * is no room before the thread has seen it, so there is RING_FRONT at least.
 *
 * Waking up: the writer says that it will sleep, looks once more, and reads
 * from an eventfd. Whoever has added a record and sees it say so, writes there.
 *
 * Why a thread: buffered writes to a file can't be asked not to block. It does
 * nothing but call what it is told, and begins when everything has been given up
 * but system calls, whose filter is for both. Without files there is none.
 */
#include "util/writer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
	RING_SIZE	= 2 * 1024 * 1024,
	RING_FRONT	= 512 * 1024,	/* used alone, if that will do */
	STACK_SIZE	= 256 * 1024,
	PATIENCE_US	= 50 * 1000,
	PATIENCE_SHARE	= 20,		/* one part of so many of the time */
	DRAIN_MS	= 1000,
};

struct record {
	writer_fn fn;			/* NULL: skip to the ring's beginning */
	size_t len;			/* bytes that follow */
};

static struct {
	bool running;
	int wake_fd;
	atomic_bool asleep;
	_Atomic uint64_t head, tail;

	int64_t patience_us, patience_at;
	_Alignas(sizeof(struct record)) uint8_t ring[RING_SIZE];
} writer;

/* What it takes of the ring */
static size_t record_size(size_t len)
{
	const size_t unit = sizeof(struct record);

	return unit + (len + unit - 1) / unit * unit;
}

/* The thread */

static void writer_run(void)
{
	uint64_t tail = atomic_load(&writer.tail);
	struct record r;

	while (tail != atomic_load(&writer.head)) {
		const uint8_t *p = writer.ring + tail % RING_SIZE;

		memcpy(&r, p, sizeof(r));
		if (r.fn)
			r.fn(p + sizeof(r), r.len);
		tail += record_size(r.len);
		atomic_store(&writer.tail, tail);
	}
}

static void *writer_thread(void *arg)
{
	uint64_t ignored;

	(void)arg;
	for (;;) {
		writer_run();
		atomic_store(&writer.asleep, true);
		if (atomic_load(&writer.tail) == atomic_load(&writer.head))
			(void)!read(writer.wake_fd, &ignored, sizeof(ignored));
		atomic_store(&writer.asleep, false);
	}
	return NULL;
}

/* The loop's side */

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

bool writer_wait(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int64_t now = now_us(), after;
	int ms, rc;

	if (fd >= 0 && poll(&p, 1, 0) > 0)
		return true;
	writer.patience_us += (now - writer.patience_at) / PATIENCE_SHARE;
	writer.patience_us = MIN(writer.patience_us, PATIENCE_US);
	writer.patience_at = now;
	if (writer.patience_us < 1000)
		return false;

	ms = fd < 0 ? 1 : (int)(writer.patience_us / 1000);
	rc = poll(&p, fd >= 0, ms);
	after = now_us();
	writer.patience_us -= after - now;
	writer.patience_at = after;
	return fd < 0 || rc > 0;
}

/* Bytes that can be queued: all of them, or up to the end of the ring */
static size_t ring_room(uint64_t head, size_t *ret_to_end)
{
	uint64_t tail = atomic_load(&writer.tail);
	size_t at = head % RING_SIZE;

	*ret_to_end = RING_SIZE - at;
	return RING_SIZE - (size_t)(head - tail);
}

bool writer_has_room(size_t len)
{
	size_t to_end;

	return !writer.running ||
	       ring_room(atomic_load(&writer.head), &to_end) > 2 * len;
}

/* Where a record of so many bytes may begin; skips the end of the ring if it
 * has to, or if the ring is empty. False: there is no room.
 */
static bool ring_make_room(uint64_t *head, size_t need)
{
	size_t to_end, room = ring_room(*head, &to_end);
	struct record skip = { NULL, to_end - sizeof(skip) };
	bool anew = room == RING_SIZE && RING_SIZE - to_end >= RING_FRONT &&
		    to_end + need <= room;

	if (need <= to_end && !anew)
		return need <= room;
	if (to_end + need > room)
		return false;
	memcpy(writer.ring + *head % RING_SIZE, &skip, sizeof(skip));
	*head += to_end;
	return true;
}

bool writer_try(writer_fn fn, const void *data, size_t len)
{
	const struct record r = { fn, len };
	size_t need = record_size(len);
	uint64_t head = atomic_load(&writer.head), one = 1;

	if (!writer.running) {
		fn(data, len);
		return true;
	}
	if (len > WRITER_MAX || !ring_make_room(&head, need))
		return false;
	memcpy(writer.ring + head % RING_SIZE, &r, sizeof(r));
	memcpy(writer.ring + head % RING_SIZE + sizeof(r), data, len);
	atomic_store(&writer.head, head + need);
	if (atomic_exchange(&writer.asleep, false))
		(void)!write(writer.wake_fd, &one, sizeof(one));
	return true;
}

bool writer_put(writer_fn fn, const void *data, size_t len)
{
	while (!writer_try(fn, data, len)) {
		if (len > WRITER_MAX || !writer_wait(-1))
			return false;
	}
	return true;
}

int writer_start(void)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t thread;
	int rc;

	static_assert(RING_SIZE % sizeof(struct record) == 0 &&
		      RING_SIZE > 2 * (WRITER_MAX + sizeof(struct record)),
		      "any record fits, and any skip");
	writer.wake_fd = eventfd(0, EFD_CLOEXEC);
	if (writer.wake_fd < 0)
		return -errno;

	/* Signals are for the loop */
	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&thread, &attr, writer_thread, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (rc) {
		close(writer.wake_fd);
		return -rc;
	}
	/* What the library does at a thread's beginning isn't for the filter */
	while (!atomic_load(&writer.asleep))
		sched_yield();
	writer.running = true;
	return 0;
}

void writer_drain(void)
{
	for (int ms = 0; ms < DRAIN_MS; ms++) {
		if (atomic_load(&writer.tail) == atomic_load(&writer.head))
			return;
		poll(NULL, 0, 1);
	}
}
