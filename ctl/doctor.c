// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: would a start work? See doctor.h
 *
 * Flow: each check is a process of its own (attempt()), since it does what the start
 * would: it dies of what that dies of, gives up rights, leaves namespaces. What it
 * says on stderr is the start's own word on cause and remedy, and becomes a line. In
 * the end the start itself is rehearsed, in a process that runs main() up to where it
 * would empty files or serve a guest: whatever the checks don't know is found then.
 *
 * Data: what was told already, in memory that all these processes share, so that each
 * fact has one line.
 */
#include "ctl/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf.h"
#include "ctl/port_owner.h"
#include "host/net.h"
#include "host/netns.h"
#include "host/sock.h"
#include "start/isolate.h"
#include "start/ns_hint.h"
#include "start/ports.h"
#include "tap/tap_tun.h"
#include "util.h"
#include "util/log.h"
#include "util/wire.h"

enum {
	TOLD_MAX	= 32768,
	TEXT_MAX	= 2048,
	BUSY_MAX	= 16,		/* ports that are named one by one */
	RESOLVERS	= 4 * NET_RESOLVERS,
	PATIENCE_S	= 2,		/* with resolvers */
	QUERY_LEN	= 17,
	QUERY_ID	= 0x7064,
};

enum verdict { OK, WARN, FAIL };

struct shared {
	bool failed;
	size_t len;
	char told[TOLD_MAX];		/* lines */
};

static struct {
	struct conf *conf;
	int argc;
	char **argv;
	bool rehearses;
	struct shared *shared;
	const char *name;		/* of the check that this process is */
	bool died;			/* the last one, and its words are told */
} doctor;

/* ---- Lines ---- */

static bool is_told(const char *text)
{
	return strstr(doctor.shared->told, text);
}

static void remember(const char *text)
{
	struct shared *s = doctor.shared;
	int n = snprintf(s->told + s->len, sizeof(s->told) - s->len, "%s\n",
			 text);

	s->len = MIN(s->len + (size_t)MAX(n, 0), sizeof(s->told) - 1);
}

__attribute__((format(printf, 2, 3)))
static void say(enum verdict v, const char *fmt, ...)
{
	static const char *const word[] = { "ok", "warn", "FAIL" };
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	doctor.shared->failed |= v == FAIL;
	remember(text);
	printf("%-5s%s: %s\n", word[v], doctor.name, text);
	fflush(stdout);
}

/* What a process has said on its stderr: what it has died of is one line, together;
 * otherwise, each of its lines is a warning
 */
static void tell(char *text, bool failed)
{
	char all[TEXT_MAX] = "";
	size_t len = 0;

	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (is_told(line))
			continue;
		if (!failed)
			say(WARN, "%s", line);
		else if (len < sizeof(all))
			len += (size_t)snprintf(all + len, sizeof(all) - len,
						"%s%s", len ? "; " : "", line);
	}
	doctor.died = failed && (len || !doctor.shared->failed);
	if (doctor.died)
		say(FAIL, "%s", len ? all : "it has ended without a word");
}

/* ---- Processes ---- */

