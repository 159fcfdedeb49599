// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: clients of our UNIX sockets, see api_server.h
 *
 * Data: static: three sockets, and a table of clients, each with a buffer for its
 * request and one for a piece of the answer. Pages that were never used cost
 * nothing.
 *
 * Flow: connection → bytes → the protocol's input() → answer → sent, by pieces →
 * the next request, or the end. One event of a client does one pass of
 * client_run(); all passes of a turn share a budget, and who comes after it has
 * been used up is asked to write again in the next turn.
 *
 * The end: what a client sends beyond its request is thrown away, up to a limit,
 * so that it reads our answer rather than a reset.
 */
#include "ctl/api_server.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/loop.h"
#include "util.h"
#include "util/log.h"
#include "util/unix_sock.h"

enum {
	RETRY_S		= 1,		/* without descriptors */
	DISCARD		= 16,		/* reads of the rest, at the end */
	BACKLOG		= 128,
	TURN_BUDGET	= 2 * API_OUT,	/* bytes of answers in a turn… */
	STEP_COST	= 1024,		/* …and a step counts as so many */
	IDLE_MIN_S	= 1,		/* nobody makes room before */
};

struct api_server {
	const struct api_ops *ops;
	int fd;				/* -1: not open */
	bool paused;			/* nobody is accepted now */
	unsigned clients;
	struct timer retry;

	struct leftover leftover;	/* the socket's name */
	bool stays;			/* …when we have gone */
};

static struct api_server servers[API_SOCKETS] = {
	[0 ... API_SOCKETS - 1] = { .fd = -1, .leftover = { .dir_fd = -1 } },
};

/* Apart, since what isn't zero at the start takes room in the binary */
static struct api_client clients[API_CLIENTS];

static struct {
	bool started;
	uint64_t turn;			/* that the budget is for */
	size_t budget;
} api;

/* ---- Buffers ---- */

unsigned api_index(const struct api_client *c)
{
	return (unsigned)(c - clients);
}

struct api_client *api_client(unsigned index)
{
	assert(index < API_CLIENTS);
	return &clients[index];
}

void api_consume(struct api_client *c, size_t n)
{
	assert(n <= c->in_len);
	c->in_len -= n;
	memmove(c->in, c->in + n, c->in_len);
}

size_t api_room(const struct api_client *c)
{
	return API_OUT - c->out_len;
}

bool api_write(struct api_client *c, const void *bytes, size_t n)
{
	if (n > api_room(c))
		return false;
	memcpy(c->out + c->out_len, bytes, n);
	c->out_len += n;
	return true;
}

bool api_print(struct api_client *c, const char *fmt, ...)
{
	size_t room = api_room(c);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(c->out + c->out_len, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room)
		return false;
	c->out_len += (size_t)n;
	return true;
}

/* ---- Clients ---- */

static struct loop_ref client_ref(const struct api_client *c)
{
	return (struct loop_ref){ .kind = LOOP_API, .gen = c->gen,
				  .index = api_index(c) };
}

static struct loop_ref server_ref(const struct api_server *s)
{
	return (struct loop_ref){
		.kind = LOOP_API,
		.index = API_CLIENTS + (uint32_t)(s - servers),
	};
}

static struct api_server *server_of(const struct api_client *c)
{
	return &servers[c->socket];
}

static void server_pause(struct api_server *s, bool pause)
{
	if (s->paused == pause)
		return;
	s->paused = pause;
	loop_mod(s->fd, pause ? 0 : EPOLLIN, server_ref(s));
}

static void client_free(struct api_client *c)
{
	struct api_server *s = server_of(c);

	if (s->ops->closed)
		s->ops->closed(c);
	timer_cancel(&c->timer);
	loop_del(c->fd);
	close_fd(&c->fd);
	c->gen++;
	s->clients--;
	server_pause(s, false);
}

static void client_finish(struct api_client *c)
{
	shutdown(c->fd, SHUT_WR);
	for (unsigned i = 0; i < DISCARD; i++) {
		if (recv(c->fd, c->in, sizeof(c->in), MSG_DONTWAIT) <= 0)
			break;
	}
	client_free(c);
}

