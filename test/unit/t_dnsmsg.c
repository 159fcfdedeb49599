// SPDX-License-Identifier: GPL-2.0-or-later
/* DNS messages: queries and answers as they were on the wire, and what somebody may
 * make of them
 *
 * Links: util/dnsmsg.o util/dnsname.o util/rdwr.o util/addr.o
 */
#include "util/dnsmsg.h"

#include <stdlib.h>
#include <time.h>

#include "random.h"
#include "tap_test.h"

/* Messages are written as text: numbers in hexadecimal, "'…" for letters up to the
 * next blank
 */
static uint8_t msg[4096];
static size_t msg_len;

static void wire(const char *text)
{
	msg_len = 0;
	while (*text) {
		if (*text == '\'') {
			for (text++; *text && *text != ' '; text++)
				msg[msg_len++] = (uint8_t)*text;
		} else if (*text == ' ') {
			text++;
		} else {
			char hex[3] = { text[0], text[1], 0 };

			msg[msg_len++] = (uint8_t)strtoul(hex, NULL, 16);
			text += 2;
		}
	}
}

#define WWW	"03'www 07'example 03'org 00 "
#define QUERY	"1234 0100 0001 0000 0000 0000 " WWW "0001 0001 "
#define OPT	"00 0029 04d0 00000000 0000 "

/* The name, type and class that are asked for, or "bad" */
static const char *question(const char *text)
{
	static char out[DNSNAME_TEXT_LEN + 32];
	struct dnsmsg m;
	uint8_t *copy;
	bool ok_;

	wire(text);
	copy = malloc(msg_len ? msg_len : 1);
	memcpy(copy, msg, msg_len);
	ok_ = dnsmsg_read(copy, msg_len, &m);
	if (ok_)
		sprintf(out, "%s %u %u%s", m.name, m.type, m.class,
			dnsmsg_is_plain_query(copy, msg_len, &m) ? "" :
			", not plain");
	free(copy);
	return ok_ ? out : "bad";
}