/* All that comes, up to the end; what has no room is lost */
static void read_to_end(int fd, char *buf, size_t size)
{
	char rest[256];
	size_t len = 0;

	for (;;) {
		bool full = len + 1 >= size;
		ssize_t n = read(fd, full ? rest : buf + len,
				 full ? sizeof(rest) : size - 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += full ? 0 : (size_t)n;
	}
	buf[len] = '\0';
}

/* A process whose stderr is told; 0 in that one. Otherwise, once it has ended, 1, or
 * -1 if it has failed.
 */
static int process(const char *name)
{
	char text[TEXT_MAX];
	int p[2], status = 0;
	pid_t pid;

	doctor.name = name;
	fflush(stdout);
	if (pipe2(p, O_CLOEXEC) || (pid = fork()) < 0)
		die("--doctor: couldn't start a process: %s", strerror(errno));
	if (!pid) {
		dup2(p[1], STDERR_FILENO);
		close(p[0]);
		close(p[1]);
		return 0;
	}
	close(p[1]);
	read_to_end(p[0], text, sizeof(text));
	close(p[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		say(FAIL, "it was ended by signal %d (%s)", WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	tell(text, status);
	return status ? -1 : 1;
}

/* True: it hasn't failed */
static bool attempt(const char *name, void (*check)(void))
{
	int rc = process(name);

	if (!rc) {
		check();
		fflush(stdout);
		_exit(EXIT_SUCCESS);
	}
	return rc > 0;
}

/* ---- Options, and the host's network ---- */

static void check_options(void)
{
	conf_init(doctor.conf, doctor.argc, doctor.argv);
	say(OK, "they make sense");
}

static void check_network(void)
{
	static const char *const family[] = { [V4] = "IPv4", [V6] = "IPv6" };
	const struct net *net = net_get();

	for (enum family f = V4; f < FAMILIES; f++) {
		const struct net_family *fam = &net->fam[f];
		unsigned more = net_get_facts()->fam[f].template.candidates;

		if (!fam->enabled)
			say(OK, "no %s", family[f]);
		else if (fam->local_mode)
			say(WARN, "%s: no interface of the host has an address and a default route: the guest has none, either (--interface, --address)",
			    family[f]);
		else
			say(OK, "%s: as %s has it: %s/%u, gateway %s%s",
			    family[f], *fam->template_if ? fam->template_if :
			    "--address", ADDR_STR(&fam->guest), fam->prefix_len,
			    addr_is_none(&fam->gw) ? "none" :
						     ADDR_STR(&fam->gw),
			    more > 1 && !*doctor.conf->net.ifname ?
			    ", the first of several (--interface)" : "");
	}
}

/* ---- Resolvers ---- */

struct resolver {
	struct addr addr;
	int fd;
};

static void resolver_add(struct resolver *r, unsigned *count,
			 const struct addr *a, unsigned ifi)
{
	/* RFC 1035 4.1: which are the root's servers? */
	static const uint8_t query[QUERY_LEN] = {
		QUERY_ID >> 8, QUERY_ID & 0xff, 1, 0, 0, 1, [13] = 2, [16] = 1,
	};
	union sockaddr_any sa;
	socklen_t len = addr_to_sockaddr(&sa, a, 53, ifi);

	for (unsigned i = 0; i < *count; i++) {
		if (addr_eq(&r[i].addr, a))
			return;
	}
	r += (*count)++;
	r->addr = *a;
	r->fd = socket(sa.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (r->fd < 0 || connect(r->fd, &sa.sa, len) ||
	    send(r->fd, query, sizeof(query), 0) < 0) {
		say(WARN, "%s can't be asked: %s", ADDR_STR(a),
		    strerror(errno));
		close_fd(&r->fd);
	}
}

static unsigned resolvers_ask(struct resolver *all)
{
	unsigned count = 0;

	for (enum family f = V4; f < FAMILIES; f++) {
		const struct net_family *fam = &net_get()->fam[f];
		const struct net_family_options *o = &doctor.conf->net.fam[f];
		const struct resolv *r = &net_get_facts()->resolv;

		for (unsigned i = 0; i < r->count[f]; i++)
			resolver_add(all, &count, &r->ns[f][i], r->ifi[f][i]);
		for (unsigned i = 0; i < fam->dns_host_count; i++)
			resolver_add(all, &count, &fam->dns_hosts[i],
				     fam->dns_host_ifi[i]);
		for (unsigned i = 0; i < o->dns_count; i++)
			resolver_add(all, &count, &o->dns[i], 0);
	}
	return count;
}

/* It says something */
static void resolver_heard(struct resolver *r)
{
	uint8_t answer[512];
	ssize_t n = recv(r->fd, answer, sizeof(answer), MSG_DONTWAIT);

	if (n < 0)
		say(WARN, "%s doesn't answer: %s: names can't be looked up (--dns, --dns-host, /etc/resolv.conf)",
		    ADDR_STR(&r->addr), strerror(errno));
	else
		say(OK, "%s answers", ADDR_STR(&r->addr));
	close_fd(&r->fd);
}

/* All at once, for PATIENCE_S: what is polled for last is the end of that */
static void resolvers_wait(struct resolver *r, unsigned count)
{
	const struct itimerspec end = { .it_value.tv_sec = PATIENCE_S };
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	struct pollfd p[RESOLVERS + 1];
	unsigned waiting = count;

	if (timer < 0 || timerfd_settime(timer, 0, &end, NULL))
		die("timerfd: %s", strerror(errno));
	p[count] = (struct pollfd){ .fd = timer, .events = POLLIN };
	while (waiting && !p[count].revents) {
		waiting = 0;
		for (unsigned i = 0; i < count; i++) {
			p[i] = (struct pollfd){ .fd = r[i].fd,
						.events = POLLIN };
			waiting += r[i].fd >= 0;
		}
		if (!waiting)
			break;
		if (poll(p, count + 1, -1) < 0 && errno != EINTR)
			die("poll: %s", strerror(errno));
		for (unsigned i = 0; i < count; i++) {
			if (p[i].revents)
				resolver_heard(&r[i]);
		}
	}
	for (unsigned i = 0; i < count; i++) {
		if (r[i].fd >= 0)
			say(WARN, "%s doesn't answer within %d s: names can't be looked up (--dns, --dns-host, /etc/resolv.conf)",
			    ADDR_STR(&r[i].addr), PATIENCE_S);
	}
}

static void check_resolvers(void)
{
	struct resolver r[RESOLVERS];
	unsigned count = resolvers_ask(r);

	if (!count)
		say(doctor.conf->net.dns_none ? OK : WARN,
		    "there are none%s", doctor.conf->net.dns_none ? "" :
		    ": the guest has no names (--dns, /etc/resolv.conf)");
	resolvers_wait(r, count);
}

/* ---- Rights ---- */

/* As a start that makes its own namespaces would */
static void enter_own(void)
{
	static struct conf own;

	own = *doctor.conf;
	own.ns_pid = 0;
	own.netns[0] = '\0';
	own.netns_only = false;
	isolate_user(&own, -1);
}

static void check_namespaces(void)
{
	const struct conf *c = doctor.conf;

	netns_open(c);
	isolate_user(c, netns_user_fd());
	if (c->mode == MODE_PASTA && !conf_joins(c) &&
	    unshare(CLONE_NEWNET | CLONE_NEWPID))
		ns_die("Couldn't create namespaces", errno);
	isolate_fs(c);
	say(OK, conf_joins(c) ? "they can be joined, and others made" :
				"they can be made");
}

static void check_tun(void)
{
	struct tap_tun_args args = { .ifname = "tap0" };
	int fd;

	enter_own();
	if (unshare(CLONE_NEWNET))
		ns_die("Couldn't create a network namespace", errno);
	fd = tap_tun_open(&args);
	if (fd < 0)
		tap_tun_die(&args, fd);
	if (tap_tun_has_uso(fd))
		say(OK, "it can be opened, and has all offloads");
	else
		say(WARN, "no USO (Linux 6.2): UDP goes to the guest datagram by datagram, which is slower");
}

static void check_ping(void)
{
	const struct conf *c = doctor.conf;
	gid_t gid = c->have_runas ? c->runas_gid : getegid();
	char range[64] = "";
	unsigned from = 1, to = 0;
	int error;

	/* As it looks from outside of the namespace */
	read_file("/proc/sys/net/ipv4/ping_group_range", range, sizeof(range));
	sscanf(range, "%u %u", &from, &to);
	if (is_machine_root() && !c->have_runas)
		gid = ISOLATE_NOBODY;
	enter_own();
	error = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP) < 0 ?
		errno : 0;
	if (!error)
		say(OK, "echo requests can be forwarded");
	else
		say(WARN, "%s: the host sends no echo requests for the guest: group %u isn't in sysctl net.ipv4.ping_group_range, which is \"%u %u\"",
		    strerror(error), gid, from, to);
}

/* Behind the filter nothing is said any more: by a process of its own */
static void check_filter(void)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		enter_own();
		isolate_final(doctor.conf);
		_exit(-isolate_filter(doctor.conf, 0));
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		die("fork: %s", strerror(errno));
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		say(OK, "it can be loaded");
	else
		say(FAIL, "Couldn't filter system calls: %s: the kernel needs CONFIG_SECCOMP_FILTER",
		    WIFEXITED(status) ? strerror(WEXITSTATUS(status)) :
					strsignal(WTERMSIG(status)));
}

/* ---- Ports and descriptors ---- */

struct ports {
	unsigned open, busy;
	bool weak;
};

static void port_failed(const struct fwd_rule *r, uint16_t port, int rc)
{
	const char *proto = r->proto == PROTO_TCP ? "TCP" : "UDP";
	enum verdict v = r->flags & FWD_WEAK ? WARN : FAIL;
	char who[128];

	if (rc == -EADDRINUSE)
		say(v, "%s port %u: in use already%s: end that, or choose another port",
		    proto, port, port_owner(r->proto, port, who, sizeof(who)));
	else if (rc == -EACCES)
		say(v, "%s port %u: it is below sysctl net.ipv4.ip_unprivileged_port_start, %lld: lower that, or start with CAP_NET_BIND_SERVICE",
		    proto, port,
		    read_file_number("/proc/sys/net/ipv4/ip_unprivileged_port_start",
				     1024));
	else if (rc == -EADDRNOTAVAIL)
		say(v, "%s port %u: the host doesn't have the address %s (--freebind)",
		    proto, port, ADDR_STR(&r->listen));
	else
		say(v, "%s port %u: %s", proto, port, strerror(-rc));
}

static void check_rule(const struct fwd_rule *r, struct ports *sum)
{
	for (unsigned port = r->first; port <= r->last; port++) {
		int fd = sock_listen(r, (uint16_t)port, false, false);

		if (fd >= 0) {
			close(fd);
			sum->open++;
		} else if (sum->busy++ < BUSY_MAX) {
			port_failed(r, (uint16_t)port, fd);
		} else {
			doctor.shared->failed |= !(r->flags & FWD_WEAK);
		}
	}
}

static void check_ports(void)
{
	const struct fwd_rules *rules = &doctor.conf->fwd_in;
	struct ports sum = { 0 };

	sock_init(doctor.conf);
	for (unsigned i = 0; i < rules->count; i++) {
		if (!(rules->rule[i].flags & FWD_AUTO))
			check_rule(&rules->rule[i], &sum);
	}
	if (sum.busy > BUSY_MAX)
		say(WARN, "%u others can't be opened, either",
		    sum.busy - BUSY_MAX);
	if (sum.open)
		say(OK, "%u can be opened", sum.open);
	else if (!sum.busy)
		say(OK, "none is to be opened at the start");
}

static void check_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		die("getrlimit: %s", strerror(errno));
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (!ports_check_limit(doctor.conf))
		return;
	say(OK, "as many as %llu", (unsigned long long)limit.rlim_max);
}

/* ---- The kernel ---- */

static void check_kernel(void)
{
	static const struct feature {
		bool (*there)(void);
		const char *name, *lack;
	} features[] = {
		{ sock_has_peek_off, "SO_PEEK_OFF",
		  "it takes Linux 6.9, or later for IPv6: what the guest hasn't acknowledged is copied again and again, which makes TCP to the guest slower on long paths" },
		{ sock_has_buf_lock, "SO_BUF_LOCK",
		  "it takes Linux 5.14: a connection's send buffer can't be made larger, which makes TCP from the guest slower on long paths" },
		{ sock_has_bindtodevice, "SO_BINDTODEVICE",
		  "it takes Linux 5.7: no port can be for one interface, and -T and -U listen at 127.0.0.1 and ::1 only" },
	};

	sock_init(doctor.conf);
	for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
		const struct feature *f = &features[i];

		if (f->there())
			say(OK, "%s", f->name);
		else
			say(WARN, "no %s: %s", f->name, f->lack);
	}
}

/* ---- All of it ---- */

static bool has_tun(const struct conf *c)
{
	return c->mode == MODE_PASTA && c->fd < 0 && !c->splice_only;
}

static bool has_link(const struct conf *c)
{
	return !c->splice_only;
}

static bool has_ping(const struct conf *c)
{
	return !c->no_icmp;
}

static const struct check {
	const char *name;
	void (*run)(void);
	bool needs_conf;		/* the options must make sense */
	bool (*wanted)(const struct conf *c);	/* NULL: always */
} checks[] = {
	{ "network", check_network, true, has_link },
	{ "resolver", check_resolvers, true, has_link },
	{ "namespaces", check_namespaces, false, NULL },
	{ "/dev/net/tun", check_tun, false, has_tun },
	{ "ping", check_ping, false, has_ping },
	{ "system call filter", check_filter, false, NULL },
	{ "ports", check_ports, true, NULL },
	{ "open files", check_limit, true, NULL },
	{ "kernel", check_kernel, false, NULL },
};

/* Options that don't make sense are told; the rest is as without any */
static void defaults(struct conf *c)
{
	static struct conf none;

	*c = none;
	c->fd = -1;
	c->mode = strcmp(conf_name(doctor.argv[0]), "pasta") ? MODE_PASST :
							       MODE_PASTA;
	log_max = LOG_LVL_WARN;
}

static void silence(void)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		dup2(fd, STDERR_FILENO);
}

