// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: helpers around descriptors and files, see util.h */
#include "util.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/log.h"

int write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

ssize_t read_file_fd(int fd, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	buf[0] = '\0';
	if (fd < 0)
		return -errno;
	while ((n = read(fd, buf + len, size - len)) > 0) {
		len += (size_t)n;
		if (len == size) {
			close(fd);
			buf[size - 1] = '\0';
			return -EFBIG;
		}
	}
	if (n < 0)
		n = -errno;
	close(fd);
	buf[len] = '\0';
	return n < 0 ? n : (ssize_t)len;
}

ssize_t read_file(const char *path, char *buf, size_t size)
{
	return read_file_fd(open(path, O_RDONLY | O_CLOEXEC), buf, size);
}

ssize_t read_file_nowait(const char *path, char *buf, size_t size)
{
	return read_file_fd(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK |
				       O_NOCTTY), buf, size);
}

long long read_file_number(const char *path, long long fallback)
{
	char buf[64], *end;
	long long v;

	if (read_file(path, buf, sizeof(buf)) <= 0)
		return fallback;
	v = strtoll(buf, &end, 10);
	return end == buf ? fallback : v;
}

int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	rc = write_all(fd, text, strlen(text));
	close(fd);
	return rc;
}

bool is_machine_root(void)
{
	unsigned in, out, count;
	char map[128];

	return !geteuid() &&
	       read_file("/proc/self/uid_map", map, sizeof(map)) > 0 &&
	       sscanf(map, "%u %u %u", &in, &out, &count) == 3 &&
	       !in && !out && count == UINT_MAX;
}

int open_output(const char *path, int flags)
{
	struct stat st;
	int fd;

	flags |= O_CREAT | O_CLOEXEC;
	fd = open(path, flags | O_NOFOLLOW, 0600);
	if (fd < 0 && errno == ELOOP && !lstat(path, &st) &&
	    (!st.st_uid || !is_machine_root()))
		fd = open(path, flags, 0600);
	return fd < 0 ? -errno : fd;
}

void path_split(const char *path, char ret_dir[PATH_MAX],
		char ret_name[NAME_MAX + 1])
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		snprintf(ret_dir, PATH_MAX, ".");
	else
		snprintf(ret_dir, PATH_MAX, "%.*s",
			 MAX((int)(slash - path), 1), path);
	snprintf(ret_name, NAME_MAX + 1, "%s", slash ? slash + 1 : path);
}

void leftover_note(struct leftover *l, const char *path)
{
	char dir[PATH_MAX];
	struct stat st;

	if (lstat(path, &st))
		return;
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	path_split(path, dir, l->name);
	l->dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

void leftover_remove(struct leftover *l)
{
	struct stat st;

	if (l->dir_fd >= 0 &&
	    !fstatat(l->dir_fd, l->name, &st, AT_SYMLINK_NOFOLLOW) &&
	    st.st_dev == l->dev && st.st_ino == l->ino)
		unlinkat(l->dir_fd, l->name, 0);
	close_fd(&l->dir_fd);
}

void leftover_keep(struct leftover *l)
{
	close_fd(&l->dir_fd);
}

bool parse_number(const char *s, int base, long long min, long long max,
		  long long *ret)
{
	long long v;
	char *end;

	if (!isdigit((unsigned char)*s) && !(*s == '-' && min < 0))
		return false;
	errno = 0;
	v = strtoll(s, &end, base);
	if (errno || *end || v < min || v > max)
		return false;
	*ret = v;
	return true;
}

void close_fd(int *fd)
{
	int saved = errno;

	if (*fd < 0)
		return;
	close(*fd);
	*fd = -1;
	errno = saved;
}

void random_bytes(void *buf, size_t n)
{
	uint8_t *p = buf;

	while (n) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno != EINTR)
			die("No random numbers from the kernel: %s",
			    strerror(errno));
		if (got > 0) {
			p += got;
			n -= (size_t)got;
		}
	}
}

bool sun_path_set(struct sockaddr_un *sun, const char *path)
{
	size_t len = strlen(path);

	if (!len || len >= sizeof(sun->sun_path))
		return false;
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	memcpy(sun->sun_path, path, len + 1);
	return true;
}
