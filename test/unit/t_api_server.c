// SPDX-License-Identifier: GPL-2.0-or-later
/* Clients of a socket for requests: whose turn it is, who is slow, who makes room;
 * real sockets, on a clock of our own
 *
 * Links: ctl/api_server.o engine/loop.o engine/timer.o util.o util/addr.o
 * Links: util/unix_sock.o util/log.o
 */
#include "ctl/api_server.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "engine/loop.h"
#include "tap_test.h"

enum { PATIENCE_S = 10, REPLACE_MS = 1000, PLACES = 4 };

static struct {
	int64_t us, cpu_us;		/* our clocks */
	int64_t cost_us;		/* of all that is done between two looks at
					 * the second one */
	int64_t end_us;			/* run() is over */
	unsigned searches;		/* steps of each request to come */
	unsigned left[API_CLIENTS];	/* of the one that is being answered */
	char order[64];			/* first bytes of what was answered */
	char path[64];
} world;

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int64_t us = world.us;

	if (id == CLOCK_PROCESS_CPUTIME_ID)
		us = world.cpu_us += world.cost_us;
	ts->tv_sec = us / 1000000;
	ts->tv_nsec = us % 1000000 * 1000;
	return 0;
}

/* Nothing is ready: time passes */
int epoll_wait(int fd, struct epoll_event *ev, int max, int timeout)
{
	int n = (int)syscall(SYS_epoll_pwait, fd, ev, max, 0, NULL, 0);

	if (n == 0)
		world.us += 1000 * (int64_t)MAX(timeout, 0);
	world.us += 20;
	return n;
}

static bool is_over(void)
{
	return world.us >= world.end_us;
}

/* Turns of the loop, until so much time has passed */
static void run(int ms)
{
	world.end_us = world.us + ms * 1000LL;
	loop_linger(is_over, DUR_MS(ms));
}

/* ---- The protocol: a line → "yes" ---- */

static void more(struct api_client *c)
{
	unsigned *left = &world.left[api_index(c)];

	if (*left && --*left)
		api_again(c);
	else if (c->stays)
		api_print(c, "yes\n");
	c->stays = *left;
}

static bool input(struct api_client *c)
{
	const char *end = memchr(c->in, '\n', c->in_len);

	if (!end)
		return false;
	world.order[strlen(world.order)] = *c->in;
	if (*c->in == 'L') {
		while (api_room(c) > 8)
			api_print(c, "long\n");
	} else if (world.searches) {
		world.left[api_index(c)] = world.searches;
		c->stays = true;
		api_again(c);
	} else {
		api_print(c, "yes\n");
	}
	api_consume(c, (size_t)(end - c->in) + 1);
	return true;
}

static const struct api_ops asked = {
	.clients = PLACES, .patience_s = PATIENCE_S, .replace_ms = REPLACE_MS,
	.input = input, .more = more,
};

static const struct api_ops hurried = {
	.clients = PLACES, .patience_s = PATIENCE_S, .replace_ms = REPLACE_MS,
	.hurry = true, .input = input,
};

static void serve(enum api_socket which, const struct api_ops *ops)
{
	api_open(which, world.path, "--test", true);
	api_start(which, ops);
}

static int client(const char *says)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strncpy(sa.sun_path, world.path, sizeof(sa.sun_path) - 1);
	if (s < 0 || connect(s, (struct sockaddr *)&sa, sizeof(sa)) ||
	    send(s, says, strlen(says), MSG_NOSIGNAL) < 0)
		return -1;
	return s;
}

