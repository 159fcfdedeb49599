// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: TCP connections from one loopback interface to the other: two sockets,
 * and pipes between them, by splice(2)
 *
 * Flow: accept.c accepts, fwd decides → splice_accepted(): a socket on the other
 * side (inside the namespace or on the host), non-blocking connect() → refused:
 * the same by the other family, then RST to the client; connected: both
 * directions are pumped, socket → pipe → socket, whenever an event says that there
 * is something to do.
 *
 * Data: a direction holds a pipe only as long as bytes are in it; at rest it has
 * none. Empty pipes wait in a pool. So ten thousand idle connections need two
 * descriptors each, and busy ones pass the same few pipes around. A few of them
 * are there from the start, and are never given up, so that something moves when
 * there are no more descriptors.
 *
 * Faults: what fails for a moment (no pipe to be had, no memory, an interruption)
 * is tried again a moment later, see retry.h; nothing is lost meanwhile.
 *
 * Closing: the end of one stream becomes SHUT_WR on the other socket once the
 * pipe is empty; when both have ended, the sockets are closed. Where only one has, the
 * kernel asks now and then whether its peer still knows of the connection. A reset of
 * either side becomes one on the other, after what had come before it; what comes from
 * one that had ended before doesn't overtake what it sent.
 *
 * Invariants: sockets are watched edge-triggered for everything. `readable` is
 * only cleared by EAGAIN with an empty pipe (with a full one it could mean the
 * pipe), `writable` only by EAGAIN: so either an event will come, or the pump
 * has been to the end, or the connection is on the list for the next turn, or for
 * another try.
 *
 * Urgent data stops splice(2), which can't pass it: from then on that direction
 * is copied through the same pipe. The byte arrives as data.
 */
#include "splice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/counters.h"
#include "engine/drop.h"
#include "engine/flow.h"
#include "engine/retry.h"
#include "fwd/audit.h"
#include "fwd/egress.h"
#include "host/accept.h"
#include "host/dns_proxy.h"
#include "host/sock.h"
#include "util.h"
#include "util/wire.h"

enum {
	SPLICE_PIPES	= 64,		/* empty ones that are kept */
	SPLICE_RESERVE	= 4,		/* ...and a few more, from the start */
	SPLICE_PIPE_SIZE = 256 * 1024,
	SPLICE_CHUNK	= 1024 * 1024,	/* asked for; the pipe takes less */
	SPLICE_COPY	= 4096,		/* fits in any empty pipe, atomically */
	SPLICE_STEPS	= 16,		/* per direction and turn */
	SPLICE_CONNECTS	= 4,		/* tries, if it fails for a moment */
	SPLICE_DISCARDS	= 8,		/* likewise */
};

#define SPLICE_EVENTS	(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET)
#define SPLICE_FLAGS	(SPLICE_F_MOVE | SPLICE_F_NONBLOCK)

struct splice_counters splice_counters;

/* Empty pipes */
struct pool {
	unsigned count;
	int pipe[SPLICE_PIPES][2];
};

static struct {
	struct pool pool;		/* of those that were used */
	struct pool reserve;		/* for times without descriptors */
	uint32_t queue_head;		/* flow index + 1; 0: empty */
	struct retry retry;
	uint64_t retry_marks[RETRY_LEVELS * RETRY_WORDS(FLOW_MAX)];
} spl;

/* ---- Pipes ---- */

static bool pool_get(struct pool *pool, int ret_pipe[2])
{
	if (!pool->count)
		return false;
	memcpy(ret_pipe, pool->pipe[--pool->count], sizeof(*pool->pipe));
	return true;
}

static bool pool_put(struct pool *pool, unsigned max, const int p[2])
{
	if (pool->count >= max)
		return false;
	memcpy(pool->pipe[pool->count++], p, sizeof(*pool->pipe));
	return true;
}

static int pipe_open(int ret_pipe[2])
{
	int p[2];

	if (pipe2(p, O_NONBLOCK | O_CLOEXEC))
		return -errno;
	memcpy(ret_pipe, p, sizeof(p));
	return 0;
}