static void client_hurry(struct api_client *c)
{
	timer_set(&c->timer, TIMER_API,
		  mono_add(loop_now(),
			   DUR_S(server_of(c)->ops->patience_s)));
}

/* It is slow from the moment on that it owes us something */
static void client_time(struct api_client *c)
{
	bool owes = c->out_len || c->in_len || c->unfinished;

	if (server_of(c)->ops->hurry)
		return;
	if (!owes)
		timer_cancel(&c->timer);
	else if (!timer_is_armed(&c->timer))
		client_hurry(c);
}

static void client_watch(struct api_client *c)
{
	uint32_t events = 0;

	if (c->out_len || c->put_off)
		events = EPOLLOUT;
	else if (!c->eof && c->in_len < API_IN)
		events = EPOLLIN;
	if (events == c->events)
		return;
	c->events = events;
	if (loop_mod(c->fd, events, client_ref(c)))
		client_free(c);
}

/* 0: all is sent, 1: not yet, or -errno */
static int client_send(struct api_client *c)
{
	while (c->out_sent < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_sent,
				 c->out_len - c->out_sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 1 : -errno;
		c->out_sent += (size_t)n;
	}
	if (c->out_len) {
		c->active = loop_now();
		c->out_len = c->out_sent = 0;
		if (!server_of(c)->ops->hurry)
			timer_cancel(&c->timer);
	}
	return 0;
}

static bool budget_take(size_t n)
{
	if (api.turn != loop_turns()) {
		api.turn = loop_turns();
		api.budget = TURN_BUDGET;
	}
	if (!api.budget)
		return false;
	api.budget -= MIN(api.budget, n);
	return true;
}

/* One step after the other, until it waits for the client or is put off */
static void client_run(struct api_client *c)
{
	const struct api_ops *ops = server_of(c)->ops;
	int rc;

	c->put_off = false;
	while (!(rc = client_send(c))) {
		if (!budget_take(STEP_COST)) {
			c->put_off = true;
			break;
		}
		if (ops->more)
			ops->more(c);
		budget_take(c->out_len);
		if (c->out_len)
			continue;
		if (c->put_off)
			break;
		if (c->ending) {
			client_finish(c);
			return;
		}
		if (!(c->in_len || c->eof) || !ops->input(c)) {
			if (!c->eof || c->stays)
				break;
			client_finish(c);
			return;
		}
	}
	if (rc < 0) {
		client_free(c);
		return;
	}
	client_time(c);
	client_watch(c);
}

/* False: it has gone */
static bool client_read(struct api_client *c)
{
	ssize_t n;

	if (c->eof || c->in_len == API_IN)
		return true;
	n = recv(c->fd, c->in + c->in_len, API_IN - c->in_len, MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return false;
	if (n > 0) {
		c->in_len += (size_t)n;
		c->active = loop_now();
	}
	c->eof |= !n;
	return true;
}

static void client_event(struct api_client *c, uint32_t events)
{
	if (events & EPOLLERR || (events & EPOLLHUP && c->eof && !c->put_off) ||
	    (events & (EPOLLIN | EPOLLHUP) && !client_read(c))) {
		client_free(c);		/* nobody is there any more */
		return;
	}
	client_run(c);
}

void api_again(struct api_client *c)
{
	c->put_off = true;
}

void api_wake(struct api_client *c)
{
	if (c->put_off || c->out_len)
		return;
	c->put_off = true;
	client_watch(c);
}

/* ---- Sockets ---- */

/* There is one: all sockets' clients together aren't more */
static struct api_client *client_slot(void)
{
	struct api_client *c = clients;

	while (c->fd >= 0)
		c++;
	return c;
}

/* Drop the one that has been idle for the longest time. False: none is. */
static bool server_make_room(const struct api_server *s)
{
	mono_t limit = mono_add(loop_now(), DUR_S(-IDLE_MIN_S));
	struct api_client *idle = NULL;

	for (unsigned i = 0; i < API_CLIENTS; i++) {
		struct api_client *c = &clients[i];

		if (c->fd < 0 || server_of(c) != s || c->out_len ||
		    c->put_off || c->stays || mono_before(limit, c->active))
			continue;
		if (!idle || mono_before(c->active, idle->active))
			idle = c;
	}
	if (idle)
		client_finish(idle);
	return idle;
}

static bool server_has_room(const struct api_server *s)
{
	return s->clients < s->ops->clients ||
	       (s->ops->replace && server_make_room(s));
}

static bool client_new(struct api_server *s, int fd)
{
	struct api_client *c = client_slot();

	c->fd = fd;
	c->gen++;
	c->socket = (uint8_t)(s - servers);
	c->eof = c->ending = c->stays = c->put_off = c->unfinished = false;
	c->in_len = c->out_len = c->out_sent = 0;
	c->active = loop_now();
	c->events = EPOLLIN | EPOLLOUT;
	if (loop_add(fd, c->events, client_ref(c))) {
		close_fd(&c->fd);
		return false;
	}
	s->clients++;
	if (s->ops->hurry)
		client_hurry(c);
	if (s->ops->opened)
		s->ops->opened(c);
	return true;
}

static void server_accept(struct api_server *s)
{
	while (server_has_room(s)) {
		int fd = accept4(s->fd, NULL, NULL,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && errno == EAGAIN)
			return;
		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0 || !client_new(s, fd)) {
			timer_set(&s->retry, TIMER_API,
				  mono_add(loop_now(), DUR_S(RETRY_S)));
			break;
		}
	}
	/* Whoever ends lets others in; if all are idle, ask again */
	if (s->ops->replace)
		timer_set(&s->retry, TIMER_API,
			  mono_add(loop_now(), DUR_S(RETRY_S)));
	server_pause(s, true);
}