/* What it has got since: "" so far nothing, "end" */
static const char *got(int s)
{
	static char text[64];
	ssize_t n = recv(s, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[MAX(n, 0)] = '\0';
	return n ? text : "end";
}

/* ---- Tests ---- */

static void order(void)
{
	int s[PLACES];

	world.cost_us = 5000;		/* more than there is for a span */
	memset(world.order, 0, sizeof(world.order));
	for (unsigned i = 0; i < PLACES; i++)
		s[i] = client((const char *[]){ "a\n", "b\n", "c\n", "d\n" }[i]);
	run(1);
	is_str(world.order, "a", "more than there is time for: put off");
	send(s[0], "e\n", 2, 0);
	run(10);
	send(s[1], "f\n", 2, 0);
	run(200);
	is_str(world.order, "abcdef",
	       "those that were put off: one after the other, none twice before others");
	for (unsigned i = 0; i < PLACES; i++) {
		is_str(got(s[i]), i < 2 ? "yes\nyes\n" : "yes\n",
		       "client %u has its answer", i);
		close(s[i]);
	}
	run(100);
	world.cost_us = 0;
}

static void patience(void)
{
	int half = client("x"), idle = client(""), s[2];

	run(PATIENCE_S * 900);
	is_str(got(half), "", "half a line: it has time");
	run(PATIENCE_S * 200);
	is_str(got(half), "end", "...and then it goes");
	is_str(got(idle), "", "who says nothing may stay");
	close(half);

	world.cost_us = 5000;
	world.searches = 4000;		/* one in a span of 4 ms */
	s[0] = client("1\n2\n");
	s[1] = client("3\n");
	run(PATIENCE_S * 2000);
	is_str(got(s[0]), "", "what takes us long");
	world.cost_us = 0;
	run(1000);
	is_str(got(s[0]), "yes\nyes\n",
	       "...isn't held against who waits with another request");
	is_str(got(s[1]), "yes\n", "...nor against others");
	world.searches = 0;

	for (unsigned i = 0; i < 64; i++)	/* more than a socket holds */
		send(s[0], "L\n", 2, MSG_NOSIGNAL);
	run(PATIENCE_S * 900);
	is_int(send(s[0], "x", 1, MSG_NOSIGNAL), 1,
	       "who doesn't take the answer has time");
	run(PATIENCE_S * 200);
	while (recv(s[0], (char[4096]){ 0 }, 4096, MSG_DONTWAIT) > 0)
		;
	is_int(send(s[0], "x\n", 2, MSG_NOSIGNAL), -1,
	       "...and then goes");
	for (unsigned i = 0; i < 2; i++)
		close(s[i]);
	close(idle);
	run(100);
}

static void room(const struct api_ops *ops, const char *name)
{
	int s[PLACES], good;

	for (unsigned i = 0; i < PLACES; i++)
		s[i] = client("x");
	run(REPLACE_MS / 2);
	good = client("a\n");
	for (unsigned i = 0; i < PLACES; i++)
		send(s[i], "x", 1, 0);
	run(REPLACE_MS / 4);
	is_str(got(good), "", "%s: no place is free", name);
	run(REPLACE_MS / 2);
	is_str(got(good), ops->hurry ? "yes\n" : "",
	       "%s: who has come long ago makes room, whatever it says", name);
	run(REPLACE_MS);
	if (!ops->hurry)
		is_str(got(good), "yes\n", "%s: who was idle does", name);
	is_str(got(s[0]), "end", "%s: the first one", name);
	is_str(got(s[1]), "", "%s: no other", name);
	for (unsigned i = 0; i < PLACES; i++)
		close(s[i]);
	close(good);
	run(100);
}

/* They cost nothing but one look at what has happened */
static void gone(void)
{
	uint64_t turns;
	int s;

	world.cost_us = 5000;
	world.searches = 100;
	s = client("a\nb\n");
	run(50);
	turns = loop_turns();
	close(s);
	run(100);
	ok(loop_turns() - turns < 150, "gone while it was put off: nothing spins (%"
	   PRIu64 ")", loop_turns() - turns);
	world.cost_us = 0;
	world.searches = 0;
	run(1000);
	s = client("c\n");
	run(10);
	is_str(got(s), "yes\n", "...and others are served");
	close(s);
	run(10);
}

int main(void)
{
	char dir[] = "/tmp/t_api.XXXXXX";

	if (!mkdtemp(dir))
		return 1;
	snprintf(world.path, sizeof(world.path), "%s/s", dir);
	world.us = 1000000;
	loop_init();
	timer_init(loop_now());
	loop_add_hook(api_run_queue);
	serve(API_CONTROL, &asked);
	order();
	patience();
	gone();
	room(&asked, "asked");
	serve(API_SLIRP, &hurried);
	room(&hurried, "hurried");
	unlink(world.path);
	rmdir(dir);
	return done();
}
