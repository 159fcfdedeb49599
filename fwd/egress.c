// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the door that all flows of the guest pass, see egress.h
 *
 * Whoever is denied is told at once, unless --deny-silently; the log has a line,
 * at most one per second.
 */
#include "fwd/egress.h"

#include "engine/loop.h"
#include "fwd/policy.h"
#include "util/log.h"
#include "util/wire.h"

struct egress_counters egress_counters;
static bool silent;

static const char *proto_name(uint8_t proto)
{
	return proto == PROTO_TCP ? "TCP" : proto == PROTO_UDP ? "UDP" : "echo";
}

static void egress_log(uint8_t proto, const struct flow_side *from,
		       uint32_t rule)
{
	static struct log_limit limit;
	unsigned lost;

	egress_counters.denied++;
	if (!log_allow(&limit, loop_now(), 1, &lost))
		return;
	info("%s %s -> %s denied by %s%s", proto_name(proto),
	     ENDPOINT_STR(&from->peer, from->peer_port),
	     ENDPOINT_STR(&from->our, from->our_port),
	     policy_rule_print(rule, (char[POLICY_STRLEN]){ 0 }),
	     lost ? ", and others" : "");
}

/* What the policy says of a flow from `from`, which leads to `to` */
static struct egress egress_ask(uint8_t proto, const struct flow_side *from,
				const struct flow_side *to)
{
	struct policy_flow pf = {
		.proto = proto, .port = to->peer_port, .to = to->peer,
		.seen = from->our,
	};
	struct policy_answer a = policy_ask(&pf, loop_now());
	struct egress e = { .verify = a.verify, .rule = a.rule,
			    .name = a.name };

	if (a.go)
		return e;
	e.denied = true;
	e.verdict = silent ? EGRESS_SILENT : EGRESS_PROHIBITED;
	egress_log(proto, from, a.rule);
	return e;
}

struct egress egress_out(const struct net *net, uint8_t proto,
			 const struct flow_side *guest,
			 struct flow_side *ret_host)
{
	struct flow_side host;
	struct egress e;

	if (!fwd_map_out(net, guest, &host))
		return (struct egress){
			.verdict = fwd_is_nobody(net, &guest->our) ?
				   EGRESS_UNREACHABLE : EGRESS_SILENT,
			.rule = POLICY_NO_RULE,
		};
	e = egress_ask(proto, guest, &host);
	if (e.verdict == EGRESS_GO)
		*ret_host = host;
	return e;
}

struct egress egress_splice(uint8_t proto, const struct flow_side *from,
			    const struct flow_side *to)
{
	return egress_ask(proto, from, to);
}

bool egress_is_allowed(uint8_t proto, const struct flow_side *guest,
		       const struct flow_side *host)
{
	struct policy_flow pf = {
		.proto = proto, .port = host->peer_port, .to = host->peer,
		.seen = guest->our,
	};

	return policy_ask(&pf, loop_now()).go;
}

void egress_init(bool silently)
{
	silent = silently;
}
