/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Internet checksum (RFC 1071) */
#ifndef UTIL_CSUM_H
#define UTIL_CSUM_H

#include "util/addr.h"
#include "util/iov.h"

/* One's complement sum of len bytes at p, added to `sum`; the result may be
 * passed in again as long as all pieces but the last have even length.
 */
uint64_t csum_add(uint64_t sum, const void *p, size_t len);

/* The same over a view, of any alignment and split */
uint64_t csum_add_bytes(uint64_t sum, const struct bytes *b);

/* Sum of the pseudo-header: RFC 9293 3.1, RFC 8200 8.1. len: L4 header and
 * payload.
 */
uint64_t csum_pseudo(const struct addr *src, const struct addr *dst,
		     uint8_t proto, uint32_t len);

/* Fold to 16 bits, without complement; in wire order, as stored in memory */
uint16_t csum_fold(uint64_t sum);

/* The checksum for the header: complement of the fold, in wire order */
static inline be16_t csum_finish(uint64_t sum)
{
	return (be16_t){ (uint16_t)~csum_fold(sum) };
}

#endif /* UTIL_CSUM_H */
