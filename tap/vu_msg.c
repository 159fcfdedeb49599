// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: messages of the vhost-user protocol, see vu_msg.h */
#include "tap/vu_msg.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
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

const char *vu_msg_send(const struct vu_conn *c, struct vu_msg *m)
{
	struct iovec iov[2] = { { &m->h, sizeof(m->h) },
				{ &m->p, m->h.size } };
	const struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	m->h.flags = FLAG_VERSION | FLAG_REPLY;
	if (sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) !=
	    (ssize_t)(sizeof(m->h) + m->h.size))
		return "it doesn't take our replies";
	return NULL;
}

static const char *vu_take_fds(struct vu_conn *c, struct msghdr *msg)
{
	for (struct cmsghdr *m = CMSG_FIRSTHDR(msg); m;
	     m = CMSG_NXTHDR(msg, m)) {
		size_t n = (m->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(m) + i * sizeof(fd), sizeof(fd));
			if (c->fd_count < VU_MSG_FDS)
				c->fds[c->fd_count++] = fd;
			else
				close(fd);
		}
	}
	return msg->msg_flags & MSG_CTRUNC ?
	       "descriptors got lost, too many files are open" : NULL;
}

int vu_msg_read(struct vu_conn *c, const char **ret_why)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(VU_MSG_FDS * sizeof(int))];
	} control;
	struct vu_msg *m = &c->msg;

	for (;;) {
		bool head = c->got < sizeof(m->h);
		size_t end = sizeof(m->h) + (head ? 0 : m->h.size);
		uint8_t *to = head ? (uint8_t *)&m->h + c->got :
			      m->p.bytes + c->got - sizeof(m->h);
		struct iovec iov = { to, end - c->got };
		struct msghdr msg = {
			.msg_iov = &iov, .msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = sizeof(control),
		};
		ssize_t n;

		if (!head && c->got == end)
			return 1;
		n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0)
			return -1;
		*ret_why = vu_take_fds(c, &msg);
		c->got += (size_t)n;
		if (c->got >= sizeof(m->h) &&
		    ((m->h.flags & FLAG_VERSION_MASK) != FLAG_VERSION ||
		     m->h.size > VU_MSG_PAYLOAD))
			*ret_why = "that isn't vhost-user";
		if (*ret_why)
			return -1;
	}
}
