// SPDX-License-Identifier: GPL-2.0-or-later
/* A kernel that lacks something, for a program started with LD_PRELOAD: what
 * NO_KERNEL in the environment names.
 *
 *	diag	no sock_diag: CONFIG_INET_DIAG
 *	ipv6	no IPv6: CONFIG_IPV6, or ipv6.disable=1
 *	userns	no user namespaces for users
 *	mount	a security module forbids mount()
 *	peace	SIGTERM while the program starts: before it gives up its files
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool lacks(const char *what)
{
	const char *no = getenv("NO_KERNEL");

	return no && strstr(no, what);
}

int socket(int domain, int type, int protocol)
{
	if (domain == AF_NETLINK && protocol == NETLINK_SOCK_DIAG &&
	    lacks("diag")) {
		errno = EPROTONOSUPPORT;
		return -1;
	}
	if (domain == AF_INET6 && lacks("ipv6")) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	return (int)syscall(SYS_socket, domain, type, protocol);
}

int mount(const char *source, const char *target, const char *type,
	  unsigned long flags, const void *data)
{
	if (lacks("mount")) {
		errno = EACCES;
		return -1;
	}
	return (int)syscall(SYS_mount, source, target, type, flags, data);
}

int unshare(int flags)
{
	if (flags & CLONE_NEWUSER && lacks("userns")) {
		errno = EPERM;
		return -1;
	}
	if (flags & CLONE_NEWNS && lacks("peace"))
		raise(SIGTERM);
	return (int)syscall(SYS_unshare, flags);
}