static int pipe_get(struct splice_dir *d)
{
	int rc;

	if (d->pipe[0] >= 0 || pool_get(&spl.pool, d->pipe))
		return 0;
	rc = pipe_open(d->pipe);
	if (flow_make_room(rc))
		rc = pipe_open(d->pipe);
	/* Within the limits of the user; a short one will do, too */
	if (!rc && fcntl(d->pipe[1], F_SETPIPE_SZ, SPLICE_PIPE_SIZE) < 0)
		debug("Couldn't enlarge a pipe: %s", strerror(errno));
	if (rc && pool_get(&spl.reserve, d->pipe))
		rc = 0;
	return rc;
}

static void pipe_put(struct splice_dir *d)
{
	if (d->pipe[0] < 0)
		return;
	if (!d->queued && (pool_put(&spl.reserve, SPLICE_RESERVE, d->pipe) ||
			   pool_put(&spl.pool, SPLICE_PIPES, d->pipe))) {
		d->pipe[0] = d->pipe[1] = -1;
		return;
	}
	close_fd(&d->pipe[0]);
	close_fd(&d->pipe[1]);
}

/* Somebody needs descriptors more than pipes that wait for work */
static bool pipes_give_up(void)
{
	int p[2];

	if (!pool_get(&spl.pool, p))
		return false;
	close(p[0]);
	close(p[1]);
	return true;
}

/* ---- One direction ---- */

/* Through our memory into the pipe, which is empty. The socket keeps the bytes
 * until they are in there.
 */
static ssize_t dir_copy(int fd, struct splice_dir *d)
{
	char buf[SPLICE_COPY];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_PEEK | MSG_DONTWAIT);
	ssize_t left, got;

	if (n <= 0)
		return n;
	n = left = write(d->pipe[1], buf, (size_t)n);
	for (int i = 0; left > 0 && i < SPLICE_DISCARDS; i++) {
		got = recv(fd, buf, (size_t)left, MSG_DONTWAIT);
		left -= got > 0 ? got : 0;
	}
	if (left <= 0)
		return n;
	/* They would come twice */
	d->queued += (uint32_t)n;
	errno = EIO;
	return -1;
}

/* Nothing came, and no error: 1 for an urgent byte, 0 for the end of the stream,
 * or -errno
 */
static int dir_is_urgent(int fd)
{
	ssize_t n;
	char c;

	n = recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);
	return n < 0 ? -errno : (int)n;
}

/* Socket → pipe: 1 for progress, 0 for none, -errno */
static int dir_fill(struct splice_conn *conn, unsigned from)
{
	struct splice_dir *d = &conn->dir[from];
	int rc;
	ssize_t n;

	if (d->eof || !d->readable || (d->copy && d->queued))
		return 0;
	rc = pipe_get(d);
	if (rc)
		return rc;
	if (d->copy)
		n = dir_copy(conn->fd[from], d);
	else
		n = splice(conn->fd[from], NULL, d->pipe[1], NULL,
			   SPLICE_CHUNK, SPLICE_FLAGS);
	if (n > 0) {
		d->queued += (uint32_t)n;
		splice_counters.bytes += (uint64_t)n;
		flow_moved(container_of(conn, struct flow, splice), from,
			   (uint64_t)n);
		return 1;
	}
	rc = n < 0 ? -errno : d->copy ? 0 : dir_is_urgent(conn->fd[from]);
	if (rc > 0) {
		d->copy = true;
	} else if (!rc) {
		d->eof = true;
	} else if (rc == -EAGAIN) {
		d->readable = d->queued;
		rc = 0;
	}
	return rc;
}

/* Pipe → socket, likewise */
static int dir_drain(struct splice_conn *conn, unsigned from)
{
	struct splice_dir *d = &conn->dir[from];
	ssize_t n;

	if (!d->queued || !d->writable)
		return 0;
	n = splice(d->pipe[0], NULL, conn->fd[!from], NULL, d->queued,
		   SPLICE_FLAGS);
	if (n > 0) {
		d->queued -= (uint32_t)n;
		return 1;
	}
	if (n < 0 && errno != EAGAIN)
		return -errno;
	d->writable = false;
	return 0;
}

