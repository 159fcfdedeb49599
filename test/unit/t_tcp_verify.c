// SPDX-License-Identifier: GPL-2.0-or-later
/* Server names: what was compared is what goes out, whatever the guest does to its
 * memory meanwhile, and however little the socket takes
 *
 * Links: tcp/tcp_verify.o util/server_name.o util/dnsname.o util/rdwr.o
 */
#include "tcp/tcp_verify.h"

#include <errno.h>
#include <sys/socket.h>

#include "fwd/audit.h"
#include "fwd/egress.h"
#include "tap_test.h"
#include "tcp/tcp_int.h"
#include "util.h"
#include "util/server_name.h"

enum { HELD = 128 };		/* places for what isn't enough yet */

static struct flow flow[HELD + 2];

/* The guest's memory, which it changes as soon as the name was compared */
static char guest[64 * 1024];
static bool turns_evil;

/* What the socket takes at once, and has taken; then it is full */
static size_t takes;
static char sent[64 * 1024];
static size_t sent_len;
static int faults, evicted, wrong;
static const char *ended;

ssize_t send(int fd, const void *p, size_t len, int flags)
{
	size_t n = MIN(len, takes);

	(void)fd;
	(void)flags;
	takes -= n;
	if (!n) {
		errno = EAGAIN;
		return -1;
	}
	memcpy(sent + sent_len, p, n);
	sent_len += n;
	return (ssize_t)n;
}

mono_t loop_now(void)
{
	return (mono_t){ 1000000 };
}

uint32_t flow_index(const struct flow *f)
{
	return (uint32_t)(f - flow);
}

struct flow *flow_at(uint32_t index)
{
	return &flow[index];
}

bool egress_may_name(uint8_t proto, const struct flow_side *g,
		     const struct flow_side *h, const char *name)
{
	(void)proto;
	(void)g;
	(void)h;
	if (turns_evil)
		for (char *p = guest; (p = strstr(p, "good")); )
			memcpy(p, "evil", 4);
	return !strcmp(name, "good.example");
}

void egress_named(const struct flow *f, const char *name)
{
	(void)f;
	(void)name;
}

void egress_wrong_name(uint8_t proto, const struct flow_side *g,
		       const char *name)
{
	(void)proto;
	(void)g;
	(void)name;
	wrong++;
}

void audit_end(const struct flow *f, const char *how)
{
	(void)f;
	ended = how;
}

void flow_evict(struct flow *f)
{
	tcp_verify_forget(f);
	evicted++;
}

void tcp_fault(struct flow *f, int rc)
{
	(void)f;
	(void)rc;
	faults++;
}

static const char request[] = "GET / HTTP/1.1\r\nHost: good.example\r\n\r\n";
enum { LEN = sizeof(request) - 1 };

static struct flow *begin(size_t socket_takes)
{
	tcp_verify_forget(flow);
	flow->tcp.verify = true;
	sent_len = 0;
	takes = socket_takes;
	turns_evil = false;
	return flow;
}

/* A run of the guest's memory, in two pieces */
static int run(struct flow *f, size_t at, size_t len)
{
	const struct iovec iov[] = { { guest + at, len / 2 },
				     { guest + at + len / 2, len - len / 2 } };

	return tcp_verify(f, iov, 2, (uint32_t)len);
}

static bool sent_is(const char *what, size_t len)
{
	return sent_len == len && !memcmp(sent, what, len);
}

static void in_one(void)
{
	struct flow *f = begin(SIZE_MAX);

	strcpy(guest, request);
	is_int(run(f, 0, LEN), LEN, "a name in one run: all of it is taken");
	ok(!f->tcp.verify && sent_is(request, LEN), "... and sent");

	f = begin(SIZE_MAX);
	turns_evil = true;
	is_int(run(f, 0, LEN), LEN, "the guest changes its memory");
	ok(strstr(guest, "evil") && sent_is(request, LEN),
	   "... what was compared is what goes out");

	f = begin(SIZE_MAX);
	is_int(run(f, 0, LEN), -1, "another name");
	ok(f->tcp.verify && !sent_len && wrong == 1, "... nothing goes out");
}

static void more_than_compared(void)
{
	struct flow *f = begin(SIZE_MAX);

	memset(guest, 'x', sizeof(guest));
	memcpy(guest, request, LEN);
	is_int(run(f, 0, 40000), SERVER_NAME_BYTES,
	       "a long run: as much is taken as is looked at");
	ok(!f->tcp.verify && sent_is(guest, SERVER_NAME_BYTES),
	   "... the rest is the caller's");
}

static void full_socket(size_t first)
{
	struct flow *f = begin(first);

	strcpy(guest, request);
	is_int(run(f, 0, LEN), LEN, "a socket that takes %zu bytes: all is kept",
	       first);
	ok(f->tcp.verify && sent_is(request, first),
	   "... verification isn't over");
	/* Whatever comes now instead of the rest */
	memcpy(strstr(guest, "good"), "evil", 4);
	is_int(run(f, first, LEN - first), 0, "other bytes aren't taken");
	is_int(tcp_verify_end(f), 0, "... nor the stream's end");
	takes = 3;
	ok(tcp_verify_writable(f) && f->tcp.verify, "there is some room");
	takes = SIZE_MAX;
	ok(tcp_verify_writable(f) && !f->tcp.verify, "there is room");
	ok(sent_is(request, LEN), "... what was compared has gone out");
	is_int(tcp_verify_end(f), 1, "... and the stream may end");
}

static void in_parts(void)
{
	struct flow *f = begin(SIZE_MAX);

	strcpy(guest, request);
	is_int(run(f, 0, 20), 20, "a part of a name is kept");
	ok(f->tcp.verify && !sent_len, "... and not sent");
	memset(guest, 'x', 20);
	turns_evil = true;
	is_int(run(f, 20, LEN - 20), LEN - 20, "the rest of it");
	ok(!f->tcp.verify && sent_is(request, LEN), "... it is sent as compared");

	f = begin(10);
	strcpy(guest, request);
	run(f, 0, 20);
	is_int(run(f, 20, LEN - 20), LEN - 20, "the same, into a full socket");
	takes = SIZE_MAX;
	is_int(tcp_verify_end(f), 1, "... at the end there is room");
	ok(!f->tcp.verify && sent_is(request, LEN), "... all has gone out");
	is_int(faults + evicted, 0, "nothing has failed");
}

/* More that have said too little than there are places */
static void many(void)
{
	strcpy(guest, request);
	begin(SIZE_MAX);
	for (int i = 1; i <= HELD; i++) {
		flow[i].tcp.verify = true;
		is_int(run(&flow[i], 0, 20), 20, "number %d waits", i);
	}
	is_int(evicted, 0, "all have a place");
	flow[HELD + 1].tcp.verify = true;
	is_int(run(&flow[HELD + 1], 0, 20), 20, "one more");
	is_int(evicted, 1, "... for which one makes room");
	ok(ended && !strcmp(ended, "made room"), "... as the record says");
}

int main(void)
{
	in_one();
	more_than_compared();
	full_socket(0);
	full_socket(30);
	in_parts();
	many();
	return done();
}