static void questions(void)
{
	static const struct { const char *text, *want, *what; } t[] = {
		{ QUERY, "www.example.org 1 1", "a query" },
		{ "1234 0100 0001 0000 0000 0001 " WWW "001c 0001 " OPT,
		  "www.example.org 28 1", "with options" },
		{ "1234 0100 0001 0000 0000 0000 03'WwW 07'EXAMPLE 03'Org 00 "
		  "0001 0001", "www.example.org 1 1", "upper case" },
		{ "1234 0100 0001 0000 0000 0000 00 0002 0001", " 2 1",
		  "the root" },
		{ "1234 0100 0001 0000 0000 0000 05'_imap 04'_tcp 01'a 00 "
		  "0021 0001", "_imap._tcp.a 33 1", "a service" },
		{ QUERY "00", "www.example.org 1 1, not plain",
		  "a byte behind it" },
		{ "1234 0100 0001 0000 0000 0001 " WWW "0001 0001 "
		  "01'a 00 0010 0001 00000000 0004 03'abc",
		  "www.example.org 1 1, not plain", "with a record" },
		{ "1234 0100 0001 0001 0000 0000 " WWW "0001 0001 "
		  "01'a 00 0010 0001 00000000 0004 03'abc",
		  "www.example.org 1 1, not plain", "with an answer" },
		{ "1234 2800 0001 0000 0000 0000 " WWW "0006 0001",
		  "www.example.org 6 1, not plain", "an update" },
		{ "1234 8180 0001 0000 0000 0000 " WWW "0001 0001",
		  "www.example.org 1 1, not plain", "an answer" },
		{ "", "bad", "nothing" },
		{ "1234 0100 0001 0000 0000 00", "bad", "half a header" },
		{ "1234 0100 0000 0000 0000 0000", "bad", "no question" },
		{ "1234 0100 0002 0000 0000 0000 " WWW "0001 0001 " WWW
		  "0001 0001", "bad", "two questions" },
		{ "1234 0100 0001 0000 0000 0000 03'www 07'example 03'org",
		  "bad", "a name without an end" },
		{ "1234 0100 0001 0000 0000 0000 " WWW "0001 00", "bad",
		  "a class cut short" },
		{ "1234 0100 0001 0000 0000 0000 03'w.w 00 0001 0001", "bad",
		  "a dot in a label" },
		{ "1234 0100 0001 0000 0000 0000 03'w 20'w 00 0001 0001", "bad",
		  "a blank" },
		{ "1234 0100 0001 0000 0000 0000 02'w fc 00 0001 0001", "bad",
		  "a byte beyond ASCII" },
		{ "1234 0100 0001 0000 0000 0000 02'w 00 00 0001 0001", "bad",
		  "a byte 0" },
		{ "1234 0100 0001 0000 0000 0000 c00c 0001 0001", "bad",
		  "a pointer to itself" },
		{ "1234 0100 0001 0000 0000 0000 03'www c000 0001 0001", "bad",
		  "a pointer into the header" },
		{ "1234 0100 0001 0000 0000 0000 41'w 00 0001 0001", "bad",
		  "a label of a kind that doesn't exist" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		is_str(question(t[i].text), t[i].want, "%s", t[i].what);
}

static void long_names(void)
{
	struct dnsmsg m;
	size_t at;

	for (unsigned labels = 126; labels <= 128; labels++) {
		wire("1234 0100 0001 0000 0000 0000");
		for (unsigned i = 0; i < labels; i++) {
			msg[msg_len++] = 1;
			msg[msg_len++] = 'a';
		}
		at = msg_len;
		memset(msg + at, 0, 5);
		ok(dnsmsg_read(msg, at + 5, &m) == (labels < 128),
		   "a name of %u bytes", labels * 2 + 1);
	}
}

/* "ADDR TTL, …" of an answer to WWW */
static const char *addrs(const char *text)
{
	static char out[4096];
	struct dnsmsg_addr a[DNSMSG_ADDRS];
	struct dnsmsg m;
	char *p = out;
	uint8_t *copy;
	unsigned n;

	wire(text);
	copy = malloc(msg_len);
	memcpy(copy, msg, msg_len);
	*out = '\0';
	if (!dnsmsg_read(copy, msg_len, &m)) {
		free(copy);
		return "bad";
	}
	n = dnsmsg_addrs(copy, msg_len, &m, a);
	for (unsigned i = 0; i < n; i++)
		p += sprintf(p, "%s%s %u", i ? ", " : "", ADDR_STR(&a[i].addr),
			     a[i].ttl);
	free(copy);
	return out;
}

#define ANSWERS(n)	"1234 8180 0001 " n " 0000 0000 " WWW "0001 0001 "
/* "www.example.org" by pointer, at 12; "example.org" at 16 */
#define A(ttl, a)	"c00c 0001 0001 " ttl " 0004 " a " "

static void answers(void)
{
	static const struct { const char *text, *want, *what; } t[] = {
		{ ANSWERS("0000"), "", "no answer" },
		{ ANSWERS("0001") A("0000012c", "c0000201"), "192.0.2.1 300",
		  "one" },
		{ ANSWERS("0002") A("0000012c", "c0000201")
		  A("0000003c", "c0000202"), "192.0.2.1 300, 192.0.2.2 60",
		  "two" },
		{ ANSWERS("0001") "c00c 001c 0001 00000001 0010 "
		  "20010db8000000000000000000000001", "2001:db8::1 1", "IPv6" },
		/* www → a.example.org → b.example.org, in the wrong order */
		{ ANSWERS("0003")
		  "01'b c010 0001 0001 0000012c 0004 c0000207 "
		  "01'a c010 0005 0001 0000000a 0004 01'b c010 "
		  "c00c 0005 0001 00000014 0004 01'a c010",
		  "192.0.2.7 10", "through names, the least TTL" },
		{ ANSWERS("0002") "c00c 0005 0001 00000014 0004 01'a c010 "
		  "01'c c010 0001 0001 0000012c 0004 c0000207", "",
		  "the address of another name" },
		{ ANSWERS("0001") "c010 0001 0001 0000012c 0004 c0000207", "",
		  "of the zone" },
		{ ANSWERS("0002") "c00c 0005 0001 00000014 0004 01'a c010 "
		  "01'a c010 0005 0001 00000014 0002 c00c", "",
		  "a circle of names" },
		{ ANSWERS("0001") "c00c 0001 0001 0000012c 0003 c00002", "",
		  "an address too short" },
		{ ANSWERS("0001") "c00c 0001 0003 0000012c 0004 c0000201", "",
		  "another class" },
		{ ANSWERS("0002") A("0000012c", "c0000201") "c00c 0001",
		  "192.0.2.1 300", "the second cut short" },
		{ ANSWERS("ffff") A("0000012c", "c0000201"), "192.0.2.1 300",
		  "fewer than announced" },
		/* RFC 9460: priority 1, target ".", alpn h2, hints */
		{ ANSWERS("0001") "c00c 0041 0001 0000012c 002a 0001 00 "
		  "0001 0003 02'h2 0004 0008 c0000201 c0000202 "
		  "0006 0010 20010db8000000000000000000000001",
		  "192.0.2.1 300, 192.0.2.2 300, 2001:db8::1 300",
		  "hints of an HTTPS record" },
		{ ANSWERS("0002") "c00c 0005 0001 00000014 0004 01'a c010 "
		  "01'a c010 0040 0001 0000000a 000d 0005 01'b 00 "
		  "0004 0004 c0000207", "192.0.2.7 10",
		  "... of SVCB, through a name" },
		{ ANSWERS("0001") "c00c 0041 0001 0000012c 000b 0000 00 "
		  "0004 0004 c0000201", "", "an alias has none" },
		{ ANSWERS("0001") "c010 0041 0001 0000012c 000b 0001 00 "
		  "0004 0004 c0000201", "", "hints of another name" },
		{ ANSWERS("0001") "c00c 0041 0001 0000012c 000d 0001 00 "
		  "0004 0006 c0000201 c000", "192.0.2.1 300",
		  "a hint and a half" },
		{ ANSWERS("0001") "c00c 0041 0001 0000012c 000b 0001 00 "
		  "0004 0008 c0000201", "", "a length beyond the record" },
		{ ANSWERS("0001") "c00c 0041 0001 0000012c 0001 00", "",
		  "half a priority" },
		{ ANSWERS("0001") "c021 0001 0001 00000001 0004 c0000201", "",
		  "a pointer forward" },
		{ ANSWERS("0001") "03'w.w 00 0001 0001 00000001 0004 c0000201",
		  "", "a name that is no text" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		is_str(addrs(t[i].text), t[i].want, "%s", t[i].what);
}

static void replies(void)
{
	uint8_t buf[DNSMSG_REPLY_MAX];
	struct dnsmsg m;
	size_t n;

	wire(QUERY);
	dnsmsg_read(msg, msg_len, &m);
	n = dnsmsg_reply(msg, msg_len, &m, DNS_REFUSED, buf);
	is_int(n, (int)msg_len, "a refusal is as long as the query");
	wire("1234 8185 0001 0000 0000 0000 " WWW "0001 0001");
	ok(n == msg_len && !memcmp(buf, msg, n), "... and says so");
	wire(QUERY);
	n = dnsmsg_reply(msg, 20, NULL, DNS_FORMERR, buf);
	is_int(n, DNSMSG_HDR, "to what isn't understood, a header");
	is_int(buf[3], 0x81, "... that says so");
	is_int(dnsmsg_reply(msg, 11, NULL, DNS_FORMERR, buf), 0,
	       "to less than a header, nothing");
	msg[2] = 0x81;
	is_int(dnsmsg_reply(msg, msg_len, NULL, DNS_FORMERR, buf), 0,
	       "nor to an answer");
}

/* Whatever is changed, nothing is read beyond the end */
static void mutated(void)
{
	unsigned good = 0, found = 0;

	for (unsigned i = 0; i < rounds_of(300000); i++) {
		struct dnsmsg_addr a[DNSMSG_ADDRS];
		uint8_t buf[DNSMSG_REPLY_MAX], *copy;
		struct dnsmsg m;
		size_t len;

		wire(ANSWERS("0004")
		     "c00c 0005 0001 00000014 0004 01'a c010 "
		     "01'a c010 0001 0001 0000012c 0004 c0000207 "
		     "01'a c010 001c 0001 00000001 0010 "
		     "20010db8000000000000000000000001 "
		     "01'a c010 0041 0001 0000012c 001f 0001 00 "
		     "0004 0004 c0000201 "
		     "0006 0010 20010db8000000000000000000000001");
		len = msg_len;
		for (unsigned j = 1 + random_below(3); j--;)
			msg[random_below((uint32_t)len)] =
				(uint8_t)random_32();
		if (!random_below(4))
			len = random_below((uint32_t)len + 1);
		copy = malloc(len ? len : 1);
		memcpy(copy, msg, len);
		if (dnsmsg_read(copy, len, &m)) {
			good++;
			found += dnsmsg_addrs(copy, len, &m, a);
			dnsmsg_is_plain_query(copy, len, &m);
			dnsmsg_reply(copy, len, &m, DNS_REFUSED, buf);
		} else {
			dnsmsg_reply(copy, len, NULL, DNS_FORMERR, buf);
		}
		free(copy);
	}
	ok(good > rounds_of(1000) && found > rounds_of(1000), "mutated: %u messages, %u addresses",
	   good, found);
}

/* A message as it grows */
static struct {
	uint8_t buf[DNSMSG_MAX];
	size_t len;
} big;

static void big_add(const char *text)
{
	wire(text);
	memcpy(big.buf + big.len, msg, msg_len);
	big.len += msg_len;
}

static void big_pointer(size_t to)
{
	big.buf[big.len++] = (uint8_t)(0xc0 | to >> 8);
	big.buf[big.len++] = (uint8_t)to;
}

/* www → a → b … → o */
static void big_chain(void)
{
	char text[80];

	big.len = 0;
	big_add(ANSWERS("ffff") "c00c 0005 0001 00000014 0004 01'a c010");
	for (char c = 'a'; c < 'o'; c++) {
		sprintf(text, "01'%c c010 0005 0001 00000014 0004 01'%c c010",
			c, c + 1);
		big_add(text);
	}
}

/* As many records as there is room for, by the name that is at `to` */
static void big_fill(size_t to)
{
	while (big.len + 12 <= DNSMSG_MAX) {
		big_pointer(to);
		big_add("0010 0001 00000000 0000");
	}
}

/* A record's data of so many bytes begins where this says */
static size_t big_data(size_t len)
{
	char text[40];

	sprintf(text, "00 0010 0001 00000000 %04zx", len);
	big_add(text);
	return big.len;
}

/* Names of 255 bytes */
static void fill_long(void)
{
	size_t at = big_data(255);

	for (unsigned i = 0; i < 127; i++)
		big_add("01'a");
	big_add("00");
	big_fill(at);
}

/* Pointers to pointers to pointers… to the root */
static void fill_pointers(void)
{
	size_t at = big_data(0x3000);

	big_add("00 00");
	for (size_t i = 2; i < 0x3000; i += 2)
		big_pointer(i == 2 ? at : big.len - 2);
	big_fill(big.len - 2);
}

static void fill_roots(void)
{
	while (big.len + 11 <= DNSMSG_MAX)
		big_add("00 0010 0001 00000000 0000");
}

/* Whatever it says, it is read in a moment */
static void bounded(void)
{
	static const struct { void (*fill)(void); const char *what; } t[] = {
		{ fill_long, "long names" },
		{ fill_pointers, "pointers to pointers" },
		{ fill_roots, "very many records" },
	};
	struct dnsmsg_addr a[DNSMSG_ADDRS];
	struct dnsmsg m;

	big_chain();
	big_add("01'o c010 0001 0001 0000012c 0004 c0000207");
	ok(dnsmsg_read(big.buf, big.len, &m) &&
	   dnsmsg_addrs(big.buf, big.len, &m, a) == 1, "a chain of 16 names");
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		clock_t begin;
		long us;

		big_chain();
		t[i].fill();
		ok(dnsmsg_read(big.buf, big.len, &m), "%s: %zu bytes",
		   t[i].what, big.len);
		begin = clock();
		dnsmsg_addrs(big.buf, big.len, &m, a);
		us = (long)((clock() - begin) / (CLOCKS_PER_SEC / 1000000));
		ok(us < 20000 * slowness(), "... in %ld us", us);
	}
}

int main(void)
{
	questions();
	long_names();
	answers();
	replies();
	mutated();
	bounded();
	return done();
}