/* Data as far as it goes. 1: more than its share is there, 0, or -errno */
static int dir_move(struct splice_conn *conn, unsigned from)
{
	int filled = 1, drained = 1;

	for (int i = 0; i < SPLICE_STEPS && (filled || drained); i++) {
		filled = dir_fill(conn, from);
		drained = dir_drain(conn, from);
		if (drained < 0 || filled < 0)
			return MIN(drained, filled);
	}
	return filled || drained;
}

/* Data, then the end of the stream; likewise */
static int dir_pump(struct splice_conn *conn, unsigned from)
{
	struct splice_dir *d = &conn->dir[from];
	int rc = dir_move(conn, from);

	if (d->queued)
		return rc;
	pipe_put(d);
	if (rc >= 0 && d->eof && !d->shut) {
		if (shutdown(conn->fd[!from], SHUT_WR))
			return -errno;
		d->shut = true;
		/* Has it only ended, or closed? A kernel forgets what no process
		 * has any more (FIN-WAIT-2), and doesn't tell unless asked.
		 */
		sock_watch_peer(conn->fd[from]);
	}
	return rc;
}

/* ---- Connections ---- */

static void splice_queue(struct flow *f)
{
	loop_again();
	if (f->splice.queued)
		return;
	f->splice.queued = true;
	f->splice.next_queued = spl.queue_head;
	spl.queue_head = flow_index(f) + 1;
}

static void splice_done(struct flow *f)
{
	struct splice_conn *conn = &f->splice;

	for (unsigned side = 0; side < FLOW_SIDES; side++) {
		pipe_put(&conn->dir[side]);
		close_fd(&conn->fd[side]);
	}
	audit_end(f, "closed");
	flow_debug(f, "closed");
	flow_free(f);
}

/* RST to one side, for an error of the connection. But what the other one had sent
 * before it closed, which is all that it had to say, is the kernel's to deliver.
 */
static void splice_reset(struct splice_conn *conn, unsigned side)
{
	if (conn->dir[!side].shut && sock_has_unacked_data(conn->fd[side]))
		close_fd(&conn->fd[side]);
	else
		sock_reset(&conn->fd[side]);
}

/* Reset both sides; what had come before the reset goes before it */
static void splice_abort(struct flow *f, int error)
{
	struct splice_conn *conn = &f->splice;

	drop(conn->connected ? DROP_SPLICE_RESET : drop_of_connect(error));
	audit_end(f, conn->connected ? "reset" : "refused");
	flow_debug(f, "reset: %s", strerror(error));
	for (unsigned side = 0; side < FLOW_SIDES; side++) {
		if (conn->connected)
			dir_move(conn, side);
	}
	for (unsigned side = 0; side < FLOW_SIDES; side++)
		splice_reset(conn, side);
	splice_done(f);
}

/* Later: it failed for a reason that may be gone then */
static void splice_retry(struct flow *f, int rc)
{
	struct splice_conn *conn = &f->splice;

	flow_debug(f, "later: %s", strerror(-rc));
	conn->later = true;
	retry_later(&spl.retry, flow_index(f), conn->faults);
	conn->faults += conn->faults < UINT8_MAX;
}

static void splice_pump(struct flow *f)
{
	struct splice_conn *conn = &f->splice;
	bool again = false;

	conn->later = false;
	for (unsigned side = 0; side < FLOW_SIDES; side++) {
		int rc = dir_pump(conn, side);

		if (rc < 0 && !is_momentary(rc)) {
			splice_abort(f, -rc);
			return;
		}
		if (rc < 0)
			splice_retry(f, rc);
		again |= rc > 0;
	}
	if (!conn->later)
		conn->faults = 0;
	if (conn->dir[GUEST].shut && conn->dir[HOST].shut)
		splice_done(f);
	else if (again)
		splice_queue(f);
}

static void splice_connected(struct flow *f)
{
	f->splice.connected = true;
	f->splice.faults = 0;
	flow_debug(f, "connected");
	splice_pump(f);
}

