// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: command line and host facts → struct conf
 *
 * Flow:
 *	1. The mode, by our name or --vhost-user.
 *	2. Options, each on its own (conf_opts.c), then words that are none; or
 *	   those of slirp4netns (slirp_opts.c), if that's what we are called.
 *	3. What contradicts what.
 *	4. What the host has, and what follows from that: the first value of
 *	   host/net.c.
 *	5. Forwarding defaults, names, and switches that imply others.
 *
 * Invariants: forwarding rules exist only for enabled protocols and families.
 * One line ends a start that makes no sense.
 */
#include "conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf_opts.h"
#include "conf/slirp_opts.h"
#include "fwd/policy.h"
#include "host/net.h"
#include "util.h"
#include "util/log.h"
#include "util/parse.h"

enum {
	LOG_SIZE_DEFAULT	= 1 << 20,
	MTU_MIN_TCP		= 88,	/* Linux sends segments of 48 bytes at
					 * least */
	MTU_MIN_V6		= 1280,		/* RFC 8200, 5 */
};

static const char *const family_name[FAMILIES] = {
	[V4] = "IPv4", [V6] = "IPv6",
};

/* What we may be called, or have in our name */
enum own_name { NAME_SLIRP, NAME_PASTA, NAME_PASST, NAME_OTHER };

static const char *const own_names[NAME_OTHER] = {
	[NAME_SLIRP] = "slirp4netns",
	[NAME_PASTA] = "pasta",
	[NAME_PASST] = "passt",
};

/* Step 1: mode and defaults */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static enum own_name name_of(const char *argv0)
{
	enum own_name name = NAME_SLIRP;

	while (name < NAME_OTHER && !strstr(base_name(argv0), own_names[name]))
		name++;
	return name;
}

const char *conf_name(const char *argv0)
{
	enum own_name name = name_of(argv0);

	return own_names[name == NAME_OTHER ? NAME_PASST : name];
}

static enum mode mode_of(int argc, char **argv)
{
	enum own_name name = name_of(argv[0]);

	if (name == NAME_SLIRP)
		return MODE_PASTA;
	if (conf_opts_early(argc, argv).vhost_user)
		return MODE_VU;
	if (name == NAME_OTHER)
		die("Can't tell the mode from the name '%s': call me passt or pasta",
		    base_name(argv[0]));
	return name == NAME_PASTA ? MODE_PASTA : MODE_PASST;
}

static void set_defaults(struct conf *c, enum mode mode)
{
	static const uint8_t mac[6] = { 0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55 };

	memset(c, 0, sizeof(*c));
	c->mode = mode;
	c->fd = c->ready_fd = c->exit_fd = -1;
	c->mtu = CONF_MTU_DEFAULT;
	c->log_size = LOG_SIZE_DEFAULT;
	c->dhcp_dns = c->dhcp_search = mode != MODE_PASTA;
	memcpy(c->our_mac, mac, sizeof(c->our_mac));
}

/* The host's ephemeral ports, which "all" leaves alone */
static void read_ephemeral(struct conf *c)
{
	char buf[64] = "";

	read_file(FWD_EPHEMERAL_PATH, buf, sizeof(buf));
	fwd_ephemeral(buf, &c->ephemeral);
}

/* Step 2: words that are no option */

/* A single number is a PID, anything else a command */
static void take_words(struct conf *c, int count, char **words)
{
	const char *p = words[0];
	unsigned pid;

	if (count && c->mode == MODE_VU)
		die("Extra non-option argument: %s (--vhost-user is for a "
		    "virtual machine: no command is run)", words[0]);
	if (count && c->mode != MODE_PASTA)
		die("Extra non-option argument: %s", words[0]);
	if (count && *c->netns)
		die("Both --netns and PID or command given");
	if (!count)
		return;

	if (count == 1 && parse_uint(&p, INT_MAX, &pid) && parse_end(&p)) {
		if (!pid)
			die("Invalid PID: %s", words[0]);
		c->ns_pid = (pid_t)pid;
	} else {
		c->command = words;
	}
}

