// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: a small strict reader of JSON, see json.h
 *
 * Flow: one recursive descent over the text, which both checks it and, on a text
 * that has been checked, finds where a value ends.
 *
 * Invariants: the cursor never passes `end`; each level of nesting counts, so
 * that hostile text costs a bounded stack. Names of an object are compared with
 * each other with their escapes undone, and are few, so that time is bounded by
 * the text's length. What has been checked is not compared again, or nested
 * objects would cost exponential time.
 *
 * Standards: RFC 8259; RFC 3629 for UTF-8.
 */
#include "util/json.h"

#include <string.h>

struct cursor {
	const char *p, *end;
	unsigned depth;
	bool checked;			/* this text has been read before */
};

static bool value(struct cursor *c, struct json *ret);

static bool is_digit(char ch)
{
	return ch >= '0' && ch <= '9';
}

static bool at(const struct cursor *c, char ch)
{
	return c->p < c->end && *c->p == ch;
}

static bool take(struct cursor *c, char ch)
{
	if (!at(c, ch))
		return false;
	c->p++;
	return true;
}

static void space(struct cursor *c)
{
	while (c->p < c->end && memchr(" \t\r\n", *c->p, 4))
		c->p++;
}

static bool literal(struct cursor *c, const char *text)
{
	for (; *text; text++) {
		if (!take(c, *text))
			return false;
	}
	return true;
}

static bool digits(struct cursor *c)
{
	if (c->p == c->end || !is_digit(*c->p))
		return false;
	while (c->p < c->end && is_digit(*c->p))
		c->p++;
	return true;
}

static bool number(struct cursor *c)
{
	take(c, '-');
	if (!take(c, '0') && !digits(c))
		return false;
	if (take(c, '.') && !digits(c))
		return false;
	if (!take(c, 'e') && !take(c, 'E'))
		return true;
	if (!take(c, '+'))
		take(c, '-');
	return digits(c);
}

/* Strings */

static int hex_digit(char ch)
{
	static const char hex[] = "0123456789abcdef";
	const char *p = memchr(hex, ch >= 'A' && ch <= 'F' ? ch | 0x20 : ch,
			       sizeof(hex) - 1);

	return p ? (int)(p - hex) : -1;
}

/* Four hexadecimal digits */
static bool hex4(struct cursor *c, uint32_t *ret)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < 4; i++, c->p++) {
		if (c->p == c->end || hex_digit(*c->p) < 0)
			return false;
		v = v << 4 | (uint32_t)hex_digit(*c->p);
	}
	*ret = v;
	return true;
}

/* Behind "\u": one code point, of two such if it is a pair of surrogates */
static bool escape_unicode(struct cursor *c, uint32_t *ret)
{
	uint32_t v, low;

	if (!hex4(c, &v) || (v >= 0xdc00 && v <= 0xdfff))
		return false;
	if (v >= 0xd800 && v <= 0xdbff) {
		if (!literal(c, "\\u") || !hex4(c, &low) || low < 0xdc00 ||
		    low > 0xdfff)
			return false;
		v = 0x10000 + ((v & 0x3ff) << 10 | (low & 0x3ff));
	}
	*ret = v;
	return true;
}

/* Behind "\" */
static bool escape(struct cursor *c, uint32_t *ret)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *p;

	if (take(c, 'u'))
		return escape_unicode(c, ret);
	if (c->p == c->end)
		return false;
	p = memchr(from, *c->p, sizeof(from) - 1);
	if (!p)
		return false;
	c->p++;
	*ret = (uint8_t)to[p - from];
	return true;
}

/* One code point of UTF-8: neither longer than needed, nor a surrogate, nor
 * beyond U+10FFFF
 */
