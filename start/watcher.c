// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the helper process that watches what our own process can't see any more
 *
 * Once we are isolated, the host's files are out of our reach, and we have no
 * rights in the guest's namespace but to enter it; and that is good. So a child is
 * started just before, which keeps what we give up, and has nothing else: no
 * descriptor of ours but one end of a socket pair, no guest whose bytes it would
 * read, and a filter with a handful of system calls (W in syscalls.def), where
 * files can be opened for reading alone. With --config-net it keeps CAP_NET_ADMIN,
 * which counts in the guest's namespace.
 *
 * Flow, its side: /etc/resolv.conf, and what leads there, is watched (path_watch.h),
 * what is mounted, which may be over it, and the host's links, addresses and routes
 * (nl_watch.h). After a change that matters it waits a little, as changes seldom come
 * alone. Then it reads the file, and if rtnetlink has news, it asks for all facts, as
 * some may have been lost. What was lost isn't a change, see net_facts_renew(). What
 * there is to be done in the namespace is done (ns_follow.h), and what the guest has
 * from us then is sent. So are facts that are others than before. Which addresses the
 * host doesn't have any more is found by comparing all of them with those that are
 * known, and sent; and all, if the policy wants to know them. Where something changed
 * while it was read, a look comes again without news.
 *
 * Flow, our side: facts that make sense go to net_update(), which computes what
 * follows, and calls who has to do something about it; addresses to the policy, to
 * the list of the guest's, or to net_flows.c, which ends what can't go on.
 *
 * Its end: it goes when our end of the socket pair is closed, by whatever we died
 * of. If it dies, we tell so once, and go on with what is known.
 *
 * Cost: no wake-up without a change. Our work is paid from an account that grows by
 * SHARE of the time that passes, so rtnetlink's changes without end are looked at as
 * often as that allows. The file isn't part of this: to read it costs little, while a
 * host with many routes can leave us in debt for seconds. Hosts where there can be no
 * inotify (its instances are few: sysctl fs.inotify.max_user_instances) are looked at
 * once a second.
 */
#include "start/watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "conf.h"
#include "engine/loop.h"
#include "engine/timer.h"
#include "host/host_addrs.h"
#include "host/net.h"
#include "host/net_flows.h"
#include "host/nl_watch.h"
#include "host/ns_follow.h"
#include "start/isolate.h"
#include "start/signals.h"
#include "tap.h"
#include "util.h"
#include "util/log.h"
#include "util/path_watch.h"

enum {
	SETTLE_MS	= 20,		/* from the first news to a look */
	SHARE		= 100,		/* 1 / this, of a processor's time: with a look
					 * under way it stays below 2 % */
	CREDIT_MAX_US	= 20 * 1000,	/* the most that is saved */
	POLL_MS		= 1000,		/* where nothing can be watched */
	MISSED_MAX	= 256,
	REAP_S		= 1,
	NAME_SIZE	= 16,		/* PR_GET_NAME */
};

/* What is told */
enum tell_kind {
	TELL_FACTS,
	TELL_ADDRS,			/* all that the host has */
	TELL_GONE,			/* those that it hasn't any more */
	TELL_GUEST,			/* all that the guest has from us */
	TELL_KINDS,
};

struct tell {
	uint32_t kind;
	union {
		struct net_facts facts;
		struct host_addrs addrs;
	};
};

/* Our side */
static struct {
	int fd;				/* -1: nobody watches */
	int fork_fd;			/* isolate_fork()'s, or -1 */
	pid_t pid;
	struct timer reap;
} watcher = { .fd = -1, .fork_fd = -1 };

/* The child's side */
static struct {
	const struct net_options *options;
	struct path_watch path;		/* of resolv.conf */
	bool polls;			/* that can't be watched */
	int mounts_fd;			/* a change of what is mounted; or < 0 */
	int news_fd;			/* rtnetlink: what changes; or < 0 */
	int ask_fd;			/* rtnetlink: what is so; or < 0 */
	int ns_fd;			/* and in the guest's namespace; or < 0 */
	int fd;				/* our end of the socket pair */
	int64_t credit_us, paid_us;	/* of the processor's time; when it grew */
	bool link_news, mount_news;	/* since the last look */
	struct host_addrs told;		/* all of the host's */
	struct host_addrs known;	/* the same, with those that came since,
					 * and MISSED_MAX that are gone while the
					 * family has no network */
	bool torn;			/* the last look saw what was changing */
} child = { .path = { .fd = -1 } };

/* ---- The child ---- */

/* The file as it is now, or nothing in *ret. Not by open(), as the filter wants
 * these flags alone.
 */
