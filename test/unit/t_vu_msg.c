// SPDX-License-Identifier: GPL-2.0-or-later
/* Messages of vhost-user: in pieces, with descriptors, and when there is no place for
 * them
 *
 * Links: tap/vu_msg.o util.o util/log.o util/assert.o
 */
#include "tap/vu_msg.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tap_test.h"

enum { MANY = 2 * VU_MSG_FDS };

static struct vu_conn conn;
static int other;			/* the front-end's end */
static const char *why;

static void connect_them(void)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd))
		printf("Bail out! socketpair\n");
	conn = (struct vu_conn){ .fd = fd[0] };
	other = fd[1];
	why = NULL;
}

static void disconnect(void)
{
	vu_msg_done(&conn);
	close(conn.fd);
	close(other);
}

/* What descriptors are of that come with a message */
static int given = -1;

/* Bytes of a message, with n of these */
static void say(const void *p, size_t len, unsigned n)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(MANY * sizeof(int))];
	} u = { .h = { .cmsg_len = CMSG_LEN(n * sizeof(int)),
		   .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { (void *)(uintptr_t)p, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[MANY] = { 0 };

	for (unsigned i = 0; i < n; i++)
		fds[i] = given;
	memcpy(CMSG_DATA(&u.h), fds, n * sizeof(int));
	if (n) {
		msg.msg_control = &u;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
	}
	if (sendmsg(other, &msg, 0) != (ssize_t)len)
		printf("Bail out! sendmsg\n");
}

/* A message with a number, which is in the machine's order of bytes */
struct said {
	struct vu_header h;
	uint8_t v[8];
};

static void say_u64(uint32_t request, uint64_t v, unsigned fds)
{
	struct said m = { .h = { request, 1, sizeof(v) } };

	memcpy(m.v, &v, sizeof(v));
	say(&m, sizeof(m), fds);
}

static int hear(void)
{
	return vu_msg_read(&conn, &why);
}

static unsigned files(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* So that `n` more can be opened */
static void limit_files(unsigned n)
{
	struct rlimit r;
	int fd = dup(other);

	close(fd);
	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = n > r.rlim_max ? r.rlim_max : (unsigned)fd + n;
	setrlimit(RLIMIT_NOFILE, &r);
}

static void pieces(void)
{
	struct vu_header h = { GET_FEATURES, 1, 0 };

	connect_them();
	is_int(hear(), 0, "nothing yet");
	for (size_t i = 0; i + 1 < sizeof(h); i++) {
		say((uint8_t *)&h + i, 1, 0);
		is_int(hear(), 0, "%zu bytes of a header", i + 1);
	}
	say((uint8_t *)&h + sizeof(h) - 1, 1, 0);
	is_int(hear(), 1, "a request without a payload");
	is_int(conn.msg.h.request, GET_FEATURES, "... is that");
	vu_msg_done(&conn);
	say_u64(NET_SET_MTU, 1500, 0);
	say_u64(SET_FEATURES, 7, 0);
	is_int(hear(), 1, "the first of two");
	is_int((intmax_t)conn.msg.p.u64, 1500, "... its payload");
	is_int(hear(), 1, "... is there until it's done with");
	vu_msg_done(&conn);
	is_int(hear(), 1, "the second");
	is_int((intmax_t)conn.msg.p.u64, 7, "... its payload");
	vu_msg_done(&conn);
	h.flags = 2;
	say(&h, sizeof(h), 0);
	is_int(hear(), -ENOTCONN, "another version");
	ok(why, "... is a reason: %s", why ? why : "");
	disconnect();

	connect_them();
	h = (struct vu_header){ SET_MEM_TABLE, 1, VU_MSG_PAYLOAD + 1 };
	say(&h, sizeof(h), 0);
	is_int(hear(), -ENOTCONN, "more than a message may have");
	ok(why, "... is a reason");
	disconnect();

	connect_them();
	shutdown(other, SHUT_WR);
	is_int(hear(), -ENOTCONN, "the end");
	ok(!why, "... needs no reason");
	disconnect();
}

static void descriptors(void)
{
	unsigned before;
	int fd, rc;

	given = memfd_create("given", 0);
	before = files() + 2;
	connect_them();
	say_u64(SET_MEM_TABLE, 0, VU_MSG_FDS);
	is_int(hear(), 1, "as many descriptors as there can be");
	is_int(conn.fd_count, VU_MSG_FDS, "... have come");
	is_int(files(), before + VU_MSG_FDS, "... once each");
	fd = vu_msg_take_fd(&conn, VU_MSG_FDS - 1);
	ok(fd >= 0 && vu_msg_take_fd(&conn, VU_MSG_FDS - 1) < 0,
	   "the last one is taken once");
	close(fd);
	vu_msg_done(&conn);
	is_int(files(), before, "those that nobody takes are closed");

	say_u64(SET_VRING_KICK, 0, 3);
	say_u64(SET_VRING_CALL, 0, 0);
	for (unsigned room = 0; room < 3; room++) {
		limit_files(room);
		is_int(hear(), -EMFILE, "place for %u of three", room);
		limit_files(-1U);
		is_int(files(), before, "... those are given back");
		is_int(conn.fd_count, 0, "... and none has come");
	}
	is_int(hear(), 1, "when there is place again: the message");
	is_int(conn.fd_count, 3, "... and all of them");
	vu_msg_done(&conn);
	is_int(hear(), 1, "the next message");
	is_int(conn.msg.h.request, SET_VRING_CALL, "... is that");
	vu_msg_done(&conn);
	is_int(files(), before, "none is left");
	say_u64(SET_VRING_KICK, 0, VU_MSG_FDS + 1);
	is_int(hear(), -ENOTCONN, "more descriptors than a message may have");
	ok(why, "... is a reason: %s", why ? why : "");
	is_int(files(), before, "none is left");
	disconnect();

	connect_them();
	say_u64(SET_VRING_KICK, 0, 0);
	say_u64(SET_VRING_KICK, 0, VU_MSG_FDS);
	say_u64(SET_VRING_KICK, 0, 0);
	say_u64(SET_VRING_KICK, 0, VU_MSG_FDS + 1);
	while ((rc = hear()) == 1)
		vu_msg_done(&conn);
	is_int(rc, -ENOTCONN, "too many behind others");
	ok(why, "... is a reason");
	disconnect();

	connect_them();
	close(given);
	given = other;
	say_u64(SET_VRING_KICK, 0, 1);
	is_int(hear(), 1, "with its own end");
	is_int(vu_msg_take_fd(&conn, 0), -1, "... which is not taken");
	is_int(files(), before - 1, "... nor kept");
	disconnect();
}

static uint64_t number(const struct said *m)
{
	uint64_t v;

	memcpy(&v, m->v, sizeof(v));
	return v;
}

static void replies(void)
{
	struct said got;
	struct vu_msg m = { .h = { GET_FEATURES, 9, 8 }, .p.u64 = 42 };
	uint8_t junk[4096] = { 0 };
	unsigned n = 0;
	ssize_t len;

	connect_them();
	is_int(vu_msg_push(&conn), 0, "nothing is to be said");
	vu_msg_send(&conn, &m);
	is_int(vu_msg_push(&conn), 0, "a reply");
	is_int(recv(other, &got, sizeof(got), 0), sizeof(got), "... arrives");
	is_int(got.h.flags, 5, "... as one");
	is_int(number(&got), 42, "... with its payload");
	while (send(conn.fd, junk, sizeof(junk), MSG_DONTWAIT) > 0)
		n++;
	vu_msg_send(&conn, &m);
	is_int(vu_msg_push(&conn), -EAGAIN, "the other end doesn't read");
	is_int(vu_msg_push(&conn), -EAGAIN, "... still not");
	while (n--)
		recv(other, junk, sizeof(junk), MSG_WAITALL);
	is_int(vu_msg_push(&conn), 0, "... now it does");
	len = recv(other, &got, sizeof(got), 0);
	ok(len == sizeof(got) && number(&got) == 42, "... and gets what waited");
	close(other);
	vu_msg_send(&conn, &m);
	ok(vu_msg_push(&conn) == -EPIPE, "nobody is there any more");
	other = dup(conn.fd);
	disconnect();
}

int main(void)
{
	pieces();
	descriptors();
	replies();
	return done();
}
