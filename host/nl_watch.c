// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: news by rtnetlink, see nl_watch.h
 *
 * The receive buffer is small on purpose: where a routing daemon changes a hundred
 * thousand routes, the kernel drops what doesn't fit, which costs us nothing, and
 * we ask once afterwards.
 */
#include "host/nl_watch.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	WATCH_RCVBUF	= 32 * 1024,
	WATCH_READS	= 64,
	WATCH_MSG_MAX	= 16 * 1024,	/* of an interface with much to tell */
};

int nl_watch_open(void)
{
	const struct sockaddr_nl sa = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR |
			     RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR |
			     RTMGRP_IPV6_ROUTE,
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	const int size = WATCH_RCVBUF;
	int rc;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (!bind(fd, (const struct sockaddr *)&sa, sizeof(sa)))
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

bool nl_watch_read(int fd, bool (*matters)(struct nlmsghdr *nh))
{
	static _Alignas(NLMSG_ALIGNTO) uint8_t buf[WATCH_MSG_MAX];
	bool yes = false;

	for (unsigned i = 0; i < WATCH_READS; i++) {
		ssize_t n = recv(fd, buf, sizeof(buf),
				 MSG_DONTWAIT | MSG_TRUNC);
		struct nlmsghdr *nh = (void *)buf;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		/* ENOBUFS: some were lost */
		if (n < 0 || (size_t)n > sizeof(buf))
			yes |= matters(NULL);
		else for (; NLMSG_OK(nh, n); nh = NLMSG_NEXT(nh, n))
			yes |= matters(nh);
	}
	return yes;
}
