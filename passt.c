// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the roof: order of the start, signals, end
 *
 * Flow, from the end of this file: options and host facts → what needs a privilege
 * (ports) → isolation stage by stage, opening in between what needs a path or a
 * namespace → into the background → the loop. A start that fails says why in one
 * line, exits with 1, and leaves nothing behind.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "conf.h"
#include "ctl/api_server.h"
#include "ctl/control.h"
#include "ctl/doctor.h"
#include "ctl/pesto_proto.h"
#include "ctl/slirp_api.h"
#include "engine/drop.h"
#include "engine/flow.h"
#include "engine/loop.h"
#include "engine/stats.h"
#include "engine/timer.h"
#include "frame/frame_build.h"
#include "frame/opening.h"
#include "fwd/egress.h"
#include "fwd/policy.h"
#include "fwd/policy_used.h"
#include "host/accept.h"
#include "host/dgram.h"
#include "host/dns_proxy.h"
#include "host/host_addrs.h"
#include "host/listen.h"
#include "host/net_flows.h"
#include "host/netns.h"
#include "host/ns_follow.h"
#include "host/portscan.h"
#include "host/sock.h"
#include "host/sock_ns.h"
#include "icmp.h"
#include "input.h"
#include "local/arp.h"
#include "local/dhcp.h"
#include "local/dhcpv6.h"
#include "local/ndp.h"
#include "pasta.h"
#include "splice.h"
#include "start/cleaner.h"
#include "start/daemonize.h"
#include "start/files.h"
#include "start/isolate.h"
#include "start/ports.h"
#include "start/signals.h"
#include "start/slirp.h"
#include "start/tun.h"
#include "start/watcher.h"
#include "tap.h"
#include "tap/tap_stream.h"
#include "tap/tap_tun.h"
#include "tap/tap_unix.h"
#include "tap/tap_vu.h"
#include "tcp.h"
#include "udp.h"
#include "util/log.h"
#include "util/writer.h"

/* Pages of its own, so that it can be made read-only */
enum { ROOF_PAGE = 65536 };	/* as large as any page is */
static union {
	struct conf conf;
	uint8_t pages[(sizeof(struct conf) + ROOF_PAGE - 1) / ROOF_PAGE *
		      ROOF_PAGE];
} roof __attribute__((aligned(ROOF_PAGE)));

enum { LINGER_S = 10 };		/* for connections of a command that has ended */

/* What a start that fails must not leave behind; safe in signal handlers */
static void roof_undo(void)
{
	daemonize_undo();
	tap_unix_undo();
	api_undo();
	files_undo();
	cleaner_undo();
}

/* The start has succeeded: from now on, failures leave things as they are */
static void roof_keep(void)
{
	log_at_die(NULL);
	tap_unix_keep();
	api_keep();
	files_keep();
	cleaner_keep();
}

/* Whatever ends us: who comes next wants our ports, and may have them long before
 * the kernel has taken the tap apart
 */
static void roof_end(void)
{
	portscan_stop();
	listen_close_all();
	dgram_drop_retired();
}

static bool roof_is_quiet(void)
{
	return tcp_is_quiet() && !flow_count(FLOW_SPLICE);
}

static void at_usr1(void)
{
	stats_dump();
	policy_used_write();
}

/* By us, with --config-net */
static void guest_given(const struct addr *a)
{
	guest_addrs_give(&tap_guest, a);
	ns_follow_given(a);
}

static void modules_init(const struct conf *c)
{
	flow_init();
	timer_init(loop_now());
	counters_add("dropped", drop_rows, DROP_REASONS);
	frame_set_mtu(c->mtu);
	policy_init();
	policy_used_init();
	egress_init(c->deny_silently, *c->control_path);
	input_init(c);
	arp_init(c);
	ndp_init(c);
	dhcp_init(c);
	dhcpv6_init(c);
	net_flows_init();
	dgram_init();
	icmp_init();
	udp_init(c);
	splice_init(c);
	sock_ns_init();
	tcp_init(c);
	accept_init(c);
	dns_proxy_init(*c->control_path);
	stats_init(c->stats_s);
	loop_add_hook(api_run_queue);
	loop_add_hook(opening_run);
	loop_add_hook(tcp_run_queue);
	loop_add_hook(splice_run_queue);
	loop_add_hook(sock_ns_refill);
	loop_add_hook(tap_flush);
	loop_add_hook(flow_reap);
	loop_at_exit(roof_end);
}

