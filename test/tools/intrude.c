// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: make system calls in the place of a program that runs, as one would who took
 * it over, and see which of them it survives
 *
 *	intrude MODES NAME WHICH/OF [thread] -- CMD...
 *
 * CMD is started; of it and its children, the process of that name (as ps -o comm
 * shows) is taken as soon as it is behind its filter and sleeps; with "thread", its
 * second thread. First the attempts of test/lib/attempts.h that one of the MODES allows
 * are made, all in one process, which must live on. Then the others, each in a fresh
 * CMD, as each must end it by SIGSYS; of OF neighbours only one, number WHICH. Lines "ok
 * NAME" and "not ok NAME"; the status is 0 if all attempts were made.
 *
 * How: ptrace(), which root may use on others' processes. It is stopped in the system call
 * in which it sleeps; the instruction of that call is executed once more, with a number
 * and arguments of ours. The kernel runs the filter after it has told the tracer.
 */
#ifdef __riscv
#include <asm/ptrace.h>
#endif
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/lib/attempts.h"

enum {
	TRIES		= 5000,		/* of 2 ms each, for a condition */
	FAMILY_MAX	= 64,		/* CMD and its children */
	RESTART_FIRST	= 512,		/* ERESTARTSYS and others, of the kernel */
	RESTART_LAST	= 516,
};

static const char *target_name;
static bool target_thread;
static char **target_cmd;

/* ---- Machines ---- */

/* regs_t; PC and RESULT of it; regs_call() sets a call's number and arguments.
 * SYSCALL_SIZE: of the instruction, which is before the program counter. If a call is to
 * begin anew, the kernel goes back to the instruction once the tracer has been; FIRST_ARG
 * is what has to be in RESULT by then. Where the kernel does that before, there's
 * is_syscall() instead, whose bytes these are. SYSCALL_ANY: an instruction whose number
 * is in a register, if there are others.
 */
#if defined(__x86_64__)
typedef struct user_regs_struct regs_t;
#define SYSCALL_SIZE	2
#define PC(r)	((r)->rip)
#define RESULT(r)	((r)->rax)
static void regs_call(regs_t *r, long nr, const long a[6])
{
	r->rax = (unsigned long long)nr;
	r->orig_rax = ~0ULL;
	r->rdi = (unsigned long long)a[0];
	r->rsi = (unsigned long long)a[1];
	r->rdx = (unsigned long long)a[2];
	r->r10 = (unsigned long long)a[3];
	r->r8 = (unsigned long long)a[4];
	r->r9 = (unsigned long long)a[5];
}
#define FIRST_ARG(r)	((r)->orig_rax)
#elif defined(__i386__)
typedef struct user_regs_struct regs_t;
#define SYSCALL_SIZE	2
#define PC(r)	((r)->eip)
#define RESULT(r)	((r)->eax)
static void regs_call(regs_t *r, long nr, const long a[6])
{
	r->eax = nr;
	r->orig_eax = -1;
	r->ebx = a[0];
	r->ecx = a[1];
	r->edx = a[2];
	r->esi = a[3];
	r->edi = a[4];
	r->ebp = a[5];
}
#define FIRST_ARG(r)	((r)->orig_eax)
#elif defined(__aarch64__)
typedef struct user_regs_struct regs_t;
#define SYSCALL_SIZE	4
#define PC(r)	((r)->pc)
#define RESULT(r)	((r)->regs[0])
static void regs_call(regs_t *r, long nr, const long a[6])
{
	for (unsigned i = 0; i < 6; i++)
		r->regs[i] = (unsigned long long)a[i];
	r->regs[8] = (unsigned long long)nr;
}
static bool is_syscall(unsigned long word)
{
	return (uint32_t)word == 0xd4000001;
}
#elif defined(__arm__)
/* Thumb, as Debian's C library is */
typedef struct user_regs regs_t;
#define SYSCALL_SIZE	2
#define PC(r)	((r)->uregs[15])
#define RESULT(r)	((r)->uregs[0])
static void regs_call(regs_t *r, long nr, const long a[6])
{
	for (unsigned i = 0; i < 6; i++)
		r->uregs[i] = (unsigned long)a[i];
	r->uregs[7] = (unsigned long)nr;
}
static bool is_syscall(unsigned long word)
{
	return (uint16_t)word == 0xdf00;
}
#elif defined(__riscv)
typedef struct user_regs_struct regs_t;
#define SYSCALL_SIZE	4
#define PC(r)	((r)->pc)
#define RESULT(r)	((r)->a0)
static void regs_call(regs_t *r, long nr, const long a[6])
{
	unsigned long *const arg[6] = { &r->a0, &r->a1, &r->a2, &r->a3, &r->a4,
					&r->a5 };

	for (unsigned i = 0; i < 6; i++)
		*arg[i] = (unsigned long)a[i];
	r->a7 = (unsigned long)nr;
}
static bool is_syscall(unsigned long word)
{
	return (uint32_t)word == 0x00000073;
}
#elif defined(__s390x__)
typedef struct _user_regs_struct regs_t;
#define SYSCALL_SIZE	2
#define PC(r)	((r)->psw.addr)
#define RESULT(r)	((r)->gprs[2])
static void regs_call(regs_t *r, long nr, const long a[6])
{
	for (unsigned i = 0; i < 5; i++)
		r->gprs[2 + i] = (unsigned long)a[i];
	r->gprs[7] = (unsigned long)a[5];
	r->gprs[1] = (unsigned long)nr;
}
#define FIRST_ARG(r)	((r)->orig_gpr2)
#define SYSCALL_ANY	0x0a00		/* svc 0 */
#endif

