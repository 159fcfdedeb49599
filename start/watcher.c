// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the helper process that watches what our own process can't see any more
 *
 * Once we are isolated, the host's files are out of our reach, and that is good.
 * But the resolvers of a host that moves are in one of them. So a child is started
 * just before, which keeps what we give up, and has nothing else: no descriptor
 * of ours but one end of a socket pair, no guest whose bytes it would read, and a
 * filter with a handful of system calls (W in syscalls.def), where files can be
 * opened for reading alone.
 *
 * Flow, its side: /etc/resolv.conf, and the links that lead there, are watched
 * (path_watch.h). After a change it waits a little, as files are often emptied
 * before they are written. Then it opens the watch anew, asks for all facts, and
 * sends them if they are others than before: one struct net_facts, the only
 * message there is.
 *
 * Flow, our side: a message that makes sense goes to net_update(), which computes
 * what follows, and calls who has to do something about it.
 *
 * Its end: it goes when our end of the socket pair is closed, by whatever we died
 * of. If it dies, we tell so once, and go on with what is known.
 *
 * Cost: no wake-up without a change. Changes without end are looked at as often as
 * SHARE of the processor's time allows. Hosts where there can be no inotify (its
 * instances are few: sysctl fs.inotify.max_user_instances) are looked at once a
 * second.
 */
#include "start/watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "conf.h"
#include "engine/loop.h"
#include "host/net.h"
#include "start/isolate.h"
#include "util.h"
#include "util/log.h"
#include "util/path_watch.h"

enum {
	SETTLE_MS	= 20,		/* from the first news to a look */
	SHARE		= 50,		/* 1 / this, of a processor's time */
	POLL_MS		= 1000,		/* where nothing can be watched */
	WATCHER_FD	= 3,		/* the child's end of the pair */
};

/* Our side */
static struct {
	int fd;				/* -1: nobody watches */
} watcher = { .fd = -1 };

/* The child's side */
static struct {
	const struct net_options *options;
	struct net_facts facts;		/* as sent last */
	struct path_watch path;
} child = { .path = { .fd = -1 } };

/* ---- The child ---- */

/* The file as it is now, or nothing in *ret. Not by open(), as the filter wants
 * these flags alone.
 */
static int child_read_resolv(struct resolv *ret)
{
	static char text[RESOLV_MAX];
	int fd = (int)syscall(SYS_openat, AT_FDCWD, RESOLV_CONF, WATCHER_OPEN);
	ssize_t n, len = 0;

	text[0] = '\0';
	if (fd < 0) {
		n = -errno;
	} else {
		while ((n = read(fd, text + len,
				 sizeof(text) - 1 - (size_t)len)) > 0)
			len += n;
		n = n < 0 ? -errno : 0;
		close(fd);
	}
	text[len] = '\0';
	resolv_parse(text, ret);
	return (int)n;
}

/* A file without resolvers is being written, or somebody has lost his: those that
 * were there are better than none
 */
static void child_ask(struct net_facts *facts)
{
	static struct resolv r;

	facts->resolv_error = child_read_resolv(&r);
	if (r.count[V4] || r.count[V6])
		facts->resolv = r;
}

static void child_look(void)
{
	static struct net_facts facts;

	if (path_watch_open(&child.path, RESOLV_CONF))
		child.path.fd = -1;
	facts = child.facts;
	child_ask(&facts);
	if (!memcmp(&facts, &child.facts, sizeof(facts)))
		return;
	child.facts = facts;
	/* Waits while we can't keep up */
	if (send(WATCHER_FD, &facts, sizeof(facts), MSG_NOSIGNAL) < 0)
		_exit(EXIT_SUCCESS);
}

/* What we have worked so far: microseconds */
static int64_t child_cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

/* Wait for news, or for nothing but the end of our parent: at most so long */
static bool child_wait(bool for_news, int timeout_ms)
{
	struct pollfd p[] = {
		{ .fd = WATCHER_FD, .events = POLLIN },
		{ .fd = for_news ? child.path.fd : -1, .events = POLLIN },
	};

	if (poll(p, ARRAY_SIZE(p), timeout_ms) < 0 && errno != EINTR)
		_exit(EXIT_FAILURE);
	if (p[0].revents)
		_exit(EXIT_SUCCESS);
	return p[1].revents;
}

__attribute__((noreturn))
static void child_run(void)
{
	for (;;) {
		int64_t begin = child_cpu_us(), spent_us;

		child_look();
		spent_us = child_cpu_us() - begin;
		child_wait(false, (int)(spent_us * SHARE / 1000));
		while (child.path.fd >= 0 &&
		       !(child_wait(true, -1) && path_watch_read(&child.path)))
			;
		child_wait(false, child.path.fd >= 0 ? SETTLE_MS : POLL_MS);
	}
}

/* Signals from our terminal, or for our process group, aren't for it: it ends
 * with us
 */
static void child_signals(void)
{
	const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGPIPE };
	sigset_t none;

	for (unsigned i = 0; i < ARRAY_SIZE(ignored); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
}

/* A name of its own, also where the kernel shows the command line: people look for
 * the one with ours
 */
static void child_name(char **argv)
{
	char *end = argv[0];
	char name[16];

	prctl(PR_GET_NAME, name);
	snprintf(name + MIN(strlen(name), sizeof(name) - 7), 7, ".watch");
	prctl(PR_SET_NAME, name);
	for (unsigned i = 0; argv[i] == end; i++)
		end += strlen(end) + 1;
	memset(argv[0], 0, (size_t)(end - argv[0]));
	memcpy(argv[0], name, MIN(strlen(name), (size_t)(end - argv[0] - 1)));
}

__attribute__((noreturn))
static void child_main(const struct conf *c, char **argv, int fd)
{
	log_at_die(NULL);
	child_signals();
	child_name(argv);
	child.options = &c->net;
	child.facts = *net_get_facts();
	if (chdir("/") || dup2(fd, WATCHER_FD) < 0)
		die("Couldn't start the watcher: %s", strerror(errno));
	isolate_watcher(WATCHER_FD);
	child_run();
}

/* ---- Our side ---- */

static void watcher_close(void)
{
	loop_del(watcher.fd);
	close_fd(&watcher.fd);
	warn("The process that watches the host's network is gone: what is known"
	     " now stays");
}

static void watcher_event(struct loop_ref ref, uint32_t events)
{
	static struct log_limit limit;
	static struct net_facts facts;
	ssize_t n;

	(void)ref;
	(void)events;
	n = recv(watcher.fd, &facts, sizeof(facts), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != sizeof(facts) || !net_facts_ok(&facts)) {
		watcher_close();
		return;
	}
	if (!net_update(&facts) ||
	    !log_allow(&limit, loop_now(), 1, NULL))
		return;
	info("The host's network has changed:");
	conf_print_net();
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
	pid = fork();
	if (!pid)
		child_main(c, argv, p[1]);
	close(p[1]);
	if (pid < 0) {
		warn("Couldn't watch the host's network: %s", strerror(errno));
		close(p[0]);
		return;
	}
	watcher.fd = p[0];
}

void watcher_start(void)
{
	int rc;

	if (watcher.fd < 0)
		return;
	loop_set_handler(LOOP_WATCHER, watcher_event);
	rc = loop_add(watcher.fd, EPOLLIN,
		      (struct loop_ref){ .kind = LOOP_WATCHER });
	if (rc)
		die("Couldn't listen to the watcher: %s", strerror(-rc));
}
