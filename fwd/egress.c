// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the door that all flows of the guest pass, see egress.h
 *
 * Whoever is denied is told at once, unless --deny-silently; the log has a line,
 * if there aren't many a second. Where the policy has names, queries for the
 * guest's resolver go to ours (dns_proxy.c), which asks for each name.
 *
 * Data: where there can be another policy later, a note of each flow by its index:
 * that it was asked about, and by what name it was let go. Pages of flows that
 * never were cost nothing.
 */
#include "fwd/egress.h"

#include <stdio.h>
#include <string.h>

#include "engine/drop.h"
#include "engine/flow.h"
#include "engine/loop.h"
#include "fwd/audit.h"
#include "fwd/policy.h"
#include "fwd/policy_used.h"
#include "util/dnsname.h"
#include "util/log.h"
#include "util/wire.h"

static struct {
	bool silent;
	bool draining;
	bool notes;			/* are kept */
	uint16_t udp_port, tcp_port;	/* our resolver's; 0: none */
} egress;

/* Apart, since only what is used takes room */
static struct egress_note {
	uint16_t gen;			/* the flow's */
	bool asked;
	bool is_query;			/* for our resolver */
	bool said;			/* the name, by the guest itself */
	char name[DNSNAME_TEXT_LEN];	/* "": none */
} egress_notes[FLOW_MAX];

void egress_init(bool silently, bool may_change)
{
	egress.silent = silently;
	egress.notes = may_change;
}

void egress_set_resolver(uint16_t udp_port, uint16_t tcp_port)
{
	egress.udp_port = udp_port;
	egress.tcp_port = tcp_port;
}

void egress_drain(void)
{
	egress.draining = true;
}

static struct egress egress_closed(void)
{
	drop(DROP_DRAINING);
	return (struct egress){ .verdict = EGRESS_UNREACHABLE,
				.rule = POLICY_NO_RULE };
}

static const char *proto_name(uint8_t proto)
{
	return proto == PROTO_TCP ? "TCP" : proto == PROTO_UDP ? "UDP" : "echo";
}

static void egress_log(uint8_t proto, const struct flow_side *from,
		       uint32_t rule)
{
	drop(DROP_DENIED);
	info_limited("%s %s -> %s denied by %s", proto_name(proto),
		     ENDPOINT_STR(&from->peer, from->peer_port),
		     ENDPOINT_STR(&from->our, from->our_port),
		     policy_rule_print(rule, (char[POLICY_STRLEN]){ 0 }));
}

/* As the policy is asked: `from` is who begins it, `to` where it leads on the host */
static struct policy_flow egress_flow(uint8_t proto,
				      const struct flow_side *from,
				      const struct flow_side *to)
{
	return (struct policy_flow){
		.proto = proto, .port = to->peer_port, .to = to->peer,
		.seen = from->our,
	};
}

/* What the policy says of a flow from `from`, which leads to `to` */
static struct egress egress_ask(uint8_t proto, const struct flow_side *from,
				const struct flow_side *to)
{
	struct policy_flow pf = egress_flow(proto, from, to);
	struct policy_answer a = policy_ask(&pf, loop_now());
	struct egress e = { .verify = a.verify, .rule = a.rule,
			    .name = a.name };

	if (policy_is_learning() && !a.verify)
		policy_used_flow(proto, a.name, &to->peer, to->peer_port);
	if (a.go)
		return e;
	e.denied = true;
	e.verdict = egress.silent ? EGRESS_SILENT : EGRESS_PROHIBITED;
	egress_log(proto, from, a.rule);
	audit_deny(proto, from, to, a.rule, a.name);
	return e;
}

static bool egress_is_query(uint8_t proto, uint16_t port)
{
	return egress.udp_port && policy_has_names() && port == PORT_DNS &&
	       (proto == PROTO_UDP || proto == PROTO_TCP);
}

static struct flow_side egress_resolver(uint8_t proto)
{
	return (struct flow_side){
		.peer = addr_loopback(V4),
		.peer_port = proto == PROTO_TCP ? egress.tcp_port :
						  egress.udp_port,
	};
}

bool egress_asks(const struct flow *f)
{
	struct flow_side to = egress_resolver(f->proto);

	return egress.udp_port && f->side[HOST].peer_port == to.peer_port &&
	       addr_eq(&f->side[HOST].peer, &to.peer);
}

