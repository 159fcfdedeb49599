/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System calls that a process that was taken over may try, and where they pass
 *
 * Used by test/unit/t_isolate.c, in a child, and by test/tools/intrude.c, in a program
 * that runs. A call that passes does nothing all the same: it has no descriptor, no
 * memory, no such process. Where an argument is what makes a call safe, there are rows
 * with others, each with one thing that is different.
 */
#ifndef TEST_LIB_ATTEMPTS_H
#define TEST_LIB_ATTEMPTS_H

#include <fcntl.h>
/* Before those of the kernel, which know of them */
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <linux/icmp.h>
#include <linux/sockios.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "start/isolate.h"
#include "tap/guest_mem.h"
#include "util/sockopt.h"

/* As the modes of syscalls.def, in the same letters; K is cleaner.c's own filter */
enum {
	P = 1, V = 2, N = 4, ANY = P | V | N, E = 8, C = 16, J = 32, W = 64,
	S = 128, K = 256, NEVER = 0,
};
#define ATTEMPT_MODES	"PVNECJWSK"

/* Arguments that stand for a process: ourselves, the command, somebody else */
enum { SELF_PID = -10001, COMMAND_PID = -10002 };
#define OTHER_PID	0x3ffffff0	/* there are none so high */

#define AT_NONE		(-1)		/* no such descriptor */

/* What newer headers have, and not all architectures */
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP	262
#endif
#ifndef SOCK_DCCP
#define SOCK_DCCP	6
#endif
enum { TRY_SMC = 43, TRY_XDP = 44, TRY_VSOCK = 40, TRY_ALG = 38, TRY_KEY = 15 };

struct attempt {
	const char *name;
	long nr;
	unsigned allowed;
	long arg[6];
	bool only_refused;		/* where it passes, it does something */
};

