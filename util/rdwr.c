// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: cursors that can't overrun, see rdwr.h */
#include "util/rdwr.h"

#include <string.h>

const uint8_t *rd_bytes(struct rd *rd, size_t n)
{
	const uint8_t *p = rd->p;

	if (rd->bad || rd->left < n) {
		rd->bad = true;
		return NULL;
	}
	rd->p += n;
	rd->left -= n;
	return p;
}

uint8_t rd_u8(struct rd *rd)
{
	const uint8_t *p = rd_bytes(rd, 1);

	return p ? p[0] : 0;
}

uint16_t rd_u16(struct rd *rd)
{
	const uint8_t *p = rd_bytes(rd, 2);

	return p ? (uint16_t)(p[0] << 8 | p[1]) : 0;
}

uint32_t rd_u32(struct rd *rd)
{
	const uint8_t *p = rd_bytes(rd, 4);

	if (!p)
		return 0;
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

void rd_copy(struct rd *rd, void *to, size_t n)
{
	const uint8_t *p = rd_bytes(rd, n);

	if (p)
		memcpy(to, p, n);
	else
		memset(to, 0, n);
}

struct rd rd_sub(struct rd *rd, size_t n)
{
	const uint8_t *p = rd_bytes(rd, n);

	return p ? rd_init(p, n) : (struct rd){ .p = rd->p, .bad = true };
}

/* Room for n more bytes, or NULL */
static uint8_t *wr_room(struct wr *wr, size_t n)
{
	uint8_t *p = wr->buf + wr->len;

	if (wr->bad || wr->size - wr->len < n) {
		wr->bad = true;
		return NULL;
	}
	wr->len += n;
	return p;
}

void wr_bytes(struct wr *wr, const void *from, size_t n)
{
	uint8_t *p = wr_room(wr, n);

	if (p && n)
		memcpy(p, from, n);
}

void wr_zero(struct wr *wr, size_t n)
{
	uint8_t *p = wr_room(wr, n);

	if (p)
		memset(p, 0, n);
}

void wr_u8(struct wr *wr, uint8_t v)
{
	wr_bytes(wr, &v, 1);
}

void wr_u16(struct wr *wr, uint16_t v)
{
	be16_t be = be16_put(v);

	wr_bytes(wr, &be, sizeof(be));
}

void wr_u32(struct wr *wr, uint32_t v)
{
	be32_t be = be32_put(v);

	wr_bytes(wr, &be, sizeof(be));
}

void wr_u16_at(struct wr *wr, size_t at, uint16_t v)
{
	if (wr->len < 2 || at > wr->len - 2) {
		wr->bad = true;
		return;
	}
	wr->buf[at] = (uint8_t)(v >> 8);
	wr->buf[at + 1] = (uint8_t)v;
}