void splice_run_queue(void)
{
	uint32_t at = spl.queue_head;

	spl.queue_head = 0;
	while (at) {
		struct flow *f = flow_at(at - 1);

		at = f->splice.next_queued;
		f->splice.queued = false;
		if (f->type == FLOW_SPLICE)
			splice_pump(f);
	}
}

static int splice_watch(const struct flow *f, unsigned side)
{
	struct loop_ref ref = flow_ref(f, LOOP_SPLICE);

	ref.side = (uint8_t)side;
	return loop_add(f->splice.fd[side], SPLICE_EVENTS, ref);
}

/* 0: connected; -EINPROGRESS: an event will tell; other -errno */
static int splice_connect(struct flow *f)
{
	struct flow_side *to = &f->side[!f->ini];
	int rc = sock_connect(f->splice.fd[!f->ini], &to->peer, to->peer_port);

	if (rc && rc != -EINPROGRESS)
		return rc;
	if (!(f->hashed & 1 << !f->ini))
		to->our = sock_local(f->splice.fd[!f->ini], &to->our_port);
	dns_proxy_note(f, f->splice.fd[!f->ini]);
	return splice_watch(f, !f->ini) ? -ENOMEM : rc;
}

/* The other side said no: where else? As splice_connect(). */
static int splice_connect_other(struct flow *f, int error)
{
	struct splice_conn *conn = &f->splice;
	struct addr other = conn->other;
	int fd;

	if (error != ECONNREFUSED || addr_is_none(&other))
		return -error;
	conn->other = (struct addr){ { 0 } };
	fd = sock_splice(SOCK_STREAM, f->ini == HOST, addr_family(&other), 0);
	if (fd < 0)
		return -error;
	close_fd(&conn->fd[!f->ini]);
	conn->fd[!f->ini] = fd;
	f->side[!f->ini].peer = other;
	return splice_connect(f);
}

/* What came of splice_connect() */
static void splice_proceed(struct flow *f, int rc)
{
	if (rc && rc != -EINPROGRESS && !is_momentary(rc))
		rc = splice_connect_other(f, -rc);
	if (!rc)
		splice_connected(f);
	else if (is_momentary(rc) && f->splice.faults < SPLICE_CONNECTS)
		splice_retry(f, rc);
	else if (rc != -EINPROGRESS)
		splice_abort(f, -rc);
}

/* A moment later; the entry may be another's, who waits for nothing */
static void splice_again(uint32_t index)
{
	struct flow *f = flow_at(index);

	if (f->type != FLOW_SPLICE || !f->splice.later)
		return;
	f->splice.later = false;
	if (f->splice.connected)
		splice_pump(f);
	else
		splice_proceed(f, splice_connect(f));
}

static void splice_event(struct loop_ref ref, uint32_t events)
{
	struct flow *f = flow_from_ref(ref, FLOW_SPLICE);
	unsigned side = ref.side;
	struct splice_conn *conn;

	if (!f)
		return;
	conn = &f->splice;
	if (events & EPOLLPRI)
		conn->dir[side].copy = true;
	if (events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP))
		conn->dir[side].readable = true;
	if (events & EPOLLOUT)
		conn->dir[!side].writable = true;

	if (events & EPOLLERR && side != f->ini && !conn->connected)
		splice_proceed(f, -sock_error(conn->fd[side]));
	else if (events & EPOLLERR)
		splice_abort(f, sock_error(conn->fd[side]));
	else if (conn->connected)
		splice_pump(f);
	else if (side != f->ini && events & EPOLLOUT)
		splice_connected(f);
}

/* A socket on the other side, or -errno; asked for once more if that may be another
 * story by then
 */
static int splice_socket(const struct accepted *a)
{
	enum family to = addr_family(&a->to.peer);
	int fd = sock_splice(SOCK_STREAM, a->ini == HOST, to, 0);

	if (!is_momentary(fd))
		return fd;
	flow_make_room(fd);
	return sock_splice(SOCK_STREAM, a->ini == HOST, to, 0);
}