/* In a process whose configuration isn't that of the rehearsal */
static void examine(void)
{
	struct conf *c = doctor.conf;
	bool known = attempt("options", check_options);

	silence();
	if (known)
		conf_init(c, doctor.argc, doctor.argv);
	else
		defaults(c);
	for (unsigned i = 0; i < ARRAY_SIZE(checks); i++) {
		const struct check *k = &checks[i];

		if ((known || !k->needs_conf) && (!k->wanted || k->wanted(c)))
			attempt(k->name, k->run);
	}
}

void doctor_begin(struct conf *c, int argc, char **argv)
{
	int rc;

	if (!conf_wants_doctor(argc, argv))
		return;
	doctor.conf = c;
	doctor.argc = argc;
	doctor.argv = argv;
	doctor.shared = mmap(NULL, sizeof(*doctor.shared),
			     PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (doctor.shared == MAP_FAILED)
		die("--doctor: no memory: %s", strerror(errno));
	attempt("doctor", examine);
	rc = process("start");
	if (!rc) {
		doctor.rehearses = true;
		return;
	}
	if (!doctor.shared->failed)
		say(OK, "it would work");
	else if (!doctor.died)
		say(FAIL, "it wouldn't work, or not as it should: see above");
	exit(doctor.shared->failed ? EXIT_FAILURE : EXIT_SUCCESS);
}

bool doctor_rehearses(void)
{
	return doctor.rehearses;
}
