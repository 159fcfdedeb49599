// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the API socket of slirp4netns, see slirp_api.h
 *
 * Data: forwards are the rules of fwd_table.c, as there are no others; so are
 * their ids. What is known of a client: how the braces of its request stand, and
 * where its list of forwards goes on.
 *
 * Flow: bytes, until the object's last brace, or their end → json.c →
 * execute_…() → the answer → closed. A list of forwards may be longer than a
 * piece, and is written entry by entry, as the forwards are by then.
 */
#include "ctl/slirp_api.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/api_server.h"
#include "engine/conf_types.h"
#include "engine/loop.h"
#include "host/listen.h"
#include "host/net.h"
#include "util/json.h"
#include "util/log.h"
#include "util/wire.h"

enum {
	PATIENCE_S	= 5,		/* for a request and its answer… */
	REPLACE_MS	= 250,		/* …or this, if others wait for a place */
	ENTRY_MAX	= 192,		/* one of a list, as text */
};

struct request {
	size_t scanned;			/* bytes of it that were looked at */
	bool in_string, escaped;
	unsigned depth;
	bool listing;			/* entries follow */
	const struct fwd_slot *last;	/* that was listed; NULL: none yet */
};

static struct request requests[API_CLIENTS];

static struct request *request_of(const struct api_client *c)
{
	return &requests[api_index(c)];
}

/* Answers */

static void answer_bad(struct api_client *c, const char *why)
{
	api_print(c, "{\"error\":{\"desc\":\"bad request: %s\"}}", why);
}

static const char *proto_text(uint8_t proto)
{
	return proto == PROTO_TCP ? "tcp" : "udp";
}

static void entry_print(struct api_client *c, const struct fwd_slot *s,
			bool comma)
{
	const struct fwd_rule *r = &s->rule;

	api_print(c, "%s{\"id\":%u,\"proto\":\"%s\",\"host_addr\":\"%s\","
		  "\"host_port\":%u,\"guest_addr\":\"%s\",\"guest_port\":%u}",
		  comma ? "," : "", s->id, proto_text(r->proto),
		  ADDR_STR(&r->listen), r->first, ADDR_STR(&r->target), r->to);
}

/* The entries that come next */
static void api_more(struct api_client *c)
{
	struct request *q = request_of(c);

	while (q->listing && api_room(c) > ENTRY_MAX) {
		const struct fwd_slot *s = fwd_table_next(HOST, q->last);

		if (!s) {
			api_print(c, "]}");
			q->listing = false;
			break;
		}
		entry_print(c, s, q->last);
		q->last = s;
	}
}

/* Requests */

/* An IPv4 address, or the default if it is empty or missing */
static bool arg_addr(const struct json *args, const char *name,
		     const struct addr *fallback, struct addr *ret)
{
	struct json v = json_member(args, name);
	char text[ADDR_STRLEN];

	if (v.kind == JSON_NONE) {
		*ret = *fallback;
		return true;
	}
	if (!json_string(&v, text, sizeof(text)))
		return false;
	if (!*text)
		*ret = *fallback;
	else if (!addr_parse(text, ret) || !addr_is_v4(ret))
		return false;
	return true;
}

static bool arg_port(const struct json *args, const char *name, uint16_t *ret)
{
	struct json v = json_member(args, name);
	unsigned port;

	if (!json_uint(&v, UINT16_MAX, &port) || !port)
		return false;
	*ret = (uint16_t)port;
	return true;
}

static bool arg_proto(const struct json *args, uint8_t *ret)
{
	struct json v = json_member(args, "proto");
	char text[4];

	if (!json_string(&v, text, sizeof(text)))
		return false;
	if (strcmp(text, "tcp") && strcmp(text, "udp"))
		return false;
	*ret = *text == 't' ? PROTO_TCP : PROTO_UDP;
	return true;
}

/* NULL, or the name of the argument that is wrong */
static const char *parse_forward(const struct json *args, struct fwd_rule *r)
{
	const struct addr any = addr_v4(0);
	const struct addr *guest = &net_get()->fam[V4].guest;

	if (!arg_proto(args, &r->proto))
		return "proto";
	if (!arg_addr(args, "host_addr", &any, &r->listen) ||
	    !(addr_is_any(&r->listen) || addr_is_unicast(&r->listen)))
		return "host_addr";
	if (!arg_port(args, "host_port", &r->first))
		return "host_port";
	if (!arg_addr(args, "guest_addr", guest, &r->target))
		return "guest_addr";
	if (addr_is_any(&r->target))
		r->target = *guest;
	if (!addr_is_unicast(&r->target) || addr_is_loopback(&r->target))
		return "guest_addr";
	if (!arg_port(args, "guest_port", &r->to))
		return "guest_port";
	r->last = r->first;
	return NULL;
}

