/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Has what a path leads to changed? By inotify, on the file, on the directory that
 * it is in, and on those of all links on the way: so that a file which is written
 * anew, replaced, removed or made is noticed, and a link that leads elsewhere.
 */
#ifndef UTIL_PATH_WATCH_H
#define UTIL_PATH_WATCH_H

#include <limits.h>

#include "util/types.h"

enum { PATH_WATCH_MAX = 32 };

struct path_watch {
	int fd;				/* readable when something happens */
	struct {
		int wd;
		char name[NAME_MAX + 1];	/* in that directory; "": the
						 * file or directory itself */
	} point[PATH_WATCH_MAX];
	unsigned count;
};

/* Watch an absolute path as it leads now, in place of what fd (-1: nothing)
 * watches. 0 or -errno, and fd is -1 then. What was before can be read, for sure,
 * after this: no change gets lost.
 */
int path_watch_open(struct path_watch *pw, const char *path);

/* Read what has happened; does any of it matter for the path? Then open it again,
 * as it may lead elsewhere now.
 */
bool path_watch_read(struct path_watch *pw);

#endif /* UTIL_PATH_WATCH_H */
