// SPDX-License-Identifier: GPL-2.0-or-later
/* The guest's namespace in namespace mode
 *
 * Role: everything that happens in, with and to the guest's network namespace
 * before packets flow, and the news of its end.
 *
 * Entering: we stay in the host's network namespace for good. Once
 * unprivileged, a process that left it could never come back, as entering a
 * namespace takes CAP_SYS_ADMIN over it. So netns_run() sends a child: a
 * process, with a namespace of its own, but on our memory and with our
 * descriptors, so that what it opens is open here. We are suspended while it
 * runs (CLONE_VFORK), and nothing is ever concurrent: that's also why it can
 * use our thread-local storage, errno above all. Its exit raises no SIGCHLD.
 * test/platform/netns_run.c proves this.
 *
 * Netlink sockets keep their namespace, so the child only opens one, and all
 * the rest is done from here.
 *
 * IPv6 without waiting: a link-local address that the kernel makes when the
 * interface comes up goes through duplicate address detection, about a second
 * and a half. Nobody else is on this link. So, by the book, the kernel is told
 * to make none (addr_gen_mode), the interface comes up, the one that belongs to
 * its MAC is added without detection, and the mode is set back. The
 * older way, to come up with IFF_NOARP and mark the address afterwards, leaves
 * it tentative until a kernel worker has seen it.
 *
 * The end of it:
 * - with our own command's: pasta.c
 * - a process: a pidfd. It becomes readable when the process ends.
 * - a path: inotify on its directory, for that name's deletion; unmounting
 *   alone raises no event, and clients delete the file anyway.
 *   /proc/PID/ns/net is treated as the process.
 * - where neither works (other names in procfs, older kernels): once a second,
 *   see whether the name is still there.
 */
#include "host/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_link.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/conf_types.h"
#include "engine/loop.h"
#include "engine/timer.h"
#include "host/net.h"
#include "host/netlink.h"
#include "host/nl_copy.h"
#include "util.h"
#include "util/log.h"

enum {
	/* What a LOOP_NETNS event is about */
	WATCH_PROCESS,
	WATCH_DIRECTORY,

	WATCH_INTERVAL_S = 1,
};

static struct {
	int net_fd;			/* the guest's network namespace */
	int user_fd;			/* user namespace to join, or -1 */
	int nl_fd;			/* rtnetlink in the guest's namespace */
	int host_nl_fd;			/* and in ours */
	void (*on_addr)(const struct addr *a);
	void (*on_default)(enum family f, const struct nl_default *d);
	char path[PATH_MAX];		/* of the namespace, for messages */

	int pid_fd;			/* its process, or -1 */
	int dir_fd;			/* directory of path, or -1 */
	int inotify_fd;			/* watches that, or -1 */
	char name[NAME_MAX + 1];	/* last component of path */
	struct timer poll;
} ns = {
	.net_fd = -1, .user_fd = -1, .nl_fd = -1, .host_nl_fd = -1,
	.pid_fd = -1, .dir_fd = -1, .inotify_fd = -1,
};

/* Entering it */

struct run {
	int (*fn)(void *arg);
	void *arg;
	int ret;
};

static int run_child(void *arg)
{
	struct run *r = arg;

	if (setns(ns.net_fd, CLONE_NEWNET))
		r->ret = -errno;
	else
		r->ret = r->fn(r->arg);
	return 0;
}

int netns_run(int (*fn)(void *arg), void *arg)
{
	static _Alignas(16) char stack[NETNS_STACK];
	struct run r = { .fn = fn, .arg = arg, .ret = -ECHILD };
	int saved = errno;
	pid_t pid;

	pid = clone(run_child, stack + sizeof(stack),
		    CLONE_VM | CLONE_FILES | CLONE_VFORK, &r);
	if (pid < 0)
		r.ret = -errno;
	else
		while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
			;

	errno = saved;
	return r.ret;
}

static int run_nl_open(void *arg)
{
	(void)arg;
	return nl_open();
}

/* Joining one */

static int pidfd_of(pid_t pid)
{
#ifdef SYS_pidfd_open
	return (int)syscall(SYS_pidfd_open, pid, 0);
#else
	(void)pid;
	errno = ENOSYS;
	return -1;
#endif
}

