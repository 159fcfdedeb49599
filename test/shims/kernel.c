// SPDX-License-Identifier: GPL-2.0-or-later
/* A kernel that lacks something, for a program started with LD_PRELOAD: what
 * NO_KERNEL in the environment names.
 *
 *	diag	no sock_diag: CONFIG_INET_DIAG
 *	ipv6	no IPv6: CONFIG_IPV6, or ipv6.disable=1
 *	vnet	tap devices have no virtio-net header
 *	csum	... leave no checksum undone, cut no segments
 *	tso	... cut no TCP segments
 *	uso	... cut no UDP datagrams: before Linux 6.2
 *	gro	UDP_GRO: before Linux 5.0
 *	segment	UDP_SEGMENT: before Linux 4.18, or a device without checksums
 *	userns	no user namespaces for users
 *	mount	a security module forbids mount()
 *	peace	SIGTERM while the program starts: before it gives up its files
 */
#include <errno.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	CSUM	= 0x01,
	TSO	= 0x02 | 0x04,
	USO	= 0x20 | 0x40,
};

#ifndef UDP_SEGMENT
#define UDP_SEGMENT	103
#endif
#ifndef UDP_GRO
#define UDP_GRO		104
#endif

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

static bool refused(unsigned long request, unsigned long arg)
{
	const struct ifreq *ifr = (const struct ifreq *)arg;

	if (request == TUNSETIFF)
		return ifr->ifr_flags & IFF_VNET_HDR && lacks("vnet");
	if (request == TUNSETOFFLOAD)
		return (arg & CSUM && lacks("csum")) ||
		       (arg & TSO && lacks("tso")) ||
		       (arg & USO && lacks("uso"));
	return false;
}

int ioctl(int fd, unsigned long request, ...)
{
	unsigned long arg;
	va_list ap;

	va_start(ap, request);
	arg = va_arg(ap, unsigned long);
	va_end(ap);
	if (refused(request, arg)) {
		errno = EINVAL;
		return -1;
	}
	return (int)syscall(SYS_ioctl, fd, request, arg);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	if (level == IPPROTO_UDP && name == UDP_GRO && lacks("gro")) {
		errno = ENOPROTOOPT;
		return -1;
	}
	return (int)syscall(SYS_setsockopt, fd, level, name, value, len);
}

static bool has_segment(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_SEGMENT)
			return true;
	}
	return false;
}

int sendmmsg(int fd, struct mmsghdr *mm, unsigned int n, int flags)
{
	for (unsigned int i = 0; i < n && lacks("segment"); i++) {
		if (!has_segment(&mm[i].msg_hdr))
			continue;
		if (!i) {
			errno = EINVAL;
			return -1;
		}
		n = i;
	}
	return (int)syscall(SYS_sendmmsg, fd, mm, n, flags);
}
