/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The door: each new flow that the guest begins passes here once
 *
 * Mapping (fwd.c) and policy (policy.c) together: where it leads, and whether it
 * may. Asked for TCP, UDP and echo, for splices out of the namespace, and for a
 * stranger's datagram to a port of the guest's that is open, as the answer to it
 * would be a flow of the guest's, too.
 */
#ifndef FWD_EGRESS_H
#define FWD_EGRESS_H

#include "fwd/fwd.h"

enum egress_verdict {
	EGRESS_GO,
	EGRESS_SILENT,			/* nothing is said */
	EGRESS_UNREACHABLE,		/* nobody is there: as a closed port */
	EGRESS_PROHIBITED,		/* RST, or administratively prohibited */
};

struct egress {
	enum egress_verdict verdict;
	bool verify;			/* as policy_answer's */
	bool is_query;			/* for our resolver, which decides */
	bool denied;			/* by the policy; told or not */
	uint32_t rule;			/* of the policy, or POLICY_NO_RULE,
					 * POLICY_RESOLVER */
	const char *name;		/* learned for its address, or NULL */
};

/* silently: nobody is told. may_change: the policy, so that notes are to be kept of
 * the flows that there are.
 */
void egress_init(bool silently, bool may_change);

/* From now on no flow begins: as a closed port */
void egress_drain(void);

/* Guest → host, as fwd_map_out(); *ret_host is only set for EGRESS_GO */
struct egress egress_out(const struct net *net, uint8_t proto,
			 const struct flow_side *guest,
			 struct flow_side *ret_host);

/* Does it lead elsewhere by now than to that `host`, as the host's network, or the
 * resolver whose turn it is, is another one? Not if it leads nowhere.
 */
bool egress_has_moved(const struct net *net, uint8_t proto,
		      const struct flow_side *guest,
		      const struct flow_side *host);

/* Where queries for the guest's resolver are answered: ports of 127.0.0.1 */
void egress_set_resolver(uint16_t udp_port, uint16_t tcp_port);
/* Does it lead there? */
bool egress_asks(const struct flow *f);
/* Is that port of 127.0.0.1 the source of such a flow, found by its host's side, as
 * those of dgram.h and dns_proxy_note() are, and with its socket still open?
 */
bool egress_is_asking(uint8_t proto, uint16_t port);

/* From the namespace's loopback to the host's: `from` as for fwd_map_listener(),
 * `to` what that has said; our resolver takes the place of the host's
 */
struct egress egress_splice(uint8_t proto, const struct flow_side *from,
			    struct flow_side *to);

/* Host → guest by no rule of forwarding: may the guest talk to host->peer, which it
 * knows as guest->our? EGRESS_GO or EGRESS_SILENT.
 */
struct egress egress_back(uint8_t proto, const struct flow_side *guest,
			  const struct flow_side *host);

/* A flow has begun that one of these was asked about: note it, for the record and
 * for another policy. What isn't told so has nothing to do with the policy.
 */
void egress_begin(const struct flow *f, const struct egress *e);
/* It has given itself this name, which is allowed */
void egress_named(const struct flow *f, const char *name);

/* There is another policy: end flows that it doesn't let go. How many. */
unsigned egress_recheck(const struct net *net);

/* Where egress.verify is set: may the flow go on, now that the guest has said that
 * it talks to `name`? If not, egress_wrong_name() tells the log; "" is no name.
 */
bool egress_may_name(uint8_t proto, const struct flow_side *guest,
		     const struct flow_side *host, const char *name);
void egress_wrong_name(uint8_t proto, const struct flow_side *guest,
		       const char *name);

#endif /* FWD_EGRESS_H */
