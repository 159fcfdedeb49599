/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Domain names in wire form (RFC 1035 3.1): length-prefixed labels, then a
 * zero. Used by DHCP, DHCPv6 and NDP, which all carry them that way.
 */
#ifndef UTIL_DNSNAME_H
#define UTIL_DNSNAME_H

#include "util/rdwr.h"

enum {
	DNSNAME_LABEL_MAX	= 63,
	DNSNAME_WIRE_MAX	= 255,	/* with length bytes and final zero */
	DNSNAME_TEXT_LEN	= 254,	/* with dots between, terminated */
};

/* Append `name` ("example.org", a trailing dot is fine). False, and nothing
 * written, if it isn't a name that has a wire form (empty, empty label or
 * label of more than 63 bytes, blank or control characters, more than 255
 * bytes in all), or if it doesn't fit. wr->bad isn't touched: names that can't
 * be sent are simply left out.
 */
bool dnsname_put(struct wr *wr, const char *name);

/* The same, replacing the end of the name by a pointer (RFC 1035 4.1.4) if it
 * is already there. Pointers count from wr->buf, which must hold nothing but
 * names written by this function.
 */
bool dnsname_put_compressed(struct wr *wr, const char *name);

/* Text of `len` bytes → the form in which names are compared: ASCII lower case, no
 * trailing dot, labels with other letters (UTF-8, taken as they are) in their
 * "xn--" form (RFC 5890, RFC 3492). False if that is no name; ret_text has
 * DNSNAME_TEXT_LEN bytes.
 */
bool dnsname_fold(const char *text, size_t len, char *ret_text);

#endif /* UTIL_DNSNAME_H */
