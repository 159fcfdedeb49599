// SPDX-License-Identifier: GPL-2.0-or-later
/* System calls that fail now and then, in a program started with LD_PRELOAD.
 *
 * FAULTS: path of a file of FAULTS_SIZE bytes with a text, ended by 0, which may
 * change at any time: rules, separated by blanks.
 *
 *	KIND:CALL=WHAT@N	the Nth call from when the rule came on fails, once
 *	KIND:CALL=WHAT%N	each Nth does
 *
 * KIND	is what the descriptor is: tcp, udp, icmp, unix, file (a tap, a pipe), or any;
 *	of calls that make one, what they make.
 * CALL	is its name: those below are known.
 * WHAT	is an errno by name, or short: half of what was asked for.
 *
 * Its first 10 bytes are the program's: the number of faults so far in 8 digits, so that
 * a test knows whether there were any; then 1 if rules count (it has begun to wait for
 * events), or 0.
 */
#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "test/shims/libc.h"

enum { FAULTS_SIZE = 4096, HEAD = 10, RULES = 16, IOV = 1024, SHORT = -1 };

static const struct { const char *name; int error; } errors[] = {
	{ "EINTR", EINTR }, { "EAGAIN", EAGAIN }, { "ENOBUFS", ENOBUFS },
	{ "ENOMEM", ENOMEM }, { "EMFILE", EMFILE }, { "ENFILE", ENFILE },
	{ "EPERM", EPERM }, { "EIO", EIO }, { "ECONNABORTED", ECONNABORTED },
	{ "short", SHORT },
};

struct rule {
	char kind[8], call[16];
	int error;
	bool each;
	unsigned long n, seen;
};

static volatile char *text;
static char known[FAULTS_SIZE];		/* of which rules were made */
static struct rule rule[RULES];
static unsigned rules;
static unsigned long faults;
static bool begun;

/* The next one in the chain of libraries, kernel.so perhaps */
static void *next(const char *name)
{
	void *p = dlsym(RTLD_NEXT, name);

	if (!p)
		abort();
	return p;
}

/* The real one: ours may stand before it */
static long (*raw(void))(long, ...)
{
	static long (*real)(long, ...);

	if (!real)
		*(void **)&real = next("syscall");
	return real;
}

