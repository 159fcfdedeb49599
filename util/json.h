/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A small strict reader of JSON (RFC 8259)
 *
 * Nothing is allocated and nothing is copied: a value is a piece of the text,
 * which the caller keeps. json_parse() has checked all of it, so that looking
 * into a value can't fail but for what it is. Names that occur twice in an
 * object, objects of more than JSON_MEMBERS_MAX members, nesting of more than
 * JSON_DEPTH_MAX and text that isn't UTF-8 are refused.
 */
#ifndef UTIL_JSON_H
#define UTIL_JSON_H

#include <stddef.h>

#include "util/types.h"

enum { JSON_DEPTH_MAX = 16, JSON_MEMBERS_MAX = 64 };

enum json_kind {
	JSON_NONE,			/* no value at all */
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

struct json {
	const char *at, *end;		/* its text, without space around it */
	enum json_kind kind;
};

/* All of text[0…len) is one value, with white space around it; false if not */
bool json_parse(const char *text, size_t len, struct json *ret);

/* Member of an object; JSON_NONE if it has none of that name, or is no object */
struct json json_member(const struct json *object, const char *name);

/* Elements of an array, one after the other: *v is its text's first one if its kind
 * is JSON_NONE, or the one behind it. False: there is none.
 */
bool json_next(const struct json *array, struct json *v);

/* Members of an object, likewise: its first one, or the one behind *v */
bool json_next_member(const struct json *object, struct json *name,
		      struct json *v);

/* Bytes of the code point of UTF-8 at text[0…len); 0: it isn't one */
size_t json_utf8(const char *text, size_t len);

/* A string without its quotes and escapes, terminated; false if it is another
 * kind of value, has more than size - 1 bytes, or a byte 0 among them
 */
bool json_string(const struct json *v, char *buf, size_t size);

/* True or false; false if it is another kind of value */
bool json_bool(const struct json *v, bool *ret);

/* A number that is an integer from 0 to max, written as one; false otherwise */
bool json_uint(const struct json *v, unsigned max, unsigned *ret);

#endif /* UTIL_JSON_H */
