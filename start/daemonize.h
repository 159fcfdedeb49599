/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Into the background, and the word to the process that waits in the foreground
 *
 * With -f, in the foreground, nothing of it happens but the PID file.
 */
#ifndef START_DAEMONIZE_H
#define START_DAEMONIZE_H

#include <sys/types.h>

struct conf;

/* Open what needs a path: before isolate_fs(). Dies if it can't. */
void daemonize_open(const struct conf *c);

/* We go on as the child, PID 1 of a new PID namespace and without a terminal; the
 * parent waits for daemonize_tell(), then writes the child's PID to pid_fd (-1:
 * none) and exits 0; if the child ends before, it exits 1. What was begun is taken
 * back if the parent has gone. Returns our PID, as our caller sees it.
 *
 * A signalfd must be added to the loop after this, as it belongs to the process
 * that adds it.
 */
pid_t daemonize(const struct conf *c, int pid_fd);

/* The start is called off: who waits for a process in the background ends it. Safe
 * in signal handlers.
 */
void daemonize_undo(void);

/* In the background: stdin, stdout and stderr become the null device. What goes
 * wrong from here on can be told by the parent alone.
 */
void daemonize_drop_stdio(void);

/* Nothing can fail any more but isolate_filter(). In the foreground: writes our PID
 * to the PID file. In the background: dies if nobody waits any more.
 */
void daemonize_ready(void);

/* How isolate_filter() went: 0 or an errno. Dies of it. In the background it returns
 * when the PID file is written, and ends without a word if nobody waits any more.
 */
void daemonize_tell(int outcome);

#endif /* START_DAEMONIZE_H */
