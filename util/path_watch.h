/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Has what a path leads to changed? By inotify, on the file, on the directory that
 * it is in, on those of all links on the way, and on all directories themselves: so
 * that a file which is written anew, replaced, removed or made is noticed, a link
 * that leads elsewhere, and a directory with another one in its place. What is
 * mounted over any of them isn't: no inode changes by it.
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

/* Watch an absolute path as it leads now, in place of what fd watches (-1: nothing so
 * far). 0; or -errno if something can't be watched: nothing is, then. What was
 * before can be read, for sure, after this: no change gets lost.
 */
int path_watch_open(struct path_watch *pw, const char *path);

/* Read what has happened; does any of it matter for the path? Then open it again,
 * as it may lead elsewhere now.
 */
bool path_watch_read(struct path_watch *pw);

#endif /* UTIL_PATH_WATCH_H */
