// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: connections to forwarded TCP ports, until it is known who carries them
 *
 * Flow: a listener is readable → accept4() until EAGAIN, or for a turn's share →
 * fwd says by which path → its taker: TCP for frames, splice for sockets.
 *
 * Faults: without descriptors, idle flows make room; if there are none, clients are
 * refused by a spare descriptor, so that they learn at once. Whatever else stops
 * accept4() may be over in a moment: the listener, which is edge-triggered, is
 * watched anew then (retry.h).
 */
#include "host/accept.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/drop.h"
#include "engine/flow.h"
#include "engine/loop.h"
#include "engine/retry.h"
#include "host/listen.h"
#include "host/net.h"
#include "host/sock.h"
#include "tap.h"
#include "util.h"
#include "util/wire.h"

enum {
	ACCEPT_BUDGET	= 256,		/* per listener and turn, at most */
	ACCEPT_PATHS	= FWD_SPLICE + 1,
};

static struct {
	const struct conf *conf;
	accept_taker taker[ACCEPT_PATHS];
	int spare_fd;			/* given up to refuse a connection */
	unsigned faults;		/* since one was accepted */
	struct retry retry;
} acc = { .spare_fd = -1 };

/* Apart, since what isn't zero at the start takes room in the binary */
static uint64_t accept_marks[RETRY_LEVELS * RETRY_WORDS(LISTEN_MAX)];

void accept_refuse(const struct accepted *a)
{
	int fd = a->fd;

	debug("TCP connection from %s can't be forwarded",
	      ENDPOINT_STR(&a->from.peer, a->from.peer_port));
	sock_reset(&fd);
}

/* From loopback to loopback: where else? Out of the namespace, the policy is asked
 * about each of the places where the service may be.
 */
static enum fwd_path accept_splice(struct accepted *a)
{
	struct flow_side to_other;

	if (a->ini == GUEST)
		a->egress = egress_splice(PROTO_TCP, &a->from, &a->to);
	if (a->egress.denied)
		return FWD_REFUSE;
	if (a->egress.is_query)
		return FWD_SPLICE;
	to_other = a->to;
	to_other.peer = fwd_splice_other(net_get(), &tap_guest, &a->to.peer);
	if (a->ini == HOST ||
	    (!addr_is_none(&to_other.peer) &&
	     egress_back(PROTO_TCP, &a->from, &to_other).verdict == EGRESS_GO))
		a->other = to_other.peer;
	return FWD_SPLICE;
}

static void accept_one(const struct listener *l, int fd,
		       const union sockaddr_any *sa)
{
	struct accepted a = { .fd = fd, .ini = l->side };
	enum fwd_path path = FWD_REFUSE;

	acc.faults = 0;
	a.from.peer = addr_from_sockaddr(sa, &a.from.peer_port);
	a.from.our = sock_local(fd, &a.from.our_port);
	if (!addr_is_none(&a.from.our))
		path = fwd_map_listener(acc.conf, net_get(), &tap_guest,
					l->rule, a.ini, &a.from, &a.to);
	if (path == FWD_REFUSE)
		drop(DROP_NOT_FORWARDED);
	else if (path == FWD_SPLICE)
		path = accept_splice(&a);
	acc.taker[path](&a);
}

/* Out of descriptors: refuse one connection at a time with the spare one, so that
 * clients learn at once and the listener doesn't keep us busy. 0: there's nobody
 * left; or -errno.
 */
static int accept_and_refuse(const struct listener *l)
{
	int rc = 0;

	if (acc.spare_fd < 0)
		acc.spare_fd = dup(loop_fd());
	if (acc.spare_fd < 0)
		return -errno;
	warn_limited("No descriptors left for connections to port %u", l->port);
	close_fd(&acc.spare_fd);
	for (int i = 0; i < ACCEPT_BUDGET; i++) {
		int fd = accept4(l->fd, NULL, NULL,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		rc = fd < 0 ? -errno : -EAGAIN;
		if (fd < 0)
			break;
		drop(DROP_NO_DESCRIPTOR);
		sock_reset(&fd);
	}
	acc.spare_fd = dup(loop_fd());
	return rc;
}

static void accept_fault(uint32_t index, int rc)
{
	debug("accept: %s", strerror(-rc));
	retry_later(&acc.retry, index, acc.faults++);
}

static struct loop_ref accept_ref(uint32_t index)
{
	return (struct loop_ref){ .kind = LOOP_LISTEN_TCP,
				  .gen = listen_at(index)->gen,
				  .index = index };
}

/* Edge-triggered, and there may be more: have the kernel tell again, which it does
 * only if there is
 */
static void accept_rearm(uint32_t index)
{
	const struct listener *l = listen_at(index);
	int rc;

	if (l->fd < 0 || l->rule->proto != PROTO_TCP)
		return;
	rc = loop_mod(l->fd, EPOLLIN | EPOLLET, accept_ref(index));
	if (rc)
		accept_fault(index, rc);
}

/* Is this an error of the one connection that would have been accepted? */
static bool accept_is_of_client(int rc)
{
	return rc == -ECONNABORTED || rc == -EPROTO || rc == -EHOSTUNREACH ||
	       rc == -ENETUNREACH || rc == -ENETDOWN || rc == -EHOSTDOWN ||
	       rc == -ETIMEDOUT || rc == -ENOPROTOOPT || rc == -EOPNOTSUPP;
}

/* As many as there is time for, and one for each listener, or one that is flooded would
 * take it all: the others wait in the kernel's queue
 */
static void accept_all(const struct listener *l, uint32_t index)
{
	unsigned tries = 0;

	for (int i = 0; i < ACCEPT_BUDGET && (!i || loop_may_open()); i++) {
		union sockaddr_any sa;
		socklen_t len = sizeof(sa);
		int fd, rc;

		loop_opening_starts();
		fd = accept4(l->fd, &sa.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		rc = fd < 0 ? -errno : 0;
		if (!rc)
			accept_one(l, fd, &sa);
		loop_opening_ends();

		if (rc == -EAGAIN)
			return;
		if (!rc)
			continue;
		/* Momentary, perhaps: once more at once */
		if (accept_is_of_client(rc) || flow_make_room(rc) ||
		    (is_momentary(rc) && !tries++))
			continue;
		if (is_out_of_files(rc))
			rc = accept_and_refuse(l);
		if (!rc)
			break;
		if (rc != -EAGAIN)
			accept_fault(index, rc);
		return;
	}
	accept_rearm(index);
}

static void accept_event(struct loop_ref ref, uint32_t events)
{
	const struct listener *l = listen_get(ref.index, ref.gen);

	(void)events;
	if (l)
		accept_all(l, ref.index);
}

/* A new listener */
static int accept_from(uint32_t index)
{
	return loop_add(listen_at(index)->fd, EPOLLIN | EPOLLET,
			accept_ref(index));
}

void accept_set_taker(enum fwd_path path, accept_taker take)
{
	acc.taker[path] = take;
}

void accept_init(const struct conf *c)
{
	const struct listen_user user = { .opened = accept_from };

	acc.conf = c;
	acc.spare_fd = dup(loop_fd());
	retry_init(&acc.retry, accept_marks, RETRY_WORDS(LISTEN_MAX),
		   accept_rearm);
	for (unsigned i = 0; i < ACCEPT_PATHS; i++)
		if (!acc.taker[i])
			acc.taker[i] = accept_refuse;
	loop_set_handler(LOOP_LISTEN_TCP, accept_event);
	listen_attach(PROTO_TCP, &user);
}
