// SPDX-License-Identifier: GPL-2.0-or-later
/* What a process can still do after isolate_filter(), mode by mode
 * Links: engine/guest.o fwd/fwd.o start/isolate.o start/ns_hint.o
 * Links: host/netns.o pasta.o host/net.o
 * Links: host/netlink.o host/nl_copy.o host/nlmsg.o host/net_resolve.o host/resolv.o
 * Links: util/log.o util.o engine/loop.o engine/timer.o util/addr.o
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/conf_types.h"
#include "start/isolate.h"
#include "tap_test.h"
#include "test/lib/attempts.h"
#include "util/log.h"

/* Behind the modes: cleaner.c's process, before a filter of its own */
enum { ALONE = MODE_PASTA + 1 };

/* Whom a signal may be for in these tests */
static pid_t command;

/* Ends with a status that isn't 0 if it doesn't succeed */
static void last_stage(const struct conf *c)
{
	isolate_final(c);
	if (isolate_filter(c, conf_has_command(c) ? command : 0))
		_exit(EXIT_FAILURE);
}

/* A child after the last stage of `conf`, or a watcher if that is NULL, makes that
 * attempt, or calls fn(): its wait status
 */
static int run_isolated(const struct conf *conf, const struct attempt *a,
			void (*fn)(void))
{
	const struct rlimit none = { 0 };
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		long arg[6] = { 0 };

		for (unsigned i = 0; a && i < ARRAY_SIZE(arg); i++)
			arg[i] = a->arg[i] == SELF_PID ? getpid() :
				 a->arg[i] == COMMAND_PID ? command : a->arg[i];
		setrlimit(RLIMIT_CORE, &none);
		if (conf)
			last_stage(conf);
		else
			isolate_watcher(NULL, 0, false);
		if (a)
			syscall(a->nr, arg[0], arg[1], arg[2], arg[3], arg[4],
				arg[5]);
		if (fn)
			fn();
		syscall(SYS_exit_group, 0);
	}
	waitpid(pid, &status, 0);
	return status;
}

/* Other doors to the same kernel: calls of another architecture's numbers */
#ifdef __x86_64__
static void do_i386(void)
{
	long nr = 20;			/* getpid() there; here writev() */

	__asm__ volatile("int $0x80" : "+a"(nr) : : "memory");
}

static void do_x32(void)
{
	syscall(0x40000000 | SYS_getpid);
}
#else
#define do_i386	NULL
#define do_x32	NULL
#endif

static void test_doors(const char *mode, const struct conf *c)
{
	void (*const fn[])(void) = { do_i386, do_x32 };

	for (unsigned i = 0; i < ARRAY_SIZE(fn); i++) {
		if (fn[i])
			is_int(WTERMSIG(run_isolated(c, NULL, fn[i])), SIGSYS,
			       "%s: %s calls kill", mode, i ? "x32" : "i386");
	}
}

/* All attempts, in a mode or as a watcher */
static void test_attempts(const char *mode, const struct conf *c,
			  const char *letters)
{
	unsigned modes = attempt_modes(letters);

	is_int(run_isolated(c, NULL, NULL), 0, "%s: the filter loads", mode);
	test_doors(mode, c);
	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		const struct attempt *a = &attempts[i];
		int want = a->allowed & modes ? 0 : SIGSYS;

		if (!want && a->only_refused)
			continue;
		is_int(WTERMSIG(run_isolated(c, a, NULL)), want, "%s: %s %s",
		       mode, a->name, want ? "kills" : "passes");
	}
}

static void test_filter(void)
{
	static const struct {
		const char *name, *letters;
		struct conf c;
	} modes[] = {
		{ "passt", "P", { .mode = MODE_PASST } },
		{ "passt with a control socket", "P",
		  { .mode = MODE_PASST, .control_path = "/s", .conf_path = "/t" } },
		{ "vhost-user", "V", { .mode = MODE_VU } },
		{ "pasta", "NEC", { .mode = MODE_PASTA } },
		{ "pasta --no-splice", "NC",
		  { .mode = MODE_PASTA, .no_splice = true } },
		{ "pasta in another's namespace", "NEJ",
		  { .mode = MODE_PASTA, .netns = "/n" } },
		{ "slirp4netns", "NJ",
		  { .mode = MODE_PASTA, .ns_pid = 1, .slirp = true,
		    .no_splice = true, .api_socket = "/s" } },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
		test_attempts(modes[i].name, &modes[i].c, modes[i].letters);
		is_int(WTERMSIG(run_isolated(&modes[i].c, NULL, abort)),
		       SIGABRT, "%s: abort() works", modes[i].name);
	}
	test_attempts("watcher", NULL, "W");
}

