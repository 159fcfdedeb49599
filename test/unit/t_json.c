// SPDX-License-Identifier: GPL-2.0-or-later
/* What is JSON and what isn't, and what is found in it
 *
 * Links: util/json.o
 */
#include "util/json.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "random.h"
#include "tap_test.h"

/* A copy without anything behind it, so that sanitizers see who reads on */
static bool parse(const char *text, size_t len, struct json *ret, char **copy)
{
	*copy = malloc(len ? len : 1);
	memcpy(*copy, text, len);
	return json_parse(*copy, len, ret);
}

static bool is_json(const char *text)
{
	struct json v;
	char *copy;
	bool good = parse(text, strlen(text), &v, &copy);

	free(copy);
	return good;
}

static const char *const good[] = {
	"0", "-0", "10", "-1.5", "1e9", "1E+9", "0.0e-1", "true", "false",
	"null", "\"\"", "[]", "{}", " [ ] ", "\t{\n}\r", "[1,2,3]", "[[],{}]",
	"{\"a\":1}", "{ \"a\" : 1 , \"b\" : [ ] }", "{\"\":{}}",
	"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\"", "\"\\ud83d\\ude00\"",
	"\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"", "\"\x7f\"",
	"{\"a\":{\"a\":{\"a\":1}}}", "[{\"a\":1},{\"a\":1}]",
	"[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]",
};

static const char *const bad[] = {
	"", " ", "x", "tru", "truex", "nul", "True", "01", "-", "+1", ".5",
	"1.", "1e", "1e+", "0x1", "1 2", "NaN", "Infinity",
	"\"", "\"a", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud800\"",
	"\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\n\"", "\"\x1f\"", "'a'",
	"\"\x80\"", "\"\xc3\"", "\"\xc0\x80\"", "\"\xe0\x80\x80\"",
	"\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xf5\x80\x80\x80\"",
	"\"\xff\"", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[}",
	"{", "}", "{a:1}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}",
	"{\"a\":1 \"b\":2}", "{1:2}", "{} {}", "{},", "{}x", "// c\n{}",
	"{\"a\":1,\"a\":2}", "{\"a\":1,\"b\":{},\"\\u0061\":2}",
	"{\"x\":{\"a\":1,\"a\":2}}", "\xef\xbb\xbf{}",
	"[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]",
};

static void test_grammar(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(good); i++)
		ok(is_json(good[i]), "JSON: case %u", i);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		ok(!is_json(bad[i]), "not JSON: case %u", i);
}

/* No piece of it but all of it is JSON; a NUL is no end */
static void test_pieces(void)
{
	static const char text[] =
		"{\"e\":\"a\\u00e4\",\"b\":[1.5e3,true,null,{\"c\":-1}]}";
	unsigned wrong = 0;
	struct json v;
	char *copy;

	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		wrong += parse(text, n, &v, &copy);
		free(copy);
	}
	is_int(wrong, 0, "a part of an object is none");
	ok(!parse("{}\0", 3, &v, &copy), "a byte 0 isn't white space");
	free(copy);
	ok(!parse("\"a\0b\"", 5, &v, &copy), "nor part of a string");
	free(copy);
}

