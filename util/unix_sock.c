// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: listening UNIX sockets, see unix_sock.h */
#include "util/unix_sock.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util.h"

static int unix_socket(int type)
{
	return socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Does anybody listen? Without a connection, which would end who waits for one only: of
 * another type's socket, the kernel says so (EPROTOTYPE), and of a dead one ECONNREFUSED.
 */
static bool is_live(const struct sockaddr_un *sun)
{
	int fd = unix_socket(SOCK_DGRAM);
	bool live;

	if (fd < 0)
		return false;
	live = !connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) ||
	       errno == EPROTOTYPE;
	close(fd);
	return live;
}

/* Remove what is there, if that may be. 0 or -errno. */
static int clear(const struct sockaddr_un *sun, enum unix_replace what)
{
	struct stat st;

	if (what == UNIX_DEAD && !lstat(sun->sun_path, &st)) {
		if (!S_ISSOCK(st.st_mode))
			return -ENOTSOCK;
		if (is_live(sun))
			return -EADDRINUSE;
	}
	return unlink(sun->sun_path) && errno != ENOENT ? -errno : 0;
}

int unix_listen(const char *path, enum unix_replace what, mode_t mask,
		int backlog)
{
	struct sockaddr_un sun;
	mode_t before;
	int fd, rc;

	if (!sun_path_set(&sun, path))
		return -ENAMETOOLONG;
	rc = clear(&sun, what);
	if (rc)
		return rc;
	fd = unix_socket(SOCK_STREAM);
	if (fd < 0)
		return -errno;
	before = umask(0777);
	umask(before | mask);
	rc = bind(fd, (const struct sockaddr *)&sun, sizeof(sun)) ? -errno : 0;
	umask(before);
	if (!rc && listen(fd, backlog))
		rc = -errno;
	if (!rc)
		return fd;
	close(fd);
	return rc;
}