__attribute__((constructor)) static void setup(void)
{
	const char *path = getenv("FAULTS");
	int fd;
	void *p;

	if (!path)
		return;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;			/* started by the program, perhaps */
	p = mmap(NULL, FAULTS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	raw()(SYS_close, fd);
	if (p == MAP_FAILED)
		abort();
	text = p;
}

/* No libc that might allocate: nothing can be in the sandbox */
static bool parse(const char *p, struct rule *r)
{
	char what[16] = "";
	size_t i;

	*r = (struct rule){ .n = 0 };
	for (i = 0; *p && *p != ':' && i < sizeof(r->kind) - 1; i++)
		r->kind[i] = *p++;
	if (*p++ != ':')
		return false;
	for (i = 0; *p && *p != '=' && i < sizeof(r->call) - 1; i++)
		r->call[i] = *p++;
	if (*p++ != '=')
		return false;
	for (i = 0; isalpha((unsigned char)*p) && i < sizeof(what) - 1; i++)
		what[i] = *p++;
	r->each = *p == '%';
	if (*p != '%' && *p != '@')
		return false;
	for (p++; isdigit((unsigned char)*p); p++)
		r->n = r->n * 10 + (unsigned long)(*p - '0');
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (!strcmp(errors[i].name, what))
			r->error = errors[i].error;
	return r->error && r->n;
}

static void learn(void)
{
	const char *p = known + HEAD;

	for (size_t i = HEAD; i < FAULTS_SIZE; i++)
		known[i] = text[i];
	known[FAULTS_SIZE - 1] = '\0';
	rules = 0;
	while (*p) {
		if (*p == ' ' || *p == '\n') {
			p++;
			continue;
		}
		if (rules < RULES && parse(p, &rule[rules]))
			rules++;
		while (*p && *p != ' ' && *p != '\n')
			p++;
	}
}

static void tell(void)
{
	unsigned long n = faults;

	for (int i = 7; i >= 0; i--, n /= 10)
		text[i] = (char)('0' + n % 10);
	text[8] = begun ? '1' : '0';
	text[9] = ' ';
}

static bool differs(void)
{
	for (size_t i = HEAD; i < FAULTS_SIZE; i++) {
		if (known[i] != text[i])
			return true;
		if (!known[i])
			return false;
	}
	return false;
}

static const char *kind_of(int fd)
{
	static const char *const names[] = {
		[IPPROTO_TCP] = "tcp", [IPPROTO_UDP] = "udp",
		[IPPROTO_ICMP] = "icmp", [IPPROTO_ICMPV6] = "icmp",
	};
	int domain = 0, proto = 0;
	socklen_t len = sizeof(int);

	if (!raw()(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) &&
	    !raw()(SYS_getsockopt, fd, SOL_SOCKET, SO_PROTOCOL, &proto, &len)) {
		if (domain == AF_UNIX)
			return "unix";
		if (proto >= 0 && (size_t)proto <
		    sizeof(names) / sizeof(names[0]) && names[proto])
			return names[proto];
		return "?";
	}
	return "file";
}

/* What becomes of a call: 0, an errno, or SHORT */
static int fate(const char *call, int fd, const char *kind)
{
	int error = 0;

	if (!text || !begun)
		return 0;
	if (differs())
		learn();
	for (unsigned i = 0; i < rules; i++) {
		struct rule *r = &rule[i];

		if (strcmp(r->call, call))
			continue;
		if (strcmp(r->kind, "any") &&
		    strcmp(r->kind, kind ? kind : kind_of(fd)))
			continue;
		r->seen++;
		if (r->each ? r->seen % r->n : r->seen != r->n)
			continue;
		faults++;
		tell();
		error = r->error;
	}
	return error;
}

#define FAIL_IF(call, fd, kind) \
	int error = fate(call, fd, kind); \
	if (error > 0) { \
		errno = error; \
		return -1; \
	}

static size_t cut(int error, size_t len)
{
	return error == SHORT && len > 1 ? len / 2 : len;
}

/* The first half of a message, in iovecs that lie at iov */
static struct msghdr cut_msg(int error, const struct msghdr *m,
			     struct iovec iov[IOV])
{
	struct msghdr out = *m;
	size_t len = 0, n = 0;

	if (error != SHORT || m->msg_iovlen > IOV)
		return out;
	for (size_t i = 0; i < (size_t)m->msg_iovlen; i++)
		len += m->msg_iov[i].iov_len;
	len = cut(error, len);
	for (; n < (size_t)m->msg_iovlen && len; n++) {
		iov[n] = m->msg_iov[n];
		iov[n].iov_len = MIN(iov[n].iov_len, len);
		len -= iov[n].iov_len;
	}
	out.msg_iov = iov;
	out.msg_iovlen = n;
	return out;
}

#define NEXT(type, name, ...) \
	static type (*real)(__VA_ARGS__); \
	if (!real) \
		*(void **)&real = next(name)

int epoll_wait(int fd, struct epoll_event *ev, int n, int timeout)
{
	NEXT(int, "epoll_wait", int, struct epoll_event *, int, int);
	if (!begun) {
		begun = true;
		if (text)
			tell();
	}
	FAIL_IF("epoll_wait", -1, "file");
	return real(fd, ev, n, timeout);
}

int epoll_ctl(int ep, int op, int fd, struct epoll_event *ev)
{
	NEXT(int, "epoll_ctl", int, int, int, struct epoll_event *);
	if (op != EPOLL_CTL_DEL) {
		FAIL_IF("epoll_ctl", fd, NULL);
	}
	return real(ep, op, fd, ev);
}

/* The stay in a namespace: its beginning, the way in, its end */
int clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
int setns(int fd, int type);
pid_t waitpid(pid_t pid, int *status, int options);

int clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
	NEXT(int, "clone", int (*)(void *), void *, int, void *, ...);
	FAIL_IF("clone", -1, "any");
	return real(fn, stack, flags, arg);
}

int setns(int fd, int type)
{
	NEXT(int, "setns", int, int);
	FAIL_IF("setns", fd, NULL);
	return real(fd, type);
}

