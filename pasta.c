// SPDX-License-Identifier: GPL-2.0-or-later
/* The command or shell of namespace mode
 *
 * Role: the child process, from its namespaces to its exit status.
 *
 * Flow:
 * 1. pasta_spawn() clones it with all its namespaces. It prepares what only it
 *    can (its /proc, host name, ping sockets for root) while the parent sets
 *    up the network, then blocks in read() on a pipe.
 * 2. pasta_start() writes a byte to it: it becomes the command.
 * 3. SIGCHLD arrives by a signalfd: reaped, terminal taken back, loop_exit().
 *
 * Invariants: it never outlives us. Before the start the pipe's end-of-file
 * tells it; from the clone on, the kernel kills it with us (PR_SET_PDEATHSIG,
 * which survives execve()), and with it, as it is PID 1, all that it started.
 *
 * Signals: Ctrl-C goes to the terminal's foreground process group: the command
 * and us, or a shell's job alone. We don't end by it. But PID 1 of a namespace
 * is immune against signals that it has no handler for, so a simple command
 * would be, too: if it neither handles nor ignores SIGINT, which is what
 * /proc/PID/status says, then we do what the kernel would have done elsewhere.
 *
 * Terminal: a shell with job control makes its own process group the
 * foreground one, and wants to give the terminal back in the end. Our group has
 * no number in its PID namespace, and some shells mind, so we start a shell
 * with the terminal and a group of its own: Ctrl-C is never meant for us then.
 * Whatever it was, in the end we take the terminal back, so that a script that
 * called us can go on reading.
 */
#include "pasta.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/conf_types.h"
#include "engine/loop.h"
#include "start/isolate.h"
#include "start/ns_hint.h"
#include "util.h"
#include "util/log.h"

enum {
	SPAWN_STACK	= 64 * 1024,
	STATUS_MAX	= 4096,		/* /proc/PID/status */
	HOSTNAME_MAX	= 64,		/* what sethostname() takes */
};

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC	(1U << 2)
#endif

static struct {
	pid_t pid;			/* 0: no command */
	int start_fd;			/* a byte written to it starts it */
	int signal_fd;
	int status_fd;			/* /proc/PID/status, or -1 */
	sigset_t old_mask;		/* signal mask we were started with */
	bool have_tty;			/* our group was in the foreground */
	bool interrupted;		/* killed by us in the name of Ctrl-C */
} cmd = { .start_fd = -1, .signal_fd = -1, .status_fd = -1 };

/* For the child: its copy of our memory */
struct spawn {
	const struct conf *conf;
	int wait_fd, start_fd;
	bool own_group;			/* a shell, with a terminal */
	char hostname[HOSTNAME_MAX + 1];
};

/* The child's side */

/* Why something couldn't be had: errno, or 0 */
struct prepared {
	int proc, hostname;
};

static struct prepared spawn_prepare(const struct spawn *s)
{
	struct prepared failed = { 0 };

