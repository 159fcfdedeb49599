/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text parsers that can be put one after the other
 *
 * Each takes a cursor into terminated text. If what it looks for is there, it
 * moves the cursor behind it, fills its outputs and returns true. If not, it
 * returns false and changes nothing, so that the caller can try something else
 * at the same place:
 *
 *	if (parse_addr(&p, &addr) && parse_literal(&p, "/")) …
 */
#ifndef UTIL_PARSE_H
#define UTIL_PARSE_H

#include <net/if.h>

#include "util/addr.h"

/* Exactly this text */
bool parse_literal(const char **cursor, const char *text);

/* A decimal number of digits only, at most max */
bool parse_uint(const char **cursor, unsigned max, unsigned *ret);

/* "FIRST-LAST" or "FIRST", which is its own last; first ≤ last ≤ 65535 */
bool parse_port_range(const char **cursor, uint16_t *ret_first,
		      uint16_t *ret_last);

/* An address of either family. It takes every digit, letter a-f, dot and colon
 * that follows, and must be an address then: "::1/80" has one, "80:80" none.
 */
bool parse_addr(const char **cursor, struct addr *ret);

/* The same in square brackets */
bool parse_addr_bracketed(const char **cursor, struct addr *ret);

/* Interface name: 1-15 characters up to a slash, white space or the end, and
 * neither "." nor ".."
 */
bool parse_ifname(const char **cursor, char ret[IFNAMSIZ]);

/* Nothing is left */
bool parse_end(const char *const *cursor);

#endif /* UTIL_PARSE_H */
