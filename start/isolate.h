/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Isolation in numbered stages; isolate.c tells what is possible after each */
#ifndef START_ISOLATE_H
#define START_ISOLATE_H

#include <fcntl.h>
#include <stdbool.h>
#include <sys/types.h>

struct conf;

/* 1: very first thing. Closes inherited descriptors above 2 but those of keep[],
 * raises RLIMIT_NOFILE, drops the capabilities that no set-up needs.
 */
void isolate_start(const int *keep, unsigned count);
/* A helper of ours, right after its fork: nothing but descriptors keep[], and the
 * null device as the standard ones; no capability, no new privilege
 */
void isolate_alone(const int *keep, unsigned count);
/* Undo what a command of ours should not inherit: limits */
void isolate_restore_limits(void);

/* Whom root becomes, unless --runas says whom */
enum { ISOLATE_NOBODY = 65534 };

/* 2: options are known, host sockets are bound, files and namespaces to join are
 * open. Leaves real root (nobody or --runas), enters user namespace `user_fd`, or
 * one of our own if that is -1 and we don't join a namespace without.
 */
void isolate_user(const struct conf *c, int user_fd);

/* 3: everything that needs a path has been opened. Own mount, IPC and UTS
 * namespaces, empty root.
 */
void isolate_fs(const struct conf *c);

/* 4: last things before the loop. Drops capabilities, is not dumpable, sets
 * no_new_privs.
 */
void isolate_final(const struct conf *c);
/* Loads the seccomp allow-list for this mode; 0 or -errno. What was begun can't be
 * taken back any more: files can't be removed. command: the process that may be sent
 * signals; 0: there is none.
 */
int isolate_filter(const struct conf *c, pid_t command);

/* Puts a filter of libseccomp's (scmp_filter_ctx) in force, for all our threads, unless
 * making it has failed, with `rc`; frees it. Behind it, nothing is called that isn't in
 * the filter: a C library may have munmap() for memory that is given back. 0 or -errno.
 */
int isolate_load(void *filter, int rc);

/* fork() for one that ends in isolate_watcher() or isolate_alone(). Until then it has all
 * that we have, sockets of ports, too, which would outlive us: so it is waited for,
 * as late as can be, by isolate_fork_wait() with what came as *ret_fd.
 */
pid_t isolate_fork(int *ret_fd);
void isolate_fork_wait(int *fd);

/* For the child that watches the host, in place of stages 3 and 4: it keeps our
 * root directory, but no descriptors besides fds[] (those < 0 are none), 0 to 2
 * being /dev/null, no capabilities (`net_admin`: none but CAP_NET_ADMIN), and the
 * system calls of syscalls.def's mode W. Its openat() is for reading, with
 * WATCHER_OPEN alone.
 */
enum { WATCHER_OPEN = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };
void isolate_watcher(const int *fds, unsigned count, bool net_admin);

#endif /* START_ISOLATE_H */
