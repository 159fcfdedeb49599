// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: clients of our UNIX sockets, see api_server.h
 *
 * Data: static: three sockets, and a table of clients, each with a buffer for its
 * request and one for a piece of the answer. Pages that were never used cost
 * nothing.
 *
 * Flow: connection → bytes → the protocol's input() → answer → sent, by pieces →
 * the next request, or the end. One event of a client does one pass of
 * client_run().
 *
 * Time: what clients cost is measured, and all share a budget for each turn
 * and for each span of some turns. While the loop has much else to do, that is a
 * fortieth of the time, so that a list of many thousand flows disturbs none of them;
 * what else it did in the last span tells. Who comes after the budget has been used
 * up is put off: into a queue, whose first ones go on in the next turn, or when a
 * timer tells that the span is over (api_run_queue()). Nobody overtakes them, and
 * while they wait they cost nothing: epoll tells of their end alone, and that once.
 *
 * Patience: who has begun to say something, or doesn't take an answer, has some
 * seconds. Who waits for us is given them again.
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
	TURN_US		= 200,		/* of our time, for answers in a turn… */
	SPAN_MS		= 4,		/* …and in so many milliseconds… */
	SPAN_US		= 2000,		/* …if there's little else to do… */
	BUSY_US		= 100,		/* …or if there is */
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
	uint64_t turn;			/* that turn_us is of */
	mono_t span;			/* began then */
	int64_t span_cpu;		/* loop_cpu_time() at that time */
	int64_t turn_us, span_us;	/* used for answers */
	int64_t limit_us;		/* of this span */
	struct timer rest;		/* runs: the budget is used up */
	dur_t since;			/* loop_cpu_time() when we began */

	uint16_t queue[API_CLIENTS];	/* a ring: those that were put off */
	unsigned queue_first, queued;
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

/* It goes on when its turn comes; once in the queue, however often this is called */
static void client_put_off(struct api_client *c)
{
	c->put_off = true;
	if (c->in_queue)
		return;
	c->in_queue = true;
	api.queue[(api.queue_first + api.queued++) % API_CLIENTS] =
		(uint16_t)api_index(c);
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

	if (c->put_off)
		events = EPOLLET;
	else if (c->out_len)
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

/* How much may answers cost from now on? */
static void budget_renew(void)
{
	int64_t passed = mono_sub(loop_now(), api.span).us;
	int64_t others;

	if (api.turn != loop_turns())
		api.turn_us = 0;
	api.turn = loop_turns();
	if (passed < SPAN_MS * 1000)
		return;
	others = loop_cpu_time().us - api.span_cpu - api.span_us;
	api.limit_us = others > passed / 16 ? BUSY_US : SPAN_US;
	api.span = loop_now();
	api.span_cpu += api.span_us + others;
	api.span_us = 0;
}

/* False: nothing is left */
static bool budget_has(void)
{
	budget_renew();
	if (api.span_us >= api.limit_us && !timer_is_armed(&api.rest))
		timer_set(&api.rest, TIMER_API,
			  mono_add(api.span, DUR_MS(SPAN_MS)));
	return api.turn_us < TURN_US && api.span_us < api.limit_us;
}

/* What we do from here on is for clients… */
static void budget_begin(void)
{
	api.since = loop_cpu_time();
}

/* …up to here */
static void budget_used(void)
{
	dur_t now = loop_cpu_time();
	int64_t us = now.us - api.since.us;

	api.since = now;
	api.turn_us += us;
	api.span_us += us;
}

enum step { STEP_MORE, STEP_WAIT, STEP_END, STEP_GONE };

/* Send what there is, then put a piece of an answer together, or begin with one */
static enum step client_step(struct api_client *c)
{
	const struct api_ops *ops = server_of(c)->ops;
	int rc = client_send(c);

	if (rc)
		return rc < 0 ? STEP_GONE : STEP_WAIT;
	if (!budget_has()) {
		client_put_off(c);
		return STEP_WAIT;
	}
	if (ops->more)
		ops->more(c);
	if (c->out_len)
		return STEP_MORE;
	if (c->put_off)
		return STEP_WAIT;
	if (c->ending)
		return STEP_END;
	if ((c->in_len || c->eof) && ops->input(c))
		return STEP_MORE;
	return c->eof && !c->stays ? STEP_END : STEP_WAIT;
}

/* One step after the other, until it waits for the client or is put off */
static void client_run(struct api_client *c)
{
	enum step step;

	c->put_off = false;
	do {
		step = client_step(c);
		budget_used();
	} while (step == STEP_MORE);
	if (step == STEP_END) {
		client_finish(c);
	} else if (step == STEP_GONE) {
		client_free(c);
	} else {
		client_time(c);
		client_watch(c);
	}
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
		if (!server_of(c)->ops->hurry)
			c->active = loop_now();
	}
	c->eof |= !n;
	return true;
}

