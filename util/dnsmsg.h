/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A reader of DNS messages (RFC 1035 4): as much as who stands between a client
 * and a resolver has to know
 *
 * Messages are hostile: nothing is read beyond their end, pointers of compressed
 * names lead backwards only. Names come folded (dnsname.h); one that isn't text
 * (a dot, a blank, a byte beyond ASCII in a label) is no name here.
 */
#ifndef UTIL_DNSMSG_H
#define UTIL_DNSMSG_H

#include "util/addr.h"
#include "util/dnsname.h"

enum {
	DNSMSG_HDR	= 12,
	DNSMSG_MAX	= 65535,
	DNSMSG_REPLY_MAX = DNSMSG_HDR + DNSNAME_WIRE_MAX + 4,
	DNSMSG_ADDRS	= 64,		/* of one answer */

	DNS_FORMERR	= 1,
	DNS_SERVFAIL	= 2,
	DNS_REFUSED	= 5,
};

struct dnsmsg {
	uint16_t id;
	bool is_answer;
	uint8_t opcode, rcode;
	uint16_t type, class;		/* of the question */
	size_t question_end;		/* bytes up to there */
	char name[DNSNAME_TEXT_LEN];	/* "" is the root */
};

/* Header and the one question of a message. False if it is malformed, or has
 * another number of questions; ret->id is set if there is one.
 */
bool dnsmsg_read(const void *msg, size_t len, struct dnsmsg *ret);

/* Is it a query that says nothing else: no records but options (RFC 6891)? */
bool dnsmsg_is_plain_query(const void *msg, size_t len,
			   const struct dnsmsg *m);

/* Does it say that there are answers? */
bool dnsmsg_has_answers(const void *msg, size_t len);

/* Addresses that an answer gives for what was asked, through CNAMEs, those that
 * HTTPS and SVCB records hint at among them; ttl is the least on the way. Number of
 * them; of those beyond DNSMSG_ADDRS nothing is told. What is malformed ends the
 * search, and so does a message that takes too long to read.
 */
struct dnsmsg_addr {
	struct addr addr;
	uint32_t ttl;
};
unsigned dnsmsg_addrs(const void *msg, size_t len, const struct dnsmsg *m,
		      struct dnsmsg_addr ret[DNSMSG_ADDRS]);

/* An answer of our own to a query, with that response code: bytes in buf
 * (DNSMSG_REPLY_MAX). m: what dnsmsg_read() said; NULL if that was false. 0: it is
 * nothing that could be answered.
 */
size_t dnsmsg_reply(const void *msg, size_t len, const struct dnsmsg *m,
		    uint8_t rcode, uint8_t *buf);

#endif /* UTIL_DNSMSG_H */
