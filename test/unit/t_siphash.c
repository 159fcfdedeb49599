// SPDX-License-Identifier: GPL-2.0-or-later
/* SipHash-2-4, against the vectors of its authors
 *
 * Links:
 */
#include "util/siphash.h"

#include <stdlib.h>

#include "tap_test.h"

/* Aumasson, Bernstein: SipHash, appendix A, and the first 16 of the vectors
 * that come with the reference implementation: key 00 01 … 0f, inputs of 0 to
 * 15 bytes 00 01 …
 */
static const uint64_t vectors[] = {
	0x726fdb47dd0e0e31, 0x74f839c593dc67fd,
	0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
	0xcf2794e0277187b7, 0x18765564cd99a68d,
	0xcbc9466e58fee3ce, 0xab0200f58b01d137,
	0x93f5f5799a932462, 0x9e0082df0ba9e4b0,
	0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
	0x751e8fbc860ee5fb, 0x14ea5627c0843d90,
	0xf723ca908e7af2ee, 0xa129ca6149be45e5,
};

int main(void)
{
	static const struct siphash_key key = {
		{ 0x0706050403020100, 0x0f0e0d0c0b0a0908 }
	};
	struct siphash_key other = key;
	unsigned wrong = 0;

	for (size_t len = 0; len < ARRAY_SIZE(vectors); len++) {
		/* at every alignment, nothing readable behind it */
		for (size_t at = 0; at < 8; at++) {
			uint8_t *p = malloc(at + len + !(at + len));
			uint64_t h;

			for (size_t i = 0; i < len; i++)
				p[at + i] = (uint8_t)i;
			h = siphash(&key, p + at, len);
			if (!at)
				is_int((int64_t)h, (int64_t)vectors[len],
				       "vector of %zu bytes", len);
			wrong += h != vectors[len];
			free(p);
		}
	}
	is_int(wrong, 0, "the same at every alignment");

	other.k[1] ^= 1ULL << 63;
	ok(siphash(&other, "", 0) != vectors[0], "the key matters, all of it");
	ok(siphash(&key, "\0", 1) != siphash(&key, "\0\0", 2),
	   "as does the length");
	return done();
}
