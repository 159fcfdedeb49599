// SPDX-License-Identifier: GPL-2.0-or-later
/* Isolation in numbered stages
 *
 * Role: take away, step by step, everything that the loop doesn't need, so that
 * a guest or a host that found a hole would find nothing behind it.
 *
 * Flow, and what is still possible after each stage:
 *
 * 1. isolate_start(): all that our caller could do, with no open files of his.
 *    As root, without capabilities that no set-up needs (modules, devices,
 *    clock and so on), so that option parsing runs without them.
 * 2. isolate_user(): the caller's files, as an ordinary user: never as root in
 *    the first user namespace. Capabilities only count in our user namespace:
 *    one of our own, where we are root alone, or the one that owns the guest's
 *    namespace. With --netns-only there is neither, they are the caller's.
 *    What needs root's rights (ports below 1024, files of root's) was done
 *    before. Namespaces can be made, entered and configured.
 * 3. isolate_fs(): no files but those that are open: the root is an empty,
 *    read-only directory. No System V IPC objects of the host's. Sockets of all
 *    kinds.
 * - daemonize(): other processes can't be seen either (background).
 * 4. isolate_final(), isolate_filter(): the system calls of syscalls.def. No
 *    capabilities, except in namespace mode: CAP_SYS_ADMIN, without which
 *    netns_run() could enter nothing when a connection is spliced into the
 *    namespace or an automatic port comes up there, and CAP_NET_BIND_SERVICE for
 *    its ports below 1024. With --no-splice they go, too; but for the latter one,
 *    if root asked for a socket by which ports of the host's may be opened. The
 *    filter has no mount, no unshare, and setns() for network namespaces alone,
 *    so that this is all that is left of CAP_SYS_ADMIN.
 */
#include "start/isolate.h"

#include <cap-ng.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/conf_types.h"
#include "host/netns.h"
#include "start/ns_hint.h"
#include "tap/guest_mem.h"
#include "util.h"
#include "util/log.h"
#include "util/sockopt.h"

enum {
	FIRST_FD	= 3,
};

/* Where a call is allowed: bits of syscalls.def's modes */
enum sys_mode {
	P	= 1 << MODE_PASST,
	V	= 1 << MODE_VU,
	N	= 1 << MODE_PASTA,
	ANY	= P | V | N,
	E	= 1 << 3,		/* enters the namespace while running */
	C	= 1 << 4,		/* with a command */
	J	= 1 << 5,		/* in a namespace that was there */
	W	= 1 << 6,		/* the watcher, start/watcher.c */
	S	= 1 << 7,
};

/* Whom a signal may be for */
enum sys_whom { NOBODY, SELF, COMMAND, WHOM };

#ifdef __s390__
enum { CLONE_FLAGS_ARG = 1 };
#else
enum { CLONE_FLAGS_ARG = 0 };
#endif

enum { SYS_CONDITIONS = 3 };

/* The low 32 bits of an argument, of which those in `free` don't matter */
struct sys_arg {
	uint8_t nr;			/* from 1; 0: no condition */
	uint32_t value;
	uint32_t free;
};

