// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: a file of lines that doesn't grow beyond a size, see ringfile.h */
#include "util/ringfile.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOVE_CHUNK = 8192 };

void ringfile_init(struct ringfile *f, int fd, size_t max)
{
	struct stat st;

	*f = (struct ringfile){ .fd = fd, .max = max };
	f->stream = !fstat(fd, &st) && !S_ISREG(st.st_mode);
}

/* Drop the older half, from a line boundary on */
static void ringfile_cut(struct ringfile *f)
{
	off_t from = (off_t)f->size / 2, to = 0;
	char buf[MOVE_CHUNK];
	bool aligned = false;
	ssize_t n;

	while ((n = pread(f->fd, buf, sizeof(buf), from)) > 0) {
		const char *p = buf;

		from += n;
		if (!aligned) {
			p = memchr(buf, '\n', (size_t)n);
			if (!p++)
				continue;
			aligned = true;
			n -= p - buf;
		}
		if (pwrite(f->fd, p, (size_t)n, to) != n)
			break;
		to += n;
	}
	if (!ftruncate(f->fd, to))
		f->size = (size_t)to;
}

bool ringfile_write(struct ringfile *f, const void *line, size_t len)
{
	ssize_t n;

	if (f->stream)
		return write(f->fd, line, len) == (ssize_t)len;
	if (f->size + len > f->max)
		ringfile_cut(f);
	n = pwrite(f->fd, line, len, (off_t)f->size);
	if (n > 0)
		f->size += (size_t)n;
	return n == (ssize_t)len;
}