/* Are we in this namespace ("net", "user") already? */
static bool ns_is_ours(int fd, const char *type)
{
	struct stat theirs, ours;
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/ns/%s", type);
	return !fstat(fd, &theirs) && !stat(path, &ours) &&
	       theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

static int ns_open_path(const char *what, const char *path, int type)
{
	/* A FIFO by mistake must not hang us */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int is;

	if (fd < 0)
		die("Couldn't open %s namespace %s: %s", what, path,
		    strerror(errno));

	is = ioctl(fd, NS_GET_NSTYPE);
	if (is != type && (is >= 0 || errno == ENOTTY))
		die("Couldn't open %s namespace %s: %s", what, path,
		    is < 0 ? "not a namespace" : "another kind of namespace");
	return fd;
}

/* Watch a directory for its entries going away; false if inotify can't */
static bool watch_inotify(const char *dir)
{
	struct statfs fs;

	/* Entries of these come and go without any event */
	if (statfs(dir, &fs) || fs.f_type == PROC_SUPER_MAGIC ||
	    fs.f_type == SYSFS_MAGIC || fs.f_type == DEVPTS_SUPER_MAGIC)
		return false;

	ns.inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (ns.inotify_fd < 0)
		return false;
	if (inotify_add_watch(ns.inotify_fd, dir,
			      IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF) < 0) {
		close_fd(&ns.inotify_fd);
		return false;
	}
	return true;
}

/* Is this "/proc/PID/ns/net", in a procfs that counts PIDs as we do? */
static bool path_process(const char *path, pid_t *ret_pid)
{
	char self[16], self_link[16] = "", t, more;
	int pid;

	if (sscanf(path, "/proc/%d/ns/ne%c%c", &pid, &t, &more) != 2 ||
	    t != 't')
		return false;

	snprintf(self, sizeof(self), "%d", getpid());
	if (readlink("/proc/self", self_link, sizeof(self_link) - 1) < 0 ||
	    strcmp(self, self_link))
		return false;
	*ret_pid = pid;
	return true;
}

/* Prepare to see the end of ns.path, while paths can be opened */
static void watch_open(void)
{
	char dir[PATH_MAX];
	pid_t pid;

	if (ns.pid_fd < 0 && path_process(ns.path, &pid))
		ns.pid_fd = pidfd_of(pid);
	if (ns.pid_fd >= 0)
		return;

	path_split(ns.path, dir, ns.name);
	watch_inotify(dir);
	ns.dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (ns.dir_fd < 0)
		warn("Couldn't watch namespace %s: %s", ns.path,
		     strerror(errno));
}

void netns_open(const struct conf *c)
{
	char user[PATH_MAX] = "";

	if (!conf_joins(c))
		return;

	if (c->ns_pid) {
		/* First, so that it is this process whose end we'll see */
		if (!c->no_netns_quit)
			ns.pid_fd = pidfd_of(c->ns_pid);
		snprintf(ns.path, sizeof(ns.path), "/proc/%d/ns/net",
			 c->ns_pid);
		if (!c->netns_only)
			snprintf(user, sizeof(user), "/proc/%d/ns/user",
				 c->ns_pid);
	} else {
		snprintf(ns.path, sizeof(ns.path), "%s", c->netns);
	}
	if (*c->userns && !c->netns_only)
		snprintf(user, sizeof(user), "%s", c->userns);

	ns.net_fd = ns_open_path("network", ns.path, CLONE_NEWNET);
	if (ns_is_ours(ns.net_fd, "net"))
		die("Couldn't open network namespace %s: we are in it",
		    ns.path);

	if (*user) {
		ns.user_fd = ns_open_path("user", user, CLONE_NEWUSER);
		if (ns_is_ours(ns.user_fd, "user"))
			close_fd(&ns.user_fd);
	}

	if (!c->no_netns_quit)
		watch_open();
}

int netns_nl_open(void)
{
	return netns_run(run_nl_open, NULL);
}

int netns_user_fd(void)
{
	return ns.user_fd;
}

void netns_setup(pid_t pid)
{
	int fd;

	if (ns.net_fd < 0) {
		snprintf(ns.path, sizeof(ns.path), "/proc/%d/ns/net", pid);
		ns.net_fd = ns_open_path("network", ns.path, CLONE_NEWNET);
	}
	close_fd(&ns.user_fd);

	ns.nl_fd = netns_nl_open();
	if (ns.nl_fd < 0)
		die("Couldn't enter network namespace %s: %s%s", ns.path,
		    strerror(-ns.nl_fd), ns.nl_fd != -EPERM ? "" :
		    " (does it belong to another user namespace?)");

	/* The descriptor from the path would keep the mount that is there
	 * busy: whoever made it wants to unmount it while we run
	 */
	fd = ioctl(ns.nl_fd, SIOCGSKNS);
	if (fd >= 0) {
		close_fd(&ns.net_fd);
		ns.net_fd = fd;
	}
}

/* Configuring it */

/* The kernel's own IPv6 configuration stays out of our way. Without a writable
 * /proc/sys nothing is lost: we send no advertisements with --config-net.
 */
static int run_no_ra(void *arg)
{
	const char *ifname = arg;
	char path[64 + IFNAMSIZ];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/accept_ra",
		 ifname);
	return write_file(path, "0");
}

