// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the egress policy by the control socket: shown, and replaced by another one
 *
 * Flow of policy-set: text → rules that aren't in use yet → the resolver, if names
 * need one that isn't there → the rules are compiled, and are those in use → flows
 * that they don't let go are ended. Whatever fails before the last two steps leaves
 * everything as it was.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl_int.h"
#include "engine/loop.h"
#include "fwd/audit.h"
#include "fwd/egress.h"
#include "fwd/learned.h"
#include "fwd/policy.h"
#include "host/dns_proxy.h"
#include "host/net.h"
#include "util/log.h"

enum { WALK = 2048 };			/* links looked at for one element */

/* ---- policy ---- */

static void print_rule(struct jsonw *w, uint32_t rule)
{
	char text[POLICY_STRLEN];

	jsonw_open(w, NULL, '{');
	jsonw_str(w, "rule", policy_rule_print(rule, text));
	jsonw_str(w, "verdict", policy_rule_allows(rule) ? "allow" : "deny");
	jsonw_uint(w, "hits", policy_rule_hits(rule));
	jsonw_close(w, '}');
}

static void print_learned(struct jsonw *w, const struct learned *l)
{
	int64_t left_ms = mono_sub(l->until, loop_now()).us / 1000;

	jsonw_open(w, NULL, '{');
	jsonw_str(w, "name", l->name);
	jsonw_str(w, "address", ADDR_STR(&l->addr));
	jsonw_milli(w, "seconds", (uint64_t)left_ms);
	jsonw_close(w, '}');
}

/* The cursor is the link that comes next */
static bool next_learned(struct ctl_session *s, struct jsonw *w)
{
	for (unsigned i = 0; i < WALK; i++) {
		const struct learned *l = learned_at((uint32_t)s->cursor++);

		if (!l)
			return false;
		if (addr_is_none(&l->addr) || mono_before(l->until, loop_now()))
			continue;
		print_learned(w, l);
		return true;
	}
	return true;
}

/* The cursor is the rule that comes next; then that of next_learned() */
static bool next_rule(struct ctl_session *s, struct jsonw *w)
{
	uint32_t rule = (uint32_t)s->cursor++;

	if (rule < policy_rule_count()) {
		print_rule(w, rule);
		return true;
	}
	print_rule(w, POLICY_NO_RULE);
	jsonw_close(w, ']');
	jsonw_open(w, "learned", '[');
	s->cursor = 0;
	s->next = next_learned;
	return true;
}

void ctl_policy(struct ctl_call *k)
{
	ctl_list(k, "rules", next_rule);
}

/* ---- policy-set ---- */

/* Was the guest told of a resolver that can be ours? */
static bool guest_has_resolver(void)
{
	for (enum family f = V4; f < FAMILIES; f++) {
		const struct net_family *fam = &net_get()->fam[f];

		if (fam->enabled &&
		    (fam->dns_count || !addr_is_none(&fam->dns_forward)))
			return true;
	}
	return false;
}

/* What names need: false, and ctl_fail(), if that isn't to be had */
static bool prepare_names(struct ctl_call *k)
{
	int rc;

	if (!policy_pending_names())
		return true;
	if (!guest_has_resolver()) {
		ctl_fail(k, "Refused", "Rules with names need a resolver that the guest knows, and it was told of none at the start: see --dns-forward");
		return false;
	}
	rc = dns_proxy_open();
	if (!rc)
		return true;
	ctl_fail(k, "Refused", "Couldn't open a socket for the guest's queries, which rules with names need: %s",
		 strerror(-rc));
	return false;
}

void ctl_policy_set(struct ctl_call *k)
{
	static char text[CTL_LINE_MAX];
	char why[POLICY_ERR_LEN];
	unsigned ended;

	if (!ctl_arg_text(k, "policy", text, sizeof(text), NULL))
		return;
	if (policy_is_learning()) {
		ctl_fail(k, "Refused", "--policy-learn allows everything: it doesn't go with rules");
		return;
	}
	policy_begin();
	if (!policy_verifies())
		policy_no_verify();
	if (policy_add_text(text, why)) {
		ctl_fail(k, "BadArgument", "%s", why);
		return;
	}
	if (!prepare_names(k))
		return;
	if (policy_commit(why)) {
		ctl_fail(k, "Refused", "%s", why);
		return;
	}

	ended = egress_recheck(net_get());
	audit_policy(policy_rule_count(), ended);
	info_limited("Policy: %u rules were set, %u flows ended by them",
		     policy_rule_count(), ended);
	jsonw_open(k->w, NULL, '{');
	jsonw_uint(k->w, "rules", policy_rule_count());
	jsonw_uint(k->w, "ended", ended);
	jsonw_close(k->w, '}');
}