static void test_members(void)
{
	static const char text[] =
		" {\"s\":\"t\\u00fcr \\ud83d\\ude00\\n\",\"n\":65535,"
		"\"\\u006f\":{\"n\":1},\"a\":[1,{\"x\":2}],\"z\":\"\\u0000\","
		"\"f\":1.0,\"m\":-1,\"e\":1e1,\"big\":4294967296,"
		"\"max\":4294967295,\"empty\":\"\"} ";
	struct json root, v;
	char buf[64];
	unsigned n;

	ok(json_parse(text, sizeof(text) - 1, &root), "parse");
	is_int(root.kind, JSON_OBJECT, "an object");
	ok(*root.at == '{' && root.end[-1] == '}', "without space around it");

	v = json_member(&root, "s");
	ok(json_string(&v, buf, sizeof(buf)) &&
	   !strcmp(buf, "t\xc3\xbcr \xf0\x9f\x98\x80\n"), "a string");
	ok(!json_string(&v, buf, 10) && json_string(&v, buf, 11),
	   "... of 10 bytes and its end");
	ok(!json_string(&v, buf, 0), "... never fits into nothing");
	ok(!json_uint(&v, 9, &n), "... isn't a number");
	v = json_member(&root, "empty");
	ok(json_string(&v, buf, 1) && !*buf, "an empty string");
	v = json_member(&root, "z");
	ok(!json_string(&v, buf, sizeof(buf)), "a string with a byte 0");

	v = json_member(&root, "n");
	ok(json_uint(&v, 65535, &n) && n == 65535, "a number");
	ok(!json_uint(&v, 65534, &n), "... above the limit");
	ok(!json_string(&v, buf, sizeof(buf)), "... isn't a string");
	v = json_member(&root, "max");
	ok(json_uint(&v, UINT32_MAX, &n) && n == UINT32_MAX, "the largest one");
	v = json_member(&root, "big");
	ok(!json_uint(&v, UINT32_MAX, &n), "one more");
	for (const char *p = "fme"; *p; p++) {
		v = json_member(&root, (char[]){ *p, '\0' });
		ok(v.kind == JSON_NUMBER && !json_uint(&v, UINT32_MAX, &n),
		   "not an integer: %c", *p);
	}

	v = json_member(&root, "o");
	is_int(v.kind, JSON_OBJECT, "an object by an escaped name");
	v = json_member(&v, "n");
	ok(json_uint(&v, 1, &n) && n == 1, "... and what is in it");
	v = json_member(&root, "x");
	is_int(v.kind, JSON_NONE, "not what is in others");
	v = json_member(&v, "x");
	is_int(v.kind, JSON_NONE, "nothing of nothing");
	v = json_member(&root, "a");
	is_int(json_member(&v, "x").kind, JSON_NONE, "nor of an array");
}

/* One member after the other, as "name=text;" */
static const char *members_of(const char *text, char *buf, size_t size)
{
	struct json root, name, v = { .kind = JSON_NONE };
	size_t len = 0;
	char key[16];

	buf[0] = '\0';
	if (!json_parse(text, strlen(text), &root))
		return "bad";
	while (json_next_member(&root, &name, &v)) {
		json_string(&name, key, sizeof(key));
		len += (size_t)snprintf(buf + len, size - len, "%s=%.*s;", key,
					(int)(v.end - v.at), v.at);
	}
	return buf;
}

static void test_walk(void)
{
	char buf[128];

	is_str(members_of("{ \"a\" : [1, {\"x\":2}] , \"\\u0062\":{} }", buf,
			  sizeof(buf)), "a=[1, {\"x\":2}];b={};",
	       "members one by one");
	is_str(members_of("{ }", buf, sizeof(buf)), "", "there are none");
	is_str(members_of("[{\"a\":1}]", buf, sizeof(buf)), "",
	       "... of what is no object");
}

/* Text made of what JSON is made of */
static void test_random(void)
{
	static const char *const word[] = {
		"{", "}", "[", "]", ":", ",", "\"", "\\", "u", "d800", "1", "-",
		".", "e", "true", "null", " ", "\"a\"", "\xc3", "\xa4", "\xf0",
	};
	unsigned found = 0;

	for (unsigned run = 0; run < rounds_of(200000); run++) {
		char text[64] = "", *copy;
		unsigned words = random_below(10);
		struct json v = { .kind = JSON_NONE };
		char buf[8];

		for (unsigned i = 0; i < words; i++)
			strcat(text, word[random_below(ARRAY_SIZE(word))]);
		found += parse(text, strlen(text), &v, &copy);
		json_string(&v, buf, random_below(sizeof(buf) + 1));
		v = json_member(&v, "a");
		json_string(&v, buf, random_below(sizeof(buf) + 1));
		free(copy);
	}
	ok(found > rounds_of(100), "random text: %u were JSON", found);
}