/* Link-local address that belongs to a MAC. RFC 4291, 2.5.1, appendix A. */
static struct addr mac_to_linklocal(const uint8_t mac[6])
{
	return (struct addr){ .b = {
		0xfe, 0x80, 0, 0, 0, 0, 0, 0,
		mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5],
	} };
}

/* Bring up the tap, with a link-local address that can be used at once */
static void configure_up(const struct conf *c, const struct nl_link *link)
{
	struct addr ll = mac_to_linklocal(link->mac);
	char ifname[IFNAMSIZ];
	bool own_ll;
	int rc;

	memcpy(ifname, c->ns_ifname, sizeof(ifname));
	own_ll = net_get()->fam[V6].enabled && link->have_v6 &&
		 link->v6_gen_mode != IN6_ADDR_GEN_MODE_NONE &&
		 !nl_link_set_v6_gen_mode(ns.nl_fd, link->ifi,
					  IN6_ADDR_GEN_MODE_NONE);
	if (link->have_v6) {
		rc = netns_run(run_no_ra, ifname);
		if (rc)
			debug("Couldn't turn router advertisements off: %s",
			      strerror(-rc));
	}

	rc = nl_link_set_up(ns.nl_fd, link->ifi);
	if (rc)
		die("Couldn't bring up %s in the namespace: %s", c->ns_ifname,
		    strerror(-rc));

	if (!own_ll)
		return;
	rc = nl_addr_add(ns.nl_fd, link->ifi, &ll, 64);
	if (rc)
		debug("Couldn't set link-local address: %s", strerror(-rc));
	nl_link_set_v6_gen_mode(ns.nl_fd, link->ifi, link->v6_gen_mode);
}

static int configure_addrs(const struct net_family *fam,
			   const struct nl_copy *cp)
{
	int rc;

	if (fam->copy_addrs && fam->template_ifi) {
		rc = nl_addrs_copy(cp, fam->copy_routes);
		if (rc)
			return MIN(rc, 0);
	}
	if (addr_is_none(&fam->guest))
		return 0;
	rc = nl_addr_add(cp->to_fd, cp->to_ifi, &fam->guest,
			 cp->family == V6 ? 64 : fam->prefix_len);
	if (!rc && cp->copied)
		cp->copied(&fam->guest);
	return rc;
}

static int configure_routes(const struct net_family *fam,
			    const struct nl_copy *cp)
{
	if (fam->copy_routes && fam->template_ifi)
		return MIN(nl_routes_copy(cp), 0);
	if (addr_is_none(&fam->gw))
		return 0;
	if (cp->copied_default) {
		struct nl_default d = nl_default_by(&fam->gw);

		cp->copied_default(cp->family, &d);
	}
	return nl_route_add_default(cp->to_fd, cp->to_ifi, &fam->gw);
}

int netns_apply(const struct nl_copy *cp, const char **ret_what)
{
	const struct net_family *fam = &net_get()->fam[cp->family];
	int rc;

	*ret_what = "address(es)";
	rc = configure_addrs(fam, cp);
	if (rc)
		return rc;
	*ret_what = "route(s)";
	return configure_routes(fam, cp);
}

static void configure_family(enum family f, unsigned ifi)
{
	const struct net_family *fam = &net_get()->fam[f];
	const struct nl_copy cp = {
		.from_fd = ns.host_nl_fd, .from_ifi = fam->template_ifi,
		.to_fd = ns.nl_fd, .to_ifi = ifi, .family = f,
		.copied = ns.on_addr, .copied_default = ns.on_default,
	};
	const char *what;
	int rc = netns_apply(&cp, &what);

	/* That's how sysctl disable_ipv6 tells, in the guest */
	if (f == V6 && rc == -EACCES)
		debug("IPv6 is disabled in the namespace");
	else if (rc)
		die("Couldn't set IPv%c %s in guest: %s",
		    f == V4 ? '4' : '6', what, strerror(-rc));
}

/* IPv6 may be off in the guest: in the kernel, or by a small MTU */
bool netns_has_v6(const struct conf *c, const struct nl_link *link)
{
	if (!net_get()->fam[V6].enabled)
		return false;
	if (!link->have_v6 || (c->mtu && c->mtu < 1280)) {
		debug("No IPv6 on %s in the namespace", c->ns_ifname);
		return false;
	}
	return true;
}

static void configure_net(const struct conf *c, const struct nl_link *link)
{
	int rc;

	if (c->mtu) {
		rc = nl_link_set_mtu(ns.nl_fd, link->ifi, c->mtu);
		if (rc)
			warn("Couldn't set MTU %u in the namespace: %s",
			     c->mtu, strerror(-rc));
	}
	configure_up(c, link);

	ns.host_nl_fd = nl_open();
	if (ns.host_nl_fd < 0)
		die("Couldn't open netlink socket: %s",
		    strerror(-ns.host_nl_fd));
	/* An IPv4 route's gateway may be one of IPv6, not the reverse */
	if (netns_has_v6(c, link))
		configure_family(V6, link->ifi);
	if (net_get()->fam[V4].enabled)
		configure_family(V4, link->ifi);
	close_fd(&ns.host_nl_fd);
}

