// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: into the background, see daemonize.h
 *
 * Readiness, by a socket between the two: the parent tells the child its PID, which
 * is 1 in the child's own eyes. It must report a failure of the last step,
 * isolate_filter(), which is after the fork: it waits for one int, 0 or an errno,
 * writes the PID file, and says so by one byte. A child whose parent has gone before
 * that ends: whoever started us was told that it failed, or was killed. Until the
 * last step it takes back what was begun; then it can't remove files any more.
 *
 * Why not a PID namespace in the foreground: it would take a second process,
 * waiting for nothing but to pass on our exit status. Why not unshare() it with
 * the others: all later children, netns_run()'s, would be born in it, and the
 * first one to exit would close it for good.
 */
#include "start/daemonize.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/conf_types.h"
#include "start/ns_hint.h"
#include "util.h"
#include "util/log.h"

static struct {
	int null_fd;			/* /dev/null, for the background */
	int ready_fd;			/* tell the waiting parent; -1: none */
	int pid_fd;			/* PID file, of the foreground; or -1 */
	pid_t waits_for;		/* we are that parent: the child, or 0 */
} bg = { .null_fd = -1, .ready_fd = -1, .pid_fd = -1 };

void daemonize_open(const struct conf *c)
{
	if (c->foreground)
		return;
	bg.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (bg.null_fd < 0)
		die("Couldn't open /dev/null: %s", strerror(errno));
}

static void pid_write(int fd, pid_t pid)
{
	char buf[16];
	int len, rc;

	if (fd < 0)
		return;
	len = snprintf(buf, sizeof(buf), "%d\n", pid);
	rc = write_all(fd, buf, (size_t)len);
	if (rc)
		die("Couldn't write PID file: %s", strerror(-rc));
	/* Not before: what was there stays if there is no room. A pipe or a
	 * terminal has nothing more.
	 */
	(void)!ftruncate(fd, len);
}

void daemonize_undo(void)
{
	if (bg.waits_for > 0)
		kill(bg.waits_for, SIGKILL);
}

/* The child has ended before it was ready: the reason is its own last message,
 * unless it had no time for one
 */
__attribute__((noreturn))
static void daemon_died(pid_t child)
{
	int status = 0, sig = 0;

	bg.waits_for = 0;
	if (waitpid(child, &status, 0) == child && WIFSIGNALED(status))
		sig = WTERMSIG(status);
	else if (WIFEXITED(status) && WEXITSTATUS(status) > 128)
		sig = WEXITSTATUS(status) - 128;	/* a handler's */
	if (sig)
		die("The process in the background was killed by signal %d (%s)"
		    " while it started", sig, strsignal(sig));
	die_told();
}

/* Parent: wait until the child is ready, say who it is. Its own messages have
 * been printed by itself; that of its last step, without stderr, is ours. If we
 * are called off, the child ends with us: daemonize_undo().
 */
__attribute__((noreturn))
static void daemon_parent(int ready_fd, pid_t child, int pid_fd)
{
	int outcome = 0;
	ssize_t n;

	/* The child can't know it by itself */
	if (write(ready_fd, &child, sizeof(child)) != sizeof(child))
		daemon_died(child);
	do {
		n = read(ready_fd, &outcome, sizeof(outcome));
	} while (n < 0 && errno == EINTR);

	if (n != sizeof(outcome))
		daemon_died(child);
	if (outcome)
		die("Couldn't filter system calls: %s", strerror(outcome));
	pid_write(pid_fd, child);
	if (write(ready_fd, "", 1) != 1)
		daemon_died(child);
	_exit(EXIT_SUCCESS);
}

pid_t daemonize(const struct conf *c, int pid_fd)
{
	pid_t child, self;
	int p[2];

	if (c->foreground) {
		bg.pid_fd = pid_fd;
		return getpid();
	}

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p))
		die("Couldn't go to the background: %s", strerror(errno));
	if (unshare(CLONE_NEWPID))
		ns_die("Couldn't create PID namespace", errno);
	child = fork();
	if (child < 0)
		die("Couldn't go to the background: %s", strerror(errno));
	if (child) {
		bg.waits_for = child;
		close(p[1]);
		daemon_parent(p[0], child, pid_fd);
	}

	close(p[0]);
	if (pid_fd >= 0)
		close(pid_fd);
	bg.ready_fd = p[1];
	setsid();
	if (read(bg.ready_fd, &self, sizeof(self)) != sizeof(self))
		die_told();
	return self;
}

void daemonize_drop_stdio(void)
{
	if (bg.ready_fd < 0)
		return;
	log_drop_stderr();
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(bg.null_fd, fd);
	close_fd(&bg.null_fd);
}

void daemonize_ready(void)
{
	char byte;

	pid_write(bg.pid_fd, getpid());
	close_fd(&bg.pid_fd);
	if (bg.ready_fd >= 0 &&
	    !recv(bg.ready_fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT))
		die_told();
}

void daemonize_tell(int outcome)
{
	char byte;

	if (bg.ready_fd >= 0) {
		if (write(bg.ready_fd, &outcome, sizeof(outcome)) !=
		    sizeof(outcome) || read(bg.ready_fd, &byte, 1) != 1)
			_exit(EXIT_FAILURE);
		close_fd(&bg.ready_fd);
	}
	if (outcome)
		die("Couldn't filter system calls: %s", strerror(outcome));
}