static int child_read_resolv(struct resolv *ret)
{
	static char text[RESOLV_MAX];
	int fd = (int)syscall(SYS_openat, AT_FDCWD, RESOLV_CONF, WATCHER_OPEN);

	return resolv_take(text, read_file_fd(fd, text, sizeof(text)), ret);
}

/* Waits while our parent can't keep up */
static void child_tell(const struct tell *t, size_t len)
{
	if (send(child.fd, t, offsetof(struct tell, facts) + len,
		 MSG_NOSIGNAL) < 0)
		_exit(EXIT_SUCCESS);
}

static size_t addrs_len(const struct host_addrs *l)
{
	return offsetof(struct host_addrs, a) + l->count * sizeof(l->a[0]);
}

static void child_tell_addrs(enum tell_kind kind, const struct host_addrs *l)
{
	static struct tell t;

	t.kind = kind;
	host_addrs_copy(&t.addrs, l);
	child_tell(&t, addrs_len(l));
}

/* What is known and isn't there is gone, and that is told: of a family that has a
 * network, or once it has one again. Until then, the last ones are kept in mind.
 */
static void child_tell_gone(const struct host_addrs *now,
			    const bool has[FAMILIES])
{
	static struct host_addrs before, gone;

	if (host_addrs_eq(&child.known, now))
		return;
	host_addrs_copy(&before, &child.known);
	host_addrs_copy(&child.known, now);
	gone.count = 0;
	for (uint32_t i = 0; i < before.count; i++) {
		const struct host_addr *a = &before.a[i];
		enum family f = addr_family(&a->addr);

		if (host_addrs_have(now, a))
			continue;
		if (has[f])
			host_addrs_add(&gone, a);
		else if (child.options->fam[f].enabled &&
			 child.known.count < now->count + MISSED_MAX)
			host_addrs_add(&child.known, a);
	}
	if (gone.count)
		child_tell_addrs(TELL_GONE, &gone);
}

/* All of the host's addresses. Those of a list that is torn may be there. */
static void child_look_addrs(const bool has[FAMILIES])
{
	static struct host_addrs now;
	int rc = host_addrs_ask(child.ask_fd, &now);

	child.torn |= rc == -EAGAIN;
	if (rc)
		return;
	child_tell_gone(&now, has);
	if (!host_addrs_wanted() || host_addrs_eq(&child.told, &now))
		return;
	host_addrs_copy(&child.told, &now);
	child_tell_addrs(TELL_ADDRS, &now);
}

/* What has to be done in the guest's namespace; which addresses it has then is told */
static void child_follow(const bool has[FAMILIES])
{
	static struct host_addrs told;
	const struct host_addrs *given;

	child.torn |= ns_follow(child.ask_fd, has);
	given = ns_follow_all_given();
	if (host_addrs_eq(&told, given))
		return;
	host_addrs_copy(&told, given);
	child_tell_addrs(TELL_GUEST, given);
}

/* What is so now goes where it has to: into the namespace, if routes and addresses
 * may have changed, and to our parent. They are asked for only if rtnetlink has news, or
 * can't have: where there are many routes, resolvers are to be followed all the same.
 */
static void child_look(bool nl_news)
{
	static struct net_facts now, facts;
	static struct tell told = { .kind = TELL_FACTS };
	static bool asked;
	bool asks = nl_news || !asked || child.news_fd < 0;
	bool has[FAMILIES], changed;

	asked = true;
	if (asks) {
		child.torn = false;
		net_ask(child.ask_fd, child.options, &now);
		child.torn |= now.torn;
	}
	if (net_needs_resolv(child.options)) {
		child.polls = path_watch_open(&child.path, RESOLV_CONF);
		now.resolv_error = child_read_resolv(&now.resolv);
		net_ask_scopes(child.ask_fd, &now.resolv);
	}
	facts = *net_get_facts();
	net_facts_renew(&now, &facts, has);
	facts.links += child.link_news;
	child.link_news = child.mount_news = false;

	changed = memcmp(&facts, net_get_facts(), sizeof(facts));
	if (changed)
		net_update(&facts);
	if (child.ns_fd >= 0 && asks && (changed || nl_news))
		child_follow(has);
	if (changed) {
		told.facts = facts;
		child_tell(&told, sizeof(told.facts));
	}
	if (asks)
		child_look_addrs(has);
}

