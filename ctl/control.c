// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the control socket: lines, requests, lists, events, see control.h
 *
 * Data: what is known of each client (sessions), and the last EVENTS events as the
 * lines that they are: whoever hasn't taken one when its place is needed misses it,
 * and is told how many he has missed. Nothing is written down unless somebody has
 * subscribed to it. Those of flows cost most, and come in thousands: if they took
 * more than a part of the time, they are left out, and counted as missed.
 *
 * Flow: a line → command_run() → one value, or a list. Lists are written an element
 * at a time, as much as fits into a piece (list_more()); events go to a client
 * between its answers (events_more()), never into one.
 */
#include "ctl/control.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/api_server.h"
#include "ctl/ctl_int.h"
#include "engine/flow.h"
#include "engine/loop.h"
#include "engine/news.h"
#include "fwd/egress.h"
#include "host/listen.h"
#include "host/net.h"
#include "host/portscan.h"
#include "util/log.h"

enum {
	PATIENCE_S	= 10,
	EVENTS		= 1024,
	NEWS_US		= 4000,		/* for flows' events, at once… */
	NEWS_SHARE	= 20,		/* …and one part of so many of the time */
	LOST_MAX	= 128,		/* bytes of the line that says so */
	LIST_STEP	= 8,		/* elements, before time is looked at */
	ALL_NEWS	= (1U << NEWS_KINDS) - 1,
	NAME_MAX_	= 32,		/* of a command, or an argument */
};

struct event {
	enum news what;
	size_t len;			/* 0: left out */
	char line[CTL_ELEMENT_MAX];
};

static struct {
	const struct conf *conf;
	bool draining;
	unsigned subscribers;
	uint32_t wants;			/* what any of them does */
	uint64_t events;		/* that there were */
	int64_t news_us;		/* of our time, left for flows' events… */
	mono_t news_at;			/* …then */
} control;

/* A line that is longer than a client's buffer: one at a time, since hardly anybody
 * has one
 */
static struct {
	struct api_client *client;	/* NULL: nobody's */
	size_t len;
	char text[CTL_LINE_MAX];
} long_line;

/* Apart, since only what is used takes room */
static struct ctl_session sessions[API_CLIENTS];
static struct event events[EVENTS];

static struct ctl_session *session_of(const struct api_client *c)
{
	return &sessions[api_index(c)];
}

/* A piece of text in c->out, as JSON */
static struct jsonw writer(struct api_client *c)
{
	return jsonw_init(c->out + c->out_len, api_room(c));
}

static void write_done(struct api_client *c, const struct jsonw *w)
{
	if (!w->bad)
		c->out_len += w->len;
}

/* ---- Answers ---- */

static void answer_error(struct jsonw *w, const char *class, const char *desc)
{
	jsonw_open(w, NULL, '{');
	jsonw_open(w, "error", '{');
	jsonw_str(w, "class", class);
	jsonw_str(w, "desc", desc);
	jsonw_close(w, '}');
	jsonw_close(w, '}');
}

void ctl_fail(struct ctl_call *k, const char *class, const char *fmt, ...)
{
	char desc[CTL_DESC_MAX];
	va_list ap;

	if (k->failed)
		return;
	va_start(ap, fmt);
	vsnprintf(desc, sizeof(desc), fmt, ap);
	va_end(ap);
	k->failed = true;
	*k->w = jsonw_init(k->w->buf, k->w->size);
	answer_error(k->w, class, desc);
}

void ctl_list(struct ctl_call *k, const char *name, ctl_next next)
{
	jsonw_open(k->w, NULL, '{');
	jsonw_open(k->w, name, '[');
	k->session->next = next;
	k->session->cursor = 0;
	k->session->comma = false;
}

/* Is it there? JSON's null is nothing. */
static struct json argument(const struct ctl_call *k, const char *name)
{
	struct json v = json_member(&k->args, name);

	if (v.kind == JSON_NULL)
		v.kind = JSON_NONE;
	return v;
}

/* There is none: is that right? */
static bool lacks(struct ctl_call *k, const char *name, bool *ret_there)
{
	if (!ret_there) {
		ctl_fail(k, "BadArgument", "%s: missing", name);
		return false;
	}
	*ret_there = false;
	return true;
}

