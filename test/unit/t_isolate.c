// SPDX-License-Identifier: GPL-2.0-or-later
/* What a process can still do after isolate_filter(), mode by mode
 * Links: engine/guest.o fwd/fwd.o start/isolate.o start/ns_hint.o
 * Links: host/netns.o pasta.o host/net.o
 * Links: host/netlink.o host/nl_copy.o host/nlmsg.o host/net_resolve.o host/resolv.o
 * Links: util/log.o util.o engine/loop.o engine/timer.o util/addr.o
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/conf_types.h"
#include "start/isolate.h"
#include "tap/guest_mem.h"
#include "tap_test.h"
#include "util/log.h"

/* Where something is allowed */
enum { P = 1 << MODE_PASST, V = 1 << MODE_VU, N = 1 << MODE_PASTA,
       ANY = P | V | N, W = 1 << 3, NEVER = 0 };

static void do_tcp_socket(void)
{
	close(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP));
}

static void do_unix_socket(void)
{
	socket(AF_UNIX, SOCK_STREAM, 0);
}

static void do_packet_socket(void)
{
	socket(AF_PACKET, SOCK_RAW, 0);
}

/* socket(AF_PACKET) in another way, where there is one */
static void do_socketcall(void)
{
#ifdef SYS_socketcall
	unsigned long arg[] = { AF_PACKET, SOCK_RAW, 0 };

	syscall(SYS_socketcall, 1, arg);
#else
	do_packet_socket();
#endif
}

static void do_open(void)
{
	(void)!open("/etc/passwd", O_RDONLY);
}