	/* Mounts of the host's may come in, ours don't go out */
	if (mount("none", "/", NULL, MS_SLAVE | MS_REC, NULL) ||
	    mount("proc", "/proc", "proc",
		  MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		failed.proc = errno;

	if (sethostname(s->hostname, strlen(s->hostname)))
		failed.hostname = errno;

	/* Root inside may ping without privilege outside; if the kernel
	 * doesn't let us, there are still raw sockets for that
	 */
	write_file("/proc/sys/net/ipv4/ping_group_range", "0 0");
	return failed;
}

/* Only with a start that succeeds: one that fails tells why by itself, and
 * nothing may be written once it has ended
 */
static void spawn_warn(const struct spawn *s, struct prepared failed)
{
	if (failed.proc)
		warn("Couldn't mount a /proc of the new namespace: %s",
		     strerror(failed.proc));
	if (failed.hostname)
		warn("Couldn't set host name %s: %s", s->hostname,
		     strerror(failed.hostname));
}

/* Is there a file of that name in a directory of PATH, as far as we can see? */
static bool spawn_in_path(const char *name)
{
	const char *dir = getenv("PATH");
	char path[PATH_MAX];

	if (!dir)
		return true;	/* the library has directories of its own */
	while (dir) {
		const char *end = strchrnul(dir, ':');

		snprintf(path, sizeof(path), "%.*s/%s",
			 end > dir ? (int)(end - dir) : 1,
			 end > dir ? dir : ".", name);
		if (!access(path, F_OK))
			return true;
		dir = *end ? end + 1 : NULL;
	}
	return false;
}

static void spawn_failed(const char *name, int error)
{
	/* execvp() speaks of a directory of PATH that is closed to us, such as
	 * one of root's home, even if the command is in none that is open
	 */
	if (error == EACCES && !strchr(name, '/') && !spawn_in_path(name))
		error = ENOENT;
	err("Failed to start command or shell: %s: %s", name, strerror(error));
}

/* Returns after failure only */
static void spawn_exec(const struct conf *c)
{
	static char login[PATH_MAX + 1], shell[PATH_MAX];
	char *login_argv[] = { login, NULL };
	const char *env = getenv("SHELL");

	if (c->command) {
		execvp(c->command[0], c->command);
		spawn_failed(c->command[0], errno);
		return;
	}

	snprintf(shell, sizeof(shell), "%s", env && *env ? env : "/bin/sh");
	snprintf(login, sizeof(login), "-%s", shell);
	execvp(shell, login_argv);
	spawn_failed(shell, errno);
}

static int spawn_child(void *arg)
{
	const struct spawn *s = arg;
	struct prepared failed;
	ssize_t n;
	char go;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(s->start_fd);
	failed = spawn_prepare(s);

	do {
		n = read(s->wait_fd, &go, sizeof(go));
	} while (n < 0 && errno == EINTR);
	if (n != sizeof(go))
		return EXIT_FAILURE;
	spawn_warn(s, failed);

	/* All of ours are close-on-exec, this is for those of libraries */
#ifdef SYS_close_range
	syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
#endif
	isolate_restore_limits();
	if (s->own_group && !setpgid(0, 0))
		tcsetpgrp(STDIN_FILENO, getpid());
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &cmd.old_mask, NULL);
	spawn_exec(s->conf);
	return EXIT_FAILURE;
}

/* Our side */

static void spawn_hostname(const struct conf *c, char *buf, size_t size)
{
	char host[HOSTNAME_MAX + 1] = "";

	if (*c->hostname) {
		snprintf(buf, size, "%.*s", HOSTNAME_MAX, c->hostname);
		return;
	}
	gethostname(host, sizeof(host) - 1);
	snprintf(buf, size, "pasta-%.*s", HOSTNAME_MAX - 6, host);
}

/* Is it a shell to talk to, rather than one that runs a script? */
static bool command_is_shell(const struct conf *c)
{
	static const char *const shells[] = {
		"ash", "bash", "csh", "dash", "fish", "ksh", "mksh", "rbash",
		"sh", "tcsh", "zsh",
	};
	const char *name, *slash;

	if (!c->command)
		return true;
	for (char **arg = c->command + 1; *arg; arg++) {
		if (strcmp(*arg, "-i") && strcmp(*arg, "-l"))
			return false;
	}

	slash = strrchr(c->command[0], '/');
	name = slash ? slash + 1 : c->command[0];
	for (size_t i = 0; i < ARRAY_SIZE(shells); i++) {
		if (!strcmp(name, shells[i]))
			return true;
	}
	return false;
}

/* Does a line of /proc/PID/status, e.g. "SigCgt:\t0000000000000002", have the
 * bit of this signal?
 */
static bool status_has_signal(const char *status, const char *field, int sig)
{
	const char *line = strstr(status, field);

	return line && (strtoull(line + strlen(field), NULL, 16) >>
			(sig - 1) & 1);
}

/* Would this signal do something to the command: ignored or handled? */
static bool command_minds(int sig)
{
	char status[STATUS_MAX];
	ssize_t n = -1;

	if (cmd.status_fd >= 0)
		n = pread(cmd.status_fd, status, sizeof(status) - 1, 0);
	if (n <= 0)
		return true;
	status[n] = '\0';
	return status_has_signal(status, "\nSigCgt:", sig) ||
	       status_has_signal(status, "\nSigIgn:", sig);
}

static void command_interrupt(bool from_terminal)
{
	if (!command_minds(SIGINT)) {
		cmd.interrupted = true;
		kill(cmd.pid, SIGKILL);
	} else if (!from_terminal) {
		kill(cmd.pid, SIGINT);
	}
}

static void command_reap(void)
{
	int status, code;

	if (waitpid(cmd.pid, &status, WNOHANG) != cmd.pid)
		return;

	if (WIFEXITED(status))
		code = WEXITSTATUS(status);
	else if (cmd.interrupted)
		code = 128 + SIGINT;
	else
		code = 128 + WTERMSIG(status);

	if (cmd.have_tty)
		tcsetpgrp(STDIN_FILENO, getpgrp());
	cmd.pid = 0;
	loop_exit(code);
}

static void command_event(struct loop_ref ref, uint32_t events)
{
	struct signalfd_siginfo si;

	(void)ref;
	(void)events;
	while (read(cmd.signal_fd, &si, sizeof(si)) == sizeof(si)) {
		if (!cmd.pid)
			continue;
		if (si.ssi_signo == SIGINT)
			command_interrupt(si.ssi_code > 0);
		else
			command_reap();
	}
}

pid_t pasta_spawn(const struct conf *c)
{
	static _Alignas(16) char stack[SPAWN_STACK];
	struct spawn s = { .conf = c };
	char path[64];
	sigset_t mask;
	int p[2];

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGINT);
	cmd.signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (cmd.signal_fd < 0 || pipe2(p, O_CLOEXEC))
		die("Couldn't prepare for the command: %s", strerror(errno));