#define CALL(call, allowed, ...) \
	{ #call "(" #__VA_ARGS__ ")", SYS_##call, allowed, { __VA_ARGS__ }, false }
#define REFUSED(call, allowed, ...) \
	{ #call "(" #__VA_ARGS__ ")", SYS_##call, allowed, { __VA_ARGS__ }, true }
#define SOCK(allowed, ...) \
	{ "socket(" #__VA_ARGS__ ")", SYS_socket, allowed, { __VA_ARGS__ }, \
	  false }
#define OPT(allowed, ...) \
	{ "setsockopt(" #__VA_ARGS__ ")", SYS_setsockopt, allowed, \
	  { AT_NONE, __VA_ARGS__ }, false }
#ifdef SYS_mmap2
#define TRY_MMAP	SYS_mmap2
#else
#define TRY_MMAP	SYS_mmap
#endif
#define MAP(allowed, ...) \
	{ "mmap(" #__VA_ARGS__ ")", TRY_MMAP, allowed, { __VA_ARGS__ }, false }
#define CLOEXEC		SOCK_CLOEXEC
#define NONBLOCK	SOCK_NONBLOCK
#define ENTER		(CLONE_VM | CLONE_FILES | CLONE_VFORK)

static const struct attempt attempts[] = {
	/* The filter holds what it must, too */
	CALL(read, ANY | W | K, AT_NONE),
	CALL(close, ANY | W | K, AT_NONE),
	CALL(write, ANY, AT_NONE),
	CALL(sendmsg, ANY, AT_NONE),
	CALL(recvmsg, ANY, AT_NONE),
	CALL(sendto, ANY | W, AT_NONE),
	CALL(recvfrom, ANY | W, AT_NONE),
#ifdef SYS_recv
	CALL(send, ANY | W, AT_NONE),
	CALL(recv, ANY | W, AT_NONE),
#endif
	CALL(epoll_ctl, ANY, AT_NONE),
	CALL(getsockopt, ANY, AT_NONE, 0, 0),
	CALL(writev, ANY, AT_NONE, 0, 0),
	CALL(pread64, ANY, AT_NONE, 0, 0, 0),
	CALL(pwrite64, ANY, AT_NONE, 0, 0, 0),
	CALL(recvmmsg, ANY, AT_NONE, 0, 0, 0, 0),
	CALL(sendmmsg, ANY, AT_NONE, 0, 0, 0),
	CALL(connect, ANY, AT_NONE, 0, 0),
	CALL(bind, ANY, AT_NONE, 0, 0),
	CALL(listen, ANY, AT_NONE, 0),
	CALL(accept4, ANY, AT_NONE, 0, 0, 0),
	CALL(shutdown, ANY, AT_NONE, 0),
	CALL(dup, ANY, AT_NONE),
	CALL(getsockname, ANY, AT_NONE, 0, 0),
#ifdef SYS_epoll_wait
	CALL(epoll_wait, ANY, AT_NONE, 0, 1, 0),
#endif
	CALL(ftruncate, ANY, AT_NONE, 0),
	CALL(rt_sigprocmask, ANY, 0, 0, 0, 8),
	CALL(getpid, ANY, 0),
	CALL(gettid, ANY, 0),
	CALL(epoll_pwait, ANY, AT_NONE, 0, 1, 0, 0, 0),
	CALL(splice, E, AT_NONE, 0, AT_NONE),
	CALL(pipe2, E, 0, 0),

	/* Files */
	CALL(openat, S, AT_FDCWD, 0, O_RDONLY),
	CALL(openat, W | S, AT_FDCWD, 0, WATCHER_OPEN),
	CALL(openat, J | S, AT_FDCWD, 0, O_PATH | O_NOFOLLOW | O_CLOEXEC),
	CALL(openat, S, AT_FDCWD, 0, O_PATH | O_CLOEXEC),
	CALL(openat, S, AT_FDCWD, 0, O_RDWR | O_CLOEXEC),
	CALL(openat, S, AT_FDCWD, 0, WATCHER_OPEN | O_WRONLY),
	CALL(openat, S, AT_FDCWD, 0, WATCHER_OPEN | O_CREAT),
#ifdef SYS_open
	CALL(open, S, 0, O_RDONLY),
	CALL(creat, NEVER, 0, 0),
	CALL(unlink, NEVER, 0),
	CALL(rename, NEVER, 0, 0),
	CALL(mknod, NEVER, 0, 0, 0),
#endif
#ifdef SYS_symlink
	CALL(mkdir, NEVER, 0, 0),
	CALL(rmdir, NEVER, 0),
	CALL(link, NEVER, 0, 0),
	CALL(symlink, NEVER, 0, 0),
	CALL(chmod, NEVER, 0, 0),
	CALL(chown, NEVER, 0, 0, 0),
#endif
	CALL(fchown, NEVER, AT_NONE, 0, 0),
	CALL(fallocate, NEVER, AT_NONE, 0, 0, 0),
	CALL(copy_file_range, NEVER, AT_NONE, 0, AT_NONE, 0, 0, 0),
	CALL(setxattr, NEVER, 0, 0, 0, 0, 0),
	CALL(fsetxattr, NEVER, AT_NONE, 0, 0, 0, 0),
	CALL(utimensat, NEVER, AT_NONE, 0, 0, 0),
	CALL(dup3, NEVER, AT_NONE, AT_NONE, 0),
	CALL(readv, NEVER, AT_NONE, 0, 0),
	CALL(pwritev, NEVER, AT_NONE, 0, 0, 0, 0),
#ifdef SYS_accept
	CALL(accept, NEVER, AT_NONE, 0, 0),
#endif
	CALL(quotactl, NEVER, AT_NONE, 0, 0, 0),
	CALL(mq_open, NEVER, 0, 0, 0, 0),
#ifdef SYS_openat2
	CALL(openat2, NEVER, AT_FDCWD, 0, 0, 0),
#endif
	CALL(unlinkat, K, AT_NONE, 0, 0),
	CALL(renameat2, NEVER, AT_NONE, 0, AT_NONE, 0, 0),
	CALL(linkat, NEVER, AT_NONE, 0, AT_NONE, 0, 0),
	CALL(symlinkat, NEVER, 0, AT_NONE, 0),
	CALL(mkdirat, NEVER, AT_NONE, 0, 0),
	CALL(mknodat, NEVER, AT_NONE, 0, 0, 0),
	CALL(fchmodat, NEVER, AT_NONE, 0, 0),
	CALL(fchownat, NEVER, AT_NONE, 0, 0, 0, 0),
	CALL(fchmod, NEVER, AT_NONE, 0),
	CALL(fchdir, NEVER, AT_NONE),
	CALL(chdir, NEVER, 0),
	CALL(truncate, NEVER, 0, 0),
	CALL(getdents64, NEVER, AT_NONE, 0, 0),
	CALL(inotify_init1, W, 0),
	CALL(inotify_add_watch, W, AT_NONE, 0, 0),
	CALL(inotify_rm_watch, W, AT_NONE, 0),
#ifdef SYS_readlink
	CALL(readlink, W | S, 0, 0, 0),
	CALL(stat, S, 0, 0),
#endif
#ifdef SYS_fstat
	CALL(fstat, V | S, AT_NONE, 0),
#endif
	CALL(getcwd, S, 0, 0),
	CALL(readlinkat, W | S, AT_NONE, 0, 0, 0),
#ifdef SYS_newfstatat
	CALL(newfstatat, V | S, AT_NONE, 0, 0, AT_EMPTY_PATH),
	CALL(newfstatat, S, AT_FDCWD, 0, 0, 0),
#endif
	CALL(statx, V, AT_NONE, 0, AT_EMPTY_PATH, 0, 0),
	CALL(statx, V, AT_NONE, 0, AT_EMPTY_PATH | AT_NO_AUTOMOUNT, 0, 0),
	CALL(statx, NEVER, AT_FDCWD, 0, 0, 0, 0),
	CALL(fanotify_init, NEVER, 0, 0),
	CALL(name_to_handle_at, NEVER, AT_NONE, 0, 0, 0, 0),
	CALL(open_by_handle_at, NEVER, AT_NONE, 0, 0),
	CALL(fcntl, NEVER, AT_NONE, F_SETOWN, 1),
	CALL(fcntl, V, AT_NONE, F_SETFL, 0),
	CALL(fcntl, E, AT_NONE, F_SETPIPE_SZ, 0),
	CALL(sendfile, NEVER, AT_NONE, AT_NONE, 0, 0),
	CALL(vmsplice, NEVER, AT_NONE, 0, 0, 0),
	CALL(tee, NEVER, AT_NONE, AT_NONE, 0, 0),

	/* Programs, and other processes */
	CALL(execve, NEVER, 0, 0, 0),
	CALL(execveat, NEVER, AT_NONE, 0, 0, 0, 0),
	CALL(clone, S, CLONE_NEWNS | CLONE_FS),
	CALL(clone, S, CLONE_THREAD),
#ifndef __s390x__			/* where the first two are the other way round */
	REFUSED(clone, E | S, ENTER),
#endif
	CALL(clone, S, ENTER | CLONE_NEWNS | CLONE_FS),
#ifdef SYS_fork
	CALL(fork, NEVER, 0),
	CALL(vfork, NEVER, 0),
#endif
#ifdef SYS_clone3
	CALL(clone3, NEVER, 0, 0),
#endif
	CALL(ptrace, S, 16 /* PTRACE_ATTACH */, OTHER_PID, 0, 0),
	CALL(process_vm_readv, NEVER, OTHER_PID, 0, 0, 0, 0, 0),
	CALL(process_vm_writev, NEVER, OTHER_PID, 0, 0, 0, 0, 0),
	CALL(kcmp, NEVER, OTHER_PID, OTHER_PID, 0, 0, 0),
#ifdef SYS_pidfd_getfd
	CALL(pidfd_open, NEVER, OTHER_PID, 0),
	CALL(pidfd_getfd, NEVER, AT_NONE, 0, 0),
	CALL(pidfd_send_signal, NEVER, AT_NONE, SIGKILL, 0, 0),
#endif
	CALL(kill, C, COMMAND_PID, SIGINT),
	CALL(kill, NEVER, COMMAND_PID, SIGTERM),
	CALL(kill, NEVER, OTHER_PID, SIGKILL),
	CALL(kill, NEVER, OTHER_PID, SIGINT),
	CALL(kill, NEVER, SELF_PID, 0),
	CALL(kill, NEVER, 0, SIGKILL),
	CALL(kill, NEVER, 0, SIGINT),
	CALL(tkill, NEVER, OTHER_PID, SIGKILL),
	CALL(tkill, NEVER, OTHER_PID, SIGABRT),
	CALL(tkill, NEVER, SELF_PID, SIGTERM),
	REFUSED(tkill, ANY, SELF_PID, SIGABRT),
	CALL(tgkill, S, OTHER_PID, OTHER_PID, SIGKILL),
	CALL(tgkill, S, OTHER_PID, OTHER_PID, SIGABRT),
	CALL(tgkill, S, SELF_PID, OTHER_PID, SIGKILL),
	CALL(tgkill, ANY | S, SELF_PID, OTHER_PID, SIGABRT),
	CALL(rt_sigqueueinfo, NEVER, OTHER_PID, SIGKILL, 0),
	CALL(rt_tgsigqueueinfo, NEVER, OTHER_PID, OTHER_PID, SIGKILL, 0),
	CALL(wait4, ANY | S, OTHER_PID, 0, 0, 0),
	CALL(wait4, S, OTHER_PID, 0, 0, 1),
#ifdef SYS_getpgrp
	CALL(getpgrp, C, 0),
#endif
	CALL(getpgid, C, 0),
	CALL(getpgid, NEVER, OTHER_PID),
	CALL(waitid, NEVER, AT_NONE, 0, 0, 0, 0),
	CALL(sched_setaffinity, NEVER, OTHER_PID, 0, 0),
	CALL(sched_setscheduler, NEVER, OTHER_PID, 0, 0),
	CALL(move_pages, NEVER, OTHER_PID, 0, 0, 0, 0, 0),
	CALL(setsid, NEVER, 0),
	CALL(setpgid, NEVER, OTHER_PID, 0),
	REFUSED(exit, E | S, 0),
	CALL(futex, S, 0, 1 /* FUTEX_WAKE */, 0, 0, 0, 0),
	CALL(sched_yield, S, 0),
	CALL(rt_sigaction, S, SIGUSR1, 0, 0, 8),
	CALL(sigaltstack, S, 0, 0),
	CALL(getppid, S, 0),
	CALL(gettimeofday, S, 0, 0),
	CALL(prlimit64, S, OTHER_PID, 0, 0, 0),
	CALL(setpriority, NEVER, 0, OTHER_PID, 0),

	/* Namespaces and mounts */
	CALL(setns, E, AT_NONE, CLONE_NEWNET),
	CALL(setns, NEVER, AT_NONE, CLONE_NEWUSER),
	CALL(setns, NEVER, AT_NONE, CLONE_NEWNS),
	CALL(setns, NEVER, AT_NONE, CLONE_NEWPID),
	CALL(setns, NEVER, AT_NONE, 0),
	CALL(setns, NEVER, AT_NONE, CLONE_NEWNET | CLONE_NEWNS),
	CALL(unshare, NEVER, CLONE_NEWUSER),
	CALL(unshare, NEVER, 0),
	CALL(mount, NEVER, 0, 0, 0, 0, 0),
	CALL(umount2, NEVER, 0, 0),
	CALL(pivot_root, NEVER, 0, 0),
	CALL(chroot, NEVER, 0),
#ifdef SYS_fsopen
	CALL(fsopen, NEVER, 0, 0),
	CALL(open_tree, NEVER, AT_NONE, 0, 0),
	CALL(move_mount, NEVER, AT_NONE, 0, AT_NONE, 0, 0),
#endif

	/* Who we are */
	CALL(setuid, NEVER, 0),
	CALL(setgid, NEVER, 0),
	CALL(setresuid, NEVER, 0, 0, 0),
	CALL(setreuid, NEVER, 0, 0),
	CALL(setresgid, NEVER, 0, 0, 0),
	CALL(setfsuid, NEVER, 0),
	CALL(setgroups, NEVER, 0, 0),
	CALL(capset, NEVER, 0, 0),
	CALL(prctl, S, PR_SET_DUMPABLE, 1),
	CALL(prctl, S, PR_CAPBSET_DROP, 0),
	CALL(seccomp, NEVER, 0, 0, 0),
	CALL(personality, NEVER, 0xffffffff),
	CALL(keyctl, NEVER, 0, 0, 0, 0, 0),
	CALL(add_key, NEVER, 0, 0, 0, 0, 0),
	CALL(request_key, NEVER, 0, 0, 0, 0),
#ifdef SYS_setrlimit
	CALL(setrlimit, NEVER, 0, 0),
	CALL(getrlimit, S, 0, 0),
#endif

	/* Memory, and code */
	MAP(V | S, 0, 0, GMEM_PROT, GMEM_MAP_SHARED, AT_NONE, 0),
	MAP(V | S, 0, 0, GMEM_PROT, GMEM_MAP_ZEROS, AT_NONE, 0),
	MAP(S, 0, 0, PROT_READ | PROT_EXEC, GMEM_MAP_SHARED, AT_NONE, 0),
	MAP(S, 0, 0, GMEM_PROT | PROT_EXEC, GMEM_MAP_ZEROS, AT_NONE, 0),
	MAP(S, 0, 0, GMEM_PROT, MAP_PRIVATE | MAP_ANONYMOUS, AT_NONE, 0),
	MAP(S, 0, 0, PROT_READ, MAP_SHARED, AT_NONE, 0),
	CALL(munmap, V | S, 1, 0),
	CALL(mprotect, S, 1, 0, PROT_EXEC),
	CALL(mremap, S, 1, 0, 0, 0, 0),
	CALL(madvise, S, 1, 0, 0),
	CALL(brk, S, 0),
	CALL(remap_file_pages, NEVER, 1, 0, 0, 0, 0),
#ifdef SYS_pkey_mprotect
	CALL(pkey_mprotect, NEVER, 1, 0, 0, 0),
#endif
	CALL(memfd_create, NEVER, 0, 0),
	CALL(userfaultfd, NEVER, 0xffff),

	/* What has had many holes */
	CALL(bpf, NEVER, AT_NONE, 0, 0),
	CALL(perf_event_open, NEVER, 0, 0, 0, AT_NONE, 0),
#ifdef SYS_io_uring_setup
	CALL(io_uring_setup, NEVER, 0, 0),
	CALL(io_uring_enter, NEVER, AT_NONE, 0, 0, 0, 0, 0),
#endif
	CALL(io_setup, NEVER, 0, 0),
#ifdef SYS_shmget
	CALL(shmget, NEVER, 0, 0, 0),
	CALL(msgget, NEVER, 0, 0),
	CALL(semget, NEVER, 0, 0, 0),
#endif
#ifdef SYS_modify_ldt
	CALL(modify_ldt, NEVER, 0, 0, 0),
	CALL(iopl, NEVER, 0),
	CALL(ioperm, NEVER, 0, 0, 0),
#endif
	CALL(timer_create, NEVER, AT_NONE, 0, 0),
	CALL(finit_module, NEVER, AT_NONE, 0, 0),
	CALL(kexec_load, NEVER, 0, 0, 0, 0),
	CALL(swapon, NEVER, 0, 0),
	CALL(acct, NEVER, AT_NONE),
	CALL(init_module, NEVER, 0, 0, 0),
	CALL(delete_module, NEVER, 0, 0),
	CALL(reboot, NEVER, 0, 0, 0, 0),
	CALL(clock_settime, NEVER, AT_NONE, 0),
	CALL(sethostname, NEVER, 0, AT_NONE),
	CALL(syslog, NEVER, AT_NONE, 0, 0),
	CALL(ioctl, S, AT_NONE, TIOCSTI),
	CALL(ioctl, S, AT_NONE, 0x400454ca /* TUNSETIFF */),
	CALL(ioctl, S, AT_NONE, SIOCSIFADDR),
	CALL(ioctl, ANY | S, AT_NONE, SIOCINQ),
	CALL(ioctl, ANY | S, AT_NONE, SIOCOUTQ),
	CALL(ioctl, C | S, AT_NONE, TIOCSPGRP),

	/* Sockets that we make, and others */
	SOCK(ANY, AF_INET, SOCK_STREAM | CLOEXEC, 0),
	SOCK(ANY, AF_INET6, SOCK_STREAM | CLOEXEC | NONBLOCK, IPPROTO_TCP),
	SOCK(ANY, AF_INET6, SOCK_DGRAM | CLOEXEC, 0),
	SOCK(ANY, AF_INET, SOCK_DGRAM | CLOEXEC | NONBLOCK, IPPROTO_UDP),
	SOCK(ANY, AF_INET, SOCK_DGRAM | CLOEXEC, IPPROTO_ICMP),
	SOCK(ANY, AF_INET6, SOCK_DGRAM | CLOEXEC, IPPROTO_ICMPV6),
	SOCK(E, AF_INET, SOCK_RAW | CLOEXEC | NONBLOCK, IPPROTO_ICMP),
	SOCK(E, AF_INET6, SOCK_RAW | CLOEXEC, IPPROTO_ICMPV6),
	SOCK(ANY, AF_INET6, SOCK_STREAM | CLOEXEC, 0),
	SOCK(ANY, AF_INET, SOCK_STREAM | CLOEXEC, IPPROTO_TCP),
	SOCK(ANY, AF_INET, SOCK_DGRAM | CLOEXEC, 0),
	SOCK(ANY, AF_INET6, SOCK_DGRAM | CLOEXEC, IPPROTO_UDP),
	SOCK(NEVER, AF_INET, SOCK_STREAM, IPPROTO_TCP),
	SOCK(NEVER, AF_INET, SOCK_STREAM | CLOEXEC, IPPROTO_MPTCP),
	SOCK(NEVER, AF_INET, SOCK_STREAM | CLOEXEC, IPPROTO_SCTP),
	SOCK(NEVER, AF_INET6, SOCK_SEQPACKET | CLOEXEC, IPPROTO_SCTP),
	SOCK(NEVER, AF_INET, SOCK_DCCP | CLOEXEC, IPPROTO_DCCP),
	SOCK(NEVER, AF_INET, SOCK_DGRAM | CLOEXEC, IPPROTO_UDPLITE),
	SOCK(NEVER, AF_INET6, SOCK_DGRAM | CLOEXEC, 115 /* L2TP */),
	SOCK(NEVER, AF_INET6, SOCK_DGRAM | CLOEXEC, IPPROTO_ICMP),
	SOCK(NEVER, AF_INET, SOCK_RAW | CLOEXEC, IPPROTO_RAW),
	SOCK(NEVER, AF_INET, SOCK_RAW | CLOEXEC, IPPROTO_TCP),
	SOCK(NEVER, AF_INET, SOCK_PACKET | CLOEXEC, 0),
	SOCK(NEVER, AF_UNIX, SOCK_STREAM | CLOEXEC, 0),
	SOCK(NEVER, AF_UNIX, SOCK_DGRAM | CLOEXEC, 0),
	SOCK(NEVER, AF_NETLINK, SOCK_RAW | CLOEXEC, 0),
	SOCK(NEVER, AF_PACKET, SOCK_RAW | CLOEXEC, 0),
	SOCK(NEVER, TRY_VSOCK, SOCK_STREAM | CLOEXEC, 0),
	SOCK(NEVER, TRY_ALG, SOCK_SEQPACKET | CLOEXEC, 0),
	SOCK(NEVER, TRY_KEY, SOCK_RAW | CLOEXEC, 2),
	SOCK(NEVER, TRY_SMC, SOCK_STREAM | CLOEXEC, 0),
	SOCK(NEVER, TRY_XDP, SOCK_RAW | CLOEXEC, 0),
#ifdef SYS_socketcall
	CALL(socketcall, NEVER, 1, 0),
#endif
	CALL(socketpair, NEVER, AF_UNIX, SOCK_STREAM, 0, 0),

	/* What they are asked, and what not */
	OPT(ANY, SOL_SOCKET, SO_PEEK_OFF),
	OPT(ANY, SOL_SOCKET, SO_LINGER),
	OPT(ANY, IPPROTO_TCP, TCP_NODELAY),
	OPT(ANY, IPPROTO_IP, IP_TTL),
	OPT(ANY, IPPROTO_IPV6, IPV6_V6ONLY),
	OPT(E, SOL_RAW, ICMP_FILTER),
	OPT(ANY, SOL_SOCKET, SO_KEEPALIVE),
	OPT(ANY, SOL_SOCKET, SO_OOBINLINE),
	OPT(ANY, SOL_SOCKET, SO_SNDBUF),
	OPT(ANY, SOL_SOCKET, SO_RCVBUF),
	OPT(ANY, SOL_SOCKET, SO_BUF_LOCK),
	OPT(ANY, SOL_SOCKET, SO_REUSEADDR),
	OPT(ANY, SOL_SOCKET, SO_BINDTODEVICE),
	OPT(ANY, IPPROTO_TCP, TCP_INQ),
	OPT(ANY, IPPROTO_TCP, TCP_NOTSENT_LOWAT),
	OPT(ANY, IPPROTO_TCP, TCP_KEEPIDLE),
	OPT(ANY, IPPROTO_TCP, TCP_KEEPINTVL),
	OPT(ANY, IPPROTO_TCP, TCP_KEEPCNT),
	OPT(ANY, IPPROTO_IP, IP_TOS),
	OPT(ANY, IPPROTO_IPV6, IPV6_TCLASS),
	OPT(ANY, IPPROTO_IPV6, IPV6_UNICAST_HOPS),
	OPT(ANY, IPPROTO_IP, IP_FREEBIND),
	OPT(ANY, IPPROTO_IPV6, IPV6_FREEBIND),
	OPT(ANY, IPPROTO_IP, IP_MTU_DISCOVER),
	OPT(ANY, IPPROTO_IPV6, IPV6_MTU_DISCOVER),
	OPT(ANY, IPPROTO_IP, IP_RECVERR),
	OPT(ANY, IPPROTO_IPV6, IPV6_RECVERR),
	OPT(ANY, SOL_UDP, UDP_GRO),
	OPT(ANY, IPPROTO_IP, IP_RECVTTL),
	OPT(ANY, IPPROTO_IPV6, IPV6_RECVHOPLIMIT),
	OPT(ANY, IPPROTO_IP, IP_RECVTOS),
	OPT(ANY, IPPROTO_IPV6, IPV6_RECVTCLASS),
	OPT(ANY, IPPROTO_IP, IP_PKTINFO),
	OPT(ANY, IPPROTO_IPV6, IPV6_RECVPKTINFO),
	OPT(ANY, IPPROTO_IP, IP_MULTICAST_ALL),
	OPT(E, IPPROTO_ICMPV6, ICMP6_FILTER),
	OPT(NEVER, IPPROTO_IPV6, SO_PEEK_OFF),
	OPT(NEVER, SOL_SOCKET, IPV6_RECVPKTINFO),
	OPT(NEVER, SOL_SOCKET, SO_ATTACH_FILTER),
	OPT(NEVER, SOL_SOCKET, SO_ATTACH_BPF),
	OPT(NEVER, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF),
	OPT(NEVER, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF),
	OPT(NEVER, SOL_SOCKET, SO_REUSEPORT),
	OPT(NEVER, SOL_SOCKET, SO_MARK),
	OPT(NEVER, SOL_SOCKET, SO_SNDBUFFORCE),
	OPT(NEVER, SOL_SOCKET, SO_BUSY_POLL),
	OPT(NEVER, SOL_SOCKET, SO_TXTIME),
	OPT(NEVER, SOL_SOCKET, SO_ZEROCOPY),
	OPT(NEVER, IPPROTO_TCP, TCP_ULP),
	OPT(NEVER, IPPROTO_TCP, TCP_REPAIR),
	OPT(NEVER, IPPROTO_TCP, TCP_MD5SIG),
	OPT(NEVER, IPPROTO_TCP, TCP_CONGESTION),
	OPT(NEVER, SOL_UDP, 100 /* UDP_ENCAP */),
	OPT(NEVER, SOL_UDP, UDP_SEGMENT),
	OPT(NEVER, IPPROTO_IP, IP_OPTIONS),
	OPT(NEVER, IPPROTO_IP, IP_TRANSPARENT),
	OPT(NEVER, IPPROTO_IP, IP_ADD_MEMBERSHIP),
	OPT(NEVER, IPPROTO_IP, IP_XFRM_POLICY),
	OPT(NEVER, IPPROTO_IP, 64 /* IPT_SO_SET_REPLACE */),
	OPT(NEVER, IPPROTO_IPV6, IPV6_RTHDR),
	OPT(NEVER, SOL_PACKET, 5 /* PACKET_RX_RING */),
	OPT(NEVER, 273 /* SOL_RXRPC + 1: SOL_PPPOL2TP */, 1),
};

/* Modes by their letters */
static inline unsigned attempt_modes(const char *letters)
{
	static const char all[] = ATTEMPT_MODES;
	unsigned modes = 0;

	for (unsigned i = 0; all[i]; i++) {
		for (const char *l = letters; *l; l++)
			modes |= *l == all[i] ? 1U << i : 0;
	}
#ifdef SANITIZE
	modes |= S;
#endif
	return modes;
}

#endif /* TEST_LIB_ATTEMPTS_H */
