// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: messages, to stderr, the system log or a bounded file
 *
 * Data: one line is formatted on the stack and written with one call, so it
 * works inside the sandbox. The syslog datagram format is RFC 3164's
 * "<pri> name: text" that every log daemon reads.
 *
 * Nobody is waited for, but for a moment (writer_wait()): a line that its output
 * doesn't take is lost, and how many were is said there in front of the next one
 * that gets through. stderr is somebody else's, too, so it can't be made
 * non-blocking: we open the same pipe or terminal anew. A socket needs no such
 * thing; files are written by a thread (writer.h).
 */
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syslog.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "util/ringfile.h"
#include "util/writer.h"

enum {
	LOG_LINE_MAX	= 1024,
	LOG_ROOM	= 4096,		/* for a few lines */
};

enum output { TO_STDERR, TO_FILE, TO_SYSLOG, OUTPUTS };

/* How stderr is written to without waiting */
enum stderr_kind {
	STDERR_POLL,			/* what else it may be: asked first */
	STDERR_OWN,			/* opened by us, non-blocking */
	STDERR_SOCKET,
	STDERR_FILE,
};

enum log_level log_max = LOG_LVL_INFO;
uint64_t log_lost;

static struct {
	const char *name;
	bool to_stderr;
	enum stderr_kind stderr_kind;
	int stderr_fd;
	bool stderr_torn;		/* the last line has no end */
	bool timestamps;
	unsigned lost[OUTPUTS];	/* not told yet */
	int syslog_fd;			/* -1: not open */
	struct ringfile file;
	bool held;			/* its lines wait in log_start */
	size_t held_len;
	struct timespec start;
	void (*undo)(void);
} log_state = {
	.name = "passt",
	.to_stderr = true,
	.stderr_fd = STDERR_FILENO,
	.syslog_fd = -1,
	.file = { .fd = -1 },
};

static char log_start[LOG_START_MAX];

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

/* Each of these: false if it couldn't be written now */

static void log_file_write(const void *line, size_t len)
{
	ringfile_write(&log_state.file, line, len);
}

static bool log_hold(const char *line, size_t len)
{
	if (len > sizeof(log_start) - log_state.held_len)
		return false;
	memcpy(log_start + log_state.held_len, line, len);
	log_state.held_len += len;
	return true;
}

static bool log_file_line(enum log_level level, const char *text)
{
	char line[LOG_LINE_MAX + 64], when[32];
	int len;

	log_time(when, sizeof(when), 4);
	len = snprintf(line, sizeof(line), "%s: %s%s\n", when,
		       log_prefix[level], text);
	if (log_state.held)
		return log_hold(line, (size_t)MIN(len, (int)sizeof(line) - 1));
	return writer_put(log_file_write, line,
			  (size_t)MIN(len, (int)sizeof(line) - 1));
}

