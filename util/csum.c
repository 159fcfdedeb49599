// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the Internet checksum, on every path where the link wants it complete
 *
 * The sum of 16-bit words is the same in either byte order up to the order of
 * the result (RFC 1071 2.B), so memory is summed as it lies and the result is
 * in wire order. Vectors of 64-bit lanes take 32-bit words in two halves, low
 * and high, without any widening; on x86-64 a second copy for AVX2 is made by
 * the compiler, and the loader picks one.
 */
#include "util/csum.h"

#include <string.h>

#include "util/wire.h"

#if defined(__x86_64__) && defined(__GLIBC__) && !defined(SANITIZE) && \
	defined(__GNUC__) && !defined(__clang__)
#define CSUM_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define CSUM_CLONES
#endif

typedef uint64_t csum_vec __attribute__((vector_size(32)));
typedef csum_vec csum_vec_at __attribute__((aligned(1), may_alias));

enum { CSUM_VEC = sizeof(csum_vec) };

/* Sum of the n 32-bit words at p, which may have any alignment */
CSUM_CLONES
static uint64_t csum_words(const uint8_t *p, size_t n)
{
	csum_vec lo0 = { 0 }, hi0 = { 0 }, lo1 = { 0 }, hi1 = { 0 };
	uint64_t sum = 0;

	for (; n >= 2 * CSUM_VEC / 4; n -= 2 * CSUM_VEC / 4) {
		csum_vec x = ((const csum_vec_at *)(const void *)p)[0];
		csum_vec y = ((const csum_vec_at *)(const void *)p)[1];

		lo0 += x & UINT32_MAX;
		hi0 += x >> 32;
		lo1 += y & UINT32_MAX;
		hi1 += y >> 32;
		p += 2 * CSUM_VEC;
	}
	lo0 += hi0 + lo1 + hi1;
	for (unsigned i = 0; i < CSUM_VEC / sizeof(uint64_t); i++)
		sum += lo0[i];
	for (; n; n--, p += 4) {
		uint32_t w;

		memcpy(&w, p, sizeof(w));
		sum += w;
	}
	return sum;
}

/* Keep the sum small enough for the next 2^31 words */
static uint64_t csum_narrow(uint64_t sum)
{
	return (sum & UINT32_MAX) + (sum >> 32);
}

uint64_t csum_add(uint64_t sum, const void *p, size_t len)
{
	const uint8_t *b = p;

	sum = csum_narrow(sum) + csum_words(b, len / 4);
	b += len & ~(size_t)3;
	if (len & 3) {
		uint8_t tail[4] = { 0 };
		uint32_t w;

		memcpy(tail, b, len & 3);
		memcpy(&w, tail, sizeof(w));
		sum += w;
	}
	return sum;
}

/* The sum as it is when every byte stands one address further: RFC 1071 2.B */
static uint64_t csum_swap(uint64_t sum)
{
	uint16_t f = csum_fold(sum);

	return (uint16_t)(f << 8 | f >> 8);
}

uint64_t csum_add_bytes(uint64_t sum, const struct bytes *b)
{
	struct bytes s = bytes_slice(b, 0, b->len);
	size_t done = 0;

	for (unsigned i = 0; i < s.cnt && done < s.len; i++) {
		const uint8_t *p = s.iov[i].iov_base;
		size_t skip = i ? 0 : s.off;
		size_t n = MIN(s.iov[i].iov_len - skip, s.len - done);
		uint64_t part = csum_add(0, p + skip, n);

		sum = csum_narrow(sum) + (done & 1 ? csum_swap(part) :
						     csum_narrow(part));
		done += n;
	}
	return sum;
}

uint64_t csum_pseudo(const struct addr *src, const struct addr *dst,
		     uint8_t proto, uint32_t len)
{
	be32_t tail[2] = { be32_put(len), be32_put(proto) };
	uint64_t sum;

	if (addr_is_v4(src)) {
		sum = csum_add(0, addr_v4_bytes(src), 4);
		sum = csum_add(sum, addr_v4_bytes(dst), 4);
	} else {
		sum = csum_add(0, src->b, 16);
		sum = csum_add(sum, dst->b, 16);
	}
	return csum_add(sum, tail, sizeof(tail));
}

uint16_t csum_fold(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}
