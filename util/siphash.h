/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SipHash-2-4 (Aumasson, Bernstein 2012): keyed hash, so that nobody outside
 * can choose colliding flows (hash table) or guess sequence numbers (RFC 6528)
 */
#ifndef UTIL_SIPHASH_H
#define UTIL_SIPHASH_H

#include <string.h>

#include "util/types.h"

struct siphash_key { uint64_t k[2]; };

static inline uint64_t siphash_rotl(uint64_t v, int n)
{
	return v << n | v >> (64 - n);
}

static inline void siphash_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = siphash_rotl(v[1], 13) ^ v[0];
	v[3] = siphash_rotl(v[3], 16) ^ v[2];
	v[0] = siphash_rotl(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = siphash_rotl(v[1], 17) ^ v[2];
	v[3] = siphash_rotl(v[3], 21) ^ v[0];
	v[2] = siphash_rotl(v[2], 32);
}

static inline void siphash_word(uint64_t v[4], uint64_t m)
{
	v[3] ^= m;
	siphash_round(v);
	siphash_round(v);
	v[0] ^= m;
}

/* Hash of len bytes at p under key */
static inline uint64_t siphash(const struct siphash_key *key,
			       const void *p, size_t len)
{
	uint64_t v[4] = {
		key->k[0] ^ 0x736f6d6570736575ULL,
		key->k[1] ^ 0x646f72616e646f6dULL,
		key->k[0] ^ 0x6c7967656e657261ULL,
		key->k[1] ^ 0x7465646279746573ULL,
	};
	const uint8_t *b = p;
	uint64_t last = (uint64_t)len << 56;
	uint64_t m;
	size_t n;

	for (n = len; n >= 8; n -= 8, b += 8) {
		memcpy(&m, b, sizeof(m));
		siphash_word(v, le64toh(m));
	}
	while (n) {
		n--;
		last |= (uint64_t)b[n] << (8 * n);
	}
	siphash_word(v, last);

	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		siphash_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif /* UTIL_SIPHASH_H */
