// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: flows by the control socket: which there are */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ctl/ctl_int.h"
#include "engine/flow.h"
#include "host/sock.h"
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

/* Of a socket's other end; false: nothing is known */
static bool sock_path(int fd, struct flow_path *ret)
{
	struct sock_sndbuf sb = { 0 };
	struct sock_tcp_info ti;

	if (fd < 0 || !sock_tcp_info(fd, &ti))
		return false;
	sock_sndbuf(fd, &sb);
	*ret = (struct flow_path){
		.rtt_us = ti.rtt_us, .window = ti.snd_wnd,
		.our_window = ti.rcv_wnd, .queued = sb.payload,
		.resent = ti.resent,
	};
	return true;
}

static bool side_path(const struct flow *f, enum flow_side_name side,
		      struct flow_path *ret)
{
	const struct flow_ops *ops = flow_ops(f);

	if (!ops || !ops->sock)
		return false;
	if (side != GUEST || !ops->guest_path)
		return sock_path(ops->sock(f, side), ret);
	ops->guest_path(f, ret);
	return true;
}

/* Our end of a socket that the kernel has chosen it for */
static void side_our(const struct flow *f, enum flow_side_name side,
		     struct addr *our, uint16_t *port)
{
	const struct flow_ops *ops = flow_ops(f);

	*our = f->side[side].our;
	*port = f->side[side].our_port;
	if (!*port && ops && ops->sock && ops->sock(f, side) >= 0)
		*our = sock_local(ops->sock(f, side), port);
}

static void print_known(struct jsonw *w, const char *name, uint32_t v,
			uint32_t unknown)
{
	if (v == unknown)
		jsonw_str(w, name, NULL);
	else
		jsonw_uint(w, name, v);
}

static void print_path(struct jsonw *w, const struct flow_path *p)
{
	print_known(w, "rtt_us", p->rtt_us, 0);
	print_known(w, "window", p->window, UINT32_MAX);
	print_known(w, "our_window", p->our_window, UINT32_MAX);
	jsonw_uint(w, "queued", p->queued);
	jsonw_uint(w, "retransmitted", p->resent);
}

static void print_side(struct jsonw *w, const char *name, const struct flow *f,
		       enum flow_side_name side, const struct flow_path *path)
{
	const struct flow_side *s = &f->side[side];
	struct addr our;
	uint16_t port;

	side_our(f, side, &our, &port);
	jsonw_open(w, name, '{');
	jsonw_str(w, "our", addr_is_none(&our) ? NULL : ADDR_STR(&our));
	jsonw_uint(w, "our_port", port);
	jsonw_str(w, "peer", addr_is_none(&s->peer) ? NULL :
						      ADDR_STR(&s->peer));
	jsonw_uint(w, "peer_port", s->peer_port);
	jsonw_uint(w, "bytes", flow_use(f)->bytes[side]);
	if (path)
		print_path(w, path);
	jsonw_close(w, '}');
}

static void print_since(struct jsonw *w, const char *name, mono_t when)
{
	jsonw_milli(w, name, (uint64_t)MAX(0, mono_sub(loop_now(), when).us) /
			     1000);
}

/* Whom the kernel has bytes for */
static const char *waits_for_ack(const struct flow_path *path, bool is_guest)
{
	if (!path->queued)
		return NULL;
	if (path->window <= path->queued)
		return is_guest ? "guest-window" : "host-window";
	return is_guest ? "guest-ack" : "host-ack";
}

static void print_waits_for(struct jsonw *w, const struct flow *f,
			    const struct flow_path path[FLOW_SIDES])
{
	const struct flow_ops *ops = flow_ops(f);
	const char *why = NULL;

	if (ops->waits_for)
		why = ops->waits_for(f);
	for (unsigned side = 0; !why && side < FLOW_SIDES; side++)
		why = waits_for_ack(&path[side], side == GUEST);
	jsonw_str(w, "waits_for", why ? why : "data");
}

static void print_use(struct jsonw *w, const struct flow *f,
		      const struct flow_path path[FLOW_SIDES])
{
	const struct flow_ops *ops = flow_ops(f);
	mono_t begun = flow_use(f)->begun, active;

	if (!ops)
		return;
	/* Some types know the latter to a second */
	active = ops->active(f);
	if (mono_before(active, begun))
		active = begun;
	jsonw_str(w, "state", ops->state(f));
	print_waits_for(w, f, path);
	print_since(w, "age", begun);
	print_since(w, "idle", active);
}

/* "index.generation": what an id stands for never comes again soon */
void ctl_flow_print(struct jsonw *w, const char *name, const struct flow *f)
{
	struct flow_path path[FLOW_SIDES] = { 0 };
	bool known[FLOW_SIDES];
	char id[ID_LEN];

	for (unsigned side = 0; side < FLOW_SIDES; side++)
		known[side] = side_path(f, side, &path[side]);
	snprintf(id, sizeof(id), "%u.%u", flow_index(f), f->gen);
	jsonw_open(w, name, '{');
	jsonw_str(w, "id", id);
	jsonw_str(w, "proto", proto_name(f->proto));
	print_use(w, f, path);
	jsonw_bool(w, "spliced", f->type == FLOW_SPLICE ||
				f->type == FLOW_UDP_SPLICE);
	jsonw_str(w, "begun_by", f->ini == GUEST ? "guest" : "host");
	print_side(w, "guest", f, GUEST, known[GUEST] ? &path[GUEST] : NULL);
	print_side(w, "host", f, HOST, known[HOST] ? &path[HOST] : NULL);
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
	if (*want->state && strcasecmp(want->state, flow_ops(f)->state(f)))
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

/* Does any type of flow have such a state? */
static bool state_exists(const char *state)
{
	for (enum flow_type t = FLOW_NEW + 1; t < FLOW_DEAD; t++) {
		const struct flow_ops *ops = flow_type_ops(t);

		for (unsigned i = 0; ops && ops->states[i]; i++) {
			if (!strcasecmp(state, ops->states[i]))
				return true;
		}
	}
	return false;
}

/* By its name here, or as ss(8) writes it: syn-sent */
static bool filter_state(struct ctl_call *k, char *state, size_t size)
{
	bool given;

	if (!ctl_arg_text(k, "state", state, size, &given))
		return false;
	for (char *p = state; *p; p++) {
		if (*p == '-')
			*p = '_';
	}
	if (given && !state_exists(state)) {
		ctl_fail(k, "BadArgument", "state: there is none of that name");
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
	    !filter_state(k, want->state, sizeof(want->state)) ||
	    !ctl_arg_uint(k, "port", UINT16_MAX, &port, &given))
		return;
	want->port = (uint16_t)port;
	ctl_list(k, "flows", next);
}
