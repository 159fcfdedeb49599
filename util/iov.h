/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Byte ranges scattered over iovecs, always with an explicit length */
#ifndef UTIL_IOV_H
#define UTIL_IOV_H

#include <sys/uio.h>

#include "util/types.h"

/* A view of `len` bytes, starting `off` bytes into iov[0..cnt). Borrowed: valid
 * as long as whoever made it says.
 */
struct bytes {
	const struct iovec *iov;
	uint32_t cnt;
	uint32_t off;
	uint32_t len;
};

/* All that cnt iovecs hold */
struct bytes bytes_all(const struct iovec *iov, uint32_t cnt);

/* The part [off, off + len) of b; shorter if b is */
struct bytes bytes_slice(const struct bytes *b, uint32_t off, uint32_t len);

/* Copy out up to n bytes from offset off; returns how many were there */
size_t bytes_copy(const struct bytes *b, uint32_t off, void *to, size_t n);

/* Copy n bytes from `from` into what b views, from its offset off on: a block of
 * headers over pieces of any size. Returns how many there was room for.
 */
size_t bytes_fill(const struct bytes *b, uint32_t off, const void *from,
		  size_t n);

/* The same with all of `from` */
void bytes_move(const struct bytes *b, uint32_t off, const struct bytes *from);

/* Write b as at most max iovecs to out; returns how many. What doesn't fit in
 * max is left out, which the caller learns from the sum of the lengths.
 */
unsigned bytes_to_iov(const struct bytes *b, struct iovec *out, unsigned max);

/* An iovec over constant bytes: the one place where const is cast away */
struct iovec iov_const(const void *p, size_t len);

#endif /* UTIL_IOV_H */
