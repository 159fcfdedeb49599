/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listening UNIX sockets with a name in the file system */
#ifndef UTIL_UNIX_SOCK_H
#define UTIL_UNIX_SOCK_H

#include <sys/types.h>

#include "util/types.h"

enum unix_replace {
	UNIX_DEAD,			/* a socket that nobody listens at */
	UNIX_ANYTHING,
};

/* A non-blocking stream socket that listens at path, in place of what may be
 * replaced. Its file lacks the permissions of `mask`, and of the umask. Descriptor;
 * or -errno, -EADDRINUSE: somebody listens there, -ENOTSOCK: something else is.
 */
int unix_listen(const char *path, enum unix_replace what, mode_t mask,
		int backlog);

#endif /* UTIL_UNIX_SOCK_H */
