/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to the commands of the control socket: what they are called with
 *
 * A command writes one value, its answer, or calls ctl_fail(), or begins a list,
 * whose elements are written one by one while the client takes them.
 */
#ifndef CTL_CTL_INT_H
#define CTL_CTL_INT_H

#include "engine/conf_types.h"
#include "engine/flow_types.h"
#include "util/json.h"
#include "util/json_write.h"

enum {
	CTL_STATES	= 12,		/* of a type of flow, at most */
	CTL_ELEMENT_MAX	= 2048,		/* bytes of one element, or event */
	CTL_DESC_MAX	= 1024,
	CTL_LINE_MAX	= 4 << 20,	/* bytes of a request, at most */
};

/* What a client wants to see of the flows */
struct ctl_filter {
	uint8_t proto;			/* 0: any; likewise, the others */
	uint16_t port;			/* at either end, of either side */
	struct addr addr;
	char state[16];
};

struct ctl_session;

/* The next element of a list into *w, or nothing so far. False: there are none. */
typedef bool (*ctl_next)(struct ctl_session *s, struct jsonw *w);

/* What is known of a client */
struct ctl_session {
	const struct conf *conf;

	/* The answer that is being written; NULL: none */
	ctl_next next;
	bool comma;
	bool is_text;			/* no JSON: the end of it is the end */
	uint64_t cursor;		/* the list's own */
	struct ctl_filter filter;
	uint32_t states[FLOW_TYPES][CTL_STATES];	/* flows in them, so far */

	bool http;			/* lines up to a blank one follow */
	bool http_metrics;		/* …and then what was asked for… */
	bool http_head;			/* …without it */
	bool subscribed;
	uint32_t wants;			/* bits of enum news */
	uint64_t event;			/* the first one it hasn't seen */
	uint64_t lost;			/* wanted, gone, and not told yet */
};

struct ctl_call {
	struct ctl_session *session;
	struct json args;
	struct jsonw *w;
	bool failed;
};

struct ctl_command {
	const char *name;
	void (*run)(struct ctl_call *k);
};

/* The answer is an error instead. Classes: BadRequest, UnknownCommand, BadArgument,
 * NotFound, Refused.
 */
void ctl_fail(struct ctl_call *k, const char *class, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The answer is {NAME: […]}, with elements that next() gives */
void ctl_list(struct ctl_call *k, const char *name, ctl_next next);

/* Arguments: false, and ctl_fail(), if it is there and no such thing; *ret_there
 * may be NULL if it has to be there
 */
bool ctl_arg_text(struct ctl_call *k, const char *name, char *buf, size_t size,
		  bool *ret_there);
bool ctl_arg_uint(struct ctl_call *k, const char *name, unsigned max,
		  unsigned *ret, bool *ret_there);

/* ctl_rules.c */
void ctl_rules(struct ctl_call *k);
void ctl_rule_add(struct ctl_call *k);
void ctl_rule_delete(struct ctl_call *k);

/* ctl_flows.c */
struct flow;
void ctl_flows(struct ctl_call *k);
void ctl_reset(struct ctl_call *k);
void ctl_flow_print(struct jsonw *w, const char *name, const struct flow *f);

/* metrics.c */
void ctl_counters(struct ctl_call *k);
bool metrics_next(struct ctl_session *s, struct jsonw *w);

/* ctl_net.c */
void ctl_net(struct ctl_call *k);

/* ctl_policy.c */
void ctl_policy(struct ctl_call *k);
void ctl_policy_set(struct ctl_call *k);

#endif /* CTL_CTL_INT_H */
