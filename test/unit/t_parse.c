// SPDX-License-Identifier: GPL-2.0-or-later
/* Links: util/parse.o util/addr.o
 *
 * Each parser: what it takes, where it stops, and that it leaves everything
 * alone when it refuses.
 */
#include "util/parse.h"

#include "tap_test.h"

static void test_literal(void)
{
	const char *s = "all:1", *p = s;

	ok(!parse_literal(&p, "auto") && p == s, "another word stays");
	ok(parse_literal(&p, "all"), "a word");
	is_str(p, ":1", "the cursor is behind it");
	ok(!parse_literal(&p, ":12") && !strcmp(p, ":1"), "half of a word");
	ok(parse_literal(&p, ":1") && parse_end(&p), "up to the end");
	ok(!parse_literal(&p, "x"), "nothing behind the end");
}

static void test_uint(void)
{
	static const struct {
		const char *text;
		unsigned max;
		bool taken;
		unsigned value;
		const char *rest;
	} t[] = {
		{ "0", 10, true, 0, "" },
		{ "007", 10, true, 7, "" },
		{ "10", 10, true, 10, "" },
		{ "11", 10, false, 0, "11" },
		{ "65535,", 65535, true, 65535, "," },
		{ "65536", 65535, false, 0, "65536" },
		{ "4294967295", UINT32_MAX, true, UINT32_MAX, "" },
		{ "4294967296", UINT32_MAX, false, 0, "4294967296" },
		{ "18446744073709551617", UINT32_MAX, false, 0,
		  "18446744073709551617" },
		{ "", 10, false, 0, "" },
		{ "-1", 10, false, 0, "-1" },
		{ "+1", 10, false, 0, "+1" },
		{ " 1", 10, false, 0, " 1" },
		{ "0x10", 100, true, 0, "x10" },
		{ "x", 10, false, 0, "x" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		const char *p = t[i].text;
		unsigned v = 77;
		bool taken = parse_uint(&p, t[i].max, &v);

		ok(taken == t[i].taken && v == (taken ? t[i].value : 77) &&
		   !strcmp(p, t[i].rest),
		   "number '%s', at most %u", t[i].text, t[i].max);
	}
}

static void test_port_range(void)
{
	static const struct {
		const char *text;
		bool taken;
		uint16_t first, last;
		const char *rest;
	} t[] = {
		{ "80", true, 80, 80, "" },
		{ "80-90", true, 80, 90, "" },
		{ "80-80:1", true, 80, 80, ":1" },
		{ "0-65535", true, 0, 65535, "" },
		{ "80,90", true, 80, 80, ",90" },
		{ "90-80", false, 0, 0, "90-80" },
		{ "80-", false, 0, 0, "80-" },
		{ "80-x", false, 0, 0, "80-x" },
		{ "80-65536", false, 0, 0, "80-65536" },
		{ "65536", false, 0, 0, "65536" },
		{ "-80", false, 0, 0, "-80" },
		{ "", false, 0, 0, "" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		uint16_t first = 1, last = 2;
		const char *p = t[i].text;
		bool taken = parse_port_range(&p, &first, &last);

		ok(taken == t[i].taken &&
		   first == (taken ? t[i].first : 1) &&
		   last == (taken ? t[i].last : 2) && !strcmp(p, t[i].rest),
		   "range '%s'", t[i].text);
	}
}

static void test_addr(void)
{
	static const struct {
		const char *text;
		const char *addr;	/* NULL: refused */
		const char *rest;
	} t[] = {
		{ "192.0.2.1/80", "192.0.2.1", "/80" },
		{ "192.0.2.1%eth0/", "192.0.2.1", "%eth0/" },
		{ "::1/8080-8080:80-80", "::1", "/8080-8080:80-80" },
		{ "fd00::5/80", "fd00::5", "/80" },
		{ "2001:DB8::A", "2001:db8::a", "" },
		{ "::", "::", "" },
		{ "0.0.0.0,", "0.0.0.0", "," },
		{ "::ffff:192.0.2.1", "192.0.2.1", "" },
		{ "80", NULL, "80" },
		{ "8080:80", NULL, "8080:80" },
		{ "192.0.2", NULL, "192.0.2" },
		{ "192.0.2.256", NULL, "192.0.2.256" },
		{ "1::2::3", NULL, "1::2::3" },
		{ "[::1]", NULL, "[::1]" },
		{ "", NULL, "" },
		{ "localhost", NULL, "localhost" },
		{ "0000000000000000000000000000000000000000000000000000000",
		  NULL, "0000000000000000000000000000000000000000000000000000000" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		const char *p = t[i].text;
		struct addr a;

		is_str(parse_addr(&p, &a) ? ADDR_STR(&a) : NULL, t[i].addr,
		       "address in '%s'", t[i].text);
		is_str(p, t[i].rest, "and what it leaves");
	}
}

static void test_addr_bracketed(void)
{
	static const struct {
		const char *text;
		const char *addr;
		const char *rest;
	} t[] = {
		{ "[::]/80", "::", "/80" },
		{ "[fd00::5]:80", "fd00::5", ":80" },
		{ "[192.0.2.1]", "192.0.2.1", "" },
		{ "[::1", NULL, "[::1" },
		{ "[]", NULL, "[]" },
		{ "[80]", NULL, "[80]" },
		{ "::1", NULL, "::1" },
		{ "", NULL, "" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		const char *p = t[i].text;
		struct addr a;

		is_str(parse_addr_bracketed(&p, &a) ? ADDR_STR(&a) : NULL,
		       t[i].addr, "bracketed address in '%s'", t[i].text);
		is_str(p, t[i].rest, "and what it leaves");
	}
}

static void test_ifname(void)
{
	static const struct {
		const char *text;
		const char *name;
		const char *rest;
	} t[] = {
		{ "eth0", "eth0", "" },
		{ "eth0/80", "eth0", "/80" },
		{ "a-b.c:d,e%f/", "a-b.c:d,e%f", "/" },
		{ "eth0 x", "eth0", " x" },
		{ "123456789012345", "123456789012345", "" },
		{ "1234567890123456", NULL, "1234567890123456" },
		{ ".", NULL, "." },
		{ "..", NULL, ".." },
		{ "...", "...", "" },
		{ ".a/", ".a", "/" },
		{ "/80", NULL, "/80" },
		{ "", NULL, "" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		const char *p = t[i].text;
		char name[IFNAMSIZ];

		is_str(parse_ifname(&p, name) ? name : NULL, t[i].name,
		       "interface name in '%s'", t[i].text);
		is_str(p, t[i].rest, "and what it leaves");
	}
}

int main(void)
{
	test_literal();
	test_uint();
	test_port_range();
	test_addr();
	test_addr_bracketed();
	test_ifname();
	return done();
}
