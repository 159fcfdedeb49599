// SPDX-License-Identifier: GPL-2.0-or-later
/* Links: host/listen.o host/listen_report.o fwd/fwd_table.o fwd/fwd_rule.o util/parse.o util/addr.o
 *
 * Listening sockets follow the rules: by difference, as a whole or not at all.
 * The kernel is a list of sockets here, with what it refuses.
 */
#include "host/listen.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "engine/loop.h"
#include "fake_log.h"
#include "host/listen_report.h"
#include "host/net.h"
#include "host/sock.h"
#include "random.h"
#include "tap_test.h"
#include "util.h"
#include "util/wire.h"

/* ---- The kernel ---- */

enum { FD_FIRST = 100, SOCKETS = 1000 };

static struct {
	struct {
		bool open, gone;	/* gone: its interface is */
		struct fwd_rule rule;
		uint16_t port;
		bool in_ns;
	} sock[SOCKETS];
	int high;			/* none is open from here on */
	unsigned open, limit, opened, closed;
	bool no_if;			/* there is no interface of a name */
	bool busy[65536], forbidden[65536];	/* on the host, for any address */
} kernel;

int sock_listen(const struct fwd_rule *r, uint16_t port, bool in_ns,
		bool beside)
{
	int free = -1;

	(void)beside;
	if (*r->ifname && kernel.no_if)
		return -ENODEV;
	if (kernel.open == kernel.limit)
		return -EMFILE;
	if (!in_ns && kernel.forbidden[port])
		return -EACCES;
	if (!in_ns && kernel.busy[port])
		return -EADDRINUSE;
	for (int i = 0; i < kernel.high; i++) {
		struct fwd_rule a = *r, b = kernel.sock[i].rule;

		if (!kernel.sock[i].open) {
			free = i;
			continue;
		}
		if (kernel.sock[i].gone)
			continue;
		if (kernel.sock[i].port != port || kernel.sock[i].in_ns != in_ns)
			continue;
		a.first = a.last = b.first = b.last = port;
		if (fwd_rule_overlaps(&a, &b))
			return -EADDRINUSE;
	}
	if (free < 0)
		free = kernel.high++;
	kernel.sock[free].open = true;
	kernel.sock[free].gone = false;
	kernel.sock[free].rule = *r;
	kernel.sock[free].port = port;
	kernel.sock[free].in_ns = in_ns;
	kernel.open++;
	kernel.opened++;
	return free + FD_FIRST;
}

void close_fd(int *fd)
{
	assert(kernel.sock[*fd - FD_FIRST].open);
	kernel.sock[*fd - FD_FIRST].open = false;
	kernel.open--;
	kernel.closed++;
	*fd = -1;
}

bool sock_device_is_gone(int fd)
{
	return kernel.sock[fd - FD_FIRST].gone;
}

static net_hook net_changed;
static unsigned net_hooks;

void net_add_hook(net_hook fn)
{
	net_changed = fn;
	net_hooks++;
}

enum log_level log_max = LOG_LVL_WARN;
static unsigned warnings;

void log_msg(enum log_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
	warnings++;
}

void die(const char *fmt, ...)
{
	printf("Bail out! %s\n", fmt);
	abort();
}

mono_t loop_now(void)
{
	return (mono_t){ 0 };
}

/* ---- Asking for rules ---- */

static struct listen_report report;
static char text[LISTEN_REPORT_LEN];

static const char *rules_parse(struct fwd_rules *rules, const char *specs)
{
	static char error[FWD_ERR_LEN];
	struct fwd_rule_ctx ctx = {
		.proto = PROTO_TCP, .addr_allowed = true, .auto_allowed = true,
		.eph = { 100, 65535 },
	};
	char copy[1024], *spec, *rest;

	rules->count = 0;
	strcpy(copy, specs);
	for (spec = strtok_r(copy, " ", &rest); spec;
	     spec = strtok_r(NULL, " ", &rest)) {
		ctx.proto = *spec == 'u' ? PROTO_UDP : PROTO_TCP;
		if (fwd_rule_parse(spec + (*spec == 'u'), &ctx, rules, error))
			return error;
	}
	return NULL;
}