static void *intrude(void *arg)
{
	const int *go = arg;
	char c;

	(void)!read(*go, &c, 1);
	syscall(SYS_execve, NULL, NULL, NULL);
	return NULL;
}

/* What is forbidden to one thread, as that of a log file, ends all of them */
static void test_threads(void)
{
	const struct conf c = { .mode = MODE_PASST };
	int status = 0, p[2];
	pthread_t t;
	pid_t pid;

	if (pipe(p))
		return;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		if (pthread_create(&t, NULL, intrude, p))
			_exit(EXIT_FAILURE);
		last_stage(&c);
		(void)!write(p[1], "", 1);
		poll(NULL, 0, 5000);
		syscall(SYS_exit_group, 0);
	}
	waitpid(pid, &status, 0);
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS,
	   "a thread's forbidden call ends the process: %#x", status);
	close(p[0]);
	close(p[1]);
}

/* Is it dumpable, so that others of its user may look into it? */
static void test_dumpable(unsigned mode)
{
	const struct conf c = { .mode = (enum mode)mode };
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		if (mode == ALONE)
			isolate_alone(NULL, 0);
		else
			isolate_final(&c);
		_exit(prctl(PR_GET_DUMPABLE));
	}
	waitpid(pid, &status, 0);
	is_int(status, 0, "not dumpable");
}

/* The value of a line of /proc/PID/status of an isolated child */
static void test_status(unsigned mode, const char *field, const char *want)
{
	char path[64], line[256], got[64] = "none";
	static struct conf c;
	int p[2], go[2];
	pid_t pid;
	FILE *f;

	if (pipe(p) || pipe(go))
		return;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		close(go[1]);
		c.mode = (enum mode)mode;
		c.foreground = true;
		c.no_splice = true;
		if (mode == ALONE)
			isolate_alone((const int[]){ p[1], go[0] }, 2);
		else
			last_stage(&c);
		(void)!write(p[1], "", 1);
		(void)!read(go[0], line, 1);
		syscall(SYS_exit_group, 0);
	}
	close(p[1]);			/* it may end before it says anything */
	(void)!read(p[0], line, 1);
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, field, strlen(field)))
			sscanf(line + strlen(field), " %63s", got);
	}
	if (f)
		fclose(f);
	is_str(got, want, "%s %s", field, want);
	close(go[1]);
	waitpid(pid, NULL, 0);
	close(go[0]);
	close(p[0]);
}

/* A failed assertion is told where nothing can be allocated any more */
static void test_assert(enum mode mode)
{
	char line[512] = "";
	struct conf c = { 0 };
	int p[2], status = 0;
	pid_t pid;

	if (pipe(p))
		return;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		dup2(p[1], STDERR_FILENO);
		log_init("passt");
		log_open_stderr();
		c.mode = mode;
		c.foreground = true;
		last_stage(&c);
		assert(c.mode > 1000);
	}
	close(p[1]);
	(void)!read(p[0], line, sizeof(line) - 1);
	waitpid(pid, &status, 0);
	ok(strstr(line, "Assertion failed: c.mode > 1000, test/unit/t_isolate.c:") ==
	   line && strchr(line, '\n') == strrchr(line, '\n'),
	   "a failed assertion says one line: %.*s",
	   (int)strcspn(line, "\n"), line);
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
	   "  and aborts, by signal %d", WTERMSIG(status));
	close(p[0]);
}

int main(void)
{
	command = fork();
	if (!command) {
		pause();
		_exit(0);
	}
	test_filter();
	kill(command, SIGKILL);
	waitpid(command, NULL, 0);
	test_threads();
	for (unsigned mode = MODE_PASST; mode <= ALONE; mode++) {
		test_dumpable(mode);
		test_status(mode, "CapEff:", "0000000000000000");
		test_status(mode, "CapPrm:", "0000000000000000");
		test_status(mode, "CapInh:", "0000000000000000");
		test_status(mode, "NoNewPrivs:", "1");
		if (mode == ALONE)
			continue;
		test_status(mode, "Seccomp:", "2");
		test_assert((enum mode)mode);
	}
	return done();
}
