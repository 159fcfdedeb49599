/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random numbers with a fixed seed: the same in every run, so that what a
 * property test found is found again. A test program is one file, so the state
 * is its own.
 */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>

/* xorshift64* */
static inline uint64_t random_64(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15ULL;

	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dULL;
}

static inline uint32_t random_32(void)
{
	return (uint32_t)(random_64() >> 32);
}

/* In [0, n), nearly even; 0 for n = 0 */
static inline uint32_t random_below(uint32_t n)
{
	return n ? random_32() % n : 0;
}

/* Any magnitude with the same chance: 0 to 2^bits - 1 */
static inline uint32_t random_magnitude(unsigned bits)
{
	return random_32() >> (31 - random_below(bits)) >> 1;
}

static inline void random_fill(void *p, size_t n)
{
	uint8_t *b = p;

	while (n--)
		*b++ = (uint8_t)random_32();
}

#endif /* RANDOM_H */