static const struct sys_rule {
	const char *name;
	uint8_t modes;
	enum sys_whom whom;		/* and argument 0 is its PID */
	struct sys_arg arg[SYS_CONDITIONS];
} sys_rules[] = {
#define ARG(n, v)	{ .nr = (n) + 1, .value = (uint32_t)(v) }
#define SYSCALL(name, modes, module, reason) \
	{ #name, modes, NOBODY, { { 0 } } },
#define SYSCALL_IF(name, modes, n, v, module, reason) \
	{ #name, modes, NOBODY, { ARG(n, v) } },
#define SYSCALL_IF2(name, modes, n, v, n2, v2, module, reason) \
	{ #name, modes, NOBODY, { ARG(n, v), ARG(n2, v2) } },
#define SIGNAL(name, modes, whom, n, sig, module, reason) \
	{ #name, modes, whom, { ARG(n, sig) } },
#define SOCKET(family, type, proto, modes, module, reason) \
	{ "socket", modes, NOBODY, { ARG(0, family), \
	  { 2, (type) | SOCK_CLOEXEC, SOCK_NONBLOCK }, ARG(2, proto) } },
#define SOCKOPT(level, option, modes, module, reason) \
	{ "setsockopt", modes, NOBODY, { ARG(1, level), ARG(2, option) } },
#include "start/syscalls.def"
#undef ARG
#undef SYSCALL
#undef SYSCALL_IF
#undef SYSCALL_IF2
#undef SIGNAL
#undef SOCKET
#undef SOCKOPT
};

#ifdef SANITIZE
/* Leaks are searched for by a tracer, which our isolation keeps out */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

static struct {
	bool have_limit;
	struct rlimit nofile;		/* as we were started with */
	bool was_root;			/* of the machine, and still there */
} iso;

/* Capabilities */

/* What set-up may need, until isolate_user(). Root of a container can map its
 * own user 0 into a user namespace only with CAP_SETFCAP.
 */
static const unsigned caps_start[] = {
	CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_SETFCAP,
	CAP_SETUID, CAP_SETGID, CAP_SETPCAP, CAP_SYS_ADMIN, CAP_SYS_PTRACE,
	CAP_SYS_CHROOT, CAP_NET_ADMIN, CAP_NET_BIND_SERVICE, CAP_NET_RAW,
};

/* And from there to isolate_final(), if we don't get our own user namespace */
static const unsigned caps_setup[] = {
	CAP_SETPCAP, CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_SYS_CHROOT,
	CAP_NET_ADMIN, CAP_NET_BIND_SERVICE, CAP_NET_RAW,
};

/* See stage 4 above */
static const unsigned caps_pasta[] = { CAP_SYS_ADMIN, CAP_NET_BIND_SERVICE };
static const unsigned caps_ports[] = { CAP_NET_BIND_SERVICE };

/* What libcap-ng works on: as they are now */
static void caps_get(void)
{
	if (capng_get_caps_process())
		die("Couldn't ask for our capabilities: %s", strerror(errno));
}

/* Keep, of the permitted capabilities, those of a list, and use them */
static void caps_keep(const unsigned *list, size_t n)
{
	uint64_t keep = 0;

	caps_get();
	for (size_t i = 0; i < n; i++) {
		if (capng_have_capability(CAPNG_PERMITTED, list[i]))
			keep |= 1ULL << list[i];
	}

	capng_clear(CAPNG_SELECT_CAPS);
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++) {
		if (keep >> cap & 1)
			capng_update(CAPNG_ADD,
				     CAPNG_EFFECTIVE | CAPNG_PERMITTED, cap);
	}
	if (capng_apply(CAPNG_SELECT_CAPS))
		die("Couldn't drop capabilities: %s", strerror(errno));
}

/* Stage 1 */

static int close_from_to(unsigned first, unsigned last)
{
#ifdef SYS_close_range
	return first > last ? 0 : (int)syscall(SYS_close_range, first, last, 0);
#else
	(void)first;
	(void)last;
	errno = ENOSYS;
	return -1;
#endif
}

/* The lowest of keep[] from `from` on; UINT_MAX if there is none */
static unsigned next_kept(const int *keep, unsigned count, unsigned from)
{
	unsigned next = UINT_MAX;

	for (unsigned i = 0; i < count; i++) {
		if (keep[i] >= 0 && (unsigned)keep[i] >= from)
			next = MIN(next, (unsigned)keep[i]);
	}
	return next;
}

/* Before Linux 5.9: those that are open, one by one */
static int close_listed(const int *keep, unsigned count)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *e;

	if (!dir)
		return -1;
	while ((e = readdir(dir))) {
		int fd = atoi(e->d_name);

		if (fd >= FIRST_FD && fd != dirfd(dir) &&
		    next_kept(keep, count, (unsigned)fd) != (unsigned)fd)
			close(fd);
	}
	return closedir(dir);
}

static void close_inherited(const int *keep, unsigned count)
{
	unsigned first = FIRST_FD, next;
	int rc = 0;

	while ((next = next_kept(keep, count, first)) != UINT_MAX) {
		rc |= close_from_to(first, next - 1);
		first = next + 1;
	}
	rc |= close_from_to(first, UINT_MAX);
	if (rc && errno == ENOSYS)
		rc = close_listed(keep, count);
	if (rc)
		warn("Couldn't close inherited files: %s", strerror(errno));
}

/* Descriptors that we open must not take the place of a closed standard one,
 * which is dropped later, and written to until then
 */
static void fill_stdio(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd < FIRST_FD);
	if (fd >= FIRST_FD)
		close(fd);
}

void isolate_start(const int *keep, unsigned count)
{
	struct rlimit limit;

	fill_stdio();
	close_inherited(keep, count);

	if (!getrlimit(RLIMIT_NOFILE, &iso.nofile)) {
		iso.have_limit = true;
		limit = iso.nofile;
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit))
			warn("Couldn't raise the limit of open files: %s",
			     strerror(errno));
	}

	caps_keep(caps_start, ARRAY_SIZE(caps_start));
}

