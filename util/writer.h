/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing what may have to wait: for a disk that hangs, a reader that sleeps
 *
 * What goes to files (log, capture, the record, stderr if that is one) is queued for
 * a thread of its own, which may wait for as long as it likes; where there is none,
 * as in the start, it's done at once. What finds no room is lost, and its owner
 * counts it; the loop waits for room not at all (writer_try()), or for a moment
 * (writer_put()), never for a disk.
 */
#ifndef UTIL_WRITER_H
#define UTIL_WRITER_H

#include <stddef.h>

#include "util/types.h"

enum { WRITER_MAX = 128 * 1024 };	/* bytes of one piece */

/* Does the writing: in the thread, in the order of writer_put() */
typedef void (*writer_fn)(const void *data, size_t len);

/* Have fn do its work with a copy of data, now or later. False: no room; nothing
 * will happen.
 */
bool writer_try(writer_fn fn, const void *data, size_t len);
/* Likewise, after some patience: see writer_wait() */
bool writer_put(writer_fn fn, const void *data, size_t len);

/* Is there room for so many bytes, in few pieces? */
bool writer_has_room(size_t len);

/* Begin the thread: after this nothing may be done to it, to capabilities, for
 * example, but a filter for all threads. 0 or -errno, and all goes on without.
 */
int writer_start(void);

/* Wait until all is written, for a second at most: before the end */
void writer_drain(void);

/* Wait until fd (-1: something) can take more; false if it's time to give up. All
 * these waits together take 50 ms, and 5 % of the time.
 */
bool writer_wait(int fd);

#endif /* UTIL_WRITER_H */