static void test_changed(void)
{
	static const char request[] =
		"{\"execute\":\"add_hostfwd\",\"arguments\":{\"proto\":\"tcp\","
		"\"host_addr\":\"\\u0030.0.0.0\",\"host_port\":8080,\"x\":[1]}}";
	unsigned found = 0;

	for (unsigned run = 0; run < rounds_of(100000); run++) {
		char text[sizeof(request)], *copy, buf[16];
		struct json v = { .kind = JSON_NONE };
		unsigned port;

		memcpy(text, request, sizeof(text));
		text[random_below(sizeof(text) - 1)] = (char)random_32();
		found += parse(text, sizeof(text) - 1, &v, &copy);
		v = json_member(&v, "arguments");
		v = json_member(&v, random_below(2) ? "host_port" :
				"host_addr");
		json_string(&v, buf, sizeof(buf));
		json_uint(&v, 65535, &port);
		free(copy);
	}
	ok(found > rounds_of(1000), "one byte changed: %u were JSON", found);
}

/* The worst that 4095 bytes can ask for: done, if it is done at all */
static void test_cost(void)
{
	static const char names[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	static char text[4096];
	struct json v;
	size_t n = 0;

	/* Objects in objects, each with many members */
	for (unsigned depth = 0; depth < 15; depth++) {
		n += (size_t)sprintf(text + n, "{");
		for (const char *p = names; *p; p++)
			n += (size_t)sprintf(text + n, "\"%c\":{},", *p);
		n += (size_t)sprintf(text + n, "\"~\":");
	}
	n += (size_t)sprintf(text + n, "{");
	memset(text + n, '}', 16);
	ok(n + 16 <= sizeof(text) && json_parse(text, n + 16, &v),
	   "nested objects with many members");

	memset(text, '[', sizeof(text));
	ok(!json_parse(text, sizeof(text), &v), "4096 brackets");
	for (n = 0; n < 8 * JSON_MEMBERS_MAX;)
		n += (size_t)sprintf(text + n, "%c\"%03zx\":1",
				     n ? ',' : '{', n / 8);
	text[n] = '}';
	ok(json_parse(text, n + 1, &v), "an object of %zu members", n / 8);
	n += (size_t)sprintf(text + n, ",\"x\":1}");
	ok(!json_parse(text, n, &v), "... and one more");
}

/* The same of four million: names that are long and alike, behind a long text */
static void test_large(void)
{
	enum { SIZE = 4 << 20, NAME = SIZE / 2 / JSON_MEMBERS_MAX };
	char *text = malloc(SIZE);
	clock_t begin = clock();
	struct json v;
	size_t n = 0;

	n += (size_t)sprintf(text, "{\"%*s\":0", SIZE / 3, "");
	for (unsigned i = 1; i < JSON_MEMBERS_MAX; i++)
		n += (size_t)sprintf(text + n, ",\"%*u\":0", NAME, i);
	text[n++] = '}';
	ok(json_parse(text, n, &v), "long names that are alike");
	ok(json_member(&v, "x").kind == JSON_NONE, "... and none is this");
	for (n = 0; n + 16 < SIZE;)
		n += (size_t)sprintf(text + n, "%c\"%zu\":1", n ? ',' : '{', n);
	text[n++] = '}';
	ok(!json_parse(text, n, &v), "very many names");
	ok((clock() - begin) / (CLOCKS_PER_SEC / 1000) < 5000 * slowness(),
	   "in %ld ms", (long)((clock() - begin) / (CLOCKS_PER_SEC / 1000)));
	free(text);
}

int main(void)
{
	test_grammar();
	test_pieces();
	test_members();
	test_walk();
	test_random();
	test_changed();
	test_cost();
	test_large();
	return done();
}
