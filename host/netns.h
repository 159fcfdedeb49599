/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's namespace in namespace mode: made or joined, entered for a
 * moment, configured, watched
 *
 * Order of calls, with what each needs:
 *
 * - netns_open(): the caller's privileges and root directory, so before
 *   isolate_user() gives any of them up.
 * - netns_setup(): after isolate_user(), with capabilities in our own user
 *   namespace, or in the one we joined.
 * - netns_run(): from netns_setup() on, as long as CAP_SYS_ADMIN is there.
 * - netns_configure(): once the tap exists; before isolate_fs() (sysctl).
 * - netns_watch(): after loop_init() and timer_init().
 */
#ifndef HOST_NETNS_H
#define HOST_NETNS_H

#include <sys/types.h>

#include "util/addr.h"

/* Flags to see that a name exists, and nothing more */
#define WATCH_OPEN	(O_PATH | O_NOFOLLOW | O_CLOEXEC)

struct conf;

/* Open the namespaces of a PID, path or name, and what tells of their end.
 * Nothing if they are to be created, or in other modes. Dies if it can't.
 */
void netns_open(const struct conf *c);
/* User namespace to join, -1: none; stays ours to close. After netns_open(). */
int netns_user_fd(void);

/* It is the one that netns_open() has opened, or else the one of process `pid`.
 * Dies if it can't be entered.
 */
void netns_setup(pid_t pid);

/* Run fn(arg) inside the guest's network namespace, on our memory and our
 * descriptors, while we wait; returns what it returns, or -errno if it couldn't
 * be run. fn has NETNS_STACK bytes of stack, and is a process of its own for
 * whoever asks for a PID. Costs about 60 µs.
 */
enum { NETNS_STACK = 256 * 1024 };
int netns_run(int (*fn)(void *arg), void *arg);

/* `lo` up; tap interface (already there) with MAC, and with --config-net MTU,
 * addresses and routes, up. Dies naming what failed.
 */
void netns_configure(const struct conf *c);
/* A netlink socket inside, for who goes on with that; or -errno */
int netns_nl_open(void);
struct nl_copy;
/* Addresses and routes of a family as net_get() says, from and to the links that
 * `cp` names; what is there already is no error. 0 or -errno, of *ret_what.
 */
int netns_apply(const struct nl_copy *cp, const char **ret_what);
struct nl_link;
/* Can there be IPv6 on that link of the guest's? */
bool netns_has_v6(const struct conf *c, const struct nl_link *link);
struct nl_default;
/* Who is told each address, and each default route, that the guest is given by that;
 * before it
 */
void netns_on_given(void (*addr)(const struct addr *a),
		    void (*def)(enum family f, const struct nl_default *d));

/* Exit when the namespace that others made is gone: registers with the loop, as
 * LOOP_NETNS and TIMER_NETNS
 */
void netns_watch(void);

#endif /* HOST_NETNS_H */
