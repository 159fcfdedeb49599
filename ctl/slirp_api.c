// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the API socket of slirp4netns, see slirp_api.h
 *
 * Data: a static table of clients, each with one buffer, which holds the request
 * first, and then the answer, or the next piece of it. Forwards are the rules of
 * fwd_table.c, as there are no others; so are their ids.
 *
 * Flow: connection → bytes, until the object's last brace, or their end →
 * json.c → execute_…() → the answer, as fast as the client takes it → closed. A
 * list of forwards may be longer than the buffer, and is written entry by entry,
 * as the forwards are by then.
 *
 * Clients are hostile: each has API_TIMEOUT_S for its request and its answer
 * together. If all entries are taken, or there are no descriptors left, others
 * wait in the socket's queue. What a client sends beyond its request is thrown
 * away before the end, up to a limit, so that it reads our answer rather than a
 * reset.
 */
#include "ctl/slirp_api.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/conf_types.h"
#include "engine/loop.h"
#include "engine/timer.h"
#include "host/listen.h"
#include "host/net.h"
#include "util.h"
#include "util/json.h"
#include "util/log.h"
#include "util/wire.h"

enum {
	API_CLIENTS	= 64,
	API_BUF		= 4096,		/* a request is shorter than that */
	API_TIMEOUT_S	= 5,
	API_RETRY_S	= 1,		/* without descriptors */
	API_DISCARD	= 16,		/* buffers */
	API_BACKLOG	= 128,
	API_ENTRY_MAX	= 192,		/* one of a list, as text */
	API_LISTENER	= API_CLIENTS,	/* index of the socket itself */
};

struct client {
	int fd;				/* -1: free */
	uint16_t gen;
	struct timer timer;

	/* The request: how its braces stand */
	bool in_string, escaped;
	unsigned depth;

	/* The answer */
	bool answering;
	size_t sent;
	bool listing;			/* entries follow */
	const struct fwd_slot *last;	/* that was listed; NULL: none yet */

	size_t len;
	char buf[API_BUF];
};

static struct {
	const struct conf *conf;
	int fd;				/* listening */
	bool paused;
	struct timer retry;


	struct leftover leftover;	/* the socket's name */
	dev_t dev;
	ino_t ino;
} api = { .fd = -1, .leftover = { .dir_fd = -1 } };

/* Apart, since what isn't zero at the start takes room in the binary */
static struct client clients[API_CLIENTS];

/* Answers */

__attribute__((format(printf, 2, 3)))
static void answer(struct client *cl, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(cl->buf, sizeof(cl->buf), fmt, ap);
	va_end(ap);
	cl->len = MIN((size_t)n, sizeof(cl->buf) - 1);
	cl->answering = true;
}

static void answer_bad(struct client *cl, const char *why)
{
	answer(cl, "{\"error\":{\"desc\":\"bad request: %s\"}}", why);
}

static const char *proto_text(uint8_t proto)
{
	return proto == PROTO_TCP ? "tcp" : "udp";
}

static size_t entry_print(const struct fwd_slot *s, bool comma, char *buf,
			  size_t size)
{
	const struct fwd_rule *r = &s->rule;

	return (size_t)snprintf(buf, size,
		"%s{\"id\":%u,\"proto\":\"%s\",\"host_addr\":\"%s\","
		"\"host_port\":%u,\"guest_addr\":\"%s\",\"guest_port\":%u}",
		comma ? "," : "", s->id, proto_text(r->proto),
		ADDR_STR(&r->listen), r->first, ADDR_STR(&r->target), r->to);
}