#ifdef FIRST_ARG
static bool is_syscall(unsigned long word)
{
	(void)word;
	return false;
}
#endif

__attribute__((noreturn, format(printf, 1, 2)))
static void give_up(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fprintf(stderr, "intrude: ");
	vfprintf(stderr, format, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	exit(1);
}

static void moment(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

/* ---- CMD and its children ---- */

/* A line of /proc/PID/status, e.g. "PPid:", up to its end */
static bool status_of(pid_t pid, const char *field, char *ret, size_t size)
{
	char path[64], line[256];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	while (f && !found && fgets(line, sizeof(line), f)) {
		if (strncmp(line, field, strlen(field)))
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(ret, size, "%s",
			 line + strlen(field) + strspn(line + strlen(field), "\t "));
		found = true;
	}
	if (f)
		fclose(f);
	return found;
}

static bool status_is(pid_t pid, const char *field, const char *want)
{
	char value[64];

	return status_of(pid, field, value, sizeof(value)) &&
	       !strncmp(value, want, strlen(want));
}

/* Names in a directory that are numbers, larger than 0 */
static unsigned numbers_in(const char *path, pid_t *ret, unsigned max)
{
	const struct dirent *e;
	DIR *dir = opendir(path);
	unsigned n = 0;

	while (dir && (e = readdir(dir)) && n < max) {
		if (atoi(e->d_name) > 0)
			ret[n++] = atoi(e->d_name);
	}
	if (dir)
		closedir(dir);
	return n;
}

/* All that descend from us; orphans are ours, too */
static unsigned family(pid_t ret[FAMILY_MAX])
{
	static pid_t all[65536];
	unsigned count = numbers_in("/proc", all, 65536), n = 0;
	char value[32];

	for (unsigned done = 0, first = 1; first || done < n; first = 0) {
		pid_t parent = first ? getpid() : ret[done++];

		for (unsigned i = 0; i < count && n < FAMILY_MAX; i++) {
			if (status_of(all[i], "PPid:", value, sizeof(value)) &&
			    atoi(value) == parent)
				ret[n++] = all[i];
		}
	}
	return n;
}

/* The process or thread to be taken: behind its filter, and asleep; or 0 */
static pid_t target_find(void)
{
	pid_t of[FAMILY_MAX], tasks[8];
	unsigned n = family(of);
	char path[64];

	for (unsigned i = 0; i < n; i++) {
		pid_t pid = of[i];
		char name[64];

		if (!status_of(pid, "Name:", name, sizeof(name)) ||
		    strcmp(name, target_name))
			continue;
		if (target_thread) {
			snprintf(path, sizeof(path), "/proc/%d/task", pid);
			if (numbers_in(path, tasks, 8) != 2)
				continue;
			pid = tasks[tasks[0] == pid];
		}
		if (status_is(pid, "Seccomp:", "2") &&
		    status_is(pid, "State:", "S"))
			return pid;
	}
	return 0;
}

static pid_t target_start(void)
{
	pid_t pid = fork();

	if (!pid) {
		setsid();
		if (!freopen("/dev/null", "w", stdout))
			_exit(127);
		execvp(target_cmd[0], target_cmd);
		_exit(127);
	}
	for (unsigned i = 0; i < TRIES; i++) {
		pid_t found = target_find();

		if (found)
			return found;
		moment();
	}
	give_up("no %s behind a filter", target_name);
}

static void target_end(void)
{
	pid_t of[FAMILY_MAX];

	for (unsigned i = 0; i < TRIES; i++) {
		unsigned n = family(of);

		for (unsigned j = 0; j < n; j++)
			kill(of[j], SIGKILL);
		while (waitpid(-1, NULL, __WALL | WNOHANG) > 0)
			;
		if (!n)
			return;
		moment();
	}
	give_up("%s doesn't end", target_cmd[0]);
}

/* ---- In its place ---- */

static void regs_io(pid_t pid, bool set, regs_t *r)
{
	struct iovec iov = { .iov_base = r, .iov_len = sizeof(*r) };

	if (ptrace(set ? PTRACE_SETREGSET : PTRACE_GETREGSET, pid,
		   (void *)NT_PRSTATUS, &iov))
		give_up("registers: %s", strerror(errno));
}

static bool in_syscall(int status)
{
	return WIFSTOPPED(status) && WSTOPSIG(status) == (SIGTRAP | 0x80);
}

/* Until it stops, or has ended: its wait status. To the next beginning or end of a
 * system call; signals that come first are its own.
 */
static int go(pid_t pid)
{
	int status = 0;

	do {
		long sig = WIFSTOPPED(status) ? WSTOPSIG(status) : 0;

		if (ptrace(PTRACE_SYSCALL, pid, NULL, (void *)sig))
			give_up("ptrace: %s", strerror(errno));
		if (waitpid(pid, &status, __WALL) != pid)
			give_up("waitpid: %s", strerror(errno));
	} while (WIFSTOPPED(status) && !in_syscall(status));
	return status;
}

/* A word of its memory */
static unsigned long peek(pid_t pid, unsigned long at)
{
	long word;

	errno = 0;
	word = ptrace(PTRACE_PEEKTEXT, pid, (void *)at, NULL);
	if (errno)
		give_up("peek: %s", strerror(errno));
	return (unsigned long)word;
}

/* Where the instruction is, by which it went to sleep */
static unsigned long syscall_at(pid_t pid, const regs_t *r)
{
	return PC(r) - (is_syscall(peek(pid, PC(r))) ? 0 : SYSCALL_SIZE);
}

/* One that is as good for any call, in its place; later its own one again */
static void syscall_any(pid_t pid, const regs_t *r, bool own)
{
#ifdef SYSCALL_ANY
	static unsigned long was;
	unsigned long at = PC(r) - SYSCALL_SIZE, word;

	if (!own)
		was = peek(pid, at);
	word = own ? was : (was & ~0UL >> 16) | (unsigned long)SYSCALL_ANY << 48;
	if (ptrace(PTRACE_POKETEXT, pid, (void *)at, (void *)word))
		give_up("poke: %s", strerror(errno));
#else
	(void)pid;
	(void)r;
	(void)own;
#endif
}

static void stop(pid_t pid, regs_t *ret_regs)
{
	int status = 0;

	if (ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_TRACESYSGOOD) ||
	    ptrace(PTRACE_INTERRUPT, pid, NULL, NULL))
		give_up("can't take process %d: %s", pid, strerror(errno));
	if (waitpid(pid, &status, __WALL) != pid)
		give_up("waitpid: %s", strerror(errno));
	if (!WIFSTOPPED(status))
		give_up("process %d has ended", pid);
	regs_io(pid, false, ret_regs);
	syscall_any(pid, ret_regs, false);
}

static bool is_pending(pid_t pid, int sig)
{
	char mask[64];

	return status_of(pid, "SigPnd:", mask, sizeof(mask)) &&
	       strtoull(mask, NULL, 16) >> (sig - 1) & 1;
}

static pid_t own_pid(pid_t pid)
{
	char all[64];
	const char *last;

	if (!status_of(pid, "Tgid:", all, sizeof(all)))
		give_up("no Tgid");
	pid = atoi(all);
	if (!status_of(pid, "NSpid:", all, sizeof(all)))
		give_up("no NSpid");
	last = strrchr(all, '\t');
	return atoi(last ? last : all);
}

/* The call, after which it is stopped, or has ended: 0, or the signal that ended it */
static int attempt(pid_t pid, const regs_t *old, const struct attempt *a,
		   long *ret_result)
{
	regs_t r = *old;
	long arg[6];
	int status;

	for (unsigned i = 0; i < 6; i++)
		arg[i] = a->arg[i] == SELF_PID ? own_pid(pid) : a->arg[i];
	regs_call(&r, a->nr, arg);
	PC(&r) = syscall_at(pid, old);
	regs_io(pid, true, &r);
	status = go(pid);
	if (!in_syscall(status))
		give_up("%s: no system call, but status %x", a->name, status);
	status = go(pid);
	/* The filter's signal comes after the end of the call */
	if (in_syscall(status) && is_pending(pid, SIGSYS))
		status = go(pid);
	if (WIFSIGNALED(status))
		return WTERMSIG(status);
	regs_io(pid, false, &r);
	*ret_result = (long)RESULT(&r);
	return 0;
}

/* As if nothing had been: what it slept in begins anew, where the kernel would have
 * done that
 */
static void let_go(pid_t pid, regs_t *old)
{
	syscall_any(pid, old, true);
#ifdef FIRST_ARG
	long result = (long)RESULT(old);

	if (-result >= RESTART_FIRST && -result <= RESTART_LAST) {
		PC(old) -= SYSCALL_SIZE;
		RESULT(old) = FIRST_ARG(old);
	}
#endif
	regs_io(pid, true, old);
	if (ptrace(PTRACE_DETACH, pid, NULL, NULL))
		give_up("detach: %s", strerror(errno));
}

static bool is_for_command(const struct attempt *a)
{
	return a->arg[0] == COMMAND_PID;
}

static void try_allowed(unsigned modes)
{
	pid_t pid = target_start();
	unsigned n = 0;
	regs_t old;

	stop(pid, &old);
	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		const struct attempt *a = &attempts[i];
		long result;
		int sig;

		if (!(a->allowed & modes) || a->only_refused ||
		    is_for_command(a))
			continue;
		sig = attempt(pid, &old, a, &result);
		if (sig) {
			printf("not ok %s: passes; signal %d\n", a->name, sig);
			target_end();
			return;
		}
		/* What a socket() in there has made stays: it's a few */
		printf("ok %s: passes (%ld)\n", a->name, result);
		n++;
	}
	let_go(pid, &old);
	for (unsigned i = 0; i < TRIES && !status_is(pid, "State:", "S"); i++)
		moment();
	printf("%s after %u calls that pass, it lives\n",
	       status_is(pid, "State:", "S") ? "ok" : "not ok", n);
	target_end();
}

