// SPDX-License-Identifier: GPL-2.0-or-later
/* Another kernel, and another clock, for a program started with LD_PRELOAD.
 *
 * NO_KERNEL in the environment: words for what the kernel lacks.
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
 *	peek-off	SO_PEEK_OFF of TCP: before Linux 6.9
 *	meminfo	SO_MEMINFO: before Linux 4.12
 *	inq	TCP_INQ: before Linux 4.18
 *	buf-lock	SO_BUF_LOCK: before Linux 5.14
 *	tcp-info	what TCP_INFO tells since Linux 3.15
 *	peace	SIGTERM while the program starts: before it gives up its files
 *	quiet	the same, at its very end: before it is filtered
 *	namespaces	no mount namespaces: forbidden by a security module
 *	epoll	epoll_wait()
 *	parent	SIGKILL for who starts a process in the background
 *	life	in the process that watches signals: it dies when it begins to
 *	close-range	close_range(): before Linux 5.9
 *	haste	a process that gives up its standard descriptors takes 100 ms for
 *		each
 *	near	no peer of TCP is: round trips take 200 ms
 *	calm	now and then a call fails for want of memory or descriptors, or
 *		by an interruption: splice(), pipe2(), recv(), connect()
 *
 * FAKE_CLOCK: descriptor of a file with an int64_t, in nanoseconds: what is added
 * to CLOCK_MONOTONIC or, negated, what that is as long as it stands still. Whoever
 * changes it has to wake the program up.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/param.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "test/shims/libc.h"
#include "util/sockopt.h"

enum {
	CSUM	= 0x01,
	TSO	= 0x02 | 0x04,
	USO	= 0x20 | 0x40,
};

enum { FDS = 1024, LONG_US = 200000 };

/* What glibc has for 64-bit times on 32-bit machines */
#if defined(__USE_TIME_BITS64) && defined(__GLIBC__)
static const char clock_name[] = "__clock_gettime64";
#else
static const char clock_name[] = "clock_gettime";
#endif

static const volatile int64_t *clock_ns;
static int (*real_clock)(clockid_t, struct timespec *);