pid_t waitpid(pid_t pid, int *status, int options)
{
	NEXT(pid_t, "waitpid", pid_t, int *, int);
	FAIL_IF("waitpid", -1, "any");
	return real(pid, status, options);
}

/* The name with which the program is linked, whatever it is */
int fcntl64(int fd, int cmd, ...);
int fcntl64(int fd, int cmd, ...)
{
	unsigned long arg;
	va_list ap;
	NEXT(int, "fcntl64", int, int, unsigned long);

	va_start(ap, cmd);
	arg = va_arg(ap, unsigned long);
	va_end(ap);
	FAIL_IF("fcntl", fd, NULL);
	return real(fd, cmd, arg);
}

int accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	NEXT(int, "accept4", int, struct sockaddr *, socklen_t *, int);
	FAIL_IF("accept4", fd, NULL);
	return real(fd, sa, len, flags);
}

int connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	NEXT(int, "connect", int, const struct sockaddr *, socklen_t);
	FAIL_IF("connect", fd, NULL);
	return real(fd, sa, len);
}

int bind(int fd, const struct sockaddr *sa, socklen_t len)
{
	NEXT(int, "bind", int, const struct sockaddr *, socklen_t);
	FAIL_IF("bind", fd, NULL);
	return real(fd, sa, len);
}

static const char *kind_of_new(int domain, int type, int proto)
{
	return domain == AF_UNIX ? "unix" : (type & 0xf) == SOCK_STREAM ? "tcp" :
	       proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6 ? "icmp" : "udp";
}

int socket(int domain, int type, int proto)
{
	NEXT(int, "socket", int, int, int);
	FAIL_IF("socket", -1, kind_of_new(domain, type, proto));
	return real(domain, type, proto);
}

int dup(int fd)
{
	NEXT(int, "dup", int);
	FAIL_IF("dup", fd, "any");
	return real(fd);
}

int pipe2(int fd[2], int flags)
{
	NEXT(int, "pipe2", int *, int);
	FAIL_IF("pipe2", -1, "file");
	return real(fd, flags);
}

int shutdown(int fd, int how)
{
	NEXT(int, "shutdown", int, int);
	FAIL_IF("shutdown", fd, NULL);
	return real(fd, how);
}

int getsockname(int fd, struct sockaddr *sa, socklen_t *len)
{
	NEXT(int, "getsockname", int, struct sockaddr *, socklen_t *);
	FAIL_IF("getsockname", fd, NULL);
	return real(fd, sa, len);
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	NEXT(int, "getsockopt", int, int, int, void *, socklen_t *);
	FAIL_IF("getsockopt", fd, NULL);
	return real(fd, level, name, value, len);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	NEXT(int, "setsockopt", int, int, int, const void *, socklen_t);
	FAIL_IF("setsockopt", fd, NULL);
	return real(fd, level, name, value, len);
}

int ioctl(int fd, request_t request, ...)
{
	unsigned long arg;
	va_list ap;
	NEXT(int, "ioctl", int, request_t, unsigned long);

	va_start(ap, request);
	arg = va_arg(ap, unsigned long);
	va_end(ap);
	FAIL_IF("ioctl", fd, NULL);
	return real(fd, request, arg);
}

ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	NEXT(ssize_t, "recv", int, void *, size_t, int);
	FAIL_IF("recv", fd, NULL);
	return real(fd, buf, cut(error, len), flags);
}

ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	NEXT(ssize_t, "send", int, const void *, size_t, int);
	FAIL_IF("send", fd, NULL);
	return real(fd, buf, cut(error, len), flags);
}

ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	static struct iovec iov[IOV];
	struct msghdr part;
	ssize_t n;
	NEXT(ssize_t, "recvmsg", int, struct msghdr *, int);
	FAIL_IF("recvmsg", fd, NULL);
	if (error != SHORT)
		return real(fd, m, flags);
	part = cut_msg(error, m, iov);
	n = real(fd, &part, flags);
	m->msg_namelen = part.msg_namelen;
	m->msg_controllen = part.msg_controllen;
	m->msg_flags = part.msg_flags;
	return n;
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	static struct iovec iov[IOV];
	struct msghdr part;
	NEXT(ssize_t, "sendmsg", int, const struct msghdr *, int);
	FAIL_IF("sendmsg", fd, NULL);
	part = cut_msg(error, m, iov);
	return real(fd, &part, flags);
}

