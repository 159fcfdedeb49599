/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What goes over pesto's socket, version 2: for both ends of it
 *
 *	daemon → client	hello, then for each table: pif, name, what it can, and
 *			its rules; PESTO_END
 *	client → daemon	for each table that is to be another one: pif, rules;
 *			PESTO_END. A client that only reads closes.
 *	daemon → client	to one that half-closes, rather than closing: outcome
 *
 * The outcome is ours; other ends of this protocol neither send nor expect it.
 * All numbers are in network order.
 */
#ifndef FWD_PESTO_WIRE_H
#define FWD_PESTO_WIRE_H

#include "fwd/fwd_rule.h"
#include "util/rdwr.h"

enum {
	PESTO_VERSION	= 2,
	PESTO_MAGIC_LEN	= 8,
	PESTO_HELLO_LEN	= PESTO_MAGIC_LEN + 3 * 4,
	PESTO_NAME_LEN	= 128,
	PESTO_IFNAME_LEN = 16,
	PESTO_TABLE_LEN	= 1 + PESTO_NAME_LEN + 2 * 4,	/* without rules */
	PESTO_CHANGE_LEN = 1 + 4,			/* likewise */
	PESTO_RULE_LEN	= 3 * 16 + 3 * 2 + 2,
	PESTO_OUTCOME_LEN = 1 + 4,			/* without its text */
	PESTO_TEXT_MAX	= 2048,

	PESTO_RULES_MAX	= 16384,	/* of a table: more aren't taken */
};

/* "pif": where a table's rules listen */
enum pesto_pif {
	PESTO_END,
	PESTO_HOST,			/* -t, -u */
	PESTO_TAP,
	PESTO_SPLICE,			/* -T, -U */
};

enum pesto_outcome { PESTO_DONE, PESTO_REFUSED };

extern const char pesto_magic[PESTO_MAGIC_LEN];

/* Interface's and names' lengths are part of the hello. False: not ours. */
void pesto_put_hello(struct wr *wr);
bool pesto_get_hello(struct rd *rd, uint32_t *ret_version);

void pesto_put_rule(struct wr *wr, const struct fwd_rule *r);
struct fwd_rule pesto_get_rule(struct rd *rd);

#endif /* FWD_PESTO_WIRE_H */
