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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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
#include "fwd/audit.h"
#include "fwd/egress.h"
#include "fwd/policy.h"
#include "fwd/policy_used.h"
#include "host/accept.h"
#include "host/dns_proxy.h"
#include "host/host_addrs.h"
#include "host/dgram.h"
#include "host/listen.h"
#include "host/netns.h"
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
#include "start/isolate.h"
#include "start/ports.h"
#include "start/signals.h"
#include "start/slirp.h"
#include "start/watcher.h"
#include "tap.h"
#include "tap/pcap.h"
#include "tap/tap_stream.h"
#include "tap/tap_tun.h"
#include "tap/tap_unix.h"
#include "tap/tap_vu.h"
#include "tcp.h"
#include "udp.h"
#include "util.h"
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

/* Files that are written to. They are opened early, since a path may be refused,
 * and keep what they have, so that a start that fails changes nothing of another
 * instance's. They are emptied by who writes first: capture_begin() before the
 * first frame, files_begin() and daemonize_ready() when the start has succeeded,
 * policy_used_write() later.
 */
enum file { FILE_PID, FILE_LOG, FILE_AUDIT, FILE_LEARN, FILE_PCAP, FILES };
static struct leftover files_made[FILES] = {	/* by us, not found */
	[0 ... FILES - 1] = { .dir_fd = -1 },
};

/* What a start that fails must not leave behind; safe in signal handlers */
static void roof_undo(void)
{
	daemonize_undo();
	tap_unix_undo();
	api_undo();
	for (unsigned i = 0; i < FILES; i++)
		leftover_remove(&files_made[i]);
}

/* The start has succeeded: from now on, failures leave things as they are */
static void roof_keep(void)
{
	log_at_die(NULL);
	tap_unix_keep();
	api_keep();
	for (unsigned i = 0; i < FILES; i++)
		leftover_keep(&files_made[i]);
}

/* Whatever ends us: who comes next wants our ports, and may have them long before
 * the kernel has taken the tap apart
 */
