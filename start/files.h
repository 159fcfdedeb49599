/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that are written to: log, audit, learned policy, capture, PID
 *
 * They are opened early, since a path may be refused, and keep what they have, so
 * that a start that fails changes nothing of another instance's. They are emptied by
 * who writes first: files_begin_capture(), files_begin() and daemonize_ready() when
 * the start has succeeded, policy_used_write() later.
 */
#ifndef START_FILES_H
#define START_FILES_H

#include <sys/types.h>

struct conf;

/* Open them, and hand them to who writes to them; the PID file is returned: -1 if
 * there is none. Dies if one can't be opened.
 */
int files_open(const struct conf *c);

/* Little can fail now; says so on stderr if it does */
void files_begin_capture(const struct conf *c);
/* While there can be threads: one that waits for disks, see writer.h */
void files_writer(const struct conf *c);
/* The start has succeeded, as process `pid`: the log has its messages */
void files_begin(const struct conf *c, pid_t pid);

struct leftover;
/* Those that we made and may not be able to remove later, as root of the machine will
 * be somebody else: how many
 */
enum { FILES_BEGUN_MAX = 8 };
unsigned files_begun(const struct leftover *ret[FILES_BEGUN_MAX]);

/* A start that fails: remove what we made. Safe in signal handlers. */
void files_undo(void);
/* It has succeeded: they stay */
void files_keep(void);

#endif /* START_FILES_H */
