// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: JSON as text, see json_write.h */
#include "util/json_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util/json.h"

void jsonw_raw(struct jsonw *w, const char *text, size_t len)
{
	if (w->bad || len > w->size - w->len) {
		w->bad = true;
		return;
	}
	memcpy(w->buf + w->len, text, len);
	w->len += len;
}

static void put(struct jsonw *w, const char *text)
{
	jsonw_raw(w, text, strlen(text));
}

/* What comes before a value */
static void begin(struct jsonw *w, const char *name)
{
	if (w->comma)
		put(w, ",");
	w->comma = true;
	if (!name)
		return;
	put(w, "\"");
	put(w, name);
	put(w, "\":");
}

void jsonw_open(struct jsonw *w, const char *name, char bracket)
{
	begin(w, name);
	jsonw_raw(w, &bracket, 1);
	w->comma = false;
}

void jsonw_close(struct jsonw *w, char bracket)
{
	jsonw_raw(w, &bracket, 1);
	w->comma = true;
}

/* One code point, or a byte that is none; how many bytes it was */
static size_t put_char(struct jsonw *w, const char *p, size_t left)
{
	uint8_t ch = (uint8_t)*p;
	char escaped[8];
	size_t n;

	if (ch == '"' || ch == '\\') {
		snprintf(escaped, sizeof(escaped), "\\%c", ch);
		put(w, escaped);
		return 1;
	}
	if (ch < 0x20 || ch == 0x7f) {
		snprintf(escaped, sizeof(escaped), "\\u%04x", ch);
		put(w, escaped);
		return 1;
	}
	n = json_utf8(p, left);
	if (n)
		jsonw_raw(w, p, n);
	else
		put(w, "\\ufffd");
	return n ? n : 1;
}

void jsonw_strn(struct jsonw *w, const char *name, const char *text, size_t len)
{
	begin(w, name);
	put(w, "\"");
	for (size_t i = 0; i < len;)
		i += put_char(w, text + i, len - i);
	put(w, "\"");
}

void jsonw_str(struct jsonw *w, const char *name, const char *text)
{
	if (text) {
		jsonw_strn(w, name, text, strlen(text));
		return;
	}
	begin(w, name);
	put(w, "null");
}

void jsonw_uint(struct jsonw *w, const char *name, uint64_t v)
{
	char text[24];

	begin(w, name);
	snprintf(text, sizeof(text), "%" PRIu64, v);
	put(w, text);
}

void jsonw_milli(struct jsonw *w, const char *name, uint64_t v)
{
	char text[32];

	begin(w, name);
	snprintf(text, sizeof(text), "%" PRIu64 ".%03u", v / 1000,
		 (unsigned)(v % 1000));
	put(w, text);
}

void jsonw_bool(struct jsonw *w, const char *name, bool v)
{
	begin(w, name);
	put(w, v ? "true" : "false");
}

void jsonw_value(struct jsonw *w, const char *name, const char *text, size_t len)
{
	begin(w, name);
	jsonw_raw(w, text, len);
}
