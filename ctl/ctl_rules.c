// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: forwarding rules by the control socket: shown, added, deleted */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl_int.h"
#include "ctl/rules.h"
#include "fwd/fwd_table.h"
#include "host/listen.h"
#include "util/wire.h"

/* The option of the command line that makes such rules */
static const struct option {
	const char *name;
	enum flow_side_name side;
	uint8_t proto;
} options[] = {
	{ "-t", HOST, PROTO_TCP },
	{ "-u", HOST, PROTO_UDP },
	{ "-T", GUEST, PROTO_TCP },
	{ "-U", GUEST, PROTO_UDP },
};

static const char *option_of(const struct fwd_slot *s)
{
	for (unsigned i = 0; i < ARRAY_SIZE(options); i++) {
		if (options[i].side == s->side &&
		    options[i].proto == s->rule.proto)
			return options[i].name;
	}
	return NULL;
}

static void print(struct jsonw *w, const struct fwd_slot *s)
{
	const struct fwd_rule *r = &s->rule;
	bool named = !addr_is_none(&r->target);
	char text[FWD_RULE_STRLEN];
	size_t len;

	fwd_rule_print(r, text);
	len = strlen(text);
	jsonw_open(w, NULL, '{');
	jsonw_uint(w, "id", s->id);
	jsonw_str(w, "option", option_of(s));
	jsonw_str(w, "proto", r->proto == PROTO_TCP ? "tcp" : "udp");
	jsonw_str(w, "listen", r->flags & FWD_DUAL ? "*" :
						     ADDR_STR(&r->listen));
	jsonw_str(w, "interface", *r->ifname ? r->ifname : NULL);
	jsonw_uint(w, "first", r->first);
	jsonw_uint(w, "last", r->last);
	jsonw_str(w, "target", named ? ADDR_STR(&r->target) : NULL);
	jsonw_uint(w, "to", r->to);
	jsonw_bool(w, "best_effort", r->flags & FWD_WEAK);
	jsonw_bool(w, "auto", r->flags & FWD_AUTO);
	jsonw_uint(w, "open", listen_count(s));
	jsonw_strn(w, "text", text, len && text[len - 1] == ' ' ? len - 1 : len);
	jsonw_close(w, '}');
}

/* The cursor is the slot that was written last, and 2^32 times the side: HOST is
 * first
 */
static bool next(struct ctl_session *s, struct jsonw *w)
{
	enum flow_side_name side = s->cursor >> 32 ? GUEST : HOST;
	uint32_t at = (uint32_t)s->cursor;
	const struct fwd_slot *slot;

	slot = fwd_table_next(side, at ? fwd_table_at(at - 1) : NULL);
	if (slot) {
		print(w, slot);
		s->cursor = (uint64_t)(side == GUEST) << 32 |
			    (fwd_table_index(slot) + 1);
		return true;
	}
	if (side == GUEST)
		return false;
	s->cursor = (uint64_t)1 << 32;
	return true;
}

void ctl_rules(struct ctl_call *k)
{
	ctl_list(k, "rules", next);
}

/* Rules of "option" and "spec", as on a command line, and their side */
static bool parse(struct ctl_call *k, struct fwd_rules *ret,
		  enum flow_side_name *ret_side)
{
	char name[8], spec[CTL_DESC_MAX], why[FWD_ERR_LEN];
	const struct option *o = options;

	if (!ctl_arg_text(k, "option", name, sizeof(name), NULL) ||
	    !ctl_arg_text(k, "spec", spec, sizeof(spec), NULL))
		return false;
	while (o < options + ARRAY_SIZE(options) && strcmp(o->name, name))
		o++;
	if (o == options + ARRAY_SIZE(options)) {
		ctl_fail(k, "BadArgument", "option: not -t, -u, -T or -U");
		return false;
	}

	if (fwd_rule_parse_option(o->name[1], spec, fwd_table_allowed(o->side),
				  &k->session->conf->ephemeral, ret, why)) {
		ctl_fail(k, "BadArgument", "%s", why);
		return false;
	}
	*ret_side = o->side;
	return true;
}

static void answer_applied(struct ctl_call *k, const uint32_t *slots,
			   unsigned count)
{
	char text[CTL_DESC_MAX];

	if (rules_apply("control", text, sizeof(text))) {
		ctl_fail(k, "Refused", "%s", text);
		return;
	}
	jsonw_open(k->w, NULL, '{');
	jsonw_open(k->w, "ids", '[');
	for (unsigned i = 0; i < count; i++)
		jsonw_uint(k->w, NULL, fwd_table_at(slots[i])->id);
	jsonw_close(k->w, ']');
	jsonw_str(k->w, "warning", *text ? text : NULL);
	jsonw_close(k->w, '}');
}

void ctl_rule_add(struct ctl_call *k)
{
	static struct fwd_rules rules;
	static uint32_t slots[FWD_RULES_MAX];
	enum flow_side_name side;
	char why[FWD_ERR_LEN];

	if (!parse(k, &rules, &side))
		return;
	for (unsigned i = 0; i < rules.count; i++) {
		const struct fwd_slot *s;
		int rc = fwd_table_add(side, &rules.rule[i], &s, why);

		if (rc && rc != -EEXIST) {
			fwd_table_revert();
			fwd_table_commit();
			ctl_fail(k, rc == -EINVAL ? "BadArgument" : "Refused",
				 "%s", why);
			return;
		}
		slots[i] = fwd_table_index(s);
	}
	answer_applied(k, slots, rules.count);
}

/* By its id */
static bool delete_id(struct ctl_call *k, unsigned id)
{
	const struct fwd_slot *s = fwd_table_get(id);

	if (!s) {
		ctl_fail(k, "NotFound", "There is no rule %u", id);
		return false;
	}
	fwd_table_remove(s);
	return true;
}

/* As it was added: all of a spec, or nothing */
static bool delete_spec(struct ctl_call *k)
{
	static struct fwd_rules rules;
	enum flow_side_name side;
	char text[FWD_RULE_STRLEN];

	if (!parse(k, &rules, &side))
		return false;
	for (unsigned i = 0; i < rules.count; i++) {
		const struct fwd_slot *s = fwd_table_find(side, &rules.rule[i]);

		if (s) {
			fwd_table_remove(s);
			continue;
		}
		fwd_table_revert();
		fwd_table_commit();
		ctl_fail(k, "NotFound", "There is no rule %s",
			 fwd_rule_print(&rules.rule[i], text));
		return false;
	}
	return true;
}

void ctl_rule_delete(struct ctl_call *k)
{
	bool by_id;
	unsigned id;

	if (!ctl_arg_uint(k, "id", UINT32_MAX, &id, &by_id))
		return;
	if (by_id ? delete_id(k, id) : delete_spec(k))
		answer_applied(k, NULL, 0);
}