/* Specs, "u…" of UDP: the rules that the side has from now on. 0 or -errno. */
static int have(enum flow_side_name side, const char *specs)
{
	static struct fwd_rules rules;
	static char error[FWD_ERR_LEN];
	const char *bad = rules_parse(&rules, specs);
	int rc;

	report = (struct listen_report){ .opened = 0 };
	rc = bad ? -EINVAL : fwd_table_replace(side, rules.rule, rules.count,
					       UINT32_MAX, error);
	if (rc) {
		printf("# %s: %s\n", specs, bad ? bad : error);
		return rc;
	}
	return listen_sync(listen_report_tell, &report);
}

/* The descriptor at a port of the host; -1 if there is none */
static int fd_at(unsigned port)
{
	for (int i = 0; i < kernel.high; i++) {
		if (kernel.sock[i].open && kernel.sock[i].port == port &&
		    !kernel.sock[i].in_ns)
			return i + FD_FIRST;
	}
	return -1;
}

/* Where what comes to that port goes */
static unsigned target_of(unsigned port)
{
	uint32_t i = 0;

	while (listen_at(i)->fd != fd_at(port))
		i++;
	return listen_at(i)->rule->to;
}

static const char *failure(void)
{
	const char *hint;

	return listen_report_failure(&report, text, &hint);
}

static void reset(void)
{
	memset(kernel.busy, 0, sizeof(kernel.busy));
	memset(kernel.forbidden, 0, sizeof(kernel.forbidden));
	kernel.limit = SOCKETS;
	have(HOST, "");
	have(GUEST, "");
	is_int(kernel.open, 0, "nothing is open");
	kernel.opened = kernel.closed = warnings = 0;
}

/* ---- The listeners' users ---- */

static struct { unsigned opened, closed, moved; int refuse; } user;

static int user_opened(uint32_t index)
{
	if (user.refuse)
		return user.refuse;
	user.opened++;
	return (int)index + 1000;
}

static void user_closed(uint32_t index)
{
	ok(listen_at(index)->user == index + 1000, "the one that was opened");
	ok(listen_at(index)->fd >= 0, "its socket is still open");
	user.closed++;
}

static void user_moved(uint32_t index)
{
	ok(listen_at(index)->fd >= 0, "an open one");
	user.moved++;
}

/* ---- Tests ---- */

static void test_plain(void)
{
	int fd80, fd81;

	is_int(have(HOST, "80-82 u80"), 0, "some ports");
	is_int(kernel.open, 4, "are open");
	is_int(report.opened, 4, "are told of");
	fd80 = fd_at(80);
	fd81 = fd_at(81);
	ok(listen_is_ours(HOST, PROTO_TCP, &(struct addr){ { 0 } }, 80),
	   "is ours");
	ok(!listen_is_ours(GUEST, PROTO_TCP, &(struct addr){ { 0 } }, 80),
	   "not on the other side");
	is_int(have(HOST, "80-82 u80"), 0, "the same");
	is_int(kernel.opened, 4, "nothing was opened");
	is_int(kernel.closed, 0, "nothing was closed");
	is_int(have(HOST, "80-82"), 0, "one less");
	is_int(kernel.closed, 1, "is closed");
	is_int(report.closed, 1, "and told of");
	is_int(have(HOST, "80:90 81-82:91-92"), 0, "to other ports");
	is_int(kernel.opened, 4, "nothing was opened");
	is_int(kernel.closed, 1, "nothing was closed");
	is_int(fd_at(80), fd80, "the same socket");
	is_int(fd_at(81), fd81, "and the same");
	is_int(target_of(80), 90, "goes elsewhere");
	is_int(have(GUEST, "80"), 0, "inside, too");
	is_int(kernel.open, 4, "one more");
	reset();
}