bool ctl_arg_text(struct ctl_call *k, const char *name, char *buf, size_t size,
		  bool *ret_there)
{
	struct json v = argument(k, name);

	buf[0] = '\0';
	if (v.kind == JSON_NONE)
		return lacks(k, name, ret_there);
	if (!json_string(&v, buf, size)) {
		ctl_fail(k, "BadArgument", "%s: not a string, or too long",
			 name);
		return false;
	}
	if (ret_there)
		*ret_there = true;
	return true;
}

bool ctl_arg_uint(struct ctl_call *k, const char *name, unsigned max,
		  unsigned *ret, bool *ret_there)
{
	struct json v = argument(k, name);

	*ret = 0;
	if (v.kind == JSON_NONE)
		return lacks(k, name, ret_there);
	if (!json_uint(&v, max, ret)) {
		ctl_fail(k, "BadArgument", "%s: not a number from 0 to %u",
			 name, max);
		return false;
	}
	if (ret_there)
		*ret_there = true;
	return true;
}

static unsigned flows_live(void)
{
	unsigned n = 0;

	for (enum flow_type t = FLOW_NEW + 1; t < FLOW_DEAD; t++)
		n += flow_count(t);
	return n;
}

/* ---- Events ---- */

static const char *const event_name[NEWS_KINDS] = {
	[NEWS_FLOW_BEGIN]	= "flow-begin",
	[NEWS_FLOW_END]		= "flow-end",
	[NEWS_RULES]		= "rules",
	[NEWS_GUEST]		= "guest",
	[NEWS_GUEST_HERE]	= "guest-here",
	[NEWS_GUEST_GONE]	= "guest-gone",
	[NEWS_NET]		= "net",
};

static void event_begin(struct jsonw *w, const char *name)
{
	jsonw_open(w, NULL, '{');
	jsonw_str(w, "event", name);
	jsonw_milli(w, "at", (uint64_t)loop_now().us / 1000);
}

static void event_end(struct jsonw *w)
{
	jsonw_close(w, '}');
	jsonw_raw(w, "\n", 1);
}

static bool wants(const struct ctl_session *s, enum news what)
{
	return s->subscribed && s->wants & 1U << what;
}

static void wants_changed(void)
{
	control.wants = 0;
	for (unsigned i = 0; i < API_CLIENTS; i++)
		control.wants |= sessions[i].subscribed ? sessions[i].wants : 0;
}

/* The oldest one's place is needed */
static void event_forget(void)
{
	uint64_t oldest = control.events - EVENTS;

	for (unsigned i = 0; control.events >= EVENTS && i < API_CLIENTS; i++) {
		struct ctl_session *s = &sessions[i];

		if (!s->subscribed || s->event != oldest)
			continue;
		s->lost += wants(s, events[oldest % EVENTS].what);
		s->event++;
	}
}

static void wake_subscribers(enum news what)
{
	for (unsigned i = 0; i < API_CLIENTS; i++) {
		if (wants(&sessions[i], what))
			api_wake(api_client(i));
	}
}

/* about: the flow, or NULL; left_out: it happened, that's all */
static void event_add(enum news what, const void *about, bool left_out)
{
	struct event *e = &events[control.events % EVENTS];
	struct jsonw w = jsonw_init(e->line, sizeof(e->line));

	event_forget();
	e->what = what;
	e->len = 0;
	if (!left_out) {
		event_begin(&w, event_name[what]);
		if (about)
			ctl_flow_print(&w, "data", about);
		event_end(&w);
		e->len = w.bad ? 0 : w.len;
	}
	control.events++;
	wake_subscribers(what);
}

/* Bounded: as many as there is time for */
static void event_flow(enum news what, const struct flow *f)
{
	int64_t passed = mono_sub(loop_now(), control.news_at).us;
	dur_t since;

	control.news_us = MIN(control.news_us + passed / NEWS_SHARE,
			      (int64_t)NEWS_US);
	if (passed >= NEWS_SHARE)
		control.news_at = loop_now();
	if (control.news_us <= 0) {
		event_add(what, NULL, true);
		return;
	}
	since = loop_cpu_time();
	event_add(what, f, false);
	control.news_us -= loop_cpu_time().us - since.us;
}

static void event_news(enum news what, const void *about)
{
	/* It still counts */
	if (what == NEWS_FLOW_END && control.draining && flows_live() == 1)
		loop_exit(EXIT_SUCCESS);
	if (!(control.wants & 1U << what))
		return;
	if (what == NEWS_FLOW_BEGIN || what == NEWS_FLOW_END)
		event_flow(what, about);
	else
		event_add(what, NULL, false);
}