static void roof_end(void)
{
	portscan_stop();
	listen_close_all();
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

/* Descriptor, -1 without a path; dies if it can't be opened */
static int file_open(enum file which, const char *option, const char *path,
		     int flags)
{
	int fd;

	if (!*path)
		return -1;
	fd = open(path, flags | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0)
		leftover_note(&files_made[which], path);
	else
		fd = open_output(path, flags);
	if (fd < 0)
		die("%s: couldn't open %s: %s", option, path, strerror(-fd));
	return fd;
}

/* First line of a log file, with who we are */
static const char *log_title(const struct conf *c, pid_t pid)
{
	static char title[PATH_MAX + 64], exe[PATH_MAX];

	/* While /proc is there */
	if (!*exe && readlink("/proc/self/exe", exe, sizeof(exe) - 1) <= 0)
		strcpy(exe, "?");
	snprintf(title, sizeof(title), "%s " VERSION ": %s (%d)",
		 c->mode == MODE_PASTA ? "pasta" : "passt", exe, (int)pid);
	return title;
}

/* All but the PID file, which is returned: -1 if there is none */
static int files_open(const struct conf *c)
{
	int fd = file_open(FILE_LOG, "--log-file", c->log_file, O_RDWR);

	if (fd >= 0)
		log_to_file(fd, c->log_size);
	else if (!c->debug)
		log_open_syslog();
	/* A pipe that nobody reads mustn't stop us */
	fd = file_open(FILE_AUDIT, "--audit", c->audit_file,
		       O_RDWR | O_NONBLOCK);
	if (fd >= 0)
		audit_open(fd, c->log_size);
	policy_used_open(file_open(FILE_LEARN, "--policy-learn", c->learn_file,
				   O_RDWR));
	pcap_open(file_open(FILE_PCAP, "--pcap", c->pcap_file, O_WRONLY));
	return file_open(FILE_PID, "--pid", c->pid_file, O_WRONLY);
}

/* Frames are to come; little can fail now */
static void capture_begin(const struct conf *c)
{
	int rc = pcap_begin();

	if (rc)
		die("--pcap: couldn't write %s: %s", c->pcap_file,
		    strerror(-rc));
}

/* While there can be threads: one that waits for disks, see writer.h */
static void files_writer(const struct conf *c)
{
	int rc = 0;

	if (log_has_file() || *c->pcap_file || *c->audit_file)
		rc = writer_start();
	if (rc)
		warn("Files are written by the loop itself: %s", strerror(-rc));
}

/* The start has succeeded, as process `pid` */
static void files_begin(const struct conf *c, pid_t pid)
{
	audit_start();
	log_begin(log_title(c, pid));
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
	args.persist = !conf_joins(c);
	fd = netns_run(tap_tun_open, &args);
	if (fd < 0)
		tap_tun_die(&args, fd);
	return fd;
}

/* By us, with --config-net */
static void guest_given(const struct addr *a)
{
	guest_addrs_give(&tap_guest, a);
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
	dgram_init();
	icmp_init();
	udp_init(c);
	splice_init(c);
	sock_ns_init();
	tcp_init(c);
	accept_init(c);
	dns_proxy_init(*c->control_path);
	stats_init(c->stats_s);
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

int main(int argc, char **argv)
{
	int keep[CONF_FDS_MAX], pid_fd, tun_fd = -1, rc, status;
	const struct leftover *names[API_SOCKETS];
	struct conf *c = &roof.conf;
	const pid_t self = getpid();
	pid_t pid;

	log_init(conf_name(argv[0]));
	doctor_begin(c, argc, argv);
	isolate_start(keep, conf_early_fds(argc, argv, keep));
	log_open_stderr();
	signals_start(roof_undo);
	log_at_die(roof_undo);
	conf_init(c, argc, argv);

	log_title(c, self);	/* while /proc is there */
	pid_fd = files_open(c);
	sock_init(c);
	ports_open(c, HOST);
	host_addrs_read(*c->control_path);
	netns_open(c);		/* before anything of that name is replaced */
	slirp_api_open(c);
	pesto_open(c);
	control_open(c);
	cleaner_start(names, api_names(names));
	loop_init();

	isolate_user(c, netns_user_fd());
	if (c->no_ns) {
		tun_fd = c->fd;
	} else if (c->mode == MODE_PASTA) {
		netns_setup(conf_has_command(c) ? pasta_spawn(c) : 0);
		rehearsal_end(conf_joins(c));
		if (!c->splice_only)
			tun_fd = tun_open(c);
		netns_on_addr(guest_given);
		netns_configure(c);
		ports_open(c, GUEST);
		portscan_open(c);
	} else if (c->fd >= 0) {
		tap_unix_use_fd(c->fd);
	} else {
		tap_unix_listen(c->socket_path);
	}
	conf_print(c);
	slirp_banner(c);
	watcher_open(c, argv);	/* which needs the host's files */
	daemonize_open(c);
	isolate_fs(c);
	rehearsal_end(true);

	capture_begin(c);
	modules_init(c);
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
	pid = daemonize(c, pid_fd);
	signals_watch(at_usr1);
	if (mprotect(&roof, sizeof(roof), PROT_READ))
		die("mprotect: %s", strerror(errno));
	isolate_final(c);
	daemonize_drop_stdio();
	files_writer(c);
	daemonize_ready();
	signals_called_off();
	rc = isolate_filter(c);
	if (!rc)
		files_begin(c, pid);
	daemonize_tell(-rc);
	roof_keep();
	pasta_start();
	slirp_ready(c);
	status = loop_run();
	/* A command's last words are still in its kernel's buffers */
	if (conf_has_command(c))
		loop_linger(roof_is_quiet, DUR_S(LINGER_S));
	tcp_close_all();
	policy_used_write();
	writer_drain();
	return status;
}