static void test_whole(void)
{
	char told[128];
	int fd;

	have(HOST, "80-82");
	fd = fd_at(81);
	kernel.busy[85] = true;
	is_int(have(HOST, "81 83-86"), -EADDRINUSE, "one that is busy");
	snprintf(told, sizeof(told), "Listen failed for HOST TCP port */85: %s",
		 strerror(EADDRINUSE));
	is_str(failure(), told, "is told of");
	is_int(kernel.open, 3, "as before");
	ok(fd_at(80) >= 0 && fd_at(82) >= 0 && fd_at(83) < 0 && fd_at(84) < 0,
	   "the same ports");
	is_int(fd_at(81), fd, "by the same sockets");
	is_int(fwd_table_count(HOST), 1, "one rule");
	is_int(fwd_table_next(HOST, NULL)->rule.last, 82, "  as it was");

	is_int(have(HOST, "80-82:90-92 85"), -EADDRINUSE,
	       "other targets, and one that is busy");
	is_int(fd_at(81), fd, "the same sockets");
	is_int(target_of(80), 80, "go where they went");
	is_int(kernel.open, 3, "and no others");
	is_int(warnings, 0, "without a word");

	kernel.forbidden[22] = true;
	is_int(have(HOST, "192.0.2.1/22"), -EACCES, "one that is forbidden");
	is_str(failure(), "Listen failed for HOST TCP port 192.0.2.1/22: Permission denied",
	       "is told of");
	reset();
}

/* An address, then all of them: the old one has to go first */
static void test_in_the_way(void)
{
	int fd;

	have(HOST, "127.0.0.1/80 0.0.0.0/90 99");
	fd = fd_at(99);
	is_int(have(HOST, "80 127.0.0.1/90 99"), 0,
	       "all addresses for one, and one for all");
	is_int(kernel.open, 3, "three");
	ok(kernel.sock[fd_at(80) - FD_FIRST].rule.flags & FWD_DUAL,
	   "all addresses");
	ok(!addr_is_any(&kernel.sock[fd_at(90) - FD_FIRST].rule.listen),
	   "one address");
	is_int(fd_at(99), fd, "untouched");
	is_int(report.opened, 2, "told of");

	kernel.busy[91] = true;
	is_int(have(HOST, "127.0.0.1/80 90-91"), -EADDRINUSE, "one is busy");
	is_int(kernel.closed, 2, "found before anything is closed");
	is_int(fd_at(99), fd, "untouched");
	is_int(kernel.open, 3, "three");

	/* Only once the old ones are closed it turns out that there are none
	 * left
	 */
	kernel.busy[91] = false;
	kernel.limit = 4;
	is_int(have(HOST, "127.0.0.1/80 127.0.0.2/80 127.0.0.3/80 "
			  "127.0.0.4/80 127.0.0.5/80"), -EMFILE, "too many");
	kernel.limit = SOCKETS;
	is_int(kernel.open, 3, "three");
	ok(kernel.sock[fd_at(80) - FD_FIRST].rule.flags & FWD_DUAL,
	   "all addresses, again");
	is_int(fd_at(99), fd, "untouched");
	is_int(warnings, 0, "without a word");
	reset();
}

static int socket_at(const struct addr *a)
{
	for (int i = 0; i < kernel.high; i++)
		if (kernel.sock[i].open && addr_eq(&kernel.sock[i].rule.listen, a))
			return i;
	return -1;
}

/* Of several that go, only those in the way are closed before all is well */
static void test_beside_the_way(void)
{
	const struct addr second = addr_v4(0x7f000002);
	unsigned opened;
	int there;

	have(HOST, "127.0.0.1/80 127.0.0.2/80");
	opened = kernel.opened;
	there = socket_at(&second);
	kernel.limit = 3;
	is_int(have(HOST, "127.0.0.1%eth0/80 127.0.0.1%eth1/80 "
			  "127.0.0.1%eth2/80"), -EMFILE, "too many");
	kernel.limit = SOCKETS;
	is_int(kernel.open, 2, "as before");
	is_int(kernel.opened - opened, 3, "two, and the first one again");
	is_int(socket_at(&second), there, "the second was never closed");
	is_int(have(HOST, "127.0.0.1%eth0/80"), 0, "one for two");
	is_int(kernel.open, 1, "one");
	reset();
}