	sigaddset(&mask, SIGTTOU);
	sigprocmask(SIG_BLOCK, &mask, &cmd.old_mask);
	cmd.have_tty = tcgetpgrp(STDIN_FILENO) == getpgrp();
	s.own_group = cmd.have_tty && command_is_shell(c);
	spawn_hostname(c, s.hostname, sizeof(s.hostname));
	s.wait_fd = p[0];
	s.start_fd = cmd.start_fd = p[1];

	cmd.pid = clone(spawn_child, stack + sizeof(stack),
			CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID |
			CLONE_NEWIPC | CLONE_NEWUTS | SIGCHLD, &s);
	if (cmd.pid < 0)
		ns_die("Couldn't create namespaces", errno);
	close(p[0]);

	snprintf(path, sizeof(path), "/proc/%d/status", cmd.pid);
	cmd.status_fd = open(path, O_RDONLY | O_CLOEXEC);
	return cmd.pid;
}

void pasta_watch(void)
{
	int rc;

	if (cmd.signal_fd < 0)
		return;
	loop_set_handler(LOOP_COMMAND, command_event);
	rc = loop_add(cmd.signal_fd, EPOLLIN,
		      (struct loop_ref){ .kind = LOOP_COMMAND });
	if (rc)
		die("Couldn't watch the command: %s", strerror(-rc));
}

pid_t pasta_command(void)
{
	return cmd.pid;
}

bool pasta_has_ended(void)
{
	return !cmd.pid && !cmd.interrupted;
}

void pasta_start(void)
{
	if (cmd.start_fd < 0)
		return;
	/* If it is dead already, its exit status will tell */
	(void)!write(cmd.start_fd, "", 1);
	close_fd(&cmd.start_fd);
}