/* Fill the buffer with the entries that come next */
static void answer_entries(struct client *cl)
{
	const struct fwd_slot *s = NULL;

	cl->len = cl->sent = 0;
	while (cl->len + API_ENTRY_MAX <= API_BUF) {
		s = fwd_table_next(HOST, cl->last);
		if (!s)
			break;
		cl->len += entry_print(s, cl->last, cl->buf + cl->len,
				       API_BUF - cl->len);
		cl->last = s;
	}
	if (!s) {
		memcpy(cl->buf + cl->len, "]}", 2);
		cl->len += 2;
		cl->listing = false;
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

static void execute_add(struct client *cl, const struct json *args)
{
	struct fwd_rule r = { .proto = 0 };
	const char *bad = parse_forward(args, &r);
	char why[64];
	unsigned id;

	if (bad) {
		snprintf(why, sizeof(why), "add_hostfwd: bad arguments.%s",
			 bad);
		answer_bad(cl, why);
		return;
	}
	id = forward_add(&r);
	if (id)
		answer(cl, "{\"return\":{\"id\":%u}}", id);
	else
		answer_bad(cl, "add_hostfwd: slirp_add_hostfwd failed");
}

static void execute_list(struct client *cl, const struct json *args)
{
	(void)args;
	answer(cl, "{\"entries\":[");
	cl->listing = true;
}

static void execute_remove(struct client *cl, const struct json *args)
{
	struct json v = json_member(args, "id");
	const struct fwd_slot *s;
	unsigned id = 0;

	json_uint(&v, UINT32_MAX, &id);
	s = fwd_table_get(id);
	if (!s) {
		answer_bad(cl, "remove_hostfwd: bad arguments.id");
		return;
	}
	fwd_table_remove(s);
	listen_sync(NULL, NULL);
	answer(cl, "{\"return\":{}}");
}

static const struct {
	const char *name;
	void (*fn)(struct client *cl, const struct json *args);
} commands[] = {
	{ "add_hostfwd",	execute_add },
	{ "list_hostfwd",	execute_list },
	{ "remove_hostfwd",	execute_remove },
};

/* The arguments lie in the buffer that the answer goes to: commands have read
 * them when they answer
 */
static void execute(struct client *cl)
{
	struct json root, word, args;
	char name[32];

	if (!json_parse(cl->buf, cl->len, &root)) {
		answer_bad(cl, "cannot parse JSON");
		return;
	}
	if (root.kind != JSON_OBJECT) {
		answer_bad(cl, "json_object() failed");
		return;
	}
	word = json_member(&root, "execute");
	if (word.kind != JSON_STRING) {
		answer_bad(cl, "no execute found");
		return;
	}
	args = json_member(&root, "arguments");
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!json_string(&word, name, sizeof(name)) ||
		    strcmp(name, commands[i].name))
			continue;
		commands[i].fn(cl, &args);
		return;
	}
	answer_bad(cl, "unknown execute");
}

/* Clients */

static struct loop_ref client_ref(const struct client *cl)
{
	return (struct loop_ref){
		.kind = LOOP_SLIRP_API,
		.gen = cl->gen,
		.index = (uint32_t)(cl - clients),
	};
}

static void api_pause(bool pause)
{
	struct loop_ref ref = { .kind = LOOP_SLIRP_API, .index = API_LISTENER };

	if (api.paused == pause)
		return;
	api.paused = pause;
	loop_mod(api.fd, pause ? 0 : EPOLLIN, ref);
}

static void client_free(struct client *cl)
{
	timer_cancel(&cl->timer);
	loop_del(cl->fd);
	close_fd(&cl->fd);
	cl->gen++;
	api_pause(false);
}

static void client_finish(struct client *cl)
{
	shutdown(cl->fd, SHUT_WR);
	for (unsigned i = 0; i < API_DISCARD; i++) {
		if (recv(cl->fd, cl->buf, sizeof(cl->buf), MSG_DONTWAIT) <= 0)
			break;
	}
	client_free(cl);
}

static void client_answer(struct client *cl)
{
	while (cl->sent < cl->len || cl->listing) {
		ssize_t n;

		if (cl->sent == cl->len) {
			answer_entries(cl);
			continue;
		}
		n = send(cl->fd, cl->buf + cl->sent, cl->len - cl->sent,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (loop_mod(cl->fd, EPOLLOUT, client_ref(cl)))
				break;
			return;
		}
		if (n < 0)
			break;
		cl->sent += (size_t)n;
	}
	client_finish(cl);
}

/* Does the request's outermost brace close with one of these bytes? */
static bool client_scan(struct client *cl, const char *p, size_t n)
{
	for (; n; p++, n--) {
		if (cl->in_string) {
			if (!cl->escaped && *p == '"')
				cl->in_string = false;
			cl->escaped = !cl->escaped && *p == '\\';
		} else if (*p == '"') {
			cl->in_string = true;
		} else if (*p == '{' || *p == '[') {
			cl->depth++;
		} else if (*p == '}' || *p == ']') {
			if (cl->depth <= 1)
				return true;
			cl->depth--;
		}
	}
	return false;
}

