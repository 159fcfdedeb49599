/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON as text (RFC 8259), written value by value into a buffer
 *
 *	struct jsonw w = jsonw_init(buf, size);
 *
 *	jsonw_open(&w, NULL, '{');
 *	jsonw_str(&w, "name", "x");
 *	jsonw_close(&w, '}');
 *
 * Commas come by themselves. A name is NULL for elements of arrays, and at the top;
 * it needs no escapes. What doesn't fit sets `bad`, and nothing is written any more.
 */
#ifndef UTIL_JSON_WRITE_H
#define UTIL_JSON_WRITE_H

#include <stddef.h>

#include "util/types.h"

struct jsonw {
	char *buf;
	size_t size, len;
	bool bad;
	bool comma;			/* …is due before the next value */
};

static inline struct jsonw jsonw_init(char *buf, size_t size)
{
	return (struct jsonw){ .buf = buf, .size = size };
}

/* '{' or '[', '}' or ']' */
void jsonw_open(struct jsonw *w, const char *name, char bracket);
void jsonw_close(struct jsonw *w, char bracket);

/* Bytes that are no UTF-8 become U+FFFD; NULL is null */
void jsonw_str(struct jsonw *w, const char *name, const char *text);
void jsonw_strn(struct jsonw *w, const char *name, const char *text, size_t len);
void jsonw_uint(struct jsonw *w, const char *name, uint64_t v);
/* v thousandths, as 1.234 */
void jsonw_milli(struct jsonw *w, const char *name, uint64_t v);
void jsonw_bool(struct jsonw *w, const char *name, bool v);

/* A value that is JSON already */
void jsonw_value(struct jsonw *w, const char *name, const char *text, size_t len);
/* As it is: a line's end */
void jsonw_raw(struct jsonw *w, const char *text, size_t len);

#endif /* UTIL_JSON_WRITE_H */