void isolate_alone(const int *keep, unsigned count)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int std = STDIN_FILENO; std <= STDERR_FILENO; std++)
		dup2(fd, std);
	close_inherited(keep, count);
	caps_keep(NULL, 0);
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

void isolate_restore_limits(void)
{
	if (iso.have_limit)
		setrlimit(RLIMIT_NOFILE, &iso.nofile);
}

/* Stage 2 */

/* Become another user, keeping what capabilities set-up needs for now */
static void user_change(uid_t uid, gid_t gid)
{
	prctl(PR_SET_KEEPCAPS, 1);
	if ((setgroups(0, NULL) && errno != EPERM) ||
	    setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		die("Couldn't change to user %u, group %u: %s", uid, gid,
		    strerror(errno));
	prctl(PR_SET_KEEPCAPS, 0);

	caps_keep(caps_setup, ARRAY_SIZE(caps_setup));

	/* The kernel took our /proc files away from us for this change; we
	 * need to write to some of them
	 */
	prctl(PR_SET_DUMPABLE, 1);
}

/* A user namespace in which we are root, and nobody else is anybody */
static void userns_create(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char uids[32], gids[32];
	int rc;

	if (unshare(CLONE_NEWUSER))
		ns_die("Couldn't create user namespace", errno);

	snprintf(uids, sizeof(uids), "0 %u 1", uid);
	snprintf(gids, sizeof(gids), "0 %u 1", gid);
	rc = write_file("/proc/self/uid_map", uids);
	if (!rc)
		write_file("/proc/self/setgroups", "deny");
	if (!rc)
		rc = write_file("/proc/self/gid_map", gids);
	if (rc)
		ns_die("Couldn't configure user namespace", -rc);
}

void isolate_user(const struct conf *c, int user_fd)
{
	if (c->have_runas) {
		user_change(c->runas_uid, c->runas_gid);
	} else if (is_machine_root()) {
		iso.was_root = true;
		warn("Started as root, will change to nobody.");
		user_change(ISOLATE_NOBODY, ISOLATE_NOBODY);
	}

	if (user_fd >= 0) {
		if (setns(user_fd, CLONE_NEWUSER))
			ns_die("Couldn't enter user namespace", errno);
		/* What we may do there opens no port of the host */
		iso.was_root = false;
	} else if (!conf_joins(c) && !(c->mode == MODE_PASTA && c->netns_only)) {
		userns_create();
	}
}

/* Stage 3 */

/* Make an empty directory our root. It is mounted over one that surely exists,
 * in a mount namespace that is ours alone.
 */
static void root_empty(bool chroot_fallback)
{
	/* In a chroot, / needn't be a mount; that of /proc is enough for us */
	if (mount("none", "/", NULL, MS_PRIVATE | MS_REC, NULL) &&
	    !(errno == EINVAL && chroot_fallback &&
	      !mount("none", "/proc", NULL, MS_PRIVATE, NULL)))
		die("Couldn't make mounts private: %s%s", strerror(errno),
		    errno == EINVAL ? " (in a chroot? try --chroot-fallback)" :
				      ns_hint(errno));

	if (mount("none", "/proc", "tmpfs",
		  MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY,
		  "nr_blocks=1,nr_inodes=2,mode=0555") || chdir("/proc"))
		die("Couldn't mount an empty root: %s%s", strerror(errno),
		    ns_hint(errno));

	/* The old root is put on top of the new one, and goes from there */
	if (!syscall(SYS_pivot_root, ".", ".")) {
		if (umount2(".", MNT_DETACH) || chdir("/"))
			die("Couldn't leave the old root: %s",
			    strerror(errno));
		return;
	}

	if (!chroot_fallback)
		die("Couldn't change to an empty root: %s%s", strerror(errno),
		    errno != EINVAL ? ns_hint(errno) :
		    " (root on initramfs? try --chroot-fallback)");
	if (chroot(".") || chdir("/"))
		die("Couldn't change to an empty root: %s", strerror(errno));
}

void isolate_fs(const struct conf *c)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS))
		ns_die("Couldn't create namespaces", errno);
	root_empty(c->chroot_fallback);
}