static void client_event(struct api_client *c, uint32_t events)
{
	bool is_waited_for = c->put_off && c->in_len;

	if (events & EPOLLERR ||
	    (events & EPOLLHUP && c->eof && !is_waited_for) ||
	    (events & (EPOLLIN | EPOLLHUP) && !client_read(c))) {
		client_free(c);		/* nobody is there any more */
		return;
	}
	budget_begin();
	if (api.queued) {
		client_put_off(c);
		client_watch(c);
	} else {
		client_run(c);
	}
	budget_used();
}

/* The first of the queue; who has gone meanwhile, or was served, has left nothing */
static void queue_take(void)
{
	struct api_client *c = &clients[api.queue[api.queue_first]];

	api.queue_first = (api.queue_first + 1) % API_CLIENTS;
	api.queued--;
	c->in_queue = false;
	if (c->fd >= 0 && c->put_off)
		client_run(c);
}

void api_run_queue(void)
{
	if (!api.queued)
		return;
	budget_begin();
	/* Those that are put off now have had their turn */
	for (unsigned n = api.queued; n && budget_has(); n--)
		queue_take();
	budget_used();
	if (api.queued && !timer_is_armed(&api.rest))
		loop_again();
}

void api_again(struct api_client *c)
{
	client_put_off(c);
}

void api_wake(struct api_client *c)
{
	if (c->put_off || c->out_len)
		return;
	client_put_off(c);
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

/* May it be dropped for others? Not while it's us who are slow. */
static bool client_is_idle(const struct api_client *c, const struct api_ops *ops)
{
	return !c->put_off && !c->stays && (!c->out_len || ops->hurry);
}

/* The one that has been idle for the longest time, or NULL */
static struct api_client *server_idle(const struct api_server *s)
{
	struct api_client *idle = NULL;

	for (unsigned i = 0; i < API_CLIENTS; i++) {
		struct api_client *c = &clients[i];

		if (c->fd < 0 || server_of(c) != s ||
		    !client_is_idle(c, s->ops))
			continue;
		if (!idle || mono_before(c->active, idle->active))
			idle = c;
	}
	return idle;
}

/* Nobody is accepted until then, or until a client has gone */
static void server_rest(struct api_server *s, mono_t until)
{
	server_pause(s, true);
	timer_set(&s->retry, TIMER_API, until);
}

/* For one more; false: that has to wait */
static bool server_make_room(struct api_server *s)
{
	struct api_client *idle = server_idle(s);
	mono_t due = mono_add(idle ? idle->active : loop_now(),
			      DUR_MS(s->ops->replace_ms));

	if (s->clients < s->ops->clients)
		return true;
	if (!s->ops->replace_ms) {
		server_pause(s, true);
		return false;
	}
	if (!idle || mono_before(loop_now(), due)) {
		server_rest(s, due);
		return false;
	}
	client_finish(idle);
	return true;
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

/* Somebody waits at s; as many as there is room for are let in, and nobody has to
 * go for others who may not be there
 */
static void server_accept(struct api_server *s)
{
	if (!server_make_room(s))
		return;
	do {
		int fd = accept4(s->fd, NULL, NULL,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && errno == EAGAIN)
			return;
		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0 || !client_new(s, fd)) {
			server_rest(s, mono_add(loop_now(), DUR_S(RETRY_S)));
			return;
		}
	} while (s->clients < s->ops->clients);
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
	struct api_client *c;

	if (t == &api.rest)
		return;			/* api_run_queue() goes on */
	for (unsigned i = 0; i < API_SOCKETS; i++) {
		if (t == &servers[i].retry) {
			server_pause(&servers[i], false);
			return;
		}
	}
	c = container_of(t, struct api_client, timer);
	if (c->put_off)
		client_hurry(c);	/* it's us who are slow */
	else
		client_free(c);
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
