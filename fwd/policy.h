/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Egress policy: whom the guest may talk to
 *
 * The grammar of a rule:
 *
 *	spec  := dest [ ":" ports ] [ "/" proto ]
 *	dest  := "any" | "host" | "private" | "public" | name | "*." name
 *	       | addr [ "/" length ] | "[" addr [ "/" length ] "]"
 *	ports := chunk { "," chunk }
 *	chunk := "all" | range | "~" range
 *	range := number [ "-" number ]
 *	proto := "tcp" | "udp" | "icmp"
 *
 * Meaning: rules are asked in order, the first one that matches decides. If none
 * does, a policy with any "allow" denies, another one allows. What counts is
 * where a flow leads on the host's side: the gateway's address that is mapped to
 * the host's loopback is 127.0.0.1. The address that the guest uses for it counts
 * as well for rules that deny, and for those that name just this one address.
 *
 * "host" is whatever leads to the host itself; "private" are RFC 1918 and 6598,
 * unique local, link-local (with the metadata services of clouds), loopback;
 * "public" is what is neither. Without ports, a rule is for all protocols;
 * with ports, for TCP and UDP.
 *
 * IPv6 addresses of translators and relays (64:ff9b::/96, 64:ff9b:1::/48, 2002::/16)
 * are "host" or "private" if the IPv4 address in them is; what denies that one
 * denies them.
 *
 * "*.example.org" is each name below example.org, not example.org itself. A name
 * allows the addresses that were learned for it (policy_learn()) but none of the
 * host and none that is private: what a stranger's DNS says opens nothing inside.
 *
 * Data: two static sets, one in use, one to be filled (so that a policy can be
 * replaced as a whole). policy_commit() compiles rules to sorted tables; a
 * decision is a few binary searches, whatever the number of rules.
 */
#ifndef FWD_POLICY_H
#define FWD_POLICY_H

#include "fwd/policy_spec.h"
#include "util/addr.h"
#include "util/mono.h"

enum {
	POLICY_RESOLVER		= UINT32_MAX - 1,	/* a query: its name decides */
	POLICY_FORWARD		= UINT32_MAX - 2,	/* it came in by a rule of
							 * forwarding */
};

void policy_init(void);

/* Fill a new policy: forget what was added since the last policy_commit() */
void policy_begin(void);

/* Add one rule. 0; or -EINVAL, with what is wrong and what would be right in
 * ret_err (POLICY_ERR_LEN bytes), without a full stop
 */
int policy_add(bool allow, const char *spec, char *ret_err);

/* Add the rules of a file's text: lines "allow SPEC", "deny SPEC", empty ones, and
 * comments from "#" on. 0, or -EINVAL: ret_err begins with "line N: ", unless there
 * is no rule at all, which would be a policy that allows all. `text` is cut up.
 */
int policy_add_text(char *text, char *ret_err);

/* Rules in the policy that is being filled */
unsigned policy_pending(void);
/* Does one of them have a name? */
bool policy_pending_names(void);

/* Names on connections to ports 443 and 80 aren't verified; affects the policy
 * being filled. Are they, by the one that is in use?
 */
void policy_no_verify(void);
bool policy_verifies(void);

/* Allow everything, and remember what is used (policy_used.h): not together with
 * rules
 */
void policy_learn_mode(void);
bool policy_is_learning(void);

/* Compile what was added, and use it from now on. What was learned for names of
 * the policy before is kept as far as names of this one match. 0, or -ENOSPC with
 * ret_err: the tables are too small, the old policy stays.
 */
int policy_commit(char *ret_err);

/* Is there any rule? If not, nothing is ever denied. */
bool policy_is_on(void);
/* Does any rule have a name? Then we are the guest's resolver. */
bool policy_has_names(void);

/* The host's own addresses, loopback aside. Of more than POLICY_HOSTS_MAX some are not
 * known: then any may be one, and neither "public" nor a name allows anything.
 */
enum { POLICY_HOSTS_MAX = 4096 };
void policy_set_host_addrs(const struct addr *a, unsigned n);

/* A new flow of the guest */
struct policy_flow {
	uint8_t proto;			/* PROTO_TCP, _UDP, _ICMP, _ICMP6 */
	uint16_t port;
	struct addr to;			/* where it leads, on the host's side */
	struct addr seen;		/* where the guest thinks it does; none
					 * if that is the same */
};

struct policy_answer {
	bool go;
	bool verify;			/* only if its first bytes give a name
					 * that policy_ask_as() lets go */
	uint32_t rule;			/* POLICY_NO_RULE: none */
	const char *name;		/* learned for the address; or NULL. Valid
					 * until the next call */
};

struct policy_answer policy_ask(const struct policy_flow *f, mono_t now);
/* The same, but it doesn't count as a hit */
struct policy_answer policy_would(const struct policy_flow *f, mono_t now);

/* May this name be asked for? A rule allows it, or any public address at all. If
 * not, it is a hit of the rule that says so.
 */
bool policy_query_ok(const char *name, uint32_t *ret_rule);

/* As policy_would(), on the word of the guest that it talks to `name` there (NULL:
 * to none): what DNS has said of the address doesn't count
 */
struct policy_answer policy_ask_as(const struct policy_flow *f,
				   const char *name);

/* The resolver says that `name` is at that address for ttl_s seconds */
void policy_learn(const char *name, const struct addr *a, uint32_t ttl_s,
		  mono_t now);

/* "allow example.org:443", as it was written; "default" for POLICY_NO_RULE,
 * "resolver", "forwarded". To buf (POLICY_STRLEN); returns buf
 */
enum { POLICY_STRLEN = 512 };
const char *policy_rule_print(uint32_t rule, char *buf);
unsigned policy_rule_count(void);
/* Of a rule, or of POLICY_NO_RULE: what holds if none matches */
bool policy_rule_allows(uint32_t rule);
uint64_t policy_rule_hits(uint32_t rule);

/* Of RFC 1918 and the others above, or within an address that embeds one */
bool policy_is_private(const struct addr *a);
/* That, or one of the host's */
bool policy_is_inside(const struct addr *a);

#endif /* FWD_POLICY_H */