#ifdef SYS_socketcall
/* There, the program makes socket calls by their numbers: see util/socketcall.c */
static long by_number(long nr, ...)
{
	static long (*real)(long, ...);
	long a[6];
	va_list ap;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "syscall");
	va_start(ap, nr);
	for (unsigned i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	return real(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

long syscall(long nr, ...)
{
	long a[6];
	va_list ap;

	va_start(ap, nr);
	for (unsigned i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	switch (nr) {
	case SYS_socket:
		return socket((int)a[0], (int)a[1], (int)a[2]);
	case SYS_connect:
		return connect((int)a[0], (const struct sockaddr *)a[1],
			       (socklen_t)a[2]);
	case SYS_getsockopt:
		return getsockopt((int)a[0], (int)a[1], (int)a[2], (void *)a[3],
				  (socklen_t *)a[4]);
	case SYS_setsockopt:
		return setsockopt((int)a[0], (int)a[1], (int)a[2], (void *)a[3],
				  (socklen_t)a[4]);
	case SYS_recvfrom:
		if (!a[4])
			return recv((int)a[0], (void *)a[1], (size_t)a[2],
				    (int)a[3]);
		break;
	}
	return by_number(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}
#define syscall by_number
#endif /* SYS_socketcall */

static bool lacks(const char *what)
{
	const char *no = getenv("NO_KERNEL");

	return no && strstr(no, what);
}

__attribute__((constructor)) static void setup(void)
{
	const char *fd = getenv("FAKE_CLOCK");
	void *p;

	/* libc needs no system call for it */
	*(void **)&real_clock = dlsym(RTLD_NEXT, clock_name);
	if (!real_clock)
		abort();
	if (!fd)
		return;
	p = mmap(NULL, sizeof(*clock_ns), PROT_READ, MAP_SHARED, atoi(fd), 0);
	if (p == MAP_FAILED)
		abort();
	clock_ns = p;
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int rc = real_clock(id, ts);

	if (!rc && id == CLOCK_MONOTONIC && clock_ns) {
		int64_t ns = *clock_ns;

		if (ns < 0)
			ns = -ns;
		else
			ns += ts->tv_sec * 1000000000LL + ts->tv_nsec;
		ts->tv_sec = ns / 1000000000;
		ts->tv_nsec = ns % 1000000000;
	}
	return rc;
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

static bool in_background;

int unshare(int flags)
{
	in_background |= flags & CLONE_NEWPID;
	if (flags & CLONE_NEWUSER && lacks("userns")) {
		errno = EPERM;
		return -1;
	}
	if (flags & CLONE_NEWNS && lacks("namespaces")) {
		errno = EACCES;
		return -1;
	}
	if (flags & CLONE_NEWNS && lacks("peace"))
		raise(SIGTERM);
	return (int)syscall(SYS_unshare, flags);
}

pid_t fork(void)
{
	pid_t (*real)(void);
	pid_t pid;

	*(void **)&real = dlsym(RTLD_NEXT, "fork");
	pid = real();
	if (pid > 0 && in_background && lacks("parent"))
		raise(SIGKILL);
	return pid;
}

/* By a filter, as no function of libc's has to be called for it */
__attribute__((constructor))
static void before_5_9(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	if (lacks("close-range") &&
	    (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	     prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog)))
		abort();
}

int prctl(int option, ...)
{
	unsigned long arg[4];
	va_list ap;

	va_start(ap, option);
	for (unsigned i = 0; i < 4; i++)
		arg[i] = va_arg(ap, unsigned long);
	va_end(ap);
	if (option == PR_SET_DUMPABLE && !arg[0] && lacks("quiet"))
		raise(SIGTERM);
	return (int)syscall(SYS_prctl, option, arg[0], arg[1], arg[2], arg[3]);
}

int epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
	if (lacks("epoll")) {
		errno = EBADF;
		return -1;
	}
	return (int)syscall(SYS_epoll_pwait, fd, events, max, timeout, NULL, 0);
}

int signalfd(int fd, const sigset_t *mask, int flags)
{
	if (lacks("life"))
		__builtin_trap();	/* PID 1 can't send itself SIGKILL */
	return (int)syscall(SYS_signalfd4, fd, mask, _NSIG / 8, flags);
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

int ioctl(int fd, request_t request, ...)
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
	if (level == SOL_SOCKET && name == SO_PEEK_OFF && lacks("peek-off")) {
		errno = EOPNOTSUPP;
		return -1;
	}
	if (level == IPPROTO_TCP && name == TCP_INQ && lacks("inq")) {
		errno = ENOPROTOOPT;
		return -1;
	}
	if (level == SOL_SOCKET && name == SO_BUF_LOCK && lacks("buf-lock")) {
		errno = ENOPROTOOPT;
		return -1;
	}
	return (int)syscall(SYS_setsockopt, fd, level, name, value, len);
}

/* What the peer acknowledges is known a round trip later */
static void lengthen(int fd, struct tcp_info *ti)
{
	static struct { uint64_t shown, next; struct timespec since; } of[FDS];
	struct timespec now;

	real_clock(CLOCK_MONOTONIC, &now);
	/* another socket, of which nothing but the SYN may be */
	if (ti->tcpi_bytes_acked <= 1 || ti->tcpi_bytes_acked < of[fd].shown)
		of[fd].shown = of[fd].next = MIN(ti->tcpi_bytes_acked, 1);
	if ((now.tv_sec - of[fd].since.tv_sec) * 1000000000LL + now.tv_nsec -
	    of[fd].since.tv_nsec >= LONG_US * 1000LL)
		of[fd].shown = of[fd].next;
	if (of[fd].shown == of[fd].next &&
	    of[fd].next != ti->tcpi_bytes_acked) {
		of[fd].next = ti->tcpi_bytes_acked;
		of[fd].since = now;
	}
	if (of[fd].shown != ti->tcpi_bytes_acked)
		ti->tcpi_unacked = 1;
	ti->tcpi_bytes_acked = of[fd].shown;
	ti->tcpi_rtt = ti->tcpi_min_rtt = LONG_US;
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	bool info = level == IPPROTO_TCP && name == TCP_INFO;
	int rc;

	if (level == SOL_SOCKET && name == SO_MEMINFO && lacks("meminfo")) {
		errno = ENOPROTOOPT;
		return -1;
	}
	if (info && lacks("tcp-info"))
		*len = MIN(*len, offsetof(struct tcp_info, tcpi_pacing_rate));
	rc = (int)syscall(SYS_getsockopt, fd, level, name, value, len);
	if (!rc && info && fd < FDS && lacks("near"))
		lengthen(fd, value);
	return rc;
}

int dup2(int old_fd, int new_fd)
{
	const struct timespec moment = { .tv_nsec = 100000000 };

	if (lacks("haste") && new_fd <= STDERR_FILENO)
		nanosleep(&moment, NULL);
	return old_fd == new_fd ? old_fd :
	       (int)syscall(SYS_dup3, old_fd, new_fd, 0);
}

/* Does this call fail? Each that can in turn, another one each time. */
static bool fails(int other)
{
	static const int calm[] = { EINTR, ENOMEM };
	enum { CALM_START = 60 };	/* a start isn't tried again */
	static unsigned calls, faults;

	if (!lacks("calm") || calls++ < CALM_START || calls % 5)
		return false;
	errno = ++faults % 3 ? calm[faults % 2] : other;
	return true;
}

ssize_t splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t len,
	       unsigned int flags)
{
	if (fails(ENOBUFS))
		return -1;
	return syscall(SYS_splice, in, in_at, out, out_at, len, flags);
}

int pipe2(int fds[2], int flags)
{
	if (fails(EMFILE))
		return -1;
	return (int)syscall(SYS_pipe2, fds, flags);
}

ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	if (fails(ENOBUFS))
		return -1;
	return syscall(SYS_recvfrom, fd, buf, len, flags, NULL, NULL);
}

/* What glibc makes of it where it knows how much room there is (_FORTIFY_SOURCE) */
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags);
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags)
{
	if (len > room)
		abort();
	return recv(fd, buf, len, flags);
}

int connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	if (sa->sa_family != AF_UNIX && fails(ENOBUFS))
		return -1;
	return (int)syscall(SYS_connect, fd, sa, len);
}

static bool has_segment(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_SEGMENT)
			return true;
	}
	return false;
}

int sendmmsg(int fd, struct mmsghdr *mm, unsigned int n, mmsg_flags_t flags)
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
