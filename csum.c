// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the Internet checksum, on every path where the link wants it complete
 *
 * The sum of 16-bit words is the same in either byte order up to the order of
 * the result (RFC 1071 2.B), so memory is summed as it lies and the result is
 * in wire order. 32-bit words are added to 64-bit accumulators, which the
 * compiler vectorises; on x86-64 a second copy for AVX2 is made by the
 * compiler, and the loader picks one.
 */
#include "csum.h"

#include <string.h>

#include "wire.h"

#if defined(__x86_64__) && defined(__GLIBC__) && !defined(SANITIZE) && \
	defined(__GNUC__) && !defined(__clang__)
#define CSUM_CLONES __attribute__((target_clones("avx2", "default"), \
				   optimize("O3")))
#else
#define CSUM_CLONES
#endif

enum { CSUM_LANES = 16 };

/* Sum of n 32-bit words of any alignment */
CSUM_CLONES
static uint64_t csum_words(const uint8_t *p, size_t n)
{
	uint64_t acc[CSUM_LANES] = { 0 };
	uint64_t sum = 0;
	size_t i = 0;

	for (; i + CSUM_LANES <= n; i += CSUM_LANES) {
		uint32_t w[CSUM_LANES];

		memcpy(w, p + i * 4, sizeof(w));
		for (unsigned j = 0; j < CSUM_LANES; j++)
			acc[j] += w[j];
	}
	for (unsigned j = 0; j < CSUM_LANES; j++)
		sum += acc[j];
	for (; i < n; i++) {
		uint32_t w;

		memcpy(&w, p + i * 4, sizeof(w));
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