/* Stage 4 */

/* Keep these capabilities alone, and let none come back */
static void caps_keep_last(const unsigned *caps, size_t n)
{
	caps_get();
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP)) {
		capng_clear(CAPNG_SELECT_BOUNDS);
		if (capng_apply(CAPNG_SELECT_BOUNDS))
			die("Couldn't limit capabilities: %s",
			    strerror(errno));
	}
	caps_keep(caps, n);
}

static void caps_final(const struct conf *c)
{
	const unsigned *caps = NULL;
	size_t n = 0;

	if (c->mode == MODE_PASTA && !c->no_splice) {
		caps = caps_pasta;
		n = ARRAY_SIZE(caps_pasta);
	} else if ((*c->api_socket || conf_is_controlled(c)) &&
		   iso.was_root) {
		caps = caps_ports;
		n = ARRAY_SIZE(caps_ports);
	}

	caps_keep_last(caps, n);
}

static int filter_add(scmp_filter_ctx filter, const struct sys_rule *r,
		      const pid_t whom[WHOM])
{
	int nr = seccomp_syscall_resolve_name(r->name);
	struct scmp_arg_cmp cmp[SYS_CONDITIONS + 1];
	unsigned n = 0;
	int rc;

	/* Another architecture's, or newer than libseccomp */
	if (nr == __NR_SCMP_ERROR)
		return 0;

	if (r->whom != NOBODY)
		cmp[n++] = (struct scmp_arg_cmp){
			.arg = 0, .op = SCMP_CMP_MASKED_EQ,
			.datum_a = UINT32_MAX, .datum_b = (uint32_t)whom[r->whom],
		};
	for (unsigned i = 0; i < SYS_CONDITIONS && r->arg[i].nr; i++)
		cmp[n++] = (struct scmp_arg_cmp){
			.arg = r->arg[i].nr - 1U, .op = SCMP_CMP_MASKED_EQ,
			.datum_a = (uint32_t)~r->arg[i].free,
			.datum_b = r->arg[i].value,
		};
	rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, nr, n, cmp);
	/* First in the program, which the kernel doesn't run for the others */
	if (!rc && n)
		rc = seccomp_syscall_priority(filter, nr, UINT8_MAX);
	/* Negative: known, but not on this architecture */
	return nr < 0 ? 0 : rc;
}

/* The program that libseccomp makes of a filter: number of instructions or -errno */
static int filter_export(scmp_filter_ctx filter, struct sock_filter *ret, size_t size)
{
	ssize_t len;
	int fd[2], rc;

	/* A pipe takes a page at least: 512 instructions, twice of what there are. A file's
	 * size has a limit, which may be 0.
	 */
	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	rc = seccomp_export_bpf(filter, fd[1]);
	len = rc ? rc : read(fd[0], ret, size);
	if (len < 0 && !rc)
		len = -errno;
	close(fd[0]);
	close(fd[1]);
	return len < 0 ? (int)len : (int)((size_t)len / sizeof(*ret));
}