static bool log_syslog_line(enum log_level level, const char *text)
{
	char line[LOG_LINE_MAX + 64];
	int len;

	len = snprintf(line, sizeof(line), "<%d> %s: %s",
		       LOG_DAEMON | log_priority[level], log_state.name, text);
	len = MIN(len, (int)sizeof(line) - 1);
	return send(log_state.syslog_fd, line, (size_t)len,
		    MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 || errno != EAGAIN;
}

static void log_stderr_write(const void *line, size_t len)
{
	(void)!write(STDERR_FILENO, line, len);
}

/* As write(), but EAGAIN rather than to wait */
static ssize_t log_stderr_try(const char *line, size_t len)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (log_state.stderr_kind == STDERR_SOCKET)
		return send(STDERR_FILENO, line, len,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
	if (log_state.stderr_kind == STDERR_POLL && poll(&p, 1, 0) <= 0) {
		errno = EAGAIN;
		return -1;
	}
	return write(log_state.stderr_fd, line, len);
}

static bool log_stderr_line(enum log_level level, const char *text)
{
	char line[LOG_LINE_MAX + 64], when[32] = "";
	size_t len;
	ssize_t n;

	(void)level;
	if (log_state.timestamps)
		log_time(when, sizeof(when), 6);
	len = (size_t)snprintf(line, sizeof(line), "%s%s%s%s\n",
			       log_state.stderr_torn ? "\n" : "", when,
			       log_state.timestamps ? ": " : "", text);
	len = MIN(len, sizeof(line) - 1);
	if (log_state.stderr_kind == STDERR_FILE)
		return writer_put(log_stderr_write, line, len);
	do {
		n = log_stderr_try(line, len);
	} while (n < 0 && (errno == EINTR ||
			   (errno == EAGAIN &&
			    writer_wait(log_state.stderr_fd))));
	/* That nobody is there at all is nobody's loss */
	if (n < 0)
		return errno != EAGAIN;
	log_state.stderr_torn = (size_t)n < len;
	return !log_state.stderr_torn;
}

static void log_line(enum output to, enum log_level level,
		     const char *text)
{
	static bool (*const line[OUTPUTS])(enum log_level, const char *) = {
		[TO_STDERR] = log_stderr_line,
		[TO_FILE] = log_file_line,
		[TO_SYSLOG] = log_syslog_line,
	};
	char lost[64];

	if (log_state.lost[to]) {
		snprintf(lost, sizeof(lost),
			 "%u messages lost: nobody took them in time",
			 log_state.lost[to]);
		if (line[to](LOG_LVL_WARN, lost))
			log_state.lost[to] = 0;
	}
	if (!log_state.lost[to] && line[to](level, text))
		return;
	log_state.lost[to]++;
	log_lost++;
}

static void log_text(enum log_level level, const char *text)
{
	if (log_state.to_stderr)
		log_line(TO_STDERR, level, text);
	if (log_state.file.fd >= 0)
		log_line(TO_FILE, level, text);
	else if (log_state.syslog_fd >= 0)
		log_line(TO_SYSLOG, level, text);
}

static void log_vmsg(enum log_level level, const char *fmt, va_list ap)
{
	char text[LOG_LINE_MAX];

	if (level > log_max)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	log_text(level, text);
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vmsg(level, fmt, ap);
	va_end(ap);
}

void die_told(void)
{
	if (log_state.undo)
		log_state.undo();
	writer_drain();
	exit(EXIT_FAILURE);
}

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vmsg(LOG_LVL_ERR, fmt, ap);
	va_end(ap);
	die_told();
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

bool log_admit(struct log_limit *l, enum log_level level)
{
	struct timespec ts;
	mono_t now;

	if (level > log_max)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	now.us = (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
	return log_allow(l, now, LOG_RATE, &l->told);
}

void log_msg_limited(const struct log_limit *l, enum log_level level,
		     const char *fmt, ...)
{
	char text[LOG_LINE_MAX];
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	len = strlen(text);
	if (l->told)
		snprintf(text + len, sizeof(text) - len,
			 " (and %u more such messages)", l->told);
	log_text(level, text);
}

/* To all that there are, and out */
static void log_assert(const char *line)
{
	log_text(LOG_LVL_ERR, line);
	writer_drain();
}

void log_init(const char *name)
{
	assert_set_teller(log_assert);
	log_state.name = name;
	clock_gettime(CLOCK_MONOTONIC, &log_state.start);
}

void log_open_stderr(void)
{
	struct stat st;
	int fd;

	if (fstat(STDERR_FILENO, &st))
		return;
	if (S_ISREG(st.st_mode)) {
		log_state.stderr_kind = STDERR_FILE;
	} else if (S_ISSOCK(st.st_mode)) {
		log_state.stderr_kind = STDERR_SOCKET;
	} else if (S_ISFIFO(st.st_mode) || isatty(STDERR_FILENO)) {
		fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY |
			  O_CLOEXEC);
		if (fd < 0)
			return;
		log_state.stderr_fd = fd;
		log_state.stderr_kind = STDERR_OWN;
	}
}

bool log_has_file(void)
{
	return log_state.file.fd >= 0 ||
	       (log_state.to_stderr && log_state.stderr_kind == STDERR_FILE);
}

bool log_has_room(void)
{
	struct pollfd p[] = {
		{ .fd = log_state.stderr_fd, .events = POLLOUT },
		{ .fd = log_state.syslog_fd, .events = POLLOUT },
	};

	if (log_has_file() && !writer_has_room(LOG_ROOM))
		return false;
	if (!log_state.to_stderr || log_state.stderr_kind == STDERR_FILE)
		p[0].fd = -1;
	for (unsigned i = 0; i < ARRAY_SIZE(p); i++) {
		if (p[i].fd >= 0 && poll(&p[i], 1, 0) <= 0)
			return false;
	}
	return true;
}

void log_timestamps(bool on)
{
	log_state.timestamps = on;
}

void log_to_file(int fd, size_t max_size)
{
	ringfile_init(&log_state.file, fd, max_size);
	log_state.held = true;
	log_state.held_len = 0;
}

void log_begin(const char *first_line)
{
	char line[LOG_LINE_MAX];
	int len;

	if (log_state.file.fd < 0)
		return;
	log_state.held = false;
	/* A pipe or a terminal has nothing that could be in the way */
	(void)!ftruncate(log_state.file.fd, 0);
	len = snprintf(line, sizeof(line), "%s\n", first_line);
	writer_put(log_file_write, line,
		   (size_t)MIN(len, (int)sizeof(line) - 1));
	for (size_t at = 0; at < log_state.held_len; ) {
		const char *p = log_start + at;
		const char *end = memchr(p, '\n', log_state.held_len - at);
		size_t n = (size_t)(end - p) + 1;

		writer_put(log_file_write, p, n);
		at += n;
	}
}

void log_open_syslog(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX,
				   .sun_path = "/dev/log" };
	int fd;

	if (log_state.file.fd >= 0)
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
	if (log_state.stderr_kind == STDERR_OWN)
		close(log_state.stderr_fd);
	log_state.stderr_fd = -1;
}

void log_drop_all(void)
{
	log_state.to_stderr = false;
	log_state.file.fd = -1;
	log_state.syslog_fd = -1;
}
