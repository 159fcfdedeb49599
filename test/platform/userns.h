/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the programs here begin with: namespaces that anybody may play in */
#ifndef USERNS_H
#define USERNS_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static inline void put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		printf("# %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* Become root of a new user namespace, with new namespaces of `flags`; tells
 * that the test is skipped and exits if that isn't allowed here
 */
static inline void enter_userns(int flags)
{
	unsigned uid = geteuid(), gid = getegid();
	char map[32];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (unshare(CLONE_NEWUSER | flags)) {
		printf("1..0 # SKIP no user namespaces: %s\n", strerror(errno));
		exit(0);
	}
	snprintf(map, sizeof(map), "0 %u 1", uid);
	put_file("/proc/self/uid_map", map);
	put_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", gid);
	put_file("/proc/self/gid_map", map);
}

#endif /* USERNS_H */
