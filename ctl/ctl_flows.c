// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: flows by the control socket: which there are */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl_int.h"
#include "engine/flow.h"
#include "util/wire.h"

enum {
	WALK		= 2048,		/* entries looked at for one element */
	ID_LEN		= 24,
};

static const struct { uint8_t number; const char *name; } protos[] = {
	{ PROTO_TCP, "tcp" },
	{ PROTO_UDP, "udp" },
	{ PROTO_ICMP, "icmp" },
	{ PROTO_ICMP6, "icmpv6" },
};

static const char *proto_name(uint8_t number)
{
	for (unsigned i = 0; i < ARRAY_SIZE(protos); i++) {
		if (protos[i].number == number)
			return protos[i].name;
	}
	return NULL;
}

static void print_side(struct jsonw *w, const char *name,
		       const struct flow_side *s)
{
	jsonw_open(w, name, '{');
	jsonw_str(w, "our", addr_is_none(&s->our) ? NULL : ADDR_STR(&s->our));
	jsonw_uint(w, "our_port", s->our_port);
	jsonw_str(w, "peer", addr_is_none(&s->peer) ? NULL :
						      ADDR_STR(&s->peer));
	jsonw_uint(w, "peer_port", s->peer_port);
	jsonw_close(w, '}');
}

static void print_state(struct jsonw *w, const struct flow *f)
{
	const struct flow_ops *ops = flow_ops(f);
	char text[64];

	if (!ops)
		return;
	ops->describe(f, text, sizeof(text));
	jsonw_str(w, "state", text);
	if (ops->active)
		jsonw_milli(w, "idle", (uint64_t)MAX(0,
			    mono_sub(loop_now(), ops->active(f)).us / 1000));
}

/* "index.generation": what an id stands for never comes again soon */
void ctl_flow_print(struct jsonw *w, const char *name, const struct flow *f)
{
	char id[ID_LEN];

	snprintf(id, sizeof(id), "%u.%u", flow_index(f), f->gen);
	jsonw_open(w, name, '{');
	jsonw_str(w, "id", id);
	jsonw_str(w, "proto", proto_name(f->proto));
	print_state(w, f);
	jsonw_bool(w, "spliced", f->type == FLOW_SPLICE ||
				f->type == FLOW_UDP_SPLICE);
	jsonw_str(w, "begun_by", f->ini == GUEST ? "guest" : "host");
	print_side(w, "guest", &f->side[GUEST]);
	print_side(w, "host", &f->side[HOST]);
	jsonw_close(w, '}');
}

static bool has_addr(const struct flow *f, const struct addr *a)
{
	for (unsigned i = 0; i < FLOW_SIDES; i++) {
		if (addr_eq(&f->side[i].our, a) || addr_eq(&f->side[i].peer, a))
			return true;
	}
	return false;
}

static bool has_port(const struct flow *f, uint16_t port)
{
	for (unsigned i = 0; i < FLOW_SIDES; i++) {
		if (f->side[i].our_port == port || f->side[i].peer_port == port)
			return true;
	}
	return false;
}

static bool is_live(const struct flow *f)
{
	return f->type > FLOW_NEW && f->type < FLOW_DEAD;
}

static bool passes(const struct ctl_filter *want, const struct flow *f)
{
	if (!is_live(f) || (want->proto && want->proto != f->proto))
		return false;
	if (want->port && !has_port(f, want->port))
		return false;
	return addr_is_none(&want->addr) || has_addr(f, &want->addr);
}

static bool next(struct ctl_session *s, struct jsonw *w)
{
	for (unsigned i = 0; i < WALK && s->cursor < flow_high(); i++) {
		const struct flow *f = flow_at((uint32_t)s->cursor++);

		if (!passes(&s->filter, f))
			continue;
		ctl_flow_print(w, NULL, f);
		return true;
	}
	return s->cursor < flow_high();
}

/* By its id; NULL and ctl_fail() if there is none, or no longer */
static struct flow *find(struct ctl_call *k)
{
	unsigned index, gen;
	char id[ID_LEN];
	struct flow *f;

	if (!ctl_arg_text(k, "id", id, sizeof(id), NULL))
		return NULL;
	if (sscanf(id, "%u.%u", &index, &gen) != 2 || index >= flow_high()) {
		ctl_fail(k, "NotFound", "There is no flow %s", id);
		return NULL;
	}
	f = flow_at(index);
	if (!is_live(f) || f->gen != gen || !flow_ops(f)) {
		ctl_fail(k, "NotFound", "Flow %s has ended", id);
		return NULL;
	}
	return f;
}

void ctl_reset(struct ctl_call *k)
{
	struct flow *f = find(k);

	if (!f)
		return;
	flow_end(f);
	jsonw_open(k->w, NULL, '{');
	jsonw_close(k->w, '}');
}

static bool filter_proto(struct ctl_call *k, uint8_t *ret)
{
	char text[8];
	bool given;

	*ret = 0;
	if (!ctl_arg_text(k, "proto", text, sizeof(text), &given))
		return false;
	for (unsigned i = 0; i < ARRAY_SIZE(protos); i++) {
		if (!strcmp(text, protos[i].name))
			*ret = protos[i].number;
	}
	if (given && !*ret) {
		ctl_fail(k, "BadArgument",
			 "proto: not tcp, udp, icmp or icmpv6");
		return false;
	}
	return true;
}

static bool filter_addr(struct ctl_call *k, struct addr *ret)
{
	char text[ADDR_STRLEN];
	bool given;

	*ret = (struct addr){ { 0 } };
	if (!ctl_arg_text(k, "address", text, sizeof(text), &given))
		return false;
	if (given && !addr_parse(text, ret)) {
		ctl_fail(k, "BadArgument", "address: not one");
		return false;
	}
	return true;
}

void ctl_flows(struct ctl_call *k)
{
	struct ctl_filter *want = &k->session->filter;
	unsigned port;
	bool given;

	if (!filter_proto(k, &want->proto) || !filter_addr(k, &want->addr) ||
	    !ctl_arg_uint(k, "port", UINT16_MAX, &port, &given))
		return;
	want->port = (uint16_t)port;
	ctl_list(k, "flows", next);
}
