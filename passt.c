// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the roof: order of the start, signals, end
 *
 * Flow: options and host facts → what needs a privilege (ports) → isolation
 * stage by stage, opening in between what needs a path or a namespace → into
 * the background → the loop. A start that fails says why in one line, exits
 * with 1, and leaves nothing behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "arp.h"
#include "conf.h"
#include "dhcp.h"
#include "dhcpv6.h"
#include "flow.h"
#include "frame_build.h"
#include "icmp.h"
#include "input.h"
#include "isolate.h"
#include "listen.h"
#include "log.h"
#include "loop.h"
#include "ndp.h"
#include "netns.h"
#include "pcap.h"
#include "portscan.h"
#include "sock.h"
#include "sock_ns.h"
#include "splice.h"
#include "stats.h"
#include "tap.h"
#include "tap_stream.h"
#include "tap_tun.h"
#include "tcp.h"
#include "timer.h"
#include "udp.h"

/* Pages of its own, so that it can be made read-only */
enum { ROOF_PAGE = 65536 };	/* as large as any page is */
static union {
	struct conf conf;
	uint8_t pages[(sizeof(struct conf) + ROOF_PAGE - 1) / ROOF_PAGE *
		      ROOF_PAGE];
} roof __attribute__((aligned(ROOF_PAGE)));

static struct {
	int fd;
	sigset_t set;
} signals = { .fd = -1 };

enum { LINGER_S = 10 };		/* for connections of a command that has ended */

static bool pid_file_is_new;		/* made by us, not found */

/* What a start that fails must not leave behind */
static void roof_undo(void)
{
	tap_stream_undo();
	if (pid_file_is_new)
		unlink(roof.conf.pid_file);
}

static bool roof_is_quiet(void)
{
	return tcp_is_quiet() && !flow_count(FLOW_SPLICE);
}

static void signal_event(struct loop_ref ref, uint32_t events)
{
	struct signalfd_siginfo si;

	(void)ref;
	(void)events;
	while (read(signals.fd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGUSR1)
			stats_dump();
		else
			loop_exit(EXIT_SUCCESS);
	}
}

/* Blocked from the beginning, so that none is lost. In a PID namespace of our
 * own we are PID 1, for which default actions don't happen: these must be read.
 */
static void signals_block(void)
{
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals.set);
	sigaddset(&signals.set, SIGTERM);
	sigaddset(&signals.set, SIGQUIT);
	sigaddset(&signals.set, SIGUSR1);
}

static void signals_watch(void)
{
	struct loop_ref ref = { .kind = LOOP_SIGNAL };

	sigprocmask(SIG_BLOCK, &signals.set, NULL);
	signals.fd = signalfd(-1, &signals.set, SFD_NONBLOCK | SFD_CLOEXEC);
	loop_set_handler(LOOP_SIGNAL, signal_event);
	if (signals.fd < 0 || loop_add(signals.fd, EPOLLIN, ref))
		die("Couldn't watch signals: %s", strerror(errno));
}