/* Microseconds; CLOCK_PROCESS_CPUTIME_ID: what we have worked so far */
static int64_t child_clock_us(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

static int64_t child_cpu_us(void)
{
	return child_clock_us(CLOCK_PROCESS_CPUTIME_ID);
}

static void child_earn(void)
{
	int64_t now_us = child_clock_us(CLOCK_MONOTONIC);

	child.credit_us += (now_us - child.paid_us) / SHARE;
	child.credit_us = MIN(child.credit_us, CREDIT_MAX_US);
	child.paid_us = now_us;
}

/* For work that began at this time of the processor's */
static void child_pay(int64_t begin_us)
{
	child_earn();
	child.credit_us -= child_cpu_us() - begin_us;
}

/* Milliseconds until all is paid; 0: it is */
static int child_debt_ms(void)
{
	child_earn();
	return child.credit_us < 0 ?
	       (int)(-child.credit_us * SHARE / 1000) + 1 : 0;
}

/* Wait for news of the file, for those of rtnetlink, and for the end of our parent in any
 * case: at most so long. That mounts have changed is told once, by an error: proc(5),
 * /proc/pid/mounts.
 */
static void child_wait(bool file, bool netlink, int timeout_ms)
{
	struct pollfd p[] = {
		{ .fd = child.fd, .events = POLLIN },
		{ .fd = file ? child.path.fd : -1, .events = POLLIN },
		{ .fd = netlink ? child.news_fd : -1, .events = POLLIN },
		{ .fd = file ? child.mounts_fd : -1, .events = POLLPRI },
	};

	if (poll(p, ARRAY_SIZE(p), timeout_ms) < 0 && errno != EINTR)
		_exit(EXIT_FAILURE);
	if (p[0].revents)
		_exit(EXIT_SUCCESS);
	child.mount_news |= p[3].revents;
}

/* It may come and go between two looks, and be used meanwhile */
static void child_note_addr(struct nlmsghdr *nh)
{
	struct host_addr a;

	for (enum family f = V4; f < FAMILIES; f++) {
		if (host_addr_of(nh, f, &a))
			host_addrs_add(&child.known, &a);
	}
}

static bool child_matters(struct nlmsghdr *nh)
{
	bool link = !nh || nh->nlmsg_type == RTM_NEWLINK ||
		    nh->nlmsg_type == RTM_DELLINK;
	bool addr = !nh || nh->nlmsg_type == RTM_NEWADDR ||
		    nh->nlmsg_type == RTM_DELADDR;

	/* One in use may be one that facts say nothing about */
	child.link_news |= link && net_binds_links(child.options);
	if (nh && addr)
		child_note_addr(nh);
	return !nh || (addr && host_addrs_wanted()) ||
	       net_matters(child.options, net_get_facts(), nh);
}

/* Wait until something has happened that matters; does rtnetlink say so? It isn't heard
 * as long as we are in debt.
 */
static bool child_news(void)
{
	for (;;) {
		int debt_ms = child_debt_ms();
		bool netlink = !debt_ms && child.news_fd >= 0;
		bool file, matters;
		int64_t begin_us;

		if (!debt_ms && child.torn)
			return true;
		child_wait(true, netlink,
			   debt_ms ? debt_ms : child.polls ? POLL_MS : -1);
		begin_us = child_cpu_us();
		matters = netlink && nl_watch_read(child.news_fd, child_matters);
		file = child.path.fd >= 0 && path_watch_read(&child.path);
		child_pay(begin_us);
		if (matters)
			return true;
		if (file || child.polls || child.mount_news)
			return false;
		if (!debt_ms)
			child_wait(false, false, SETTLE_MS);
	}
}

__attribute__((noreturn))
static void child_run(void)
{
	bool nl_news = false;

	for (;;) {
		int64_t begin_us = child_cpu_us();

		child_look(nl_news);
		child_pay(begin_us);
		child_wait(false, false, SETTLE_MS);
		nl_news = child_news();
		child_wait(false, false, SETTLE_MS);
	}
}

/* Signals from our terminal, or for our process group, aren't for it: it ends
 * with us
 */
static void child_signals(void)
{
	const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGPIPE };
	sigset_t none;

	signals_end_start();
	for (unsigned i = 0; i < ARRAY_SIZE(ignored); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
}

/* A name of its own: people look for the one with ours. It's born with it, as they may
 * look at once.
 */
static pid_t child_fork(void)
{
	char ours[NAME_SIZE], name[NAME_SIZE];
	pid_t pid;

	prctl(PR_GET_NAME, ours);
	strcpy(name, ours);
	snprintf(name + MIN(strlen(name), sizeof(name) - 7), 7, ".watch");
	prctl(PR_SET_NAME, name);
	pid = isolate_fork(&watcher.fork_fd);
	if (pid)
		prctl(PR_SET_NAME, ours);
	return pid;
}

/* The same where the kernel shows the command line */
static void child_name(char **argv)
{
	char *end = argv[0];
	char name[NAME_SIZE];

	prctl(PR_GET_NAME, name);
	for (unsigned i = 0; argv[i] == end; i++)
		end += strlen(end) + 1;
	memset(argv[0], 0, (size_t)(end - argv[0]));
	memcpy(argv[0], name, MIN(strlen(name), (size_t)(end - argv[0] - 1)));
}

static void child_open(const struct conf *c)
{
	child.options = &c->net;
	child.mounts_fd = !net_needs_resolv(child.options) ? -1 :
			  open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	child.news_fd = nl_watch_open();
	child.ask_fd = nl_open();
	child.ns_fd = ns_follow_open(c);
	if (child.news_fd < 0 || child.ask_fd < 0)
		warn("Couldn't watch the host's addresses and routes: %s",
		     strerror(-MIN(child.news_fd, child.ask_fd)));
}

__attribute__((noreturn))
static void child_main(const struct conf *c, char **argv, int fd)
{
	log_at_die(NULL);
	child_signals();
	child_name(argv);
	child_open(c);
	if (chdir("/"))
		die("Couldn't change to /: %s", strerror(errno));
	isolate_watcher((int[]){ fd, child.mounts_fd, child.news_fd,
				 child.ask_fd, child.ns_fd },
			5, child.ns_fd >= 0);
	log_drop_all();
	child.fd = fd;
	child_run();
}

/* ---- Our side ---- */

/* A process closes what it has before it can be waited for: later, then. In the
 * background it isn't our child, but that of who started us.
 */
static void watcher_reap(struct timer *t)
{
	(void)t;
	if (!waitpid(watcher.pid, NULL, WNOHANG))
		timer_set(&watcher.reap, TIMER_WATCHER,
			  mono_add(loop_now(), DUR_S(REAP_S)));
}

static void watcher_close(void)
{
	loop_del(watcher.fd);
	close_fd(&watcher.fd);
	watcher_reap(NULL);
	warn("The process that watches the host's network is gone: what is known"
	     " now stays");
}

static void watcher_facts(const struct net_facts *facts)
{
	static struct log_limit limit;
	static struct net old;

	old = *net_get();
	net_update(facts);
	if (!memcmp(old.fam, net_get()->fam, sizeof(old.fam)) ||
	    !log_allow(&limit, loop_now(), 1, NULL))
		return;
	info("The host's network has changed:");
	conf_print_net();
}

/* The guest's addresses that are given, and no others */
static void watcher_guest(const struct host_addrs *l)
{
	static struct addr given[GUEST_ADDRS_MAX];

	guest_addrs_give_all(&tap_guest, given,
			     host_addrs_plain(l, given, GUEST_ADDRS_MAX));
}

static void watcher_addrs(enum tell_kind kind, const struct host_addrs *l)
{
	if (kind == TELL_ADDRS)
		host_addrs_tell(l);
	else if (kind == TELL_GONE)
		net_flows_gone(l);
	else
		watcher_guest(l);
}

static bool addrs_ok(const struct host_addrs *l, size_t len)
{
	return len >= offsetof(struct host_addrs, a) &&
	       l->count <= HOST_ADDRS_MAX && len == addrs_len(l);
}

static void watcher_event(struct loop_ref ref, uint32_t events)
{
	static struct tell t;
	const size_t head = offsetof(struct tell, facts);
	ssize_t n;

	(void)ref;
	(void)events;
	n = recv(watcher.fd, &t, sizeof(t), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == (ssize_t)(head + sizeof(t.facts)) && t.kind == TELL_FACTS &&
	    net_facts_ok(&t.facts))
		watcher_facts(&t.facts);
	else if (n >= (ssize_t)head && t.kind > TELL_FACTS &&
		 t.kind < TELL_KINDS && addrs_ok(&t.addrs, (size_t)n - head))
		watcher_addrs((enum tell_kind)t.kind, &t.addrs);
	else
		watcher_close();
}

void watcher_open(const struct conf *c, char **argv)
{
	int p[2];
	pid_t pid;

	if (c->no_follow_host || c->net.no_link)
		return;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p)) {
		warn("Couldn't watch the host's network: %s", strerror(errno));
		return;
	}
	pid = child_fork();
	if (!pid)
		child_main(c, argv, p[1]);
	close(p[1]);
	if (pid < 0) {
		warn("Couldn't watch the host's network: %s", strerror(errno));
		close(p[0]);
		return;
	}
	watcher.fd = p[0];
	watcher.pid = pid;
}

void watcher_start(void)
{
	int rc;

	isolate_fork_wait(&watcher.fork_fd);
	if (watcher.fd < 0)
		return;
	loop_set_handler(LOOP_WATCHER, watcher_event);
	timer_set_handler(TIMER_WATCHER, watcher_reap);
	rc = loop_add(watcher.fd, EPOLLIN,
		      (struct loop_ref){ .kind = LOOP_WATCHER });
	if (rc)
		die("Couldn't listen to the watcher: %s", strerror(-rc));
}