/* An entry with both sockets, not connected yet; NULL with both closed */
static struct flow *splice_new(const struct accepted *a)
{
	struct flow *f = flow_alloc();
	int fd = a->fd, other = f ? splice_socket(a) : -ENFILE;

	if (other < 0) {
		if (f) {
			drop(drop_of_socket(-other));
			flow_free(f);
		}
		warn_limited("TCP %s -> %s refused: %s",
			     ENDPOINT_STR(&a->from.peer, a->from.peer_port),
			     ENDPOINT_STR(&a->from.our, a->from.our_port),
			     f ? strerror(-other) : "flow table is full");
		sock_reset(&fd);
		return NULL;
	}
	f->proto = PROTO_TCP;
	f->ini = (uint8_t)a->ini;
	f->side[a->ini] = a->from;
	f->side[!a->ini] = a->to;
	f->splice.fd[a->ini] = fd;
	f->splice.fd[!a->ini] = other;
	f->splice.other = a->other;
	for (unsigned side = 0; side < FLOW_SIDES; side++) {
		f->splice.dir[side] = (struct splice_dir){
			.pipe = { -1, -1 }, .readable = true, .writable = true,
		};
	}
	flow_activate(f, FLOW_SPLICE);
	return f;
}

/* Connect it to a->to.peer on the other side or, if that is refused, to a->other.
 * What fails is a reset to the client.
 */
static void splice_accepted(const struct accepted *a)
{
	struct flow *f = splice_new(a);

	if (!f)
		return;
	splice_counters.opened++;
	if (a->ini == GUEST)
		egress_begin(f, &a->egress);
	else
		audit_forwarded(f);
	if (splice_watch(f, a->ini))
		splice_abort(f, ENOMEM);
	else
		splice_proceed(f, splice_connect(f));
}

static const char *const splice_states[] = { "CONNECTING", "CONNECTED", NULL };

static const char *splice_state(const struct flow *f)
{
	return splice_states[f->splice.connected];
}

static mono_t splice_active(const struct flow *f)
{
	return (mono_t){ (int64_t)flow_use(f)->moved_s * 1000000 };
}

static int splice_sock(const struct flow *f, enum flow_side_name side)
{
	return f->splice.fd[side];
}

static const char *splice_waits_for(const struct flow *f)
{
	static const char *const connect[] = { "guest-connect", "host-connect" };
	static const char *const window[] = { "guest-window", "host-window" };
	static const char *const end[] = { "guest-end", "host-end" };
	const struct splice_conn *conn = &f->splice;

	if (!conn->connected)
		return connect[!f->ini];
	for (unsigned from = 0; from < FLOW_SIDES; from++) {
		if (conn->dir[from].queued && !conn->dir[from].writable)
			return window[!from];
	}
	for (unsigned from = 0; from < FLOW_SIDES; from++) {
		if (conn->dir[from].eof)
			return end[!from];
	}
	return NULL;
}

static void splice_end(struct flow *f)
{
	splice_abort(f, ECONNABORTED);
}

static const struct counter splice_rows[] = {
	COUNTER("splice_connections", splice_counters.opened, "connections",
		"opened"),
	COUNTER("splice_bytes", splice_counters.bytes, "bytes", "moved"),
};

void splice_init(const struct conf *c)
{
	const struct flow_ops ops = {
		.name = "TCP", .state = splice_state, .states = splice_states,
		.active = splice_active, .sock = splice_sock,
		.waits_for = splice_waits_for, .end = splice_end,
	};
	int p[2] = { -1, -1 };

	counters_add("spliced", splice_rows, ARRAY_SIZE(splice_rows));
	while (c->mode == MODE_PASTA && !c->no_splice &&
	       spl.reserve.count < SPLICE_RESERVE && !pipe_open(p))
		pool_put(&spl.reserve, SPLICE_RESERVE, p);
	retry_init(&spl.retry, spl.retry_marks, RETRY_WORDS(FLOW_MAX),
		   splice_again);
	flow_add_spare(pipes_give_up);
	flow_set_ops(FLOW_SPLICE, &ops);
	loop_set_handler(LOOP_SPLICE, splice_event);
	accept_set_taker(FWD_SPLICE, splice_accepted);
}