void netns_on_given(void (*addr)(const struct addr *a),
		    void (*def)(enum family f, const struct nl_default *d))
{
	ns.on_addr = addr;
	ns.on_default = def;
}

void netns_configure(const struct conf *c)
{
	struct nl_link link;
	int rc;

	if (!nl_link_get(ns.nl_fd, "lo", &link) && !link.up)
		rc = nl_link_set_up(ns.nl_fd, link.ifi);
	else
		rc = 0;
	if (rc)
		die("Couldn't bring up lo in the namespace: %s",
		    strerror(-rc));

	if (c->splice_only)
		goto out;

	if (c->have_ns_mac) {
		rc = nl_link_get(ns.nl_fd, c->ns_ifname, &link);
		if (!rc)
			rc = nl_link_set_mac(ns.nl_fd, link.ifi, c->ns_mac);
		if (rc)
			die("Couldn't set MAC address %s of %s: %s",
			    MAC_STR(c->ns_mac), c->ns_ifname, strerror(-rc));
	}

	rc = nl_link_get(ns.nl_fd, c->ns_ifname, &link);
	if (rc)
		die("Couldn't find interface %s in the namespace: %s",
		    c->ns_ifname, strerror(-rc));

	if (c->config_net)
		configure_net(c, &link);
out:
	close_fd(&ns.nl_fd);
}

/* Watching it */

static void watch_gone(void)
{
	info("Namespace %s is gone, exiting", ns.path);
	loop_exit(EXIT_SUCCESS);
}

/* Is the name still in its directory? Yes, unless we know better. The filter
 * allows no other flags: with a directory's descriptor, all of the host's files
 * could be opened. libc's openat() might add one.
 */
static bool watch_name_exists(void)
{
	int fd = (int)syscall(SYS_openat, ns.dir_fd, ns.name, WATCH_OPEN);

	if (fd < 0)
		return errno != ENOENT && errno != ENOTDIR && errno != ESRCH;
	close(fd);
	return true;
}

static void watch_rearm(void)
{
	timer_set(&ns.poll, TIMER_NETNS,
		  mono_add(loop_now(), DUR_S(WATCH_INTERVAL_S)));
}

static void watch_poll(struct timer *t)
{
	(void)t;
	if (watch_name_exists())
		watch_rearm();
	else
		watch_gone();
}

/* Something left the directory: this name, or the directory itself */
static void watch_directory(void)
{
	_Alignas(struct inotify_event) char buf[4096];
	ssize_t n;

	while ((n = read(ns.inotify_fd, buf, sizeof(buf))) > 0) {
		const struct inotify_event *ev;

		for (char *p = buf; p < buf + n; p += sizeof(*ev) + ev->len) {
			ev = (const struct inotify_event *)(void *)p;
			if (!(ev->mask & (IN_DELETE_SELF | IN_IGNORED)) &&
			    (!ev->len || strcmp(ev->name, ns.name)))
				continue;
			/* Not closed: the kernel would wait for readers of its
			 * lists, some 15 ms, while our ports are still taken
			 */
			loop_del(ns.inotify_fd);
			watch_gone();
			return;
		}
	}
}

static void watch_event(struct loop_ref ref, uint32_t events)
{
	(void)events;
	switch (ref.index) {
	case WATCH_PROCESS:
		loop_del(ns.pid_fd);
		watch_gone();
		break;
	case WATCH_DIRECTORY:
		watch_directory();
		break;
	}
}

static void watch_add(int fd, uint32_t what)
{
	int rc = loop_add(fd, EPOLLIN, (struct loop_ref){ .kind = LOOP_NETNS,
							  .index = what });

	if (rc)
		die("Couldn't watch namespace %s: %s", ns.path, strerror(-rc));
}

void netns_watch(void)
{
	loop_set_handler(LOOP_NETNS, watch_event);
	timer_set_handler(TIMER_NETNS, watch_poll);

	if (ns.pid_fd >= 0) {
		watch_add(ns.pid_fd, WATCH_PROCESS);
	} else if (ns.dir_fd >= 0) {
		/* It may have gone before anybody looked */
		if (!watch_name_exists())
			die("Namespace %s is gone, exiting", ns.path);
		if (ns.inotify_fd < 0) {
			watch_rearm();
			return;
		}
		watch_add(ns.inotify_fd, WATCH_DIRECTORY);
		close_fd(&ns.dir_fd);
	}
}