/* Is there such a name? */
static void do_open_path(void)
{
	syscall(SYS_openat, AT_FDCWD, "/", O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

/* As the watcher does */
static void do_open_read(void)
{
	syscall(SYS_openat, AT_FDCWD, "/etc/passwd", WATCHER_OPEN);
}

static void do_open_write(void)
{
	syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
}

static void do_inotify(void)
{
	inotify_init1(IN_CLOEXEC);
}

static void do_recv(void)
{
	char c;

	recv(0, &c, 1, 0);
}

static void do_recvmsg(void)
{
	struct msghdr m = { 0 };

	recvmsg(0, &m, 0);
}

static void do_unlinkat(void)
{
	unlinkat(-1, "name", 0);
}

static void do_fork(void)
{
	if (!fork())
		_exit(0);
}

static void do_exec(void)
{
	char *argv[] = { NULL };

	execv("/bin/true", argv);
}

static void do_mmap(void)
{
	(void)!mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* A guest's memory, and what takes its place */
static void do_mmap_guest(void)
{
	munmap(mmap(NULL, 4096, GMEM_PROT, GMEM_MAP_SHARED, -1, 0), 0);
}

static void do_mmap_zeros(void)
{
	static uint8_t area[2 * 65536];
	uintptr_t p = ((uintptr_t)area + 65535) & ~65535UL;

	(void)!mmap((void *)p, 65536, GMEM_PROT, GMEM_MAP_ZEROS, -1, 0);
}

static void do_mmap_code(void)
{
	(void)!mmap(NULL, 4096, PROT_READ | PROT_EXEC, GMEM_MAP_SHARED, -1, 0);
}

static void do_mmap_private(void)
{
	(void)!mmap(NULL, 4096, GMEM_PROT, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void do_mprotect(void)
{
	mprotect(NULL, 4096, PROT_EXEC);
}

static void do_setns_user(void)
{
	setns(-1, CLONE_NEWUSER);
}

static void do_setns_net(void)
{
	setns(-1, CLONE_NEWNET);
}

static void do_unshare(void)
{
	unshare(CLONE_NEWUSER);
}

static void do_ptrace(void)
{
	syscall(SYS_ptrace, 0, 0, 0, 0);
}

static void do_type_for_others(void)
{
	ioctl(0, TIOCSTI, "x");
}

static void do_kill(void)
{
	kill(getpid(), SIGTERM);
}

static void do_pipe(void)
{
	int p[2];

	(void)!pipe2(p, O_CLOEXEC);
}

static const struct {
	const char *name;
	void (*fn)(void);
	int allowed;
	bool sanitizer;			/* so is a sanitizer's business, too */
} calls[] = {
	{ "socket(AF_INET6)",	do_tcp_socket,		ANY,	false },
	{ "socket(AF_UNIX)",	do_unix_socket,		NEVER,	false },
	{ "socket(AF_PACKET)",	do_packet_socket,	NEVER,	false },
	{ "socketcall()",	do_socketcall,		NEVER,	false },
	{ "open()",		do_open,		NEVER,	true },
	{ "O_PATH open()",	do_open_path,		N,	true },
	{ "open() for reading",	do_open_read,		W,	true },
	{ "open() for writing",	do_open_write,		NEVER,	true },
	{ "inotify_init1()",	do_inotify,		W,	false },
	{ "recv()",		do_recv,		ANY | W, false },
	{ "recvmsg()",		do_recvmsg,		ANY,	false },
	{ "unlinkat()",		do_unlinkat,		NEVER,	false },
	{ "fork()",		do_fork,		NEVER,	true },
	{ "execve()",		do_exec,		NEVER,	false },
	{ "mmap()",		do_mmap,		NEVER,	true },
	{ "mmap() of a guest",	do_mmap_guest,		V,	true },
	{ "mmap() of zeros",	do_mmap_zeros,		V,	true },
	{ "mmap() of code",	do_mmap_code,		NEVER,	true },
	{ "mmap(), private",	do_mmap_private,	NEVER,	true },
	{ "mprotect()",		do_mprotect,		NEVER,	true },
	{ "setns(CLONE_NEWUSER)", do_setns_user,	NEVER,	false },
	{ "setns(CLONE_NEWNET)", do_setns_net,		N,	false },
	{ "unshare()",		do_unshare,		NEVER,	false },
	{ "ptrace()",		do_ptrace,		NEVER,	true },
	{ "ioctl(TIOCSTI)",	do_type_for_others,	NEVER,	true },
	{ "kill(SIGTERM)",	do_kill,		NEVER,	false },
	{ "pipe2()",		do_pipe,		N,	false },
};

/* Ends with a status that isn't 0 if it doesn't succeed */
static void last_stage(const struct conf *c)
{
	isolate_final(c);
	if (isolate_filter(c, 0))
		_exit(EXIT_FAILURE);
}

/* fn() after the last stage, in a child, or in a watcher; its wait status */
static int run_isolated(const struct conf *conf, void (*fn)(void))
{
	const struct rlimit none = { 0 };
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		setrlimit(RLIMIT_CORE, &none);
		if (conf) {
			last_stage(conf);
		} else {
			isolate_watcher(NULL, 0, false);
		}
		if (fn)
			fn();
		syscall(SYS_exit_group, 0);
	}
	waitpid(pid, &status, 0);
	return status;
}

/* All calls, in a mode or as a watcher */
static void test_calls(const char *mode, const struct conf *c, int bit)
{
	is_int(run_isolated(c, NULL), 0, "%s: the filter loads", mode);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		int want = calls[i].allowed & bit ? 0 : SIGSYS;

#ifdef SANITIZE
		if (calls[i].sanitizer)
			continue;
#endif
		is_int(WTERMSIG(run_isolated(c, calls[i].fn)), want, "%s: %s %s",
		       mode, calls[i].name, want ? "kills" : "is allowed");
	}
}

static void test_filter(void)
{
	static const char *const modes[] = { "passt", "vhost-user", "pasta" };
	static struct conf c = { .foreground = true, .netns = "/n" };

	for (unsigned mode = 0; mode < ARRAY_SIZE(modes); mode++) {
		c.mode = (enum mode)mode;
		test_calls(modes[mode], &c, 1 << mode);
		is_int(WTERMSIG(run_isolated(&c, abort)), SIGABRT,
		       "%s: abort() works", modes[mode]);
	}
	test_calls("watcher", NULL, W);
}

/* What the API socket takes, beside what the mode does */
static void test_api_socket(void)
{
	static struct conf c = {
		.mode = MODE_PASTA, .foreground = true, .api_socket = "/s",
	};

	is_int(WTERMSIG(run_isolated(&c, do_unlinkat)), SIGSYS,
	       "API socket: unlinkat() kills");
	is_int(WTERMSIG(run_isolated(&c, do_unix_socket)), SIGSYS,
	       "API socket: socket(AF_UNIX) kills");
}

/* The value of a line of /proc/PID/status of an isolated child */
static void test_status(enum mode mode, const char *field, const char *want)
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
		c.mode = mode;
		c.foreground = true;
		c.no_splice = true;
		last_stage(&c);
		(void)!write(p[1], "", 1);
		(void)!read(go[0], line, 1);
		syscall(SYS_exit_group, 0);
	}
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
	close(p[1]);
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
	test_filter();
	test_api_socket();
	for (unsigned mode = MODE_PASST; mode <= MODE_PASTA; mode++) {
		test_assert((enum mode)mode);
		test_status((enum mode)mode, "CapEff:", "0000000000000000");
		test_status((enum mode)mode, "CapPrm:", "0000000000000000");
		test_status((enum mode)mode, "CapInh:", "0000000000000000");
		test_status((enum mode)mode, "NoNewPrivs:", "1");
		test_status((enum mode)mode, "Seccomp:", "2");
	}
	return done();
}
