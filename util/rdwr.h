/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cursors that can't overrun: read (struct rd) and write (struct wr)
 *
 * Both carry a sticky `bad` flag. Reading past the end gives zeroes and sets
 * it, writing past the end writes nothing and sets it; check once, at the end.
 */
#ifndef UTIL_RDWR_H
#define UTIL_RDWR_H

#include "util/types.h"

struct rd {
	const uint8_t *p;		/* next byte */
	size_t left;			/* bytes from p on */
	bool bad;
};

struct wr {
	uint8_t *buf;
	size_t size;			/* bytes at buf */
	size_t len;			/* bytes written so far */
	bool bad;
};

static inline struct rd rd_init(const void *buf, size_t len)
{
	return (struct rd){ .p = buf, .left = len };
}

static inline struct wr wr_init(void *buf, size_t size)
{
	return (struct wr){ .buf = buf, .size = size };
}

/* n bytes to read in place, NULL (and bad) if there are fewer */
const uint8_t *rd_bytes(struct rd *rd, size_t n);
uint8_t rd_u8(struct rd *rd);
uint16_t rd_u16(struct rd *rd);		/* from network order */
uint32_t rd_u32(struct rd *rd);
/* Copy n bytes; zeroes (and bad) if there are fewer */
void rd_copy(struct rd *rd, void *to, size_t n);
/* The next n bytes as a cursor of their own; an empty one if there are fewer */
struct rd rd_sub(struct rd *rd, size_t n);

void wr_bytes(struct wr *wr, const void *from, size_t n);
void wr_zero(struct wr *wr, size_t n);
void wr_u8(struct wr *wr, uint8_t v);
void wr_u16(struct wr *wr, uint16_t v);	/* to network order */
void wr_u32(struct wr *wr, uint32_t v);
/* Overwrite two bytes at offset `at`, which must have been written already */
void wr_u16_at(struct wr *wr, size_t at, uint16_t v);

#endif /* UTIL_RDWR_H */