static void test_weak(void)
{
	const char *busy = strerror(EADDRINUSE);
	char told[256];

	kernel.busy[10] = kernel.busy[11] = kernel.forbidden[12] = true;
	kernel.busy[20] = true;
	is_int(have(HOST, "all"), 0, "whatever there is");
	is_int(kernel.open, 95, "is opened");
	snprintf(told, sizeof(told),
		 "Couldn't listen on 4 of 99 ports: TCP 10-11 (%s), 12 (%s), 20 (%s)",
		 busy, "Permission denied", busy);
	is_str(listen_report_missed(&report, text), told, "the others are told of");
	kernel.busy[10] = false;
	is_int(have(HOST, "all 200"), 0, "one more rule");
	is_int(kernel.open, 96, "is opened, and no port of the other one");
	ok(!listen_report_missed(&report, text), "nothing is missed");
	have(HOST, "");

	for (unsigned p = 0; p < 65536; p++)
		kernel.busy[p] = true;
	is_int(have(HOST, "all"), -EADDRINUSE, "none at all");
	snprintf(told, sizeof(told), "Listen failed for HOST TCP port */1: %s", busy);
	is_str(failure(), told, "is told of");
	is_int(fwd_table_count(HOST), 0, "no rule");
	memset(kernel.busy, 0, sizeof(kernel.busy));
	kernel.limit = 10;
	is_int(have(HOST, "all"), -EMFILE, "no descriptors");
	is_int(kernel.open, 0, "nothing is open");
	reset();
}

static bool wanted[65536];

static bool is_auto_wanted(const struct fwd_slot *s, uint16_t port)
{
	return wanted[s->rule.to + (port - s->rule.first)];
}

static int touch_all(void)
{
	const struct fwd_slot *s = NULL;

	while ((s = fwd_table_next(HOST, s)))
		fwd_table_touch(s);
	return listen_sync(NULL, NULL);
}

static void test_auto(void)
{
	int fd;

	wanted[80] = wanted[95] = true;
	is_int(have(HOST, "80-90,auto 95"), 0, "nobody knows what is wanted");
	is_int(kernel.open, 1, "a plain one");
	listen_set_auto(is_auto_wanted);
	is_int(touch_all(), 0, "what is wanted");
	is_int(kernel.open, 2, "is opened");
	fd = fd_at(80);
	wanted[81] = true;
	kernel.busy[82] = wanted[82] = true;
	is_int(touch_all(), 0, "more of it, and one that is busy");
	is_int(kernel.open, 3, "is opened");
	is_int(fd_at(80), fd, "the other one stays");
	wanted[80] = false;
	is_int(touch_all(), 0, "one less");
	is_int(fd_at(80), -1, "is closed");
	is_int(kernel.open, 2, "two");
	is_int(have(HOST, "80-90,auto"), 0, "without the plain one");
	is_int(kernel.open, 1, "one");
	fd = fd_at(81);
	is_int(have(HOST, "81"), 0, "a plain one instead");
	is_int(fd_at(81), fd, "has its socket");
	is_int(have(HOST, "80-90,auto"), 0, "and back");
	is_int(fd_at(81), fd, "has its socket");
	memset(wanted, 0, sizeof(wanted));
	is_int(touch_all(), 0, "nothing is wanted");
	is_int(kernel.open, 0, "nothing is open");
	reset();
}

static void test_users(void)
{
	const struct listen_user ops = { .opened = user_opened,
					 .closed = user_closed,
					 .moved = user_moved };
	const struct listen_user deaf = { .opened = user_opened };

	have(HOST, "80-81");
	listen_attach(PROTO_TCP, &ops);
	is_int(user.opened, 2, "of what is there");
	have(HOST, "80-82");
	is_int(user.opened, 3, "of what comes");
	is_int(user.moved, 2, "of what changes hands");
	have(HOST, "82:90");
	is_int(user.closed, 2, "of what goes");
	is_int(user.moved, 3, "of what changes hands");
	user.refuse = -ENOSPC;
	is_int(have(HOST, "82:90 83"), -ENOSPC, "who doesn't want it");
	is_int(kernel.open, 1, "doesn't get it");
	user.refuse = 0;
	have(HOST, "");
	listen_attach(PROTO_TCP, &deaf);
	have(HOST, "80");
	reset();
}

/* Any rules after any others, with some ports busy: what is open is what the
 * rules say, and after a failure what it was, by the same sockets
 */
