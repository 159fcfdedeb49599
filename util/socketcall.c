// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: socket calls that a filter can judge
 *
 * i386, s390x and others have two ways for each of them: a system call of its own, from
 * Linux 4.3 on, and socketcall(), to which the arguments are passed in memory, where no
 * filter can read them. The C library takes the latter. With it socket(AF_PACKET) would
 * look as socket(AF_INET) does, so our filter forbids it (isolate.c), and the functions
 * here come in the library's place: the linker finds a name in the program first.
 *
 * Elsewhere there is no socketcall(), and nothing in this file.
 */
/* With it, addresses are passed as unions */
#undef _GNU_SOURCE
#define _DEFAULT_SOURCE 1
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/assert.h"

#ifdef SYS_socketcall

/* Weak: a test may have others */
#define CALL __attribute__((weak))

CALL int socket(int domain, int type, int proto)
{
	return (int)syscall(SYS_socket, domain, type, proto);
}

CALL int socketpair(int domain, int type, int proto, int fd[2])
{
	return (int)syscall(SYS_socketpair, domain, type, proto, fd);
}

CALL int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	return (int)syscall(SYS_bind, fd, addr, len);
}

CALL int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	return (int)syscall(SYS_connect, fd, addr, len);
}

CALL int listen(int fd, int backlog)
{
	return (int)syscall(SYS_listen, fd, backlog);
}

int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
CALL int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	return (int)syscall(SYS_accept4, fd, addr, len, flags);
}

CALL int getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	return (int)syscall(SYS_getsockname, fd, addr, len);
}

CALL int getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	return (int)syscall(SYS_getpeername, fd, addr, len);
}

CALL int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	return (int)syscall(SYS_getsockopt, fd, level, name, value, len);
}

CALL int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	return (int)syscall(SYS_setsockopt, fd, level, name, value, len);
}

CALL int shutdown(int fd, int how)
{
	return (int)syscall(SYS_shutdown, fd, how);
}

CALL ssize_t sendto(int fd, const void *buf, size_t len, int flags,
	       const struct sockaddr *to, socklen_t to_len)
{
	return syscall(SYS_sendto, fd, buf, len, flags, to, to_len);
}

CALL ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	return sendto(fd, buf, len, flags, NULL, 0);
}

CALL ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	return syscall(SYS_sendmsg, fd, m, flags);
}

CALL ssize_t recvfrom(int fd, void *buf, size_t len, int flags,
		 struct sockaddr *from, socklen_t *from_len)
{
	return syscall(SYS_recvfrom, fd, buf, len, flags, from, from_len);
}

CALL ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	return recvfrom(fd, buf, len, flags, NULL, NULL);
}

/* What _FORTIFY_SOURCE makes of recv() into a buffer of known size */
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t size, int flags);
CALL ssize_t __recv_chk(int fd, void *buf, size_t len, size_t size, int flags)
{
	assert(len <= size);
	return recv(fd, buf, len, flags);
}

ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t size, int flags,
		       struct sockaddr *from, socklen_t *from_len);
CALL ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t size, int flags,
		       struct sockaddr *from, socklen_t *from_len)
{
	assert(len <= size);
	return recvfrom(fd, buf, len, flags, from, from_len);
}

CALL ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	return syscall(SYS_recvmsg, fd, m, flags);
}

#endif /* SYS_socketcall */