static void forward_tell(void *arg, const struct fwd_slot *s, uint16_t port,
			 int rc)
{
	const struct fwd_rule *r = &s->rule;

	(void)arg;
	if (rc >= 0)
		return;
	warn_limited("Couldn't listen at %s port %s: %s%s",
		     proto_text(r->proto), ENDPOINT_STR(&r->listen, port),
		     strerror(-rc), rc != -EACCES ? "" :
		     " (see sysctl net.ipv4.ip_unprivileged_port_start)");
}

/* Its id; 0 if that port can't be had */
static unsigned forward_add(const struct fwd_rule *r)
{
	const struct fwd_slot *s;
	char why[FWD_ERR_LEN];
	int rc = fwd_table_add(HOST, r, &s, why);

	if (!rc)
		return listen_sync(forward_tell, NULL) ? 0 : s->id;
	warn_limited("Couldn't listen at %s port %s: %s",
		     proto_text(r->proto),
		     ENDPOINT_STR(&r->listen, r->first), why);
	return 0;
}

static void execute_add(struct api_client *c, const struct json *args)
{
	struct fwd_rule r = { .proto = 0 };
	const char *bad = parse_forward(args, &r);
	char why[64];
	unsigned id;

	if (bad) {
		snprintf(why, sizeof(why), "add_hostfwd: bad arguments.%s",
			 bad);
		answer_bad(c, why);
		return;
	}
	id = forward_add(&r);
	if (id)
		api_print(c, "{\"return\":{\"id\":%u}}", id);
	else
		answer_bad(c, "add_hostfwd: slirp_add_hostfwd failed");
}

static void execute_list(struct api_client *c, const struct json *args)
{
	(void)args;
	api_print(c, "{\"entries\":[");
	request_of(c)->listing = true;
}

static void execute_remove(struct api_client *c, const struct json *args)
{
	struct json v = json_member(args, "id");
	const struct fwd_slot *s;
	unsigned id = 0;

	json_uint(&v, UINT32_MAX, &id);
	s = fwd_table_get(id);
	if (!s) {
		answer_bad(c, "remove_hostfwd: bad arguments.id");
		return;
	}
	fwd_table_remove(s);
	listen_sync(NULL, NULL);
	api_print(c, "{\"return\":{}}");
}

static const struct {
	const char *name;
	void (*fn)(struct api_client *c, const struct json *args);
} commands[] = {
	{ "add_hostfwd",	execute_add },
	{ "list_hostfwd",	execute_list },
	{ "remove_hostfwd",	execute_remove },
};

static void execute(struct api_client *c, size_t len)
{
	struct json root, word, args;
	char name[32];

	if (!json_parse(c->in, len, &root)) {
		answer_bad(c, "cannot parse JSON");
		return;
	}
	if (root.kind != JSON_OBJECT) {
		answer_bad(c, "json_object() failed");
		return;
	}
	word = json_member(&root, "execute");
	if (word.kind != JSON_STRING) {
		answer_bad(c, "no execute found");
		return;
	}
	args = json_member(&root, "arguments");
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!json_string(&word, name, sizeof(name)) ||
		    strcmp(name, commands[i].name))
			continue;
		commands[i].fn(c, &args);
		return;
	}
	answer_bad(c, "unknown execute");
}

/* Does the request's outermost brace close with one of the new bytes? */
static bool request_scan(struct request *q, const struct api_client *c)
{
	while (q->scanned < c->in_len) {
		char ch = c->in[q->scanned++];

		if (q->in_string) {
			if (!q->escaped && ch == '"')
				q->in_string = false;
			q->escaped = !q->escaped && ch == '\\';
		} else if (ch == '"') {
			q->in_string = true;
		} else if (ch == '{' || ch == '[') {
			q->depth++;
		} else if (ch == '}' || ch == ']') {
			if (q->depth <= 1)
				return true;
			q->depth--;
		}
	}
	return false;
}

/* One request, whose answer is the end */
static bool api_input(struct api_client *c)
{
	bool complete = request_scan(request_of(c), c);

	if (c->in_len == API_IN)
		answer_bad(c, "too large message");
	else if (complete || c->eof)
		execute(c, c->in_len);
	else
		return false;
	api_consume(c, c->in_len);
	c->ending = true;
	return true;
}

static void api_opened(struct api_client *c)
{
	*request_of(c) = (struct request){ .scanned = 0 };
}

void slirp_api_open(const struct conf *c)
{
	if (*c->api_socket)
		api_open(API_SLIRP, c->api_socket, "--api-socket", true);
}

void slirp_api_start(void)
{
	static const struct api_ops ops = {
		.clients = API_SLIRP_CLIENTS,
		.patience_s = PATIENCE_S,
		.hurry = true,
		.replace_ms = REPLACE_MS,
		.opened = api_opened,
		.input = api_input,
		.more = api_more,
	};

	api_start(API_SLIRP, &ops);
}