static bool utf8(struct cursor *c, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	uint8_t first = (uint8_t)*c->p;
	unsigned more;
	uint32_t v;

	if (first < 0x80)
		more = 0;
	else if (first >= 0xc2 && first < 0xe0)
		more = 1;
	else if (first >= 0xe0 && first < 0xf0)
		more = 2;
	else if (first >= 0xf0 && first < 0xf5)
		more = 3;
	else
		return false;

	v = more ? first & (0x3fu >> more) : first;
	c->p++;
	for (unsigned i = 0; i < more; i++, c->p++) {
		if (c->p == c->end || ((uint8_t)*c->p & 0xc0) != 0x80)
			return false;
		v = v << 6 | ((uint8_t)*c->p & 0x3f);
	}
	if (v < least[more] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
		return false;
	*ret = v;
	return true;
}

/* One code point of a string, escaped or not; false if there is none, and at the
 * end of a checked one
 */
static bool string_char(struct cursor *c, uint32_t *ret)
{
	if (c->p == c->end || *c->p == '"' || (uint8_t)*c->p < 0x20)
		return false;
	if (take(c, '\\'))
		return escape(c, ret);
	return utf8(c, ret);
}

static bool string(struct cursor *c)
{
	uint32_t ch;

	if (!take(c, '"'))
		return false;
	while (!take(c, '"')) {
		if (!string_char(c, &ch))
			return false;
	}
	return true;
}

/* Are two strings of a checked text equal? */
static bool string_equal(const struct json *a, const struct json *b)
{
	struct cursor ca = { .p = a->at + 1, .end = a->end };
	struct cursor cb = { .p = b->at + 1, .end = b->end };
	uint32_t x, y;

	while (string_char(&ca, &x)) {
		if (!string_char(&cb, &y) || x != y)
			return false;
	}
	return at(&cb, '"');
}

/* Arrays and objects */

static bool array(struct cursor *c)
{
	struct json element;

	c->p++;
	space(c);
	if (take(c, ']'))
		return true;
	do {
		if (!value(c, &element))
			return false;
	} while (take(c, ','));
	return take(c, ']');
}

/* Name, colon and value. The cursor is where the name may begin. */
static bool member(struct cursor *c, struct json *ret_name,
		   struct json *ret_value)
{
	space(c);
	*ret_name = (struct json){ .at = c->p, .kind = JSON_STRING };
	if (!string(c))
		return false;
	ret_name->end = c->p;
	space(c);
	return take(c, ':') && value(c, ret_value);
}

static bool is_among(const struct json *names, unsigned n,
		     const struct json *name)
{
	for (unsigned i = 0; i < n; i++) {
		if (string_equal(&names[i], name))
			return true;
	}
	return false;
}

static bool object(struct cursor *c)
{
	struct json name[JSON_MEMBERS_MAX + 1], v;
	unsigned n = 0;

	c->p++;
	space(c);
	if (take(c, '}'))
		return true;
	do {
		if (!member(c, &name[n], &v))
			return false;
		if (c->checked)
			continue;
		if (n == JSON_MEMBERS_MAX || is_among(name, n, &name[n]))
			return false;
		n++;
	} while (take(c, ','));
	return take(c, '}');
}

static bool value_of(struct cursor *c, enum json_kind *ret)
{
	if (c->p == c->end)
		return false;
	switch (*c->p) {
	case '{':
		*ret = JSON_OBJECT;
		return object(c);
	case '[':
		*ret = JSON_ARRAY;
		return array(c);
	case '"':
		*ret = JSON_STRING;
		return string(c);
	case 'n':
		*ret = JSON_NULL;
		return literal(c, "null");
	case 't':
		*ret = JSON_BOOL;
		return literal(c, "true");
	case 'f':
		*ret = JSON_BOOL;
		return literal(c, "false");
	default:
		*ret = JSON_NUMBER;
		return number(c);
	}
}

/* A value with white space around it */
static bool value(struct cursor *c, struct json *ret)
{
	struct json v;

	space(c);
	v.at = c->p;
	if (c->depth == JSON_DEPTH_MAX)
		return false;
	c->depth++;
	if (!value_of(c, &v.kind))
		return false;
	c->depth--;
	v.end = c->p;
	space(c);
	*ret = v;
	return true;
}

bool json_parse(const char *text, size_t len, struct json *ret)
{
	struct cursor c = { .p = text, .end = text + len };
	struct json v;

	if (!value(&c, &v) || c.p != c.end)
		return false;
	*ret = v;
	return true;
}

struct json json_member(const struct json *obj, const char *name)
{
	struct cursor c = { .p = obj->at, .end = obj->end, .checked = true };
	struct json key, v;
	char text[64];

	if (obj->kind != JSON_OBJECT)
		return (struct json){ .kind = JSON_NONE };
	take(&c, '{');
	while (member(&c, &key, &v)) {
		if (json_string(&key, text, sizeof(text)) &&
		    !strcmp(text, name))
			return v;
		take(&c, ',');
	}
	return (struct json){ .kind = JSON_NONE };
}

/* To what follows *v in a list or an object, or its first: false if nothing does */
static bool next_begins(const struct json *all, const struct json *v,
			struct cursor *ret)
{
	*ret = (struct cursor){ .p = all->at, .end = all->end,
				.checked = true };
	if (v->kind == JSON_NONE) {
		ret->p++;
		space(ret);
		return !at(ret, ']') && !at(ret, '}');
	}
	ret->p = v->end;
	space(ret);
	if (!take(ret, ','))
		return false;
	space(ret);
	return true;
}

bool json_next(const struct json *arr, struct json *v)
{
	struct cursor c;

	return arr->kind == JSON_ARRAY && next_begins(arr, v, &c) &&
	       value(&c, v);
}

bool json_next_member(const struct json *obj, struct json *name,
		      struct json *v)
{
	struct cursor c;

	return obj->kind == JSON_OBJECT && next_begins(obj, v, &c) &&
	       member(&c, name, v);
}

size_t json_utf8(const char *text, size_t len)
{
	struct cursor c = { .p = text, .end = text + len };
	uint32_t v;

	return len && utf8(&c, &v) ? (size_t)(c.p - text) : 0;
}

/* A code point as UTF-8; bytes */
static unsigned utf8_put(uint32_t v, char out[4])
{
	unsigned n = v < 0x80 ? 1 : v < 0x800 ? 2 : v < 0x10000 ? 3 : 4;

	for (unsigned i = n - 1; i; i--, v >>= 6)
		out[i] = (char)(0x80 | (v & 0x3f));
	out[0] = (char)(n == 1 ? v : (0xf00u >> n & 0xff) | v);
	return n;
}

bool json_string(const struct json *v, char *buf, size_t size)
{
	struct cursor c = { .p = v->at, .end = v->end };
	size_t used = 0;
	uint32_t ch;

	if (v->kind != JSON_STRING)
		return false;
	take(&c, '"');
	while (string_char(&c, &ch)) {
		char bytes[4];
		unsigned n = utf8_put(ch, bytes);

		if (!ch || used + n >= size)
			return false;
		memcpy(buf + used, bytes, n);
		used += n;
	}
	if (!size)
		return false;
	buf[used] = '\0';
	return true;
}

bool json_bool(const struct json *v, bool *ret)
{
	if (v->kind != JSON_BOOL)
		return false;
	*ret = *v->at == 't';
	return true;
}

bool json_uint(const struct json *v, unsigned max, unsigned *ret)
{
	uint64_t n = 0;

	if (v->kind != JSON_NUMBER)
		return false;
	for (const char *p = v->at; p < v->end; p++) {
		if (!is_digit(*p))
			return false;
		n = n * 10 + (uint64_t)(*p - '0');
		if (n > max)
			return false;
	}
	*ret = (unsigned)n;
	return true;
}