static void try_forbidden(unsigned modes, unsigned which, unsigned of)
{
	for (size_t i = which % of; i < ARRAY_SIZE(attempts); i += of) {
		const struct attempt *a = &attempts[i];
		long result = 0;
		regs_t old;
		pid_t pid;
		int sig;

		if (a->allowed & modes || is_for_command(a))
			continue;
		pid = target_start();
		stop(pid, &old);
		sig = attempt(pid, &old, a, &result);
		if (sig == SIGSYS)
			printf("ok %s: ends it\n", a->name);
		else
			printf("not ok %s: ends it; signal %d, result %ld\n",
			       a->name, sig, result);
		target_end();
	}
}

int main(int argc, char **argv)
{
	unsigned which = 0, of = 0;
	int next = 4;

	target_thread = argc > next && !strcmp(argv[next], "thread");
	next += target_thread;
	if (argc < next + 2 || strcmp(argv[next], "--") ||
	    sscanf(argv[3], "%u/%u", &which, &of) != 2 || !of) {
		fprintf(stderr, "usage: %s MODES NAME WHICH/OF [thread] -- CMD...\n",
			argv[0]);
		return 2;
	}
	target_name = argv[2];
	target_cmd = argv + next + 1;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	setvbuf(stdout, NULL, _IOLBF, 0);
	try_allowed(attempt_modes(argv[1]));
	try_forbidden(attempt_modes(argv[1]), which, of);
	return 0;
}