/* Of a rehearsal: what follows would change what is others', or serve a guest */
static void rehearsal_end(bool here)
{
	if (!here || !doctor_rehearses())
		return;
	roof_undo();
	exit(EXIT_SUCCESS);
}

/* With our caller's rights: files, ports, names. PID file, or -1. */
static int host_open(const struct conf *c)
{
	const struct leftover *names[API_SOCKETS], *begun[FILES_BEGUN_MAX];
	int pid_fd = files_open(c);

	sock_init(c);
	ports_open(c, HOST);
	host_addrs_read(*c->control_path);
	netns_open(c);		/* before anything of that name is replaced */
	slirp_api_open(c);
	pesto_open(c);
	control_open(c);
	cleaner_start(names, api_names(names), begun, files_begun(begun));
	return pid_fd;
}

/* The namespace, ready for its guest; its tap, or -1 */
static int namespace_open(const struct conf *c)
{
	int tun_fd = -1;

	netns_setup(conf_has_command(c) ? pasta_spawn(c) : 0);
	rehearsal_end(conf_joins(c));
	if (!c->splice_only)
		tun_fd = tun_open(c);
	netns_on_given(guest_given, ns_follow_given_default);
	netns_configure(c);
	ports_open(c, GUEST);
	portscan_open(c);
	return tun_fd;
}

/* Where the guest is, or will come from; the tap, or -1 */
static int guest_open(struct conf *c)
{
	if (c->no_ns)
		return c->fd;
	if (c->mode == MODE_PASTA)
		return namespace_open(c);
	if (c->fd >= 0)
		tap_unix_use_fd(c->fd);
	else
		tap_unix_listen(c->socket_path);
	return -1;
}

/* All that has events has them in the loop from now on */
static void events_start(const struct conf *c, int tun_fd)
{
	if (c->mode == MODE_PASTA) {
		netns_watch();
		pasta_watch();
		if (tun_fd >= 0)
			tap_tun_start(tun_fd);
		portscan_start();
	} else if (c->mode == MODE_VU) {
		tap_vu_start(c->one_off);
	} else {
		tap_stream_start(c->one_off);
	}
	slirp_start(c);
	watcher_start();
	slirp_api_start();
	pesto_start();
	control_start(c);
}

/* Give up what is left, up to the filter of system calls, as process `pid` */
static void last_stage(const struct conf *c, pid_t pid)
{
	int rc;

	if (mprotect(&roof, sizeof(roof), PROT_READ))
		die("mprotect: %s", strerror(errno));
	isolate_final(c);
	files_begin_capture(c);
	daemonize_drop_stdio();
	files_writer(c);
	daemonize_ready();
	signals_called_off();
	rc = isolate_filter(c, pasta_command());
	if (!rc)
		files_begin(c, pid);
	daemonize_tell(-rc);
	roof_keep();
}

/* What has come must go out, before we go */
static void last_words(const struct conf *c)
{
	/* A command's are still in its kernel's buffers; one that hasn't ended, since
	 * a signal has ended us, has no last words
	 */
	if (conf_has_command(c) && pasta_has_ended())
		loop_linger(roof_is_quiet, DUR_S(LINGER_S));
	tcp_close_all();
	policy_used_write();
	writer_drain();
}

int main(int argc, char **argv)
{
	int keep[CONF_FDS_MAX], pid_fd, tun_fd, status;
	struct conf *c = &roof.conf;
	pid_t pid;

	log_init(conf_name(argv[0]));
	doctor_begin(c, argc, argv);
	isolate_start(keep, conf_early_fds(argc, argv, keep));
	log_open_stderr();
	signals_start(roof_undo);
	log_at_die(roof_undo);
	conf_init(c, argc, argv);

	pid_fd = host_open(c);
	loop_init();
	isolate_user(c, netns_user_fd());

	tun_fd = guest_open(c);
	conf_print(c);
	slirp_banner(c);
	watcher_open(c, argv);	/* which needs the host's files */
	daemonize_open(c);
	isolate_fs(c);
	rehearsal_end(true);

	modules_init(c);
	events_start(c, tun_fd);
	pid = daemonize(c, pid_fd);
	signals_watch(at_usr1, c->foreground);
	last_stage(c, pid);

	pasta_start();
	slirp_ready(c);
	status = loop_run();
	last_words(c);
	return status;
}