static void event_net(const struct net *old)
{
	(void)old;
	news_tell(NEWS_NET, NULL);
}

/* Some are missing before what comes now */
static void events_lost(struct api_client *c, struct ctl_session *s)
{
	struct jsonw w = writer(c);

	if (!s->lost)
		return;
	event_begin(&w, "lost");
	jsonw_uint(&w, "count", s->lost);
	event_end(&w);
	write_done(c, &w);
	s->lost = 0;
}

static void events_more(struct api_client *c, struct ctl_session *s)
{
	while (s->event < control.events &&
	       api_room(c) >= CTL_ELEMENT_MAX + LOST_MAX) {
		const struct event *e = &events[s->event++ % EVENTS];

		if (!wants(s, e->what))
			continue;
		if (!e->len) {
			s->lost++;
			continue;
		}
		events_lost(c, s);
		api_write(c, e->line, e->len);
	}
	if (s->event == control.events)
		events_lost(c, s);
}

/* ---- Commands ---- */

static void command_commands(struct ctl_call *k);

static void command_status(struct ctl_call *k)
{
	struct jsonw *w = k->w;

	jsonw_open(w, NULL, '{');
	jsonw_str(w, "version", VERSION);
	jsonw_str(w, "mode", k->session->conf->mode == MODE_PASTA ? "pasta" :
			     k->session->conf->mode == MODE_VU ? "vhost-user" : "passt");
	jsonw_bool(w, "draining", control.draining);
	jsonw_uint(w, "flows", flows_live());
	jsonw_uint(w, "subscribers", control.subscribers);
	jsonw_close(w, '}');
}

/* Nobody comes in any more, and we go with the last one */
static void command_drain(struct ctl_call *k)
{
	unsigned live = flows_live();

	if (!control.draining)
		info_limited("Draining: %u flows are left", live);
	control.draining = true;
	egress_drain();
	portscan_stop();
	listen_close_all();
	if (!live)
		loop_exit(EXIT_SUCCESS);
	jsonw_open(k->w, NULL, '{');
	jsonw_uint(k->w, "flows", flows_live());
	jsonw_close(k->w, '}');
}

static const char *const level_name[] = {
	[LOG_LVL_ERR] = "err", [LOG_LVL_WARN] = "warn",
	[LOG_LVL_INFO] = "info", [LOG_LVL_DEBUG] = "debug",
	[LOG_LVL_TRACE] = "trace",
};

static void command_log_level(struct ctl_call *k)
{
	enum log_level was = log_max;
	char text[NAME_MAX_];
	bool given;
	unsigned l;

	if (!ctl_arg_text(k, "level", text, sizeof(text), &given))
		return;
	for (l = 0; given && l < ARRAY_SIZE(level_name); l++) {
		if (!strcmp(text, level_name[l]))
			break;
	}
	if (given && l == ARRAY_SIZE(level_name)) {
		ctl_fail(k, "BadArgument",
			 "level: not err, warn, info, debug or trace");
		return;
	}
	if (given)
		log_max = (enum log_level)l;
	jsonw_open(k->w, NULL, '{');
	jsonw_str(k->w, "level", level_name[log_max]);
	jsonw_str(k->w, "was", level_name[was]);
	jsonw_close(k->w, '}');
}

/* Names of events, each of which may be the beginning of several: "flow" */
static bool events_wanted(struct ctl_call *k, uint32_t *ret)
{
	struct json list = argument(k, "events"), v = { .kind = JSON_NONE };
	char text[NAME_MAX_];

	*ret = list.kind == JSON_NONE ? ALL_NEWS : 0;
	if (list.kind != JSON_NONE && list.kind != JSON_ARRAY) {
		ctl_fail(k, "BadArgument", "events: not a list");
		return false;
	}
	while (json_next(&list, &v)) {
		uint32_t found = 0;

		for (unsigned i = 0; i < NEWS_KINDS; i++) {
			if (json_string(&v, text, sizeof(text)) && *text &&
			    !strncmp(event_name[i], text, strlen(text)))
				found |= 1U << i;
		}
		if (!found) {
			ctl_fail(k, "BadArgument", "events: there is no such one");
			return false;
		}
		*ret |= found;
	}
	return true;
}

