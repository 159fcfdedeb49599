// SPDX-License-Identifier: GPL-2.0-or-later
/* What netns_run() relies on: a child on our memory and with our descriptors
 * can enter a network namespace that we can't leave again, and what it opens
 * there is ours to use; it raises no SIGCHLD.
 */
#include <linux/sockios.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../unit/tap_test.h"
#include "userns.h"

static struct {
	int ns_fd;
	int sock;
	int err;
} shared = { .sock = -1 };

static ino_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

static ino_t inode_of_path(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_ino;
}

static int child(void *arg)
{
	(void)arg;
	if (setns(shared.ns_fd, CLONE_NEWNET))
		shared.err = errno;
	else
		shared.sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return 0;
}

int main(void)
{
	static _Alignas(16) char stack[65536];
	int host_fd, fd, status = -1;
	sigset_t chld, pending;
	ino_t host;
	pid_t pid;

	/* Our own user namespace, but the network namespace of the start */
	host_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	host = inode_of(host_fd);
	enter_userns(0);

	/* The guest's, as pasta makes it: by a child in the user namespace */
	pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWNET))
			_exit(1);
		kill(getpid(), SIGSTOP);
		_exit(0);
	}
	waitpid(pid, &status, WUNTRACED);
	if (!ok(WIFSTOPPED(status), "a child makes a network namespace"))
		return done();
	{
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
		shared.ns_fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	sigpending(&pending);
	if (sigismember(&pending, SIGCHLD)) {
		int sig;

		sigwait(&chld, &sig);
	}

	pid = clone(child, stack + sizeof(stack),
		    CLONE_VM | CLONE_FILES | CLONE_VFORK, NULL);
	ok(pid > 0, "clone() with shared memory and descriptors");
	is_int(shared.err, 0, "it enters the namespace");
	is_int(waitpid(pid, &status, __WALL), pid, "it is reaped by __WALL");
	ok(shared.sock >= 0, "its socket is our descriptor");
	fd = ioctl(shared.sock, SIOCGSKNS);
	is_int(inode_of(fd), inode_of(shared.ns_fd),
	       "which belongs to the guest's namespace, as SIOCGSKNS tells");
	is_int(inode_of_path("/proc/self/ns/net"), host,
	       "while we are where we were");
	sigpending(&pending);
	ok(!sigismember(&pending, SIGCHLD), "no SIGCHLD");

	if (!ok(!setns(shared.ns_fd, CLONE_NEWNET), "we can go there"))
		return done();
	is_int(setns(host_fd, CLONE_NEWNET), -1, "but not come back");
	return done();
}
