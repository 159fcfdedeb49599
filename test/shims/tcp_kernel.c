// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: another kernel, and another clock, for a program under test: to be named
 * by LD_PRELOAD
 *
 *	FAKE_KERNEL	words: no-peek-off, no-meminfo, short-tcp-info (as before
 *			Linux 6.9, 4.12, 3.15); long-path: round trips of TCP take
 *			200 ms
 *	FAKE_CLOCK	descriptor of a file with an int64_t: what is added to
 *			CLOCK_MONOTONIC, in nanoseconds. Whoever changes it has to
 *			wake the program up.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef SO_PEEK_OFF
#define SO_PEEK_OFF	42
#endif
#ifndef SO_MEMINFO
#define SO_MEMINFO	55
#endif

enum { FDS = 64, LONG_US = 200000 };

static const volatile int64_t *clock_ns;
static const char *words = "";
static int (*real_clock)(clockid_t, struct timespec *);
static int (*real_get)(int, int, int, void *, socklen_t *);
static int (*real_set)(int, int, int, const void *, socklen_t);

static void *next(const char *name)
{
	void *p = dlsym(RTLD_NEXT, name);

	if (!p)
		abort();
	return p;
}

__attribute__((constructor)) static void setup(void)
{
	const char *fd = getenv("FAKE_CLOCK");
	void *p;

	words = getenv("FAKE_KERNEL") ? getenv("FAKE_KERNEL") : "";
	*(void **)&real_clock = next("clock_gettime");
	*(void **)&real_get = next("getsockopt");
	*(void **)&real_set = next("setsockopt");
	if (!fd)
		return;
	p = mmap(NULL, sizeof(*clock_ns), PROT_READ, MAP_SHARED, atoi(fd), 0);
	if (p == MAP_FAILED)
		abort();
	clock_ns = p;
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int rc = real_clock(id, ts);

	if (!rc && id == CLOCK_MONOTONIC && clock_ns) {
		int64_t ns = ts->tv_nsec + *clock_ns;

		ts->tv_sec += ns / 1000000000;
		ts->tv_nsec = ns % 1000000000;
	}
	return rc;
}

/* What the peer acknowledges is known a round trip later */
static void lengthen(int fd, struct tcp_info *ti)
{
	static struct { uint64_t shown, next; struct timespec since; } of[FDS];
	struct timespec now;

	real_clock(CLOCK_MONOTONIC, &now);
	if (ti->tcpi_bytes_acked < of[fd].shown)
		of[fd].shown = of[fd].next = 0;		/* another socket */
	if ((now.tv_sec - of[fd].since.tv_sec) * 1000000000LL + now.tv_nsec -
	    of[fd].since.tv_nsec >= LONG_US * 1000LL)
		of[fd].shown = of[fd].next;
	if (of[fd].shown == of[fd].next &&
	    of[fd].next != ti->tcpi_bytes_acked) {
		of[fd].next = ti->tcpi_bytes_acked;
		of[fd].since = now;
	}
	if (of[fd].shown != ti->tcpi_bytes_acked)
		ti->tcpi_unacked = 1;
	ti->tcpi_bytes_acked = of[fd].shown;
	ti->tcpi_rtt = ti->tcpi_min_rtt = LONG_US;
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	int rc;

	if (level == SOL_SOCKET && name == SO_MEMINFO &&
	    strstr(words, "no-meminfo")) {
		errno = ENOPROTOOPT;
		return -1;
	}
	if (level == IPPROTO_TCP && name == TCP_INFO &&
	    strstr(words, "short-tcp-info") &&
	    *len > offsetof(struct tcp_info, tcpi_pacing_rate))
		*len = offsetof(struct tcp_info, tcpi_pacing_rate);
	rc = real_get(fd, level, name, value, len);
	if (!rc && level == IPPROTO_TCP && name == TCP_INFO && fd < FDS &&
	    strstr(words, "long-path"))
		lengthen(fd, value);
	return rc;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	if (level == SOL_SOCKET && name == SO_PEEK_OFF &&
	    strstr(words, "no-peek-off")) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return real_set(fd, level, name, value, len);
}