bool egress_is_asking(uint8_t proto, uint16_t port)
{
	struct flow_side key = egress_resolver(proto);
	const struct flow_ops *ops;
	const struct flow *f;

	key.our_port = port;
	f = flow_lookup(HOST, proto, &key);	/* of sockets of dgram.h */
	if (f)
		return true;
	key.our = addr_loopback(V4);
	f = flow_lookup(HOST, proto, &key);
	ops = f ? flow_ops(f) : NULL;
	return ops && (!ops->sock || ops->sock(f, HOST) >= 0);
}

/* Is it one of the guest's resolvers, or one behind them? */
static bool egress_is_resolver(const struct net *net, const struct addr *a)
{
	for (enum family f = V4; f < FAMILIES; f++) {
		const struct net_family *fam = &net->fam[f];

		if (addr_eq(&fam->dns_forward, a) || addr_eq(&fam->dns_host, a) ||
		    addr_in(fam->dns, fam->dns_count, a))
			return true;
	}
	return false;
}

/* From the guest's link to one of its resolvers */
static bool egress_is_guest_query(const struct net *net, uint8_t proto,
				  const struct flow_side *guest)
{
	return egress_is_query(proto, guest->our_port) &&
	       net->fam[addr_family(&guest->our)].enabled &&
	       egress_is_resolver(net, &guest->our) &&
	       fwd_is_host(net, &guest->peer) &&
	       !addr_is_loopback(&guest->peer);
}

/* To a resolver on the host's loopback, by whatever address: it would answer any
 * name
 */
static bool egress_is_host_query(uint8_t proto, const struct flow_side *host)
{
	return egress_is_query(proto, host->peer_port) &&
	       addr_is_loopback(&host->peer);
}

/* As fwd_map_out(), but queries lead to our resolver */
static bool egress_map(const struct net *net, uint8_t proto,
		       const struct flow_side *guest, struct flow_side *ret_host,
		       bool *ret_is_query)
{
	*ret_is_query = egress_is_guest_query(net, proto, guest);
	if (!*ret_is_query) {
		if (!fwd_map_out(net, guest, ret_host))
			return false;
		*ret_is_query = egress_is_host_query(proto, ret_host);
	}
	if (*ret_is_query)
		*ret_host = egress_resolver(proto);
	return true;
}

bool egress_has_moved(const struct net *net, uint8_t proto,
		      const struct flow_side *guest,
		      const struct flow_side *host)
{
	struct flow_side now;
	bool is_query;

	return egress_map(net, proto, guest, &now, &is_query) &&
	       (!addr_eq(&now.peer, &host->peer) ||
		now.peer_port != host->peer_port);
}

struct egress egress_out(const struct net *net, uint8_t proto,
			 const struct flow_side *guest,
			 struct flow_side *ret_host)
{
	struct flow_side host;
	struct egress e;
	bool is_query;

	if (egress.draining)
		return egress_closed();
	if (!egress_map(net, proto, guest, &host, &is_query)) {
		drop(DROP_NO_DESTINATION);
		return (struct egress){
			.verdict = fwd_is_nobody(net, &guest->our) ?
				   EGRESS_UNREACHABLE : EGRESS_SILENT,
			.rule = POLICY_NO_RULE,
		};
	}
	if (is_query)
		e = (struct egress){ .is_query = true,
				     .rule = POLICY_RESOLVER };
	else
		e = egress_ask(proto, guest, &host);
	if (e.verdict == EGRESS_GO)
		*ret_host = host;
	return e;
}

struct egress egress_splice(uint8_t proto, const struct flow_side *from,
			    struct flow_side *to)
{
	if (egress.draining)
		return egress_closed();
	if (egress_is_query(proto, to->peer_port)) {
		*to = egress_resolver(proto);
		return (struct egress){ .is_query = true,
					.rule = POLICY_RESOLVER };
	}
	return egress_ask(proto, from, to);
}

struct egress egress_back(uint8_t proto, const struct flow_side *guest,
			  const struct flow_side *host)
{
	struct policy_flow pf = egress_flow(proto, guest, host);
	struct policy_answer a = policy_ask(&pf, loop_now());

	return (struct egress){
		.verdict = a.go && !egress.draining ? EGRESS_GO : EGRESS_SILENT,
		.rule = a.rule, .name = a.name,
	};
}

