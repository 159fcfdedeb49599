/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets of the host for datagrams, UDP and echo, and the flows that use them
 *
 * An outbound socket stands for one endpoint of the guest (address, and port or
 * echo identifier), whatever that talks to (endpoint-independent mapping, RFC
 * 4787 4.1), and lives as long as it has flows. Listeners of forwarding rules have
 * their place here too, so that flows don't care which of the two they use.
 */
#ifndef HOST_DGRAM_H
#define HOST_DGRAM_H

#include "engine/flow.h"
#include "frame/frame_parse.h"
#include "fwd/fwd_rule.h"

struct dgram_sock {
	int fd;				/* -1: free */
	uint16_t gen;
	uint16_t port;			/* bound to; of echo: the identifier */
	uint8_t proto;
	bool v6;			/* socket's own family */
	uint32_t first_flow;		/* index + 1 */

	/* Listener; NULL: outbound */
	const struct fwd_rule *rule;
	bool retired;			/* its rule has gone, its flows haven't */
	struct fwd_rule kept;		/* that rule, then */
	uint8_t side;			/* where it is: inside (GUEST), HOST */

	/* Outbound only */
	struct addr guest;
	uint16_t guest_port;
	bool lo;			/* for loopback destinations alone */
	struct addr our;		/* bound to; none: any */
	uint32_t next;			/* hash chain or free list, index + 1 */
	struct idle idle;

	uint8_t pmtudisc;		/* IP_PMTUDISC_…, as set */
	uint8_t faults;			/* of reading it, in succession */

	/* UDP's own */
	bool no_segment;		/* trains of datagrams were refused */
};

void dgram_init(void);

struct dgram_sock *dgram_sock_at(uint32_t index);
uint32_t dgram_sock_index(const struct dgram_sock *s);
/* That of a flow of datagrams */
struct dgram_sock *dgram_sock_of(const struct flow *f);
/* The one that an event is for, NULL if that is gone */
struct dgram_sock *dgram_sock_from_ref(struct loop_ref ref);
struct loop_ref dgram_sock_ref(const struct dgram_sock *s, enum loop_kind kind);

/* For an event of s: recv() until that says 0 (nothing is there), `turns` times at most;
 * 1: there was something, -errno. An error of the network that waits at a socket is told
 * by its next call, once: so whoever gets one reads on. But what fails still in the end is
 * tried again a moment later, and what isn't empty in the next turn. rc: what came of
 * the error queue, likewise.
 */
void dgram_sock_drain(struct dgram_sock *s, int rc, unsigned turns,
		      int (*recv)(struct dgram_sock *s));

/* May the guest begin a flow to host->peer by n packets, now? See opening_begin(). Those
 * who have answered lately, as a resolver has, don't wait behind others.
 */
bool dgram_begin(uint8_t proto, const struct flow_side *host,
		 const struct pkt *pkts, unsigned n);

/* What a new outbound socket is to tell of datagrams; adds it to the loop. 0 or
 * -errno.
 */
typedef int (*dgram_watch)(struct dgram_sock *s);

/* The outbound socket for a flow between these sides, made if need be, where that
 * doesn't look like another flow on the host's side: the same remote endpoint may
 * have two names for the guest. Sets host->our and our_port. Flows, and their
 * sockets, may end to make room for it. NULL with errno set.
 */
struct dgram_sock *dgram_sock_get(uint8_t proto, const struct flow_side *guest,
				  struct flow_side *host, dgram_watch watch);

/* An entry for a listener, side HOST, without descriptor; NULL if there's none. It
 * goes back by drop(), which ends its flows.
 */
struct dgram_sock *dgram_sock_adopt(void);
void dgram_sock_drop(struct dgram_sock *s);
/* A listener of which the rule goes, and the descriptor: for as long as its flows are
 * used it has one of its own, and takes nobody else's datagrams. To be watched anew.
 * False: it can't, or has none.
 */
bool dgram_sock_retire(struct dgram_sock *s);
/* End all of these, now */
void dgram_drop_retired(void);

/* What a type of flows has of its own */
struct dgram_type {
	enum flow_type type;
	enum timer_kind timer;
	uint8_t one_way_s, both_ways_s;	/* may be idle for so long */
};

/* A flow between these sides, that of the host as dgram_sock_get() left it,
 * findable by both. NULL if the table is full: the socket is closed then, unless
 * it has others.
 */
struct flow *dgram_flow_new(const struct dgram_type *t, struct dgram_sock *s,
			    enum flow_side_name ini,
			    const struct flow_side *guest,
			    const struct flow_side *host);
/* Make a flow, which is active, one of s: used now, ended by its type's end() when
 * it was idle for too long
 */
void dgram_flow_begin(struct flow *f, struct dgram_sock *s,
		      const struct dgram_type *t);
/* A datagram came from the peer on that side */
void dgram_flow_used(struct flow *f, enum flow_side_name from);
/* For end(): frees the flow, and its socket if that has no other */
void dgram_flow_end(struct flow *f);
/* IP_PMTUDISC_… by which the host's kernel treats a packet as the guest's own did:
 * without DF it may be cut up anywhere; with DF, as all of IPv6, here only
 * (IP_PMTUDISC_WANT), or nowhere. The latter two look alike. But Linux leaves the
 * identification 0 where nobody is to use it, if the socket isn't connected; and who
 * was told the path's MTU, whatever he sent there then, and takes no notice, means it.
 * (Until then, a connected socket's are cut up: its owner would be given EMSGSIZE for
 * what a process of the host may send.)
 */
uint8_t dgram_flow_pmtudisc(const struct flow *f, const struct pkt *pkt);
void dgram_sock_set_pmtudisc(struct dgram_sock *s, uint8_t pmtudisc);
/* The guest is told that packets to the flow's peer may have so many bytes; 0: fewer
 * than it had
 */
void dgram_flow_told_mtu(const struct flow *f, uint32_t mtu);

/* Does what the guest sends to there lead elsewhere by now? Then it begins another
 * flow: this one isn't found by the guest's side any more, and only takes the answers
 * to what was sent before.
 */
bool dgram_flow_moved(struct flow *f);
/* As in struct flow_ops: that, or its end */
void dgram_host_changed(struct flow *f);

/* Note what the guest sends, for errors about it; datagrams of a train are not */
void dgram_flow_note(struct flow *f, const struct pkt *pkt);
/* The one that an error is about, of which `head` came back: what follows UDP's
 * header or the checksum of ICMP. Of several that it could be, one that is `whole`
 * bytes long with its header, as if all had come back, and wasn't asked for yet;
 * then the last one. NULL: it's forgotten.
 */
const struct dgram_sent *dgram_flow_sent(struct flow *f, const void *head,
					 size_t len, size_t whole);
/* For struct idle_ops: to make room, by the flow's index */
void dgram_flow_evict(uint32_t index);
/* For struct flow_ops: last datagram; ONE_WAY until there was an answer */
mono_t dgram_flow_active(const struct flow *f);
const char *dgram_flow_state(const struct flow *f);
extern const char *const dgram_states[];

#endif /* HOST_DGRAM_H */
