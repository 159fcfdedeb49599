// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: domain names in wire form, see dnsname.h
 *
 * Flow: the name is encoded and checked in private memory first; what is
 * appended is then either all of it, or, if its tail from some label on was
 * written before, the labels in front of that and a pointer to it.
 *
 * Standards: RFC 1035 3.1 (labels), 4.1.4 (compression).
 */
#include "util/dnsname.h"

#include <string.h>

enum {
	POINTER		= 0xc0,		/* two top bits: not a label */
	OFFSET_MAX	= 0x3fff,	/* what the other fourteen can say */
};

/* Encode to buf (DNSNAME_WIRE_MAX bytes); length, or 0: it has no wire form */
static size_t dnsname_encode(uint8_t *buf, const char *name)
{
	struct wr wr = wr_init(buf, DNSNAME_WIRE_MAX);

	while (*name) {
		size_t len = strcspn(name, ".");

		if (!len || len > DNSNAME_LABEL_MAX)
			return 0;
		for (size_t i = 0; i < len; i++) {
			if ((uint8_t)name[i] <= ' ' || name[i] == 0x7f)
				return 0;
		}
		wr_u8(&wr, (uint8_t)len);
		wr_bytes(&wr, name, len);
		name += len + (name[len] == '.');
	}
	if (!wr.len)
		return 0;
	wr_u8(&wr, 0);
	return wr.bad ? 0 : wr.len;
}

/* Does the name at buf + at, pointers followed, equal the wire-form `tail`? */
static bool dnsname_same(const struct wr *wr, size_t at, const uint8_t *tail)
{
	for (;;) {
		const uint8_t *p = wr->buf + at;

		if (*p >= POINTER) {
			at = (size_t)(p[0] & ~POINTER) << 8 | p[1];
			continue;
		}
		if (*p != *tail || memcmp(p, tail, 1U + *p))
			return false;
		if (!*p)
			return true;
		at += 1U + *p;
		tail += 1U + *tail;
	}
}

/* Where in what is written does `tail` stand already? False: nowhere. */
static bool dnsname_find(const struct wr *wr, const uint8_t *tail,
			 size_t *ret_at)
{
	size_t at = 0;

	while (at < wr->len && at <= OFFSET_MAX) {
		uint8_t len = wr->buf[at];

		if (len >= POINTER) {
			at += 2;
			continue;
		}
		if (len && dnsname_same(wr, at, tail)) {
			*ret_at = at;
			return true;
		}
		at += 1U + len;
	}
	return false;
}

bool dnsname_put(struct wr *wr, const char *name)
{
	uint8_t wire[DNSNAME_WIRE_MAX];
	size_t len = dnsname_encode(wire, name);

	if (!len || wr->bad || wr->size - wr->len < len)
		return false;
	wr_bytes(wr, wire, len);
	return true;
}

bool dnsname_put_compressed(struct wr *wr, const char *name)
{
	uint8_t wire[DNSNAME_WIRE_MAX];
	size_t len = dnsname_encode(wire, name);
	bool found = false;
	size_t keep = 0;
	size_t at = 0;

	if (!len || wr->bad)
		return false;
	while (wire[keep] && !(found = dnsname_find(wr, wire + keep, &at)))
		keep += 1U + wire[keep];
	if (wr->size - wr->len < (found ? keep + 2 : len))
		return false;

	wr_bytes(wr, wire, found ? keep : len);
	if (found)
		wr_u16(wr, (uint16_t)(POINTER << 8 | at));
	return true;
}
