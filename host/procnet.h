/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's tables of sockets as text: /proc/net/tcp, tcp6, udp, udp6
 *
 * For kernels without sock_diag: reading them costs more the more sockets there
 * are, and an interface that a socket is bound to isn't in them.
 */
#ifndef HOST_PROCNET_H
#define HOST_PROCNET_H

#include "util/addr.h"

struct procnet_sock {
	struct addr addr;		/* bound to */
	uint16_t port;
	unsigned state;			/* the kernel's number */
};

/* Read the table of family f from its beginning, and call found(sock, arg) for
 * each socket of it. 0 or -errno.
 */
int procnet_read(int fd, enum family f,
		 void (*found)(const struct procnet_sock *s, void *arg),
		 void *arg);

#endif /* HOST_PROCNET_H */