static void api_event(struct loop_ref ref, uint32_t events)
{
	struct api_client *c;

	if (ref.index >= API_CLIENTS) {
		server_accept(&servers[ref.index - API_CLIENTS]);
		return;
	}
	c = &clients[ref.index];
	if (c->fd >= 0 && c->gen == ref.gen)
		client_event(c, events);
}

static void api_timer(struct timer *t)
{
	for (unsigned i = 0; i < API_SOCKETS; i++) {
		if (t == &servers[i].retry) {
			server_pause(&servers[i], false);
			return;
		}
	}
	client_free(container_of(t, struct api_client, timer));
}

/* ---- Start and end ---- */

void api_open(enum api_socket which, const char *path, const char *option,
	      bool take)
{
	struct api_server *s = &servers[which];
	int fd = take ? unix_listen(path, UNIX_ANYTHING, 0, BACKLOG) :
			unix_listen(path, UNIX_DEAD, 0177, BACKLOG);

	if (fd == -EADDRINUSE)
		die("Socket path %s already in use (%s)", path, option);
	if (fd < 0)
		die("%s: couldn't listen at %s: %s", option, path,
		    strerror(-fd));
	s->fd = fd;
	leftover_note(&s->leftover, path);
	s->stays = take;
}

void api_start(enum api_socket which, const struct api_ops *ops)
{
	struct api_server *s = &servers[which];
	int rc;

	if (s->fd < 0)
		return;
	s->ops = ops;
	if (!api.started) {
		for (unsigned i = 0; i < API_CLIENTS; i++)
			clients[i].fd = -1;
		loop_set_handler(LOOP_API, api_event);
		timer_set_handler(TIMER_API, api_timer);
		api.started = true;
	}
	rc = loop_add(s->fd, EPOLLIN, server_ref(s));
	if (rc)
		die("Couldn't watch a socket for requests: %s", strerror(-rc));
}

unsigned api_names(const struct leftover *ret_names[API_SOCKETS])
{
	unsigned n = 0;

	for (unsigned i = 0; i < API_SOCKETS; i++) {
		if (servers[i].fd >= 0 && !servers[i].stays)
			ret_names[n++] = &servers[i].leftover;
	}
	return n;
}

void api_undo(void)
{
	for (unsigned i = 0; i < API_SOCKETS; i++)
		leftover_remove(&servers[i].leftover);
}

void api_keep(void)
{
	for (unsigned i = 0; i < API_SOCKETS; i++)
		leftover_keep(&servers[i].leftover);
}