int sendmmsg(int fd, struct mmsghdr *mm, unsigned int n, mmsg_flags_t flags)
{
	NEXT(int, "sendmmsg", int, struct mmsghdr *, unsigned int, mmsg_flags_t);
	FAIL_IF("sendmmsg", fd, NULL);
	return real(fd, mm, (unsigned int)cut(error, n), flags);
}

int recvmmsg(int fd, struct mmsghdr *mm, unsigned int n, mmsg_flags_t flags,
	     struct timespec *t)
{
	NEXT(int, "recvmmsg", int, struct mmsghdr *, unsigned int, mmsg_flags_t,
	     struct timespec *);
	FAIL_IF("recvmmsg", fd, NULL);
	return real(fd, mm, (unsigned int)cut(error, n), flags, t);
}

ssize_t splice(int in, off_t *in_off, int out, off_t *out_off, size_t len,
	       unsigned int flags)
{
	NEXT(ssize_t, "splice", int, off_t *, int, off_t *, size_t,
	     unsigned int);
	FAIL_IF("splice", in, NULL);
	return real(in, in_off, out, out_off, cut(error, len), flags);
}

ssize_t read(int fd, void *buf, size_t len)
{
	NEXT(ssize_t, "read", int, void *, size_t);
	FAIL_IF("read", fd, NULL);
	return real(fd, buf, len);
}

/* What glibc makes of both where it knows how much room there is (_FORTIFY_SOURCE) */
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags);
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags)
{
	if (len > room)
		abort();
	return recv(fd, buf, len, flags);
}

ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);
ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
	if (len > room)
		abort();
	return read(fd, buf, len);
}

ssize_t write(int fd, const void *buf, size_t len)
{
	NEXT(ssize_t, "write", int, const void *, size_t);
	FAIL_IF("write", fd, NULL);
	return real(fd, buf, len);
}

ssize_t readv(int fd, const struct iovec *iov, int cnt)
{
	NEXT(ssize_t, "readv", int, const struct iovec *, int);
	FAIL_IF("readv", fd, NULL);
	return real(fd, iov, cnt);
}

ssize_t writev(int fd, const struct iovec *iov, int cnt)
{
	NEXT(ssize_t, "writev", int, const struct iovec *, int);
	FAIL_IF("writev", fd, NULL);
	return real(fd, iov, cnt);
}

#ifdef SYS_socketcall
/* Where that is one call for all, the program makes them by their own numbers, see
 * util/socketcall.c
 */
long syscall(long nr, ...)
{
	static const struct { long nr; const char *call; } calls[] = {
		{ SYS_socket, "socket" }, { SYS_bind, "bind" },
		{ SYS_connect, "connect" }, { SYS_accept4, "accept4" },
		{ SYS_shutdown, "shutdown" }, { SYS_getsockname, "getsockname" },
		{ SYS_getsockopt, "getsockopt" }, { SYS_setsockopt, "setsockopt" },
		{ SYS_recvfrom, "recv" }, { SYS_sendto, "send" },
		{ SYS_recvmsg, "recvmsg" }, { SYS_sendmsg, "sendmsg" },
	};
	static struct iovec iov[IOV];
	struct msghdr part, *m = NULL;
	const char *call = NULL;
	long a[6], n;
	va_list ap;

	va_start(ap, nr);
	for (unsigned i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].nr == nr)
			call = calls[i].call;
	if (call) {
		FAIL_IF(call, (int)a[0], nr != SYS_socket ? NULL :
			kind_of_new((int)a[0], (int)a[1], (int)a[2]));
		if (error == SHORT && (nr == SYS_recvmsg || nr == SYS_sendmsg)) {
			m = (struct msghdr *)a[1];
			part = cut_msg(error, m, iov);
			a[1] = (long)&part;
		} else if (error == SHORT) {
			a[2] = (long)cut(error, (size_t)a[2]);
		}
	}
	n = raw()(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (m && nr == SYS_recvmsg) {
		m->msg_namelen = part.msg_namelen;
		m->msg_controllen = part.msg_controllen;
		m->msg_flags = part.msg_flags;
	}
	return n;
}
#endif