/* As what would let it go next time. Without a name said, a rule with one wouldn't:
 * the address. A name said that DNS didn't give for this address (a proxy's client,
 * a table of the guest's own) doesn't find the way there: that, too, whatever it was
 * found by.
 */
static void egress_learn(uint8_t proto, const struct flow_side *host,
			 const char *said, const char *known)
{
	policy_used_flow(proto, said, &host->peer, host->peer_port);
	if (*said && (!known || strcmp(said, known)))
		policy_used_flow(proto, known, &host->peer, host->peer_port);
}

bool egress_may_name(uint8_t proto, const struct flow_side *guest,
		     const struct flow_side *host, const char *name)
{
	struct policy_flow pf = egress_flow(proto, guest, host);

	if (!policy_is_learning())
		return policy_ask_as(&pf, name).go;
	egress_learn(proto, host, name, policy_ask(&pf, loop_now()).name);
	return true;
}

void egress_wrong_name(uint8_t proto, const struct flow_side *guest,
		       const char *name)
{
	drop(DROP_DENIED);
	info_limited("%s %s -> %s denied: %s%s", proto_name(proto),
		     ENDPOINT_STR(&guest->peer, guest->peer_port),
		     ENDPOINT_STR(&guest->our, guest->our_port),
		     *name ? "its server name is " : "it names no server",
		     name);
	audit_deny(proto, guest, NULL, POLICY_NO_RULE, name);
}

/* ---- Flows that exist, and another policy ---- */

static struct egress_note *egress_note_of(const struct flow *f)
{
	return &egress_notes[flow_index(f)];
}

void egress_begin(const struct flow *f, const struct egress *e)
{
	struct egress_note *n = egress_note_of(f);

	audit_begin(f, e->rule, e->name);
	if (!egress.notes)
		return;
	n->gen = f->gen;
	n->asked = true;
	n->is_query = e->is_query;
	n->said = false;
	snprintf(n->name, sizeof(n->name), "%s", e->name ? e->name : "");
}

void egress_named(const struct flow *f, const char *name)
{
	struct egress_note *n = egress_note_of(f);

	audit_named(f, name);
	if (!egress.notes || !n->asked || n->gen != f->gen)
		return;
	n->said = true;
	snprintf(n->name, sizeof(n->name), "%s", name);
}

/* Queries that go past our resolver now, and those to it where there is none any
 * more: their next one finds its way
 */
static bool egress_is_astray(const struct net *net, const struct flow *f,
			     const struct egress_note *n)
{
	const struct flow_side *host = &f->side[HOST];
	bool is_splice = f->type == FLOW_SPLICE || f->type == FLOW_UDP_SPLICE;

	if (n->is_query)
		return !policy_has_names();
	return is_splice ? egress_is_query(f->proto, host->peer_port) :
	       egress_is_guest_query(net, f->proto, &f->side[GUEST]) ||
	       egress_is_host_query(f->proto, host);
}

/* Would it be let go today? By the name that it was let go by, be it long since
 * that DNS has said so; or by what DNS says now. What has said no name where one
 * is needed now has had its chance.
 */
static bool egress_is_still_allowed(const struct net *net,
				    const struct flow *f,
				    const struct egress_note *n)
{
	struct policy_flow pf = egress_flow(f->proto, &f->side[GUEST],
					    &f->side[HOST]);
	bool is_pending = f->type == FLOW_TCP && f->tcp.verify;
	struct policy_answer a;

	if (egress_is_astray(net, f, n))
		return false;
	if (n->is_query)
		return true;
	a = policy_ask_as(&pf, *n->name ? n->name : NULL);
	if (!a.go && !n->said)
		a = policy_would(&pf, loop_now());
	return a.go && (!a.verify || n->said || is_pending);
}

/* Can anything still go this way? */
static bool egress_is_open(const struct flow *f)
{
	return flow_ops(f) &&
	       !(f->type == FLOW_TCP && f->tcp.state == TCP_TIME_WAIT);
}

unsigned egress_recheck(const struct net *net)
{
	unsigned ended = 0;

	for (uint32_t i = 0; i < flow_high(); i++) {
		const struct egress_note *n = &egress_notes[i];
		struct flow *f = flow_at(i);

		if (!egress_is_open(f) || !n->asked || n->gen != f->gen ||
		    egress_is_still_allowed(net, f, n))
			continue;
		drop(DROP_POLICY);
		audit_end(f, "policy");
		flow_end(f);
		ended++;
	}
	return ended;
}