static void client_read(struct client *cl)
{
	bool complete = false;
	ssize_t n = -1;

	while (!complete && cl->len < API_BUF) {
		n = recv(cl->fd, cl->buf + cl->len, API_BUF - cl->len,
			 MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			client_free(cl);
			return;
		}
		if (!n)
			break;
		complete = client_scan(cl, cl->buf + cl->len, (size_t)n);
		cl->len += (size_t)n;
	}
	if (cl->len == API_BUF)
		answer_bad(cl, "too large message");
	else
		execute(cl);
	client_answer(cl);
}

static bool client_new(int fd)
{
	struct client *cl = clients;

	while (cl->fd >= 0)
		cl++;
	*cl = (struct client){ .fd = fd, .gen = cl->gen };
	if (loop_add(fd, EPOLLIN, client_ref(cl))) {
		close_fd(&cl->fd);
		return false;
	}
	timer_set(&cl->timer, TIMER_SLIRP_API,
		  mono_add(loop_now(), DUR_S(API_TIMEOUT_S)));
	return true;
}

static bool clients_full(void)
{
	for (unsigned i = 0; i < API_CLIENTS; i++) {
		if (clients[i].fd < 0)
			return false;
	}
	return true;
}

static void api_accept(void)
{
	while (!clients_full()) {
		int fd = accept4(api.fd, NULL, NULL,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && errno == EAGAIN)
			return;
		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0 || !client_new(fd)) {
			timer_set(&api.retry, TIMER_SLIRP_API,
				  mono_add(loop_now(), DUR_S(API_RETRY_S)));
			break;
		}
	}
	api_pause(true);
}

static void api_event(struct loop_ref ref, uint32_t events)
{
	struct client *cl = &clients[ref.index];

	(void)events;
	if (ref.index == API_LISTENER)
		api_accept();
	else if (cl->fd < 0 || cl->gen != ref.gen)
		return;
	else if (cl->answering)
		client_answer(cl);
	else
		client_read(cl);
}

static void api_timer(struct timer *t)
{
	if (t == &api.retry)
		api_pause(false);
	else
		client_free(container_of(t, struct client, timer));
}

/* Start and end */

void slirp_api_open(const struct conf *c)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const char *path = c->api_socket;
	struct stat st;

	if (!*path)
		return;
	if (unlink(path) && errno != ENOENT)
		die("--api-socket: couldn't replace %s: %s", path,
		    strerror(errno));
	api.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (api.fd < 0 || !sun_path_set(&sun, path) ||
	    bind(api.fd, (struct sockaddr *)&sun, sizeof(sun)) ||
	    listen(api.fd, API_BACKLOG))
		die("--api-socket: couldn't listen at %s: %s", path,
		    strerror(errno));

	/* Its name will be out of reach */
	if (stat(path, &st))
		return;
	api.dev = st.st_dev;
	api.ino = st.st_ino;
	leftover_note(&api.leftover, path);
}

void slirp_api_start(const struct conf *c)
{
	struct loop_ref ref = { .kind = LOOP_SLIRP_API, .index = API_LISTENER };
	int rc;

	if (api.fd < 0)
		return;
	api.conf = c;
	for (unsigned i = 0; i < API_CLIENTS; i++)
		clients[i].fd = -1;
	loop_set_handler(LOOP_SLIRP_API, api_event);
	timer_set_handler(TIMER_SLIRP_API, api_timer);
	rc = loop_add(api.fd, EPOLLIN, ref);
	if (rc)
		die("Couldn't watch the API socket: %s", strerror(-rc));
}

void slirp_api_undo(void)
{
	struct leftover *l = &api.leftover;
	struct stat st;

	if (l->dir_fd >= 0 &&
	    !fstatat(l->dir_fd, l->name, &st, AT_SYMLINK_NOFOLLOW) &&
	    st.st_dev == api.dev && st.st_ino == api.ino)
		leftover_remove(l);
}

void slirp_api_keep(void)
{
	leftover_keep(&api.leftover);
}