static void command_subscribe(struct ctl_call *k)
{
	struct ctl_session *s = k->session;
	uint32_t wanted;

	if (!events_wanted(k, &wanted))
		return;
	if (!s->subscribed)
		s->event = control.events;
	control.subscribers += !s->subscribed;
	s->subscribed = true;
	s->wants = wanted;
	wants_changed();
	jsonw_open(k->w, NULL, '{');
	jsonw_close(k->w, '}');
}

static const struct ctl_command commands[] = {
	{ "commands",		command_commands },
	{ "counters",		ctl_counters },
	{ "drain",		command_drain },
	{ "flows",		ctl_flows },
	{ "log-level",		command_log_level },
	{ "net",		ctl_net },
	{ "policy",		ctl_policy },
	{ "policy-set",		ctl_policy_set },
	{ "reset",		ctl_reset },
	{ "rule-add",		ctl_rule_add },
	{ "rule-delete",	ctl_rule_delete },
	{ "rules",		ctl_rules },
	{ "status",		command_status },
	{ "subscribe",		command_subscribe },
};

static void command_commands(struct ctl_call *k)
{
	jsonw_open(k->w, NULL, '{');
	jsonw_open(k->w, "commands", '[');
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
		jsonw_str(k->w, NULL, commands[i].name);
	jsonw_close(k->w, ']');
	jsonw_close(k->w, '}');
}

static const struct ctl_command *command_find(const struct json *name)
{
	char text[NAME_MAX_];

	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
		if (json_string(name, text, sizeof(text)) &&
		    !strcmp(text, commands[i].name))
			return &commands[i];
	}
	return NULL;
}

/* What a command writes is a value; what is around it is written here */
static void command_run(struct ctl_call *k, const char *line, size_t len)
{
	const struct ctl_command *command;
	struct json root, name;

	if (!json_parse(line, len, &root) || root.kind != JSON_OBJECT) {
		ctl_fail(k, "BadRequest", "Not an object of JSON in one line");
		return;
	}
	name = json_member(&root, "execute");
	if (name.kind != JSON_STRING) {
		ctl_fail(k, "BadRequest", "execute: missing, or not a string");
		return;
	}
	k->args = json_member(&root, "arguments");
	if (k->args.kind != JSON_OBJECT && k->args.kind != JSON_NONE) {
		ctl_fail(k, "BadRequest", "arguments: not an object");
		return;
	}
	command = command_find(&name);
	if (!command) {
		ctl_fail(k, "UnknownCommand", "There is no such command");
		return;
	}
	jsonw_open(k->w, NULL, '{');
	jsonw_raw(k->w, "\"return\":", strlen("\"return\":"));
	command->run(k);
}

/* ---- Lines ---- */

static void list_more(struct api_client *c, struct ctl_session *s)
{
	for (unsigned i = 0; i < LIST_STEP && s->next &&
			     api_room(c) >= CTL_ELEMENT_MAX; i++) {
		struct jsonw w = writer(c);
		bool goes_on;

		w.comma = s->comma;
		goes_on = s->next(s, &w);
		s->comma = w.comma;
		write_done(c, &w);
		if (!goes_on) {
			s->next = NULL;
			if (!s->is_text)
				api_write(c, "]}}\n", 4);
		} else if (!w.len) {
			if (!c->out_len)
				api_again(c);
			break;
		}
	}
}

static void more(struct api_client *c)
{
	struct ctl_session *s = session_of(c);

	if (s->next)
		list_more(c, s);
	else if (s->subscribed)
		events_more(c, s);
}

static void line_run(struct api_client *c, const char *line, size_t len)
{
	struct jsonw w = writer(c);
	struct ctl_call k = { .session = session_of(c), .w = &w };

	command_run(&k, line, len);
	if (w.bad) {
		w = writer(c);
		answer_error(&w, "Refused", "The answer is too long");
		k.failed = true;
	}
	if (k.failed)
		k.session->next = NULL;
	else if (!k.session->next)
		jsonw_close(&w, '}');
	if (!k.session->next)
		jsonw_raw(&w, "\n", 1);
	write_done(c, &w);
	c->stays = k.session->subscribed;
}

/* ---- HTTP ---- */

/* "GET /metrics HTTP/1.1": what JSON never looks like */
static bool is_http(const char *line, size_t len)
{
	static const char version[] = " HTTP/1.";
	size_t n = strlen(version);

	while (len && isspace((unsigned char)line[len - 1]))
		len--;
	return len > n && !memcmp(line + len - n - 1, version, n);
}

