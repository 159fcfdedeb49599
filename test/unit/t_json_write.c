// SPDX-License-Identifier: GPL-2.0-or-later
/* Links: util/json_write.o util/json.o
 *
 * JSON as text: what is written, and that the reader takes it.
 */
#include "util/json_write.h"

#include "tap_test.h"
#include "util/json.h"

static char buf[512];

/* What came of it, terminated; nothing if it didn't fit */
static const char *text(const struct jsonw *w)
{
	if (w->bad)
		return NULL;
	buf[w->len] = '\0';
	return buf;
}

static void test_values(void)
{
	struct jsonw w = jsonw_init(buf, sizeof(buf) - 1);
	struct json v, a = { .kind = JSON_NONE };
	unsigned n = 0;
	bool yes;

	jsonw_open(&w, NULL, '{');
	jsonw_str(&w, "text", "a");
	jsonw_str(&w, "none", NULL);
	jsonw_uint(&w, "number", UINT64_MAX);
	jsonw_milli(&w, "time", 1002);
	jsonw_bool(&w, "yes", true);
	jsonw_open(&w, "list", '[');
	jsonw_uint(&w, NULL, 1);
	jsonw_open(&w, NULL, '{');
	jsonw_close(&w, '}');
	jsonw_open(&w, NULL, '[');
	jsonw_close(&w, ']');
	jsonw_close(&w, ']');
	jsonw_bool(&w, "no", false);
	jsonw_close(&w, '}');
	is_str(text(&w), "{\"text\":\"a\",\"none\":null,\"number\":18446744073709551615,\"time\":1.002,\"yes\":true,\"list\":[1,{},[]],\"no\":false}",
	       "an object");
	ok(json_parse(buf, w.len, &v), "can be read");
	a = json_member(&v, "yes");
	ok(json_bool(&a, &yes) && yes, "  true");
	a = json_member(&v, "no");
	ok(json_bool(&a, &yes) && !yes, "  false");
	a = json_member(&v, "text");
	ok(!json_bool(&a, &yes), "  neither");
	v = json_member(&v, "list");
	a = (struct json){ .kind = JSON_NONE };
	while (json_next(&v, &a))
		n++;
	is_int(n, 3, "  elements");
	ok(!json_next(&a, &v), "  no list");
}

static void test_escapes(void)
{
	static const struct { const char *in, *want; } t[] = {
		{ "", "\"\"" },
		{ "a\"b\\c/", "\"a\\\"b\\\\c/\"" },
		{ "\n\t\x01\x7f", "\"\\u000a\\u0009\\u0001\\u007f\"" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
		  "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"" },
		{ "a\xff" "b\xc3", "\"a\\ufffdb\\ufffd\"" },
		{ "\xc0\x80", "\"\\ufffd\\ufffd\"" },
		{ "\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		struct jsonw w = jsonw_init(buf, sizeof(buf) - 1);
		struct json v;

		jsonw_str(&w, NULL, t[i].in);
		is_str(text(&w), t[i].want, "escapes %u", i);
		ok(json_parse(buf, w.len, &v), "  can be read");
	}
}

static void test_room(void)
{
	for (size_t size = 0; size < 20; size++) {
		struct jsonw w = jsonw_init(buf, size);

		memset(buf, '~', sizeof(buf));
		jsonw_open(&w, NULL, '{');
		jsonw_str(&w, "name", "value");
		jsonw_close(&w, '}');
		is_int(w.bad, size < strlen("{\"name\":\"value\"}"),
		       "in %zu bytes", size);
		is_int(buf[size], '~', "  nothing behind them");
	}
}

static void test_nested(void)
{
	struct jsonw w = jsonw_init(buf, sizeof(buf) - 1);

	jsonw_open(&w, NULL, '{');
	jsonw_value(&w, "a", "[1,2]...", 5);
	jsonw_value(&w, "b", "{}", 2);
	jsonw_close(&w, '}');
	is_str(text(&w), "{\"a\":[1,2],\"b\":{}}", "values that are JSON already");
}

int main(void)
{
	test_values();
	test_nested();
	test_escapes();
	test_room();
	return done();
}