/* Before the program that libseccomp makes, in one filter with it, so that there is no
 * moment at which one of two is in force. Whatever libseccomp allows of a socket call, it
 * allows by socketcall(), too, where the conditions can't be looked at: it is forbidden,
 * where there is one. See socketcall.c.
 */
static const struct sock_filter code_first[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef SYS_socketcall
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socketcall, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
#endif
};

int isolate_load(void *filter, int rc)
{
	/* One more than the kernel takes: it refuses what was cut off */
	static struct sock_filter code[BPF_MAXINSNS + 1];
	const size_t first = ARRAY_SIZE(code_first);
	struct sock_fprog prog = { .filter = code };

	memcpy(code, code_first, sizeof(code_first));
	if (!rc)
		rc = filter_export(filter, code + first,
				   sizeof(code) - sizeof(code_first));
	seccomp_release(filter);
	if (rc < 0)
		return rc;
	prog.len = (unsigned short)(first + (size_t)rc);
	/* A thread that couldn't have it is told by its ID */
	rc = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			  SECCOMP_FILTER_FLAG_TSYNC, &prog);
	return rc < 0 ? -errno : rc ? -ESRCH : 0;
}

static int filter_load(enum sys_mode mode, pid_t command)
{
	const pid_t whom[WHOM] = { [SELF] = getpid(), [COMMAND] = command };
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int rc = 0;

	if (!filter)
		return -ENOMEM;

	for (size_t i = 0; !rc && i < ARRAY_SIZE(sys_rules); i++) {
		if (sys_rules[i].modes & mode)
			rc = filter_add(filter, &sys_rules[i], whom);
	}
	return isolate_load(filter, rc);
}

/* Nobody looks into us, and no program that we start is more than we are */
static void no_more(void)
{
	prctl(PR_SET_DUMPABLE, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		die("Couldn't set no_new_privs: %s", strerror(errno));
}

void isolate_final(const struct conf *c)
{
	caps_final(c);
	no_more();
}

int isolate_filter(const struct conf *c, pid_t command)
{
	unsigned mode = 1U << c->mode;

	if (c->mode == MODE_PASTA && !c->no_splice)
		mode |= E;
	if (command)
		mode |= C;
	if (conf_joins(c))
		mode |= J;
#ifdef SANITIZE
	mode |= S;
#endif
	return filter_load((enum sys_mode)mode, command);
}

pid_t isolate_fork(int *ret_fd)
{
	int p[2] = { -1, -1 };
	pid_t pid;

	/* Its end is closed with the others: that's what is told. Without, nothing is. */
	if (pipe2(p, O_CLOEXEC))
		debug("pipe2: %s", strerror(errno));
	pid = fork();
	if (pid)
		close_fd(&p[1]);
	*ret_fd = p[0];
	return pid;
}

void isolate_fork_wait(int *fd)
{
	char none;

	while (*fd >= 0 && read(*fd, &none, 1) < 0 && errno == EINTR)
		;
	close_fd(fd);
}

void isolate_watcher(const int *fds, unsigned count, bool net_admin)
{
	static const unsigned caps[] = { CAP_NET_ADMIN };
	unsigned mode = W;
	int null_fd, rc;

#ifdef SANITIZE
	mode |= S;
#endif
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	caps_keep_last(caps, net_admin ? ARRAY_SIZE(caps) : 0);
	no_more();
	for (int i = STDIN_FILENO; null_fd >= 0 && i <= STDERR_FILENO; i++)
		dup2(null_fd, i);
	close_inherited(fds, count);
	rc = filter_load((enum sys_mode)mode, 0);
	if (rc)
		die("Couldn't filter the watcher's system calls: %s",
		    strerror(-rc));
}
