// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: views of bytes scattered over iovecs, see iov.h */
#include "util/iov.h"

#include <string.h>

struct bytes bytes_all(const struct iovec *iov, uint32_t cnt)
{
	struct bytes all = { .iov = iov, .cnt = cnt };

	for (uint32_t i = 0; i < cnt; i++)
		all.len += (uint32_t)iov[i].iov_len;
	return all;
}

struct bytes bytes_slice(const struct bytes *b, uint32_t off, uint32_t len)
{
	struct bytes s = *b;

	off = MIN(off, b->len);
	s.off += off;
	s.len = MIN(len, b->len - off);
	while (s.cnt && s.off >= s.iov->iov_len) {
		s.off -= (uint32_t)s.iov->iov_len;
		s.iov++;
		s.cnt--;
	}
	return s;
}

/* The next piece of b that lies in one, and b without it; NULL at the end */
static uint8_t *bytes_next(struct bytes *b, size_t *ret_len)
{
	uint8_t *p = NULL;

	*b = bytes_slice(b, 0, b->len);
	if (!b->len || !b->cnt)
		return NULL;
	p = (uint8_t *)b->iov->iov_base + b->off;
	*ret_len = MIN(b->iov->iov_len - b->off, b->len);
	b->len -= (uint32_t)*ret_len;
	b->iov++;
	b->cnt--;
	b->off = 0;
	return p;
}

size_t bytes_copy(const struct bytes *b, uint32_t off, void *to, size_t n)
{
	struct bytes s = bytes_slice(b, off, (uint32_t)MIN(n, UINT32_MAX));
	size_t done = 0, len = 0;
	const uint8_t *p;

	while ((p = bytes_next(&s, &len))) {
		memcpy((uint8_t *)to + done, p, len);
		done += len;
	}
	return done;
}

size_t bytes_fill(const struct bytes *b, uint32_t off, const void *from,
		  size_t n)
{
	struct bytes s = bytes_slice(b, off, (uint32_t)MIN(n, UINT32_MAX));
	size_t done = 0, len = 0;
	uint8_t *p;

	while ((p = bytes_next(&s, &len))) {
		memcpy(p, (const uint8_t *)from + done, len);
		done += len;
	}
	return done;
}

void bytes_move(const struct bytes *b, uint32_t off, const struct bytes *from)
{
	struct bytes s = *from;
	size_t len = 0;
	uint8_t *p;

	while ((p = bytes_next(&s, &len)))
		off += (uint32_t)bytes_fill(b, off, p, len);
}

unsigned bytes_to_iov(const struct bytes *b, struct iovec *out, unsigned max)
{
	struct bytes s = bytes_slice(b, 0, b->len);
	size_t left = s.len;
	unsigned n = 0;

	for (unsigned i = 0; i < s.cnt && left && n < max; i++, n++) {
		size_t skip = i ? 0 : s.off;

		out[n].iov_base = (uint8_t *)s.iov[i].iov_base + skip;
		out[n].iov_len = MIN(s.iov[i].iov_len - skip, left);
		left -= out[n].iov_len;
	}
	return n;
}

struct iovec iov_const(const void *p, size_t len)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
	return (struct iovec){ .iov_base = (void *)p, .iov_len = len };
#pragma GCC diagnostic pop
}
