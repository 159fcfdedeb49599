/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file of lines that doesn't grow beyond a size: the log, the audit
 *
 * When it is full, its older half is cut at a line boundary, by moving the newer
 * half to the front: no rename, no second file, which the empty root wouldn't
 * allow. What can't be moved about (a pipe, a terminal) is just written to.
 */
#ifndef UTIL_RINGFILE_H
#define UTIL_RINGFILE_H

#include <stddef.h>

#include "util/types.h"

struct ringfile {
	int fd;				/* -1: none */
	size_t size, max;
	bool stream;			/* not a regular file */
};

/* fd is open for reading and writing, and kept; what it has is written over */
void ringfile_init(struct ringfile *f, int fd, size_t max);
/* One whole line. Waits for the disk: for a writer (writer.h). False: not all of
 * it was written.
 */
bool ringfile_write(struct ringfile *f, const void *line, size_t len);

#endif /* UTIL_RINGFILE_H */
