/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Forwarding rules as data, and the grammar they are written in
 *
 * The grammar (-t, -u, -T, -U):
 *
 *	spec   := "none" | [ where ] ports
 *	where  := addr [ "%" ifname ] "/"  |  [ "*" ] [ "%" ifname ] "/"
 *	addr   := IPv4 | IPv6 | "[" IPv4-or-IPv6 "]"
 *	ports  := chunk { "," chunk }
 *	chunk  := "all" [ ":" target-addr ] | "auto" | "~" range
 *	        | range [ ":" target-addr "/" range | ":" target-addr
 *	                | ":" range ]
 *	range  := number [ "-" number ]
 *
 * Meaning: exclusions ("~") hold for the whole spec and win. A range keeps its
 * offset to the target ports across the holes that they leave. Without any
 * range, "all", "auto" and a mere list of exclusions stand for all ports but
 * the ephemeral ones, best effort; beside a range, "all" means nothing. "auto"
 * anywhere makes all rules of the spec follow the listeners of the other side.
 */
#ifndef FWD_FWD_RULE_H
#define FWD_FWD_RULE_H

#include <net/if.h>

#include "util/addr.h"

enum {
	FWD_RULES_MAX = 255,		/* for each direction */
	FWD_SOCKETS_MAX = 5 * 65536,	/* ports of all rules, likewise */
};

enum fwd_rule_flags {
	FWD_DUAL	= 1 << 0,	/* no address given: v4 and v6 wildcard */
	FWD_WEAK	= 1 << 1,	/* best effort: busy ports only warn */
	FWD_AUTO	= 1 << 2,	/* only while the target port listens */
};

struct fwd_rule {
	struct addr listen;		/* :: with FWD_DUAL */
	struct addr target;		/* none: wherever the guest is */
	char ifname[IFNAMSIZ];		/* "": any */
	uint16_t first, last;		/* ports to listen on, inclusive */
	uint16_t to;			/* target port of `first` */
	uint8_t proto;			/* PROTO_TCP or PROTO_UDP */
	uint8_t flags;
};

struct fwd_rules {
	struct fwd_rule rule[FWD_RULES_MAX];
	unsigned count;
};

enum { FWD_ERR_LEN = 512 };

/* The ephemeral ports, from what the host says in this file; "" for the usual */
#define FWD_EPHEMERAL_PATH "/proc/sys/net/ipv4/ip_local_port_range"
struct fwd_ephemeral { uint16_t first, last; };
void fwd_ephemeral(const char *text, struct fwd_ephemeral *ret);

/* What a spec may say where it stands */
struct fwd_rule_ctx {
	uint8_t proto;
	bool addr_allowed;		/* address or interface; no: -T, -U */
	const char *ifname;		/* to listen on; NULL: any */
	bool auto_allowed;		/* pasta only */
	struct fwd_ephemeral eph;	/* ephemeral ports, left out of "all" */
};

/* Parse spec (not "none", which is the caller's) and add its rules to *rules.
 * A rule that is there already is not added again; one that overlaps another
 * rule in protocol, address, interface and ports is refused. Returns 0; or
 * -EINVAL with one line in ret_err (FWD_ERR_LEN bytes), *rules keeps the rules
 * it had then.
 */
int fwd_rule_parse(const char *spec, const struct fwd_rule_ctx *ctx,
		   struct fwd_rules *rules, char *ret_err);

/* What rules may ask for, of one direction: 0 for nothing at all. The first ones
 * as pesto's protocol counts them.
 */
enum fwd_can {
	FWD_CAN_V4	= 1 << 0,
	FWD_CAN_V6	= 1 << 1,
	FWD_CAN_TCP	= 1 << 2,
	FWD_CAN_UDP	= 1 << 3,
	FWD_CAN_AUTO	= 1 << 4,
	FWD_CAN_IFNAME	= 1 << 5,	/* bind to an interface */
	FWD_CAN_ALL	= (1 << 6) - 1,
	FWD_ONLY_LO	= 1 << 8,	/* from loopback to loopback alone */
};

/* May there be such a rule, whoever asks for it: a command line, or a client that
 * speaks a protocol of ours? With FWD_ONLY_LO, one for any address becomes one
 * for `lo`. 0; or -EINVAL with one line in ret_err (FWD_ERR_LEN bytes).
 */
int fwd_rule_check(struct fwd_rule *r, unsigned can, char *ret_err);

bool fwd_rule_eq(const struct fwd_rule *a, const struct fwd_rule *b);
/* Do both need the same socket, for a port that they share? */
bool fwd_rule_same_socket(const struct fwd_rule *a, const struct fwd_rule *b);
/* Would the kernel refuse to bind both? */
bool fwd_rule_overlaps(const struct fwd_rule *a, const struct fwd_rule *b);
/* That they do, in words */
void fwd_rule_conflict(const struct fwd_rule *r, const struct fwd_rule *old,
		       char *ret_err);
/* Ports that it listens at */
static inline unsigned fwd_rule_ports(const struct fwd_rule *r)
{
	return r->last - r->first + 1U;
}

/* For kernels that can't bind to an interface: rules for `lo`, those for any
 * address as rules for the loopback address of each enabled family. False if
 * there is no room for all of them in *ret.
 */
bool fwd_rules_on_loopback(const struct fwd_rules *rules,
			   const bool enabled[FAMILIES],
			   struct fwd_rules *ret);

/* A spec of -t, -u, -T or -U (letter), for a daemon that runs and can do so much: its
 * rules, as the daemon has them. 0; or -EINVAL with one line in ret_err.
 */
int fwd_rule_parse_option(char letter, const char *spec, unsigned can,
			  const struct fwd_ephemeral *eph,
			  struct fwd_rules *ret, char *ret_err);

/* "TCP [*]:80  =>  80 ", with %IF, target address, (best effort), (auto-scan) */
enum { FWD_RULE_STRLEN = 256 };
const char *fwd_rule_print(const struct fwd_rule *r, char *buf);

#endif /* FWD_FWD_RULE_H */
