// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: sockets out of /proc/net/tcp and its likes, see procnet.h
 *
 * Data: lines like
 *
 *	  sl  local_address rem_address   st tx_queue rx_queue ...
 *	   0: 0100007F:0035 00000000:0000 0A 00000000:00000000 ...
 *
 * with addresses as 32-bit words, each in the machine's order of what is in
 * network order in memory; and ports, and states, in plain hexadecimal. What
 * doesn't look like that, as the first line, is passed over.
 *
 * Flow: pieces as large as the buffer; what is left of a line at the end of one
 * is moved to the front. By pread(), as the kernel goes on where it was only if
 * the offset says so, and begins anew at 0.
 */
#include "host/procnet.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PROCNET_CHUNK = 16 * 1024 };

static bool procnet_line(const char *line, enum family f,
			 struct procnet_sock *ret)
{
	unsigned word[4], port, state;
	int n;

	if (f == V4)
		n = 3 + sscanf(line, " %*u: %8x:%4x %*8[0-9A-F]:%*4x %2x",
			       &word[0], &port, &state);
	else
		n = sscanf(line, " %*u: %8x%8x%8x%8x:%4x %*32[0-9A-F]:%*4x %2x",
			   &word[0], &word[1], &word[2], &word[3], &port,
			   &state);
	if (n != 6)
		return false;
	ret->addr = f == V4 ? addr_from_v4(word) : addr_from_v6(word);
	ret->port = (uint16_t)port;
	ret->state = state;
	return true;
}

int procnet_read(int fd, enum family f,
		 void (*found)(const struct procnet_sock *s, void *arg),
		 void *arg)
{
	static char buf[PROCNET_CHUNK + 1];
	size_t left = 0;
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, buf + left, PROCNET_CHUNK - left, at)) > 0) {
		char *line = buf, *end;

		at += n;
		left += (size_t)n;
		buf[left] = '\0';
		while ((end = strchr(line, '\n'))) {
			struct procnet_sock s;

			*end = '\0';
			if (procnet_line(line, f, &s))
				found(&s, arg);
			line = end + 1;
		}
		left -= (size_t)(line - buf);
		memmove(buf, line, left);
		if (left == PROCNET_CHUNK)
			return -EPROTO;		/* that's no line */
	}
	return n < 0 ? -errno : 0;
}
