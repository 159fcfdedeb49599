/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The grammar of a rule of the egress policy, see policy.h */
#ifndef FWD_POLICY_SPEC_H
#define FWD_POLICY_SPEC_H

#include "util/addr.h"

enum {
	POLICY_SPEC_RANGES	= 1024,
	POLICY_ERR_LEN		= 512,
	POLICY_SPEC_NAME	= 256,	/* "*." and a name, terminated */
};

/* Of a rule, in the order in which they were given */
enum {
	POLICY_RULES_MAX	= 16384,
	POLICY_NO_RULE		= UINT32_MAX,	/* none matched: by default */
};

enum policy_dest {
	/* Classes */
	DEST_ANY, DEST_HOST, DEST_PRIVATE, DEST_PUBLIC, DEST_CLASSES,
	DEST_ADDR = DEST_CLASSES,
	DEST_NAME,
};

enum policy_proto { P_TCP = 1 << 0, P_UDP = 1 << 1, P_ICMP = 1 << 2 };

struct policy_range { uint16_t first, last; };

struct policy_spec {
	enum policy_dest dest;
	struct addr addr;		/* DEST_ADDR: first of the network */
	uint8_t len;			/* its prefix, of 128 bits; 96 more than
					 * written for IPv4 */
	char name[POLICY_SPEC_NAME];	/* DEST_NAME, folded */
	uint8_t protos;
	bool proto_said;
	unsigned ranges;		/* 0: all ports */
	struct policy_range range[POLICY_SPEC_RANGES];	/* sorted, apart */
};

/* 0, or -EINVAL with what is wrong and what would be right in ret_err */
int policy_spec_parse(const char *text, struct policy_spec *ret, char *ret_err);

#endif /* FWD_POLICY_SPEC_H */
