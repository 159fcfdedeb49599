// SPDX-License-Identifier: GPL-2.0-or-later
/* Links: host/procnet.o util/addr.o
 *
 * Tables as the kernel prints them, also over several pieces, and what doesn't
 * look like one.
 */
#include "host/procnet.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tap_test.h"

static char seen[4096];
static unsigned count;

static void found(const struct procnet_sock *s, void *arg)
{
	count++;
	if (arg)
		snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen),
			 "%s %u %u; ", ADDR_STR(&s->addr), s->port, s->state);
}

/* Text as a file */
static int file_of(const char *text)
{
	char name[] = "/tmp/t_procnet.XXXXXX";
	int fd = mkstemp(name);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		abort();
	unlink(name);
	return fd;
}

static const char *read_all(const char *text, enum family f)
{
	int fd = file_of(text);

	seen[0] = '\0';
	count = 0;
	procnet_read(fd, f, found, seen);
	close(fd);
	return seen;
}

#define HEAD	"  sl  local_address rem_address   st tx_queue rx_queue\n"
#define REST	" 00000000:00000000 00:00000000 00000000  1000        0 1\n"

static void test_lines(void)
{
	/* The words are in the machine's order */
	uint8_t lo[4] = { 127, 0, 0, 53 }, six[16] = { 0x20, 1, 0xd, 0xb8,
						       [15] = 7 };
	uint32_t w[4], w4;
	char text[1024];

	memcpy(&w4, lo, 4);
	memcpy(w, six, 16);
	snprintf(text, sizeof(text), HEAD
		 "   0: %08X:0035 00000000:0000 0A" REST
		 " 112: 00000000:FFFF 00000000:0000 07" REST, w4);
	is_str(read_all(text, V4), "127.0.0.53 53 10; 0.0.0.0 65535 7; ",
	       "IPv4");
	snprintf(text, sizeof(text), HEAD
		 "   0: %08X%08X%08X%08X:1F90 "
		 "00000000000000000000000000000000:0000 0A" REST,
		 w[0], w[1], w[2], w[3]);
	is_str(read_all(text, V6), "2001:db8::7 8080 10; ", "IPv6");
	is_str(read_all("", V4), "", "nothing");
	is_str(read_all(HEAD, V6), "", "a headline");
	is_str(read_all("rubbish\n\n 0: 1\n", V4), "", "rubbish");
	is_str(read_all(HEAD " 0: 00000000:0001 00000000:0000 0A", V4), "",
	       "a line without an end");
}

static void test_pieces(void)
{
	enum { LINES = 1000, LINE = 128 };
	char *text = calloc(LINES + 1, LINE), *p = text;
	int fd;

	p += sprintf(p, HEAD);
	for (unsigned i = 0; i < LINES; i++)
		p += sprintf(p, "%4u: 00000000:%04X 00000000:0000 0A" REST, i,
			     i);
	fd = file_of(text);
	count = 0;
	ok(!procnet_read(fd, V4, found, NULL) && count == LINES,
	   "a large one, all of it");
	count = 0;
	ok(!procnet_read(fd, V4, found, NULL) && count == LINES,
	   "  and once more");
	close(fd);

	memset(text, 'x', LINES * LINE);
	fd = file_of(text);
	ok(procnet_read(fd, V4, found, NULL) < 0, "a line without end");
	close(fd);
	ok(procnet_read(-1, V4, found, NULL) < 0, "no file");
	free(text);
}

int main(void)
{
	test_lines();
	test_pieces();
	return done();
}