/* Opened early, since a path may be refused; filled at the end */
static int pid_file_open(const struct conf *c)
{
	int fd;

	if (!*c->pid_file)
		return -1;
	fd = open(c->pid_file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	pid_file_is_new = fd >= 0;
	if (fd < 0)
		fd = open(c->pid_file, O_WRONLY | O_CREAT | O_TRUNC |
			  O_CLOEXEC, 0600);
	if (fd < 0)
		die("--pid: couldn't open %s: %s", c->pid_file,
		    strerror(errno));
	return fd;
}

static void log_open(const struct conf *c, const char *name)
{
	char first[PATH_MAX + 64], exe[PATH_MAX] = "?";
	ssize_t n;
	int fd;

	if (!*c->log_file) {
		if (!c->debug)
			log_open_syslog();
		return;
	}
	fd = open(c->log_file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		die("--log-file: couldn't open %s: %s", c->log_file,
		    strerror(errno));
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n > 0)
		exe[n] = '\0';
	snprintf(first, sizeof(first), "%s " VERSION ": %s (%d)", name, exe,
		 (int)getpid());
	log_to_file(fd, c->log_size, first);
}

/* The tap device: handed to us, or made inside the namespace */
static int tun_open(const struct conf *c)
{
	struct tap_tun_args args = { .ret_what = "" };
	int fd;

	if (c->fd >= 0)
		return c->fd;
	memcpy(args.ifname, c->ns_ifname, sizeof(args.ifname));
	/* It ends with the namespace that we made */
	args.persist = !c->ns_pid && !*c->netns;
	fd = netns_run(tap_tun_open, &args);
	if (fd == -ENOENT || fd == -ENXIO || fd == -ENODEV)
		die("Couldn't %s: %s. Load the tun module (modprobe tun), or "
		    "give the container the device", args.ret_what,
		    strerror(-fd));
	if (fd == -EACCES || fd == -EPERM)
		die("Couldn't %s: %s. The device must be readable and writable "
		    "for this user (usually mode 0666)", args.ret_what,
		    strerror(-fd));
	if (fd == -EBUSY)
		die("Couldn't %s '%s': there is one of that name in the "
		    "namespace already, choose another with --ns-ifname",
		    args.ret_what, c->ns_ifname);
	if (fd < 0)
		die("Couldn't %s '%s': %s", args.ret_what, c->ns_ifname,
		    strerror(-fd));
	return fd;
}

/* Before Linux 5.7: by address, as an interface can't be named */
static void listen_at_loopback(const struct conf *c, struct fwd_rules *rules,
			       const char *options)
{
	static struct fwd_rules by_addr;
	const bool enabled[FAMILIES] = { c->fam[V4].enabled,
					 c->fam[V6].enabled };

	if (!rules->count || sock_has_bindtodevice())
		return;
	warn("This kernel can't bind to interfaces: %s listen at "
	     "127.0.0.1 and ::1 only", options);
	if (!fwd_rules_on_loopback(rules, enabled, &by_addr))
		die("Too many rules for %s (maximum %u)", options,
		    FWD_RULES_MAX / 2);
	*rules = by_addr;
}

static void modules_init(const struct conf *c)
{
	flow_init();
	timer_init();
	frame_set_mtu(c->mtu);
	input_init(c);
	arp_init(c);
	ndp_init(c);
	dhcp_init(c);
	dhcpv6_init(c);
	icmp_init(c);
	udp_init(c);
	splice_init();
	tcp_init(c);
	stats_start(c->stats_s);
	loop_add_hook(tcp_run_queue);
	loop_add_hook(splice_run_queue);
	loop_add_hook(sock_ns_refill);
	loop_add_hook(tap_flush);
	loop_add_hook(flow_reap);
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	struct conf *c = &roof.conf;
	int pid_fd, tun_fd = -1, status;

	log_init(strstr(slash ? slash : argv[0], "pasta") ? "pasta" : "passt");
	isolate_start(conf_early_fd(argc, argv));
	signals_block();
	log_at_die(roof_undo);
	conf_init(c, argc, argv);

	log_open(c, c->mode == MODE_PASTA ? "pasta" : "passt");
	pid_fd = pid_file_open(c);
	if (*c->pcap_file)
		pcap_open(c->pcap_file);
	sock_init(c);
	listen_at_loopback(c, &c->fwd_out, "-T and -U");
	if (c->splice_only)
		listen_at_loopback(c, &c->fwd_in, "-t and -u");
	listen_open(c, HOST);
	loop_init();

	isolate_user(c);
	if (c->mode == MODE_PASTA) {
		netns_setup(c);
		if (!c->splice_only)
			tun_fd = tun_open(c);
		netns_configure(c);
		listen_open(c, GUEST);
		portscan_open(c);
	} else if (c->fd >= 0) {
		tap_stream_use_fd(c->fd);
	} else {
		tap_stream_listen(c->socket_path);
	}
	conf_print(c);
	isolate_fs(c);

	modules_init(c);
	if (c->mode == MODE_PASTA) {
		netns_watch(c);
		if (tun_fd >= 0)
			tap_tun_start(tun_fd);
		portscan_start();
	} else {
		tap_stream_start(c->one_off);
	}
	isolate_daemonize(c, pid_fd);
	signals_watch();
	if (mprotect(&roof, sizeof(roof), PROT_READ))
		die("mprotect: %s", strerror(errno));
	isolate_final(c);
	if (c->mode == MODE_PASTA)
		netns_start_command(c);
	status = loop_run();
	/* A command's last words are still in its kernel's buffers */
	if (c->mode == MODE_PASTA && !c->ns_pid && !*c->netns)
		loop_linger(roof_is_quiet, DUR_S(LINGER_S));
	tcp_close_all();
	return status;
}
