// SPDX-License-Identifier: GPL-2.0-or-later
/* Domain names in wire form
 *
 * Links: util/dnsname.o util/rdwr.o
 */
#include "util/dnsname.h"

#include <stdlib.h>

#include "tap_test.h"

static uint8_t buf[1024];

/* Plain wire form as text, lengths as \n; "-" if refused */
static const char *wire(const char *name)
{
	static char text[2048];
	struct wr wr = wr_init(buf, sizeof(buf));
	size_t n = 0;

	if (!dnsname_put(&wr, name))
		return wr.len || wr.bad ? "refused, but wrote" : "-";
	for (size_t i = 0; i < wr.len; i += 1U + buf[i])
		n += (size_t)sprintf(text + n, "\\%d%.*s", buf[i], buf[i],
				     (char *)buf + i + 1);
	return text;
}

/* Expand the name at *at, pointers followed, and move *at behind it */
static const char *expand(const uint8_t *p, size_t len, size_t *at)
{
	static char text[1024];
	size_t pos = *at, n = 0;
	bool jumped = false;

	for (int hops = 0; pos < len && hops < 300; hops++) {
		uint8_t l = p[pos];

		if (l >= 0xc0) {
			if (!jumped)
				*at = pos + 2;
			jumped = true;
			pos = (size_t)(l & 0x3f) << 8 | p[pos + 1];
			continue;
		}
		if (!l) {
			if (!jumped)
				*at = pos + 1;
			text[n] = '\0';
			return text;
		}
		if (n)
			text[n++] = '.';
		memcpy(text + n, p + pos + 1, l);
		n += l;
		pos += 1U + l;
	}
	return "(runs away)";
}

static void plain(void)
{
	char name[300];
	struct wr wr;

	is_str(wire("example.org"), "\\7example\\3org\\0", "two labels");
	is_str(wire("example.org."), "\\7example\\3org\\0", "a trailing dot");
	is_str(wire("lan"), "\\3lan\\0", "one label");
	is_str(wire("_x.a-b.C9"), "\\2_x\\3a-b\\2C9\\0", "odd but allowed");

	is_str(wire(""), "-", "empty");
	is_str(wire("."), "-", "the root alone is no search domain");
	is_str(wire(".org"), "-", "empty first label");
	is_str(wire("a..b"), "-", "empty label in the middle");
	is_str(wire("a.."), "-", "empty last label");
	is_str(wire("a b"), "-", "blank");
	is_str(wire("a\tb"), "-", "control character");

	memset(name, 'a', 64);
	name[63] = '\0';
	ok(strcmp(wire(name), "-"), "label of 63");
	strcat(name, "a");
	is_str(wire(name), "-", "label of 64");

	/* 3 * 64 + 62 + 1 = 255: the longest name there can be */
	memset(name, 'a', sizeof(name));
	name[63] = name[127] = name[191] = '.';
	name[253] = '\0';
	wr = wr_init(buf, sizeof(buf));
	ok(dnsname_put(&wr, name), "name of 253 characters");
	is_int(wr.len, 255, "  takes 255 bytes");
	strcpy(name + 253, "a");
	is_str(wire(name), "-", "name of 254 characters");
}

static void no_room(void)
{
	uint8_t *exact = malloc(13);
	struct wr wr = wr_init(exact, 13);

	ok(dnsname_put(&wr, "example.org"), "fits exactly");
	ok(!dnsname_put(&wr, "a"), "no room for another");
	ok(!wr.bad && wr.len == 13, "which changes nothing");
	free(exact);

	exact = malloc(12);
	wr = wr_init(exact, 12);
	ok(!dnsname_put(&wr, "example.org"), "one byte short");
	ok(!dnsname_put_compressed(&wr, "example.org"), "so too here");
	ok(!wr.bad && !wr.len, "nothing was written");
	free(exact);
}

static void compressed(void)
{
	static const char *const names[] = {
		"eng.apple.com", "marketing.apple.com", "apple.com",
		"eng.apple.com", "www.eng.apple.com", "orange.com", "com.org",
	};
	/* RFC 3397 2, its example, then some more */
	static const uint8_t want[] = {
		3, 'e', 'n', 'g', 5, 'a', 'p', 'p', 'l', 'e',
		3, 'c', 'o', 'm', 0,
		9, 'm', 'a', 'r', 'k', 'e', 't', 'i', 'n', 'g', 0xc0, 4,
		0xc0, 4,			/* nothing but a pointer */
		0xc0, 0,
		3, 'w', 'w', 'w', 0xc0, 0,
		6, 'o', 'r', 'a', 'n', 'g', 'e', 0xc0, 10,
		3, 'c', 'o', 'm', 3, 'o', 'r', 'g', 0,
	};
	struct wr wr = wr_init(buf, sizeof(buf));
	size_t at = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		ok(dnsname_put_compressed(&wr, names[i]), "%s", names[i]);
	ok(wr.len == sizeof(want) && !memcmp(buf, want, sizeof(want)),
	   "common ends are pointers");
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		is_str(expand(buf, wr.len, &at), names[i], "expands again");
	is_int(at, wr.len, "nothing is left over");
}

/* Whatever is written expands to what went in, whatever the names are */
static void many(void)
{
	unsigned bad = 0, runaway = 0;

	srand(1);
	for (int round = 0; round < 2000; round++) {
		struct wr wr = wr_init(buf, 64 + (size_t)rand() % 900);
		char names[40][64];
		unsigned count = 0;
		size_t at = 0;

		for (int i = 0; i < 40; i++) {
			char *s = names[count];
			int labels = rand() % 4 + 1;
			size_t n = 0;

			while (labels--) {
				const char *l = rand() % 2 ? "aaa" : "bab";

				n += (size_t)sprintf(s + n, "%s%.*s",
						     n ? "." : "",
						     rand() % 3 + 1, l);
			}
			count += dnsname_put_compressed(&wr, s);
		}
		for (unsigned i = 0; i < count; i++)
			bad += !!strcmp(expand(buf, wr.len, &at), names[i]);
		runaway += at != wr.len || wr.bad;
	}
	is_int(bad, 0, "random lists expand to what they were");
	is_int(runaway, 0, "and have no other bytes");
}

/* Pointers have fourteen bits: what lies beyond can't be pointed to */
static void far(void)
{
	static uint8_t big[20000];
	struct wr wr = wr_init(big, sizeof(big));
	size_t before;
	char name[16];

	for (unsigned i = 0; wr.len < 0x4000; i++) {
		sprintf(name, "name-%u", i);
		dnsname_put_compressed(&wr, name);
	}
	dnsname_put_compressed(&wr, "far");
	before = wr.len;
	dnsname_put_compressed(&wr, "far");
	is_int(wr.len - before, 5, "too far away: told again");
	dnsname_put_compressed(&wr, "name-0");
	is_int(wr.len - before, 5 + 2, "near enough: pointed to");
}

int main(void)
{
	plain();
	no_room();
	compressed();
	many();
	far();
	return done();
}