static void http_begin(struct ctl_session *s, const char *line, size_t len)
{
	static const char get[] = "GET ", head[] = "HEAD ";
	static const char metrics[] = "/metrics HTTP/1.";
	size_t n = strlen(metrics);

	s->http = true;
	s->http_head = len > strlen(head) && !memcmp(line, head, strlen(head));
	if (!s->http_head && (len < strlen(get) || memcmp(line, get, strlen(get))))
		return;
	line += strlen(s->http_head ? head : get);
	len -= strlen(s->http_head ? head : get);
	s->http_metrics = len > n && !memcmp(line, metrics, n);
}

/* All has been said: the answer, whose end is that of the connection */
static void http_answer(struct api_client *c, struct ctl_session *s)
{
	c->ending = true;
	api_print(c, "HTTP/1.1 %s\r\nContent-Type: %s\r\n"
		  "Connection: close\r\n\r\n%s",
		  s->http_metrics ? "200 OK" : "404 Not Found",
		  s->http_metrics ? "text/plain; version=0.0.4; charset=utf-8" :
				    "text/plain",
		  s->http_metrics || s->http_head ?
		  "" : "There is /metrics alone, to GET\n");
	if (!s->http_metrics || s->http_head)
		return;
	s->next = metrics_next;
	s->is_text = true;
	s->cursor = 0;
}

static bool is_blank(const char *line, size_t len)
{
	while (len && isspace((unsigned char)line[len - 1]))
		len--;
	return !len;
}

static void long_line_release(struct api_client *c)
{
	if (long_line.client != c)
		return;
	long_line.client = NULL;
	long_line.len = 0;
	c->unfinished = false;
}

/* What it says can't be understood any more */
static bool input_refuse(struct api_client *c, const char *class,
			 const char *why)
{
	struct jsonw w = writer(c);

	answer_error(&w, class, why);
	jsonw_raw(&w, "\n", 1);
	write_done(c, &w);
	c->ending = true;
	api_consume(c, c->in_len);
	long_line_release(c);
	return true;
}

/* The first `len` bytes belong to a long line; is that all of it? */
static bool input_long(struct api_client *c, size_t len, bool all)
{
	if (long_line.client && long_line.client != c)
		return input_refuse(c, "Refused", "Somebody else's long line is being read: try again");
	if (len > sizeof(long_line.text) - long_line.len)
		return input_refuse(c, "BadRequest", "The line is too long");
	long_line.client = c;
	c->unfinished = true;
	memcpy(long_line.text + long_line.len, c->in, len);
	long_line.len += len;
	if (all)
		line_run(c, long_line.text, long_line.len);
	if (all)
		long_line_release(c);
	return all;
}

static bool input(struct api_client *c)
{
	struct ctl_session *s = session_of(c);
	const char *end = memchr(c->in, '\n', c->in_len);
	size_t len = end ? (size_t)(end - c->in) : c->in_len;
	bool whole = end || (c->eof && (len || long_line.client == c));

	if (long_line.client == c || (!whole && c->in_len == API_IN)) {
		bool done = input_long(c, len, whole);

		if (!c->ending)
			api_consume(c, end ? len + 1 : len);
		return done;
	}
	if (!whole)
		return false;
	if (s->http && is_blank(c->in, len))
		http_answer(c, s);
	else if (is_http(c->in, len))
		http_begin(s, c->in, len);
	else if (!s->http && !is_blank(c->in, len))
		line_run(c, c->in, len);
	api_consume(c, end ? len + 1 : len);
	return true;
}

static void opened(struct api_client *c)
{
	*session_of(c) = (struct ctl_session){ .conf = control.conf };
}

static void closed(struct api_client *c)
{
	struct ctl_session *s = session_of(c);

	long_line_release(c);
	control.subscribers -= s->subscribed;
	s->subscribed = false;
	wants_changed();
}

void control_open(const struct conf *c)
{
	if (*c->control_path)
		api_open(API_CONTROL, c->control_path, "--control", false);
}

void control_start(const struct conf *c)
{
	static const struct api_ops ops = {
		.clients = API_CONTROL_CLIENTS,
		.patience_s = PATIENCE_S,
		.replace_ms = 1000,
		.opened = opened,
		.closed = closed,
		.input = input,
		.more = more,
	};

	if (!*c->control_path)
		return;
	control.conf = c;
	news_to = event_news;
	net_add_hook(event_net);
	api_start(API_CONTROL, &ops);
}
