/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules of an egress policy, and what is compiled from them to be asked
 *
 * Rules are as they were given. Compiled from them are *nodes*: one for each class
 * (the first ones, by its number), network and name that some rule has. A node has,
 * for TCP and for UDP, the ports as a sorted row of intervals (*slots*), each with
 * the first rule that matches there. Networks are nested or apart, and so are names,
 * so that each node has one parent, the next larger one: what matches an address are
 * the node found by binary search and its parents.
 *
 * Beside the first rule, an interval has the first rule that denies: what counts of
 * a network for the address that the guest uses, and of a name for an address
 * inside.
 *
 * Private to policy.c.
 */
#ifndef FWD_POLICY_SET_H
#define FWD_POLICY_SET_H

#include "fwd/policy_spec.h"
#include "util/addr.h"

enum {
	/* Of ports, of all rules */
	POLICY_SET_RANGES	= 65536,
	POLICY_SET_TEXT		= 4 * 1024 * 1024,
	POLICY_SET_NODES	= POLICY_RULES_MAX + DEST_CLASSES,
	/* A range has two ends, for either protocol; a node has a beginning, and
	 * two ports that QUIC can't have
	 */
	POLICY_SET_SLOTS	= 2 * (2 * POLICY_SET_RANGES +
				       5 * POLICY_SET_NODES),
	ADDR_BITS		= 128,
};

enum { T_TCP, T_UDP, TABLES };

struct policy_rule {
	struct addr addr;
	uint32_t text, name;		/* where in text[] */
	uint32_t range;			/* first one */
	uint16_t ranges;		/* 0: all ports */
	uint8_t dest, len, protos;
	bool allow;
	bool proto_said;
	uint64_t hits;
};

/* From this port on, up to the next slot's */
struct policy_slot {
	uint16_t port;
	uint32_t rule, deny;		/* POLICY_NO_RULE: none */
};

struct policy_node {
	uint32_t parent;		/* index + 1; 0: none */
	uint32_t model;			/* a rule that has its addr, len, name */
	uint32_t first[TABLES], count[TABLES];	/* in slot[] */
	struct policy_slot echo;
	/* Of names: may it be asked for? */
	uint32_t asks;			/* first rule that lets */
	uint32_t never;			/* first that denies it all */
};

struct policy_set {
	unsigned rules, ranges, nodes, slots;
	size_t text_len;
	bool any_allow, any_name;
	bool no_verify;
	uint64_t default_hits;
	unsigned addr_first, addr_end;	/* nodes of networks, of names */
	unsigned name_first, name_end;
	struct policy_rule rule[POLICY_RULES_MAX];
	struct policy_range range[POLICY_SET_RANGES];
	struct policy_node node[POLICY_SET_NODES];
	struct policy_slot slot[POLICY_SET_SLOTS];
	char text[POLICY_SET_TEXT];
};

/* No rules */
void policy_set_clear(struct policy_set *p);
/* One more, behind the others. 0; or -EINVAL, with the reason in ret_err
 * (POLICY_ERR_LEN bytes).
 */
int policy_set_add(struct policy_set *p, bool allow, const char *spec,
		   char *ret_err);
/* Make the nodes; false if there is no room. Allocates nothing. */
bool policy_set_compile(struct policy_set *p);

/* A rule that has the node's network or name */
static inline const struct policy_rule *policy_set_model(const struct policy_set *p,
							 uint32_t node)
{
	return &p->rule[p->node[node].model];
}

/* Is it in there, as bits go? ::/0 is around all of IPv4 so, which isn't what
 * people mean: who decides looks at the families as well
 */
bool policy_set_contains(const struct policy_set *p, uint32_t node,
			 const struct addr *a);
/* The node that decides about a name, + 1; 0: none */
uint32_t policy_set_name(const struct policy_set *p, const char *name);

#endif /* FWD_POLICY_SET_H */