static void test_interface(void)
{
	int was;

	user.opened = 0;
	is_int(have(HOST, "%eth0/1000 2000"), 0, "a port at an interface");
	is_int(net_hooks, 1, "is to follow the network");
	was = fd_at(2000);
	net_changed(NULL);
	is_int(kernel.opened, 2, "the interface is as before: nothing happens");
	kernel.sock[fd_at(1000) - FD_FIRST].gone = true;
	kernel.no_if = true;
	net_changed(NULL);
	is_int(kernel.open, 2, "gone: the port waits for another one");
	is_int(kernel.opened, 2, "... and nothing was opened");
	is_int(warnings, 0, "... without a word");
	kernel.no_if = false;
	net_changed(NULL);
	is_int(kernel.opened, 3, "another one is there: opened anew");
	is_int(kernel.closed, 1, "... the old one closed");
	ok(!kernel.sock[fd_at(1000) - FD_FIRST].gone, "... and at that one");
	is_int(fd_at(2000), was, "... nothing else");
	is_int(user.opened, 3, "its user is told");
	kernel.sock[fd_at(1000) - FD_FIRST].gone = true;
	kernel.forbidden[1000] = true;
	net_changed(NULL);
	is_int(warnings, 1, "it can't be had any more: that is told");
	warnings = 0;
	kernel.forbidden[1000] = false;
	reset();
}

/* As many automatic ports as there may be, and their interface becomes another */
static void test_interface_full(void)
{
	struct rlimit was, few;

	getrlimit(RLIMIT_NOFILE, &was);
	few = was;
	few.rlim_cur = 4;
	setrlimit(RLIMIT_NOFILE, &few);
	listen_set_auto(is_auto_wanted);
	wanted[80] = wanted[81] = wanted[82] = true;
	is_int(have(HOST, "%eth0/80-90,auto"), 0, "automatic ports");
	is_int(kernel.open, 2, "no more than may be");
	for (unsigned port = 80; port <= 81; port++)
		kernel.sock[fd_at(port) - FD_FIRST].gone = true;
	net_changed(NULL);
	is_int(warnings, 0, "another interface: they come again");
	is_int(kernel.open, 2, "... no more of them");
	ok(!kernel.sock[fd_at(80) - FD_FIRST].gone &&
	   !kernel.sock[fd_at(81) - FD_FIRST].gone, "... at that one");
	wanted[80] = false;
	is_int(touch_all(), 0, "one less");
	is_int(kernel.open, 2, "lets another one in");
	setrlimit(RLIMIT_NOFILE, &was);
	listen_set_auto(is_auto_wanted);
	memset(wanted, 0, sizeof(wanted));
	reset();
}

static void test_random(void)
{
	static const char *const where[] = { "", "0.0.0.0/", "127.0.0.1/",
					     "127.0.0.2/", "::/", "::1/" };
	static int before[32], after[32];
	bool good = true;
	unsigned failures = 0, done_ = 0;

	for (unsigned turn = 0; turn < 3000 && good; turn++) {
		char specs[256] = "", *p = specs;
		static struct fwd_rules rules;
		unsigned want = 0, was = kernel.open;
		int rc;

		for (unsigned i = random_below(5); i; i--) {
			unsigned to = i * 4 + random_below(2) * 100;

			p += sprintf(p, "%s%u-%u:%u-%u ", where[random_below(6)],
				     i * 4, i * 4 + 2, to, to + 2);
		}
		for (unsigned i = 0; i < 32; i++) {
			before[i] = fd_at(i);
			if (before[i] < 0)
				kernel.busy[i] = !random_below(20);
		}
		if (rules_parse(&rules, specs))
			continue;
		rc = have(HOST, specs);
		for (unsigned i = 0; i < 32; i++)
			after[i] = fd_at(i);
		for (unsigned i = 0; i < rules.count; i++)
			want += fwd_rule_ports(&rules.rule[i]);
		if (rc) {
			failures++;
			good &= kernel.open == was;
			for (unsigned i = 0; i < 32; i++)
				good &= (before[i] < 0) == (after[i] < 0);
		} else {
			done_++;
			good &= kernel.open == want;
			good &= fwd_table_count(HOST) == rules.count;
		}
		good &= !fwd_table_changed(NULL);
	}
	ok(good, "what is open is what the rules say");
	ok(failures > 100 && done_ > 100, "%u failures, %u changes", failures,
	   done_);
	is_int(warnings, 0, "without a word");
	reset();
}

int main(void)
{
	fwd_table_allow(HOST, FWD_CAN_ALL);
	fwd_table_allow(GUEST, FWD_CAN_ALL);
	kernel.limit = SOCKETS;
	test_plain();
	test_whole();
	test_in_the_way();
	test_beside_the_way();
	test_weak();
	test_auto();
	test_users();
	test_interface();
	test_interface_full();
	test_random();
	return done();
}
