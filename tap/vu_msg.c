// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: messages of the vhost-user protocol, see vu_msg.h */
#include "tap/vu_msg.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

enum {
	FLAG_VERSION	= 1,
	FLAG_VERSION_MASK = 3,
	FLAG_REPLY	= 4,
};

int vu_msg_take_fd(struct vu_conn *c, unsigned i)
{
	int fd = i < c->fd_count ? c->fds[i] : -1;

	if (fd >= 0)
		c->fds[i] = -1;
	return fd;
}

void vu_msg_done(struct vu_conn *c)
{
	for (unsigned i = 0; i < c->fd_count; i++)
		close_fd(&c->fds[i]);
	c->fd_count = 0;
	c->got = 0;
}

/* Where byte `at` of a message is, and how many follow in one piece */
static struct iovec vu_msg_piece(struct vu_msg *m, size_t at)
{
	if (at < sizeof(m->h))
		return (struct iovec){ (uint8_t *)&m->h + at,
				       sizeof(m->h) - at };
	at -= sizeof(m->h);
	return (struct iovec){ m->p.bytes + at, m->h.size - at };
}

int vu_msg_push(struct vu_conn *c)
{
	while (c->reply_sent < c->reply_len) {
		struct iovec v = vu_msg_piece(&c->reply, c->reply_sent);
		ssize_t n = send(c->fd, v.iov_base, v.iov_len,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return -errno;
		c->reply_sent += (size_t)n;
	}
	return 0;
}

void vu_msg_send(struct vu_conn *c, const struct vu_msg *m)
{
	c->reply = *m;
	c->reply.h.flags = FLAG_VERSION | FLAG_REPLY;
	c->reply_len = sizeof(m->h) + m->h.size;
	c->reply_sent = 0;
}

/* No request of those we know comes with a socket. One might be the front-end's own end
 * of the connection: as long as we have that, the connection doesn't end with it.
 */
static bool vu_is_socket(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISSOCK(st.st_mode);
}

/* Keep those that came: how many that were, with those that were not kept */
static size_t vu_take_fds(struct vu_conn *c, struct msghdr *msg)
{
	size_t came = 0;

	for (struct cmsghdr *m = CMSG_FIRSTHDR(msg); m;
	     m = CMSG_NXTHDR(msg, m)) {
		size_t n = (m->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS)
			continue;
		came += n;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(m) + i * sizeof(fd), sizeof(fd));
			if (c->fd_count == VU_MSG_FDS || vu_is_socket(fd))
				close_fd(&fd);
			if (c->fd_count < VU_MSG_FDS)
				c->fds[c->fd_count++] = fd;
		}
	}
	return came;
}

/* Give up those that came after the first n */
static void vu_drop_fds(struct vu_conn *c, unsigned n)
{
	while (c->fd_count > n)
		close_fd(&c->fds[--c->fd_count]);
}

/* One piece, and the descriptors with it: bytes, 0 at the end, or -errno.
 *
 * It's looked at first, and taken out of the queue when all of its descriptors have got
 * a place (-EMFILE): those that lack one would be lost, and the front-end doesn't send
 * them again. -EMSGSIZE: there are more than a message may have.
 *
 * Where a piece has none, the kernel shows those of the next one that has
 * (unix_stream_read_generic(), Linux 6.18): they come behind those of this message, if
 * it has some, and once more with their own.
 */
static ssize_t vu_msg_piece_read(struct vu_conn *c, struct iovec iov)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(VU_MSG_FDS * sizeof(int))];
	} control;
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	unsigned before = c->fd_count;
	size_t came;
	bool lost;
	ssize_t n;
	int rc;

	n = recvmsg(c->fd, &msg, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n <= 0)
		return n ? -errno : 0;
	came = vu_take_fds(c, &msg);
	lost = msg.msg_flags & MSG_CTRUNC;
	if (!lost)
		n = recv(c->fd, iov.iov_base, (size_t)n, MSG_DONTWAIT);
	if (!lost && n >= 0)
		return n;
	rc = !lost ? -errno :
	     came == VU_MSG_FDS ? -EMSGSIZE : -EMFILE;
	vu_drop_fds(c, before);
	return rc;
}

int vu_msg_read(struct vu_conn *c, const char **ret_why)
{
	struct vu_msg *m = &c->msg;

	for (;;) {
		struct iovec iov = vu_msg_piece(m, c->got);
		ssize_t n;

		if (!iov.iov_len)
			return 1;
		n = vu_msg_piece_read(c, iov);
		if (n == -EINTR)
			continue;
		if (n == -EMSGSIZE)
			*ret_why = "more descriptors than a request may have";
		if (n <= 0)
			return n == -EAGAIN ? 0 : is_momentary((int)n) ?
			       (int)n : -ENOTCONN;
		c->got += (size_t)n;
		if (c->got >= sizeof(m->h) &&
		    ((m->h.flags & FLAG_VERSION_MASK) != FLAG_VERSION ||
		     m->h.size > VU_MSG_PAYLOAD)) {
			*ret_why = "that isn't vhost-user (QEMU's -netdev stream is for passt without --vhost-user)";
			return -ENOTCONN;
		}
	}
}
