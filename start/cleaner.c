// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: what has a name goes with us, see cleaner.h
 *
 * We can't do that ourselves: our root is empty, and a descriptor of a directory
 * outside would be a way out of it; and who was root at the start isn't any more. So
 * a process that does nothing else waits at a socket that we hold the other end of,
 * and has these directories instead.
 *
 * What it has: the descriptors of the socket and of the directories. What it can do:
 * a handful of system calls. Signals for our process group don't end it, or nothing would
 * be left to clean up. It is nobody's child, so that nobody has to wait for it.
 *
 * What it hears: KEEP, the start has succeeded; UNDO, it hasn't; or our end. After
 * UNDO we wait until it has gone: who starts us again at once, with the same names,
 * must not lose them to it.
 */
#include "start/cleaner.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "start/isolate.h"
#include "util.h"
#include "util/log.h"

enum { NAMES_MAX = 12 };

enum word { UNDO, KEEP };

static int hold_fd = -1;		/* our end of the socket */

/* What is to be removed */
struct names {
	struct leftover name[NAMES_MAX];
	unsigned count;			/* whenever we end */
	unsigned begun;			/* and behind them: if the start fails */
};

#ifndef SANITIZE
static bool filter(void)
{
	static const char *const calls[] = {
		"read", "newfstatat", "fstatat64", "statx", "unlinkat",
		"close", "exit_group",
	};
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int rc = f ? 0 : -ENOMEM;

	for (unsigned i = 0; i < ARRAY_SIZE(calls) && !rc; i++) {
		int nr = seccomp_syscall_resolve_name(calls[i]);

		if (nr >= 0)
			rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, nr, 0);
	}
	return !isolate_load(f, rc);
}
#endif

/* Our end is UNDO, too */
static enum word wait_word(int fd)
{
	char word;
	ssize_t n;

	do {
		n = read(fd, &word, 1);
	} while (n < 0 && errno == EINTR);
	return n == 1 && word == KEEP ? KEEP : UNDO;
}

static bool say(enum word word)
{
	const char byte = (char)word;

	return hold_fd >= 0 && write(hold_fd, &byte, 1) == 1;
}

__attribute__((noreturn))
static void clean(struct names *n, int wait_fd)
{
	static const int deaf[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	int keep[NAMES_MAX + 1];
	unsigned total = n->count + n->begun;

	for (unsigned i = 0; i < ARRAY_SIZE(deaf); i++)
		signal(deaf[i], SIG_IGN);
	setsid();
	prctl(PR_SET_NAME, "passt-cleaner");
	for (unsigned i = 0; i < total; i++)
		keep[i] = n->name[i].dir_fd;
	keep[total] = wait_fd;
	isolate_alone(keep, total + 1);
#ifndef SANITIZE
	if (!filter())
		_exit(EXIT_FAILURE);
#endif
	if (wait_word(wait_fd) == KEEP) {
		total = n->count;
		if (total)
			wait_word(wait_fd);
	}
	for (unsigned i = 0; i < total; i++)
		leftover_remove(&n->name[i]);
	_exit(EXIT_SUCCESS);
}

void cleaner_start(const struct leftover *const names[], unsigned count,
		   const struct leftover *const begun[], unsigned begun_count)
{
	struct names n = { .count = count, .begun = begun_count };
	int p[2] = { -1, -1 }, status = -1, fork_fd;
	pid_t pid;

	if (!(count + begun_count))
		return;
	assert(count + begun_count <= NAMES_MAX);
	for (unsigned i = 0; i < count; i++)
		n.name[i] = *names[i];
	for (unsigned i = 0; i < begun_count; i++)
		n.name[count + i] = *begun[i];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p)) {
		warn("Names of sockets, and of files if the start fails, will stay: %s", strerror(errno));
		return;
	}
	pid = isolate_fork(&fork_fd);
	if (!pid) {
		pid = fork();
		if (pid)
			_exit(pid < 0);
		close(p[0]);
		clean(&n, p[1]);
	}
	close(p[1]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status) {
		warn("Names of sockets, and of files if the start fails, will stay: %s",
		     "no process for them can be had");
		close_fd(&p[0]);
	}
	isolate_fork_wait(&fork_fd);
	hold_fd = p[0];
}

void cleaner_keep(void)
{
	say(KEEP);
}

void cleaner_undo(void)
{
	char byte;

	if (say(UNDO))
		while (read(hold_fd, &byte, 1) < 0 && errno == EINTR)
			;
}
