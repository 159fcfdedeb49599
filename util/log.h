/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages: to stderr until we go to the background, then to syslog or a file
 *
 * One message is one line, without a trailing newline in the format. Whoever
 * knows what a failure means speaks, not a helper and its caller both.
 */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

#include "util/mono.h"

enum log_level { LOG_LVL_ERR, LOG_LVL_WARN, LOG_LVL_INFO, LOG_LVL_DEBUG,
		 LOG_LVL_TRACE };

/* Highest level that is printed */
extern enum log_level log_max;

void log_msg(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define err(...)	log_msg(LOG_LVL_ERR, __VA_ARGS__)
#define warn(...)	log_msg(LOG_LVL_WARN, __VA_ARGS__)
#define info(...)	log_msg(LOG_LVL_INFO, __VA_ARGS__)
#define debug(...)							\
	do {								\
		if (log_max >= LOG_LVL_DEBUG)				\
			log_msg(LOG_LVL_DEBUG, __VA_ARGS__);		\
	} while (0)
#define trace(...)							\
	do {								\
		if (log_max >= LOG_LVL_TRACE)				\
			log_msg(LOG_LVL_TRACE, __VA_ARGS__);		\
	} while (0)

/* Start-up only: print one line, then exit with status 1 */
void die(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));
/* The same, where the reason has been told */
void die_told(void) __attribute__((noreturn));
/* Called by die() before it exits: removes what a failed start leaves */
void log_at_die(void (*undo)(void));

/* True at most `burst` times per second for this state; how many were refused
 * since the last true goes to *ret_lost, which may be NULL.
 */
struct log_limit {
	mono_t since;
	unsigned used;
	unsigned lost;			/* refused since the last true */
	unsigned told;			/* of log_admit(): before this one */
};
bool log_allow(struct log_limit *l, mono_t now, unsigned burst,
	       unsigned *ret_lost);

/* A message that somebody else can cause, be it guest, peer, or the client of a
 * socket: so many a second from one place, and the next one says how many were
 * left out. test/style knows which may be without.
 */
enum { LOG_RATE = 5 };
#define log_limited(level, ...)						\
	do {								\
		static struct log_limit limit_;				\
		if (log_admit(&limit_, level))				\
			log_msg_limited(&limit_, level, __VA_ARGS__);	\
	} while (0)
#define err_limited(...)	log_limited(LOG_LVL_ERR, __VA_ARGS__)
#define warn_limited(...)	log_limited(LOG_LVL_WARN, __VA_ARGS__)
#define info_limited(...)	log_limited(LOG_LVL_INFO, __VA_ARGS__)
bool log_admit(struct log_limit *l, enum log_level level);
void log_msg_limited(const struct log_limit *l, enum log_level level,
		     const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Lines that nobody took in time, since the start */
extern uint64_t log_lost;
/* Could an output take a line now? Whoever has many asks this first. */
bool log_has_room(void);

/* Program name for syslog, and where messages go besides stderr */
void log_init(const char *name);
/* From now on, nobody who doesn't read stderr is waited for */
void log_open_stderr(void);
/* Do messages go to a file, so that writer_start() is of use? */
bool log_has_file(void);
/* With -d, lines on stderr get a "seconds.fraction: " prefix */
void log_timestamps(bool on);
enum { LOG_START_MAX = 65536 };
/* Log to fd (opened, kept) instead of syslog, bounded to max_size bytes: the oldest
 * lines are dropped. Until log_begin(), the file stays as it is, and up to
 * LOG_START_MAX bytes of messages wait.
 */
void log_to_file(int fd, size_t max_size);
/* The start has succeeded: what the file had is replaced by this line (name
 * version: exe (pid)) and the messages of the start. Nothing without a file.
 */
void log_begin(const char *first_line);
/* Connect to the system log now, while it can be reached; no error if not */
void log_open_syslog(void);
/* stderr is no longer ours: only file or syslog from now on */
void log_drop_stderr(void);
/* In a child that has none of the outputs: nothing is told from now on */
void log_drop_all(void);

#endif /* UTIL_LOG_H */
