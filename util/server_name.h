/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whom a client says it talks to, from the first bytes that it sends: the server
 * name of TLS (RFC 6066 3), or the Host of HTTP/1 (RFC 9112 3.2)
 *
 * Strict, since what is read here must be what the server reads: a message that
 * leaves a choice (two names, folded lines, a target and a Host that differ) gives
 * no name at all.
 */
#ifndef UTIL_SERVER_NAME_H
#define UTIL_SERVER_NAME_H

#include "util/dnsname.h"

enum { SERVER_NAME_BYTES = 16 * 1024 };	/* looked at, at most */

enum server_name {
	SERVER_NAME_MORE,		/* bytes are missing */
	SERVER_NAME_FOUND,
	SERVER_NAME_NONE,		/* it has none, or is neither of the two */
};

/* p: everything from the beginning of the stream. The name comes folded. */
enum server_name server_name(const uint8_t *p, size_t len,
			     char ret_name[DNSNAME_TEXT_LEN]);

#endif /* UTIL_SERVER_NAME_H */