/* The command's terminal isn't ours. But whoever sits at it should know why
 * there is no network.
 */
static void imply_by_command(struct conf *c)
{
	if (c->mode != MODE_PASTA || conf_joins(c))
		return;
	if (!c->config_net && !c->splice_only && !c->quiet &&
	    isatty(STDERR_FILENO))
		warn("Without --config-net the namespace's interface is down, "
		     "for a DHCP client inside to configure");
	c->foreground = true;
	if (!c->debug)
		c->quiet = true;
}

static void set_log_level(const struct conf *c)
{
	if (c->doctor)
		log_max = LOG_LVL_WARN;
	else if (c->trace)
		log_max = LOG_LVL_TRACE;
	else if (c->debug)
		log_max = LOG_LVL_DEBUG;
	else
		log_max = c->quiet ? LOG_LVL_WARN : LOG_LVL_INFO;
	log_timestamps(c->debug);
}

/* Step 3: what contradicts what */

/* The link is a connected stream socket from our parent; in namespace mode it
 * is a tap descriptor, and of that we only know that it must be open.
 */
static void check_fd(const struct conf *c)
{
	union sockaddr_any peer;
	socklen_t len = sizeof(int);
	int type;

	if (c->fd < 0)
		return;
	if (fcntl(c->fd, F_GETFD) < 0)
		die("Invalid --fd: %d isn't open", c->fd);
	if (c->mode == MODE_PASTA)
		return;
	if (getsockopt(c->fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    type != SOCK_STREAM)
		die("Invalid --fd: %d isn't a stream socket", c->fd);
	len = sizeof(peer);
	if (getpeername(c->fd, &peer.sa, &len) < 0)
		die("Invalid --fd: %d isn't connected", c->fd);
}

static void check_namespace(const struct conf *c, const struct conf_given *g)
{
	if ((g->no_copy_routes || g->no_copy_addrs) && !c->config_net)
		die("--no-copy-%s needs --config-net",
		    g->no_copy_routes ? "routes" : "addrs");
	if (c->no_splice && c->splice_only)
		die("--no-splice and --splice-only contradict each other");
	if (c->splice_only && c->fd >= 0)
		die("--fd and --splice-only contradict each other");
	if (c->no_splice && c->host_lo_to_ns_lo)
		die("--no-splice and --host-lo-to-ns-lo contradict each other");
	if (*c->userns && !conf_joins(c))
		die("--userns needs --netns or a PID");
}

static void check_conflicts(const struct conf *c, const struct conf_given *g)
{
	if (c->stats_s && !c->foreground)
		die("--stats needs --foreground");
	if (g->have_netmask && g->have_v4_len)
		die("Redundant prefix length specification: give either --netmask or --address with /LENGTH");
	check_fd(c);
	if (c->mode == MODE_PASTA)
		check_namespace(c, g);
}

/* Step 4: the network */

static bool have_ipv6(void)
{
	int s = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (s < 0)
		return false;
	close(s);
	return true;
}

static void enable_families(struct conf *c, const struct conf_given *g)
{
	bool v6_possible = have_ipv6();

	if (g->only[V6] && !v6_possible)
		die("IPv6 not available but --ipv6-only given");
	c->net.fam[V4].enabled = !g->only[V6];
	c->net.fam[V6].enabled = !g->only[V4] && v6_possible;
}

static void check_mtu(const struct conf *c)
{
	if (!c->mtu)
		return;
	if (c->mtu < CONF_MTU_LEAST && c->config_net)
		die("MTU %u is too small for a network interface (--mtu: minimum %d with %s)",
		    c->mtu, CONF_MTU_LEAST,
		    c->slirp ? "--configure" : "--config-net");
	if (c->net.fam[V4].enabled && c->mtu < CONF_MTU_LEAST)
		warn("MTU %u is too small for IPv4 (minimum %d)", c->mtu,
		     CONF_MTU_LEAST);
	else if (c->net.fam[V4].enabled && c->mtu < MTU_MIN_TCP)
		warn("MTU %u is too small for TCP of a Linux guest (minimum %d)",
		     c->mtu, MTU_MIN_TCP);
	if (c->net.fam[V6].enabled && c->mtu < MTU_MIN_V6)
		warn("MTU %u is too small for IPv6 (minimum %d)", c->mtu,
		     MTU_MIN_V6);
}

/* What was given with several options */
static void settle_net_options(struct conf *c, const struct conf_given *g)
{
	struct net_options *o = &c->net;

	o->fam[V4].have_len = g->have_netmask || g->have_v4_len;
	o->fam[V4].len = g->have_netmask ? g->netmask : g->v4_len;
	o->copy_addrs = c->config_net && !g->no_copy_addrs;
	o->copy_routes = c->config_net && !g->no_copy_routes;
	o->no_link = c->splice_only;
	o->own_dns = policy_has_names();
	o->listens_at_if = conf_is_controlled(c);
	for (unsigned i = 0; i < c->fwd_in.count; i++)
		o->listens_at_if |= *c->fwd_in.rule[i].ifname != '\0';
}

static void check_problem(const struct net_options *o, enum family f,
			  enum net_problem problem)
{
	const char digit = f == V4 ? '4' : '6';
	const char *outbound_if = o->fam[f].outbound_if;

	switch (problem) {
	case NET_FINE:
		return;
	case NET_NO_IFNAME:
		die("Invalid interface name: %s (--interface): there is no such interface",
		    o->ifname);
	case NET_NO_OUTBOUND_IF:
		die("Invalid interface name: %s (--outbound-if%c): there is no such interface",
		    outbound_if, digit);
	case NET_OUTBOUND_UNUSABLE:
		die("External interface not usable: %s (--outbound-if%c) has no %s address",
		    outbound_if, digit, family_name[f]);
	}
}

static void tell_family(const struct net_options *o,
			const struct net_facts *facts, const struct net *net,
			enum family f)
{
	const struct nl_template *t = &facts->fam[f].template;
	int error = facts->fam[f].error;

	if (!net->fam[f].enabled)
		return;
	if (error && error != -ENOENT && error != -ENODEV)
		warn("Can't ask the kernel for %s interfaces and routes: %s",
		     family_name[f], strerror(-error));
	check_problem(o, f, net->fam[f].problem);
	if (!net->fam[f].local_mode && !*o->ifname && !*o->fam[f].outbound_if &&
	    t->candidates > 1)
		info("Several interfaces with a default %s route, taking %s: --interface names another one",
		     family_name[f], t->ifname);
}

static void warn_dns(const struct conf *c, const struct net *net)
{
	bool any = c->net.dns_none, lacks_host = false;

	for (enum family f = V4; f < FAMILIES; f++) {
		const struct net_family *fam = &net->fam[f];

		any |= fam->dns_count || !addr_is_none(&fam->dns_host);
		lacks_host |= !addr_is_none(&fam->dns_forward) &&
			      addr_is_none(&fam->dns_host);
	}
	if (!any)
		warn("Couldn't get any nameserver address");
	else if (lacks_host)
		warn(c->slirp ? "No nameserver in /etc/resolv.conf" :
		     "No nameserver behind --dns-forward: --dns-host names one");
}

/* Also tells what the start should not go on with, or without a word */
static void resolve_net(struct conf *c, const struct conf_given *g)
{
	const struct net *net = net_get();
	static struct net_facts facts;
	int fd = nl_open();

	settle_net_options(c, g);
	net_ask(fd, &c->net, &facts);
	if (net_needs_resolv(&c->net))
		facts.resolv_error = resolv_read(&facts.resolv);
	net_ask_scopes(fd, &facts.resolv);
	if (fd >= 0)
		close(fd);
	net_init(&c->net);
	net_update(&facts);
	if (c->net.no_link)
		return;
	for (enum family f = V4; f < FAMILIES; f++)
		tell_family(&c->net, &facts, net, f);
	if (*c->net.ifname && !net->usable)
		die("External interface not usable: %s (--interface) has no address for a guest",
		    c->net.ifname);
	if (!net->usable)
		info("No external interface with addresses: local mode, with link-local addresses only");
	if (facts.resolv_error && facts.resolv_error != -ENOENT)
		warn("Can't read /etc/resolv.conf: %s",
		     strerror(-facts.resolv_error));
	warn_dns(c, net);
}

/* Step 5: forwarding and the rest */

static bool proto_off(const struct conf *c, enum conf_proto proto)
{
	return proto == FWD_TCP ? c->no_tcp : c->no_udp;
}

static unsigned fwd_can(const struct conf *c, enum flow_side_name side)
{
	unsigned can = FWD_CAN_IFNAME;

	can |= c->net.fam[V4].enabled ? FWD_CAN_V4 : 0;
	can |= c->net.fam[V6].enabled ? FWD_CAN_V6 : 0;
	can |= !c->no_tcp ? FWD_CAN_TCP : 0;
	can |= !c->no_udp ? FWD_CAN_UDP : 0;
	can |= c->mode == MODE_PASTA ? FWD_CAN_AUTO : 0;
	can |= side == GUEST || c->splice_only ? FWD_ONLY_LO : 0;
	return can;
}

unsigned conf_fwd_can(const struct conf *c, enum flow_side_name side)
{
	if (side == GUEST && (c->mode != MODE_PASTA || c->no_splice))
		return 0;
	return fwd_can(c, side);
}

static void check_rules(const struct conf *c, struct fwd_rules *rules,
			enum flow_side_name side)
{
	char why[FWD_ERR_LEN];

	for (unsigned i = 0; i < rules->count; i++) {
		if (fwd_rule_check(&rules->rule[i], fwd_can(c, side), why))
			die("%s", why);
	}
}

/* Namespace mode follows the listeners of the other side unless told not to */
static void default_rules(struct conf *c, const struct conf_given *g)
{
	static const char *const name[DIRS][FWD_PROTOS] = {
		[DIR_IN] = { "-t", "-u" }, [DIR_OUT] = { "-T", "-U" },
	};

	if (c->mode != MODE_PASTA)
		return;
	for (enum conf_dir dir = DIR_IN; dir < DIRS; dir++) {
		for (enum conf_proto p = FWD_TCP; p < FWD_PROTOS; p++) {
			if (g->fwd[dir][p] || proto_off(c, p) ||
			    (dir == DIR_OUT && c->no_splice))
				continue;
			conf_opts_add_fwd(c, dir, p, name[dir][p], "auto");
		}
	}
	if (c->no_splice && c->fwd_out.count) {
		warn("-T and -U have no effect with --no-splice");
		c->fwd_out.count = 0;
	}
}

static void resolve_switches(struct conf *c)
{
	c->no_ndp |= c->no_icmp || !c->net.fam[V6].enabled;
	c->no_ra |= c->no_ndp || c->config_net;
	c->one_off |= c->fd >= 0;
}

static void resolve_ns_ifname(struct conf *c)
{
	const struct net *net = net_get();
	const char *name = "tap0";

	if (c->mode != MODE_PASTA || *c->ns_ifname)
		return;
	if (*net->fam[V4].template_if)
		name = net->fam[V4].template_if;
	else if (*net->fam[V6].template_if)
		name = net->fam[V6].template_if;
	strcpy(c->ns_ifname, name);
}

void conf_init(struct conf *c, int argc, char **argv)
{
	static struct conf_given g;

	set_defaults(c, mode_of(argc, argv));
	memset(&g, 0, sizeof(g));
	read_ephemeral(c);

	if (name_of(argv[0]) == NAME_SLIRP) {
		slirp_opts_parse(c, &g, argc, argv);
	} else {
		int next = conf_opts_parse(c, &g, argc, argv);

		take_words(c, argc - next, argv + next);
	}
	c->host_lo_to_ns_lo |= c->splice_only;
	c->no_icmp |= c->splice_only;
	if (*c->netns && !*c->userns)
		c->netns_only = true;
	imply_by_command(c);
	set_log_level(c);
	check_conflicts(c, &g);

	enable_families(c, &g);
	check_mtu(c);
	check_rules(c, &c->fwd_in, HOST);
	check_rules(c, &c->fwd_out, GUEST);
	resolve_net(c, &g);

	default_rules(c, &g);
	check_rules(c, &c->fwd_in, HOST);
	resolve_switches(c);
	resolve_ns_ifname(c);
}

/* Telling it */

static const char *or_none(const struct addr *a, char buf[ADDR_STRLEN])
{
	return addr_is_none(a) ? "none" : addr_print(a, buf);
}

static void print_mapping(const struct net_family *fam)
{
	if (!addr_is_none(&fam->map_host_loopback))
		info("    %s leads to the host's loopback",
		     ADDR_STR(&fam->map_host_loopback));
	if (!addr_is_none(&fam->map_guest_addr))
		info("    %s leads to the host's own address",
		     ADDR_STR(&fam->map_guest_addr));
	if (!addr_is_none(&fam->dns_forward) && !addr_is_none(&fam->dns_host))
		info("    DNS queries for %s go to %s",
		     ADDR_STR(&fam->dns_forward), ADDR_STR(&fam->dns_host));
}

static void print_family(enum family f)
{
	const struct net_family *fam = &net_get()->fam[f];
	char buf[ADDR_STRLEN];

	if (!fam->enabled)
		return;
	info("%s: %s%s", family_name[f],
	     fam->local_mode ? "local mode" : "template interface ",
	     fam->template_if);
	if (addr_is_none(&fam->guest))
		info("    guest: none, it makes its own");
	else
		info("    guest: %s/%u", ADDR_STR(&fam->guest),
		     fam->prefix_len);
	info("    gateway: %s", or_none(&fam->gw, buf));
	if (f == V6)
		info("    our link-local: %s", ADDR_STR(&fam->our));
	for (unsigned i = 0; i < fam->dns_count; i++)
		info("    resolver: %s", ADDR_STR(&fam->dns[i]));
	print_mapping(fam);
}

static void print_rules(const char *title, const struct fwd_rules *rules)
{
	char text[FWD_RULE_STRLEN];

	if (rules->count)
		info("%s:", title);
	for (unsigned i = 0; i < rules->count; i++)
		info("    %s", fwd_rule_print(&rules->rule[i], text));
}

void conf_print_net(void)
{
	const struct net_search *s = &net_get()->search;

	for (enum family f = V4; f < FAMILIES; f++)
		print_family(f);
	if (s->count)
		info("Search list:");
	for (unsigned i = 0; i < s->count; i++)
		info("    %s", s->name[i]);
}

void conf_print(const struct conf *c)
{
	if (c->splice_only)
		info("No interface: from loopback to loopback only");
	else
		info("MAC: %s", MAC_STR(c->our_mac));
	if (!c->splice_only)
		conf_print_net();
	print_rules("Forwarding to the guest", &c->fwd_in);
	print_rules("Forwarding to the host", &c->fwd_out);
}

unsigned conf_early_fds(int argc, char **argv, int ret_fds[CONF_FDS_MAX])
{
	static_assert((int)SLIRP_FDS <= CONF_FDS_MAX, "they fit in ret_fds");
	if (name_of(argv[0]) == NAME_SLIRP)
		return slirp_opts_early(argc, argv, ret_fds);
	ret_fds[0] = conf_opts_early(argc, argv).fd;
	return ret_fds[0] >= 0;
}

bool conf_wants_doctor(int argc, char **argv)
{
	return name_of(argv[0]) != NAME_SLIRP &&
	       conf_opts_early(argc, argv).doctor;
}
