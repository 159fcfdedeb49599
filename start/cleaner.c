// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the names of our sockets go with us, see cleaner.h
 *
 * We can't do that ourselves: our root is empty, and a descriptor of a directory
 * outside would be a way out of it. So a process that does nothing else waits at a
 * pipe that we hold the other end of, and has this directory instead.
 *
 * What it has: the descriptors of the pipe and of the directories. What it can do:
 * four system calls. Signals for our process group don't end it, or nothing would
 * be left to clean up.
 */
#include "start/cleaner.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "start/isolate.h"
#include "util.h"
#include "util/log.h"

enum { NAMES_MAX = 4 };

static int hold_fd = -1;		/* our end of the pipe */

static bool filter(void)
{
	static const char *const calls[] = {
		"read", "newfstatat", "fstatat64", "statx", "unlinkat",
		"exit_group",
	};
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int rc = f ? 0 : -ENOMEM;

	for (unsigned i = 0; i < ARRAY_SIZE(calls) && !rc; i++) {
		int nr = seccomp_syscall_resolve_name(calls[i]);

		if (nr >= 0)
			rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, nr, 0);
	}
	return !rc && !seccomp_load(f);
}

__attribute__((noreturn))
static void clean(struct leftover *names, unsigned count, int wait_fd)
{
	static const int deaf[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	int keep[NAMES_MAX + 1];
	char byte;

	for (unsigned i = 0; i < ARRAY_SIZE(deaf); i++)
		signal(deaf[i], SIG_IGN);
	setsid();
	prctl(PR_SET_NAME, "passt-cleaner");
	for (unsigned i = 0; i < count; i++)
		keep[i] = names[i].dir_fd;
	keep[count] = wait_fd;
	isolate_alone(keep, count + 1);
#ifndef SANITIZE
	if (!filter())
		_exit(EXIT_FAILURE);
#endif
	while (read(wait_fd, &byte, 1) < 0 && errno == EINTR)
		;
	for (unsigned i = 0; i < count; i++)
		leftover_remove(&names[i]);
	_exit(EXIT_SUCCESS);
}

void cleaner_start(const struct leftover *const names[], unsigned count)
{
	struct leftover copy[NAMES_MAX];
	int p[2];
	pid_t pid;

	if (!count)
		return;
	assert(count <= NAMES_MAX);
	for (unsigned i = 0; i < count; i++)
		copy[i] = *names[i];
	if (pipe2(p, O_CLOEXEC)) {
		warn("Sockets' names will stay: %s", strerror(errno));
		return;
	}
	pid = fork();
	if (pid < 0)
		warn("Sockets' names will stay: %s", strerror(errno));
	if (!pid) {
		close(p[1]);
		clean(copy, count, p[0]);
	}
	close(p[0]);
	hold_fd = p[1];
}
