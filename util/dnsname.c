// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: domain names in wire form, see dnsname.h
 *
 * Flow: the name is encoded and checked in private memory first; what is
 * appended is then either all of it, or, if its tail from some label on was
 * written before, the labels in front of that and a pointer to it.
 *
 * Standards: RFC 1035 3.1 (labels), 4.1.4 (compression); RFC 3492 (Punycode).
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

/* Punycode's numbers: RFC 3492 5 */
enum {
	PUNY_BASE	= 36,
	PUNY_TMIN	= 1,
	PUNY_TMAX	= 26,
	PUNY_SKEW	= 38,
	PUNY_DAMP	= 700,
	PUNY_BIAS	= 72,
	PUNY_N		= 0x80,
};

/* RFC 3492 6.1 */
static uint32_t puny_adapt(uint32_t delta, uint32_t points, bool first)
{
	uint32_t k = 0;

	delta /= first ? PUNY_DAMP : 2;
	delta += delta / points;
	for (; delta > (PUNY_BASE - PUNY_TMIN) * PUNY_TMAX / 2; k += PUNY_BASE)
		delta /= PUNY_BASE - PUNY_TMIN;
	return k + (PUNY_BASE - PUNY_TMIN + 1) * delta / (delta + PUNY_SKEW);
}

/* A number of variable length: RFC 3492 6.3 */
static void puny_put(struct wr *wr, uint32_t q, uint32_t bias)
{
	static const char digit[] = "abcdefghijklmnopqrstuvwxyz0123456789";

	for (uint32_t k = PUNY_BASE;; k += PUNY_BASE) {
		uint32_t t = k <= bias ? PUNY_TMIN :
			     MIN(k - bias, (uint32_t)PUNY_TMAX);

		if (q < t)
			break;
		wr_u8(wr, (uint8_t)digit[t + (q - t) % (PUNY_BASE - t)]);
		q = (q - t) / (PUNY_BASE - t);
	}
	wr_u8(wr, (uint8_t)digit[q]);
}

/* RFC 3492 6.3: n code points, at least one of them not ASCII */
static void puny_encode(struct wr *wr, const uint32_t *cp, uint32_t n)
{
	uint32_t next = PUNY_N, delta = 0, bias = PUNY_BIAS, done = 0, basic;

	for (uint32_t i = 0; i < n; i++) {
		if (cp[i] < PUNY_N) {
			wr_u8(wr, (uint8_t)cp[i]);
			done++;
		}
	}
	basic = done;
	if (basic)
		wr_u8(wr, '-');
	while (done < n) {
		uint32_t least = UINT32_MAX;

		for (uint32_t i = 0; i < n; i++)
			if (cp[i] >= next)
				least = MIN(least, cp[i]);
		delta += (least - next) * (done + 1);
		next = least;
		for (uint32_t i = 0; i < n; i++) {
			if (cp[i] < next)
				delta++;
			if (cp[i] != next)
				continue;
			puny_put(wr, delta, bias);
			bias = puny_adapt(delta, done + 1, done == basic);
			delta = 0;
			done++;
		}
		delta++;
		next++;
	}
}

/* The next code point of UTF-8 (RFC 3629), 0 if there is none */
static uint32_t utf8_next(struct rd *rd)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	uint8_t c = rd_u8(rd);
	unsigned more = c < 0x80 ? 0 : c >> 5 == 6 ? 1 : c >> 4 == 14 ? 2 :
			c >> 3 == 30 ? 3 : 4;
	uint32_t cp = more ? c & 0x3fU >> more : c;

	if (more == 4)
		return 0;
	for (unsigned i = 0; i < more; i++) {
		c = rd_u8(rd);
		if (c >> 6 != 2)
			return 0;
		cp = cp << 6 | (c & 0x3f);
	}
	if (rd->bad || cp < least[more] || cp > 0x10ffff ||
	    (cp >= 0xd800 && cp < 0xe000))
		return 0;
	return cp;
}

/* One label, with something else than ASCII in it */
static bool dnsname_fold_utf8(struct wr *wr, const char *label, size_t len)
{
	uint32_t cp[DNSNAME_LABEL_MAX];
	struct rd rd = rd_init(label, len);
	uint32_t n = 0;

	while (rd.left) {
		if (n == DNSNAME_LABEL_MAX)
			return false;
		cp[n] = utf8_next(&rd);
		if (cp[n] <= ' ' || cp[n] == 0x7f)
			return false;
		if (cp[n] >= 'A' && cp[n] <= 'Z')
			cp[n] += 'a' - 'A';
		n++;
	}
	wr_bytes(wr, "xn--", 4);
	puny_encode(wr, cp, n);
	return true;
}

static bool dnsname_fold_label(struct wr *wr, const char *label, size_t len)
{
	size_t start = wr->len;

	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)label[i];

		if (c >= 0x80) {
			wr->len = start;
			return dnsname_fold_utf8(wr, label, len) &&
			       !wr->bad && wr->len - start <= DNSNAME_LABEL_MAX;
		}
		if (c <= ' ' || c == 0x7f)
			return false;
		wr_u8(wr, c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c);
	}
	return len && len <= DNSNAME_LABEL_MAX;
}

bool dnsname_fold(const char *text, size_t len, char *ret_text)
{
	uint8_t buf[DNSNAME_TEXT_LEN - 1];
	struct wr wr = wr_init(buf, sizeof(buf));
	size_t at = 0;

	if (len && text[len - 1] == '.')
		len--;
	for (;;) {
		const char *dot = memchr(text + at, '.', len - at);
		size_t n = dot ? (size_t)(dot - text) - at : len - at;

		if (!dnsname_fold_label(&wr, text + at, n))
			return false;
		if (!dot)
			break;
		wr_u8(&wr, '.');
		at += n + 1;
	}
	if (wr.bad)
		return false;
	memcpy(ret_text, buf, wr.len);
	ret_text[wr.len] = '\0';
	return true;
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
