// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: messages, to stderr, the system log or a bounded file
 *
 * Data: one line is formatted on the stack and written with one call, so it
 * works inside the sandbox. The syslog datagram format is RFC 3164's
 * "<pri> name: text" that every log daemon reads.
 *
 * Log file: grows to max_size, then its older half is cut at a line boundary by
 * moving the newer half to the front: no rename, no second file, which the
 * empty root wouldn't allow.
 */
#include "util/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syslog.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	LOG_LINE_MAX	= 1024,
	LOG_MOVE_CHUNK	= 8192,
	LOG_START_MAX	= 65536,
};

enum log_level log_max = LOG_LVL_INFO;

static struct {
	const char *name;
	bool to_stderr;
	bool timestamps;
	int syslog_fd;			/* -1: not open */
	int file_fd;			/* -1: none */
	size_t file_size, file_max;
	struct timespec start;
	void (*undo)(void);
} log_state = {
	.name = "passt",
	.to_stderr = true,
	.syslog_fd = -1,
	.file_fd = -1,
};

static const int log_priority[] = {
	[LOG_LVL_ERR] = LOG_ERR,
	[LOG_LVL_WARN] = LOG_WARNING,
	[LOG_LVL_INFO] = LOG_INFO,
	[LOG_LVL_DEBUG] = LOG_DEBUG,
	[LOG_LVL_TRACE] = LOG_DEBUG,
};

static const char *const log_prefix[] = {
	[LOG_LVL_ERR] =   "ERROR:   ",
	[LOG_LVL_WARN] =  "WARNING: ",
	[LOG_LVL_INFO] =  "info:    ",
	[LOG_LVL_DEBUG] = "         ",
	[LOG_LVL_TRACE] = "         ",
};

/* Seconds since the start, as "12.3456" */
static void log_time(char *buf, size_t size, int digits)
{
	struct timespec now;
	long long us;

	clock_gettime(CLOCK_MONOTONIC, &now);
	us = (now.tv_sec - log_state.start.tv_sec) * 1000000LL +
	     (now.tv_nsec - log_state.start.tv_nsec) / 1000;
	snprintf(buf, size, "%lld.%0*lld", us / 1000000, digits,
		 us % 1000000 / (digits == 4 ? 100 : 1));
}

/* Drop the older half of the log file, from a line boundary on */
static void log_file_cut(void)
{
	static char buf[LOG_MOVE_CHUNK];
	int fd = log_state.file_fd;
	off_t from = (off_t)log_state.file_size / 2, to = 0;
	bool aligned = false;
	ssize_t n;

	while ((n = pread(fd, buf, sizeof(buf), from)) > 0) {
		const char *p = buf;

		from += n;
		if (!aligned) {
			p = memchr(buf, '\n', (size_t)n);
			if (!p++)
				continue;
			aligned = true;
			n -= p - buf;
		}
		if (pwrite(fd, p, (size_t)n, to) != n)
			break;
		to += n;
	}
	if (!ftruncate(fd, to))
		log_state.file_size = (size_t)to;
}

static void log_file_line(enum log_level level, const char *text)
{
	char line[LOG_LINE_MAX + 64], when[32];
	ssize_t n;
	int len;

	log_time(when, sizeof(when), 4);
	len = snprintf(line, sizeof(line), "%s: %s%s\n", when,
		       log_prefix[level], text);
	len = MIN(len, (int)sizeof(line) - 1);
	if (log_state.file_size + (size_t)len > log_state.file_max)
		log_file_cut();
	n = pwrite(log_state.file_fd, line, (size_t)len,
		   (off_t)log_state.file_size);
	if (n > 0)
		log_state.file_size += (size_t)n;
}

static void log_syslog_line(enum log_level level, const char *text)
{
	char line[LOG_LINE_MAX + 64];
	int len;

	len = snprintf(line, sizeof(line), "<%d> %s: %s",
		       LOG_DAEMON | log_priority[level], log_state.name, text);
	len = MIN(len, (int)sizeof(line) - 1);
	(void)!send(log_state.syslog_fd, line, (size_t)len,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void log_stderr_line(const char *text)
{
	char line[LOG_LINE_MAX + 64], when[32] = "";
	int len;

	if (log_state.timestamps)
		log_time(when, sizeof(when), 6);
	len = snprintf(line, sizeof(line), "%s%s%s\n", when,
		       log_state.timestamps ? ": " : "", text);
	len = MIN(len, (int)sizeof(line) - 1);
	(void)!write(STDERR_FILENO, line, (size_t)len);
}

static void log_vmsg(enum log_level level, const char *fmt, va_list ap)
{
	char text[LOG_LINE_MAX];

	if (level > log_max)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	if (log_state.to_stderr)
		log_stderr_line(text);
	if (log_state.file_fd >= 0)
		log_file_line(level, text);
	else if (log_state.syslog_fd >= 0)
		log_syslog_line(level, text);
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vmsg(level, fmt, ap);
	va_end(ap);
}

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vmsg(LOG_LVL_ERR, fmt, ap);
	va_end(ap);
	if (log_state.undo)
		log_state.undo();
	exit(EXIT_FAILURE);
}

void log_at_die(void (*undo)(void))
{
	log_state.undo = undo;
}

bool log_allow(struct log_limit *l, mono_t now, unsigned burst,
	       unsigned *ret_lost)
{
	if (!l->since.us || !dur_lt(mono_sub(now, l->since), DUR_S(1))) {
		l->since = now;
		l->used = 0;
	}
	if (l->used >= burst) {
		l->lost++;
		return false;
	}
	l->used++;
	if (ret_lost)
		*ret_lost = l->lost;
	l->lost = 0;
	return true;
}

void log_init(const char *name)
{
	log_state.name = name;
	clock_gettime(CLOCK_MONOTONIC, &log_state.start);
}

void log_timestamps(bool on)
{
	log_state.timestamps = on;
}

void log_to_file(int fd, size_t max_size, const char *first_line)
{
	ssize_t n;

	log_state.file_fd = fd;
	log_state.file_max = max_size;
	log_state.file_size = 0;
	n = dprintf(fd, "%s\n", first_line);
	if (n > 0)
		log_state.file_size = (size_t)n;
}

void log_first_line(const char *first_line)
{
	static char buf[LOG_START_MAX];
	char *rest;
	ssize_t n;

	if (log_state.file_fd < 0 || log_state.file_size >= sizeof(buf))
		return;
	n = pread(log_state.file_fd, buf, sizeof(buf) - 1, 0);
	if (n != (ssize_t)log_state.file_size)
		return;
	buf[n] = '\0';
	rest = strchr(buf, '\n');
	if (!rest || ftruncate(log_state.file_fd, 0) ||
	    lseek(log_state.file_fd, 0, SEEK_SET))
		return;
	n = dprintf(log_state.file_fd, "%s%s", first_line, rest);
	log_state.file_size = n > 0 ? (size_t)n : 0;
}

void log_open_syslog(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX,
				   .sun_path = "/dev/log" };
	int fd;

	if (log_state.file_fd >= 0)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)))
		close(fd);
	else
		log_state.syslog_fd = fd;
}

void log_drop_stderr(void)
{
	log_state.to_stderr = false;
}
