// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the command line of slirp4netns → the configuration of namespace mode
 *
 * What it says is namespace mode as it is, with other defaults: a network of
 * its own, 10.0.2.0/24, where the gateway (+2) leads to the host's loopback,
 * +3 to its resolver, and the guest is +100. No automatic ports, and nothing
 * past the link: forwarded connections come out of the tap, from the gateway if
 * they began at the host's loopback.
 *
 * Flow: options are taken down, in any order and place (struct given_slirp),
 * then translated. What depends on the host is settled by conf.c.
 */
#include "conf/slirp_opts.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/opts.h"
#include "util.h"
#include "util/log.h"
#include "util/parse.h"

enum {
	/* The version of libslirp's configuration that has all that can be asked
	 * for here: clients look for 2 before --outbound-addr, for 3 before
	 * --disable-dns
	 */
	SLIRP_CONFIG	= 4,
	SLIRP_MTU	= 1500,
	SLIRP_NET	= 0x0a000200,	/* 10.0.2.0/24 */
	SLIRP_LEN	= 24,
	SLIRP_LEN_MAX	= 25,		/* the guest's address must fit in */
	SLIRP_GW	= 2,
	SLIRP_DNS	= 3,
	SLIRP_GUEST	= 100,
	SLIRP_RANDOM	= 8,		/* bytes of a guest's IPv6 address */
};

enum netns_type { TYPE_PID, TYPE_PATH, TYPE_TAPFD };

/* What was given, by and large as text */
struct given_slirp {
	const char *ready_fd, *exit_fd;
	const char *mtu, *mac, *api_socket, *userns;
	const char *outbound[FAMILIES];
	enum netns_type type;
	uint32_t net;
	unsigned len;
	bool configure, ipv6, no_loopback, no_dns;
};

static struct given_slirp given = { .net = SLIRP_NET, .len = SLIRP_LEN };

/* Options, each on its own */

__attribute__((noreturn))
static void opt_version(const struct call *k)
{
	(void)k;
	printf("slirp4netns version %s (passt)\n"
	       "commit: %s\n"
	       "libslirp: none\n"
	       "SLIRP_CONFIG_VERSION_MAX: %d\n"
	       "libseccomp: %d.%d.%d\n",
	       VERSION, VERSION, SLIRP_CONFIG, SCMP_VER_MAJOR, SCMP_VER_MINOR,
	       SCMP_VER_MICRO);
	exit(EXIT_SUCCESS);
}

static void opt_flag(const struct call *k)
{
	*((bool *)(void *)((char *)&given + k->row->at)) = true;
}

static void opt_text(const struct call *k)
{
	*((const char **)(void *)((char *)&given + k->row->at)) = k->arg;
}

/* What we do anyway */
static void opt_nothing(const struct call *k)
{
	(void)k;
}

/* Old spellings */

static void opt_no_loopback_old(const struct call *k)
{
	warn("%s is deprecated: give --disable-host-loopback instead", k->name);
	given.no_loopback = true;
}

static void opt_sandbox_old(const struct call *k)
{
	warn("%s is deprecated: give --enable-sandbox instead", k->name);
}

static void opt_netns_type(const struct call *k)
{
	if (!strcmp(k->arg, "pid"))
		given.type = TYPE_PID;
	else if (!strcmp(k->arg, "path"))
		given.type = TYPE_PATH;
	else if (!strcmp(k->arg, "tapfd"))
		given.type = TYPE_TAPFD;
	else
		die("Invalid --netns-type: %s (expected path, pid or tapfd)",
		    k->arg);
}

static void opt_target_type(const struct call *k)
{
	if (!strcmp(k->arg, "bess"))
		die("--target-type=bess is not supported by this version");
	if (strcmp(k->arg, "netns"))
		die("Invalid --target-type: %s (expected netns)", k->arg);
}

static uint32_t v4_number(const struct addr *a)
{
	uint32_t n;

	memcpy(&n, addr_v4_bytes(a), sizeof(n));
	return ntohl(n);
}

static void opt_cidr(const struct call *k)
{
	const char *s = k->arg, *p = s;
	struct given_slirp *g = &given;
	struct addr a;
	unsigned len;

	/* Scripts look for these words */
	if (!parse_addr(&p, &a) || !addr_is_v4(&a) || !parse_literal(&p, "/") ||
	    !parse_uint(&p, 32, &len) || !parse_end(&p))
		die("invalid CIDR: %s (--cidr needs an IPv4 network, like 10.0.2.0/24)",
		    s);
	if (!len || len > SLIRP_LEN_MAX)
		die("prefix length needs to be 1-%d, got %u in --cidr=%s (the guest has address %d of the network)",
		    SLIRP_LEN_MAX, len, s, SLIRP_GUEST);
	if (!addr_is_unicast(&a) || addr_is_loopback(&a))
		die("invalid CIDR: %s can't be a guest's network", s);
	g->net = v4_number(&a);
	g->len = len;
	if (g->net << len)
		die("CIDR needs to be a network address like 10.0.2.0/24, not like %s",
		    s);
}

#define AT(field)	offsetof(struct given_slirp, field)

/* clang-format off */
static const struct opt options[] = {
{ "configure", 'c', NULL, 1, opt_flag, AT(configure),
  "Set address and route, bring the interface up" },
{ "exit-fd", 'e', "FD", 1, opt_text, AT(exit_fd),
  "Exit when something happens at this descriptor" },
{ "ready-fd", 'r', "FD", 1, opt_text, AT(ready_fd),
  "Write 1 to this descriptor when all is ready" },
{ "mtu", 'm', "MTU", 1, opt_text, AT(mtu),
  "1 to 65521\n"
  "default: 1500" },
{ "enable-ipv6", '6', NULL, 1, opt_flag, AT(ipv6),
  "IPv6, in fd00::/64" },
{ "api-socket", 'a', "PATH", 1, opt_text, AT(api_socket),
  "Take requests to forward ports on this socket" },
{ "cidr", 0, "NET/LENGTH", 1, opt_cidr, 0,
  "Network of the guest\n"
  "default: 10.0.2.0/24" },
{ "disable-host-loopback", 0, NULL, 1, opt_flag, AT(no_loopback),
  "The gateway doesn't lead to the host's 127.0.0.1" },
{ "no-host-loopback", 0, NULL, 1, opt_no_loopback_old, 0, NULL },
{ "netns-type", 0, "TYPE", 1, opt_netns_type, 0,
  "What the first word is: path, pid, or tapfd for\n"
  "an open tap device\n"
  "default: pid" },
{ "userns-path", 0, "PATH", 1, opt_text, AT(userns),
  "Join this user namespace\n"
  "default: that of PID" },
{ "enable-sandbox", 0, NULL, 1, opt_nothing, 0,
  "No effect: there is a sandbox in any case" },
{ "create-sandbox", 0, NULL, 1, opt_sandbox_old, 0, NULL },
{ "enable-seccomp", 0, NULL, 1, opt_nothing, 0,
  "No effect: system calls are filtered in any case" },
{ "outbound-addr", 0, "ADDR|INTERFACE", 1, opt_text, AT(outbound[V4]),
  "Source address or interface of IPv4 connections" },
{ "outbound-addr6", 0, "ADDR|INTERFACE", 1, opt_text, AT(outbound[V6]),
  "Source address or interface of IPv6 connections" },
{ "disable-dns", 0, NULL, 1, opt_flag, AT(no_dns),
  "The third address doesn't lead to a resolver" },
{ "macaddress", 0, "MAC", 1, opt_text, AT(mac),
  "MAC address of the interface; needs --configure" },
{ "target-type", 0, "netns", 1, opt_target_type, 0,
  "No other type than this" },
{ "help", 'h', NULL, 1, NULL, 0,
  "Print this, and exit" },
{ "version", 'v', NULL, 1, opt_version, 0,
  "Print the version, and exit" },
};
/* clang-format on */

static const struct opts slirp_opts = {
	.row = options, .count = ARRAY_SIZE(options), .modes = 1,
	.equals = '=', .words_anywhere = true,
	.head = "Usage: slirp4netns [OPTION]... PID|PATH|FD [TAPNAME]\n"
		"\n"
		"Connect a network namespace without privileges, the way slirp4netns does.\n"
		"TAPNAME: name of the interface in the namespace, default: tap0\n"
		"\n",
};

/* Into the configuration */

static bool parse_number_of_fd(const char *s, int *ret)
{
	unsigned v;

	if (!parse_uint(&s, INT_MAX, &v) || !parse_end(&s))
		return false;
	*ret = (int)v;
	return true;
}

static int need_fd(const char *what, const char *text)
{
	int fd;

	if (!parse_number_of_fd(text, &fd))
		die("Invalid %s: %s (expected the number of an open descriptor)",
		    what, text);
	if (fcntl(fd, F_GETFD) < 0)
		die("Invalid %s: %d isn't open", what, fd);
	return fd;
}

static void need_path(const char *what, const char *text, char *buf,
		      size_t size)
{
	if (!*text || strlen(text) >= size)
		die("Invalid %s: expected a path of 1 to %zu characters", what,
		    size - 1);
	strcpy(buf, text);
}

static void translate_fds(struct conf *c, const struct given_slirp *g)
{
	if (g->ready_fd)
		c->ready_fd = need_fd("--ready-fd", g->ready_fd);
	if (g->exit_fd)
		c->exit_fd = need_fd("--exit-fd", g->exit_fd);
	if (c->ready_fd >= 0 &&
	    (c->ready_fd == c->exit_fd || c->ready_fd == c->fd))
		die("--ready-fd can't be the same as --exit-fd or the tap device");
	if (c->exit_fd >= 0 && c->exit_fd == c->fd)
		die("--exit-fd can't be the tap device");
}

/* An address of ours, or an interface */
static void translate_outbound(struct conf *c, enum family f, const char *text)
{
	static const char *const option[FAMILIES] = {
		[V4] = "--outbound-addr", [V6] = "--outbound-addr6",
	};
	struct net_family_options *fam = &c->net.fam[f];
	const char *p = text;
	struct addr a;

	if (addr_parse(text, &a)) {
		if (addr_family(&a) != f || !addr_is_unicast(&a))
			die("Invalid %s: %s (expected a unicast IPv%c address, or an interface)",
			    option[f], text, f == V4 ? '4' : '6');
		fam->outbound = a;
		return;
	}
	if (!parse_ifname(&p, fam->outbound_if) || !parse_end(&p) ||
	    !if_nametoindex(text))
		die("Invalid %s: %s is neither an IPv%c address nor an interface",
		    option[f], text, f == V4 ? '4' : '6');
}

static void translate_addresses(struct conf *c, struct conf_given *cg,
				const struct given_slirp *g)
{
	static const uint8_t fd00[16] = { 0xfd };
	struct net_family_options *v4 = &c->net.fam[V4], *v6 = &c->net.fam[V6];

	cg->only[V4] = !g->ipv6;
	c->net.no_map_gw = g->no_loopback;
	cg->have_v4_len = true;
	cg->v4_len = g->len;
	v4->guest = addr_v4(g->net + SLIRP_GUEST);
	v4->gw = addr_v4(g->net + SLIRP_GW);
	v4->dns[0] = addr_v4(g->net + SLIRP_DNS);

	v6->guest = v6->gw = v6->dns[0] = addr_from_v6(fd00);
	random_bytes(v6->guest.b + sizeof(v6->guest.b) - SLIRP_RANDOM,
		     SLIRP_RANDOM);
	v6->gw.b[15] = SLIRP_GW;
	v6->dns[0].b[15] = SLIRP_DNS;

	c->net.search_none = true;
	c->net.dns_none = g->no_dns;
	c->dhcp_dns = true;
	for (enum family f = V4; f < FAMILIES; f++) {
		struct net_family_options *fam = &c->net.fam[f];

		fam->own_net = true;
		fam->dns_count = g->no_dns ? 0 : 1;
		if (!g->no_dns)
			fam->dns_forward = fam->dns[0];
		if (g->outbound[f])
			translate_outbound(c, f, g->outbound[f]);
	}
}

static void translate_link(struct conf *c, const struct given_slirp *g)
{
	const char *p = g->mtu;

	c->mtu = SLIRP_MTU;
	if (p && (!parse_uint(&p, CONF_MTU_MAX, &c->mtu) || !parse_end(&p) ||
		  !c->mtu))
		die("Invalid MTU: %s (--mtu needs a number from 1 to %d)",
		    g->mtu, CONF_MTU_MAX);
	c->config_net = g->configure;
	if (!g->mac)
		return;
	if (!g->configure)
		die("--macaddress needs --configure");
	if (!mac_parse(g->mac, c->ns_mac) || c->ns_mac[0] & 1)
		die("Invalid MAC address: %s (--macaddress needs a unicast address, xx:xx:xx:xx:xx:xx)",
		    g->mac);
	c->have_ns_mac = true;
}

static void translate_target(struct conf *c, const struct given_slirp *g,
			     const char *word)
{
	const char *p = word;
	unsigned pid;

	if (g->userns)
		need_path("--userns-path", g->userns, c->userns,
			  sizeof(c->userns));
	switch (g->type) {
	case TYPE_PID:
		if (!parse_uint(&p, INT_MAX, &pid) || !parse_end(&p) || !pid)
			die("Invalid PID: %s (for a path, give --netns-type=path)",
			    word);
		c->ns_pid = (pid_t)pid;
		break;
	case TYPE_PATH:
		need_path("PATH", word, c->netns, sizeof(c->netns));
		break;
	case TYPE_TAPFD:
		if (g->configure || g->userns)
			die("--netns-type=tapfd has no use for %s",
			    g->configure ? "--configure" : "--userns-path");
		c->fd = need_fd("FD", word);
		c->no_ns = true;
		break;
	}
}

static void translate_words(struct conf *c, const struct given_slirp *g,
			    int count, char **words)
{
	const char *p = count > 1 ? words[1] : "tap0";

	if (!count)
		die("Nothing to connect: expected PID, PATH or FD, see --help");
	if (count > 2)
		die("Extra non-option argument: %s", words[2]);
	translate_target(c, g, words[0]);
	if (!parse_ifname(&p, c->ns_ifname) || !parse_end(&p))
		die("Invalid interface name: %s (TAPNAME needs 1 to %d characters, no slash, no space)",
		    words[1], IFNAMSIZ - 1);
}

void slirp_opts_parse(struct conf *c, struct conf_given *cg, int argc,
		      char **argv)
{
	const struct given_slirp *gs = &given;
	int words = opts_parse(&slirp_opts, c, cg, argc, argv);

	c->slirp = c->foreground = c->quiet = c->no_splice = true;
	for (enum conf_dir dir = DIR_IN; dir < DIRS; dir++)
		cg->fwd[dir][FWD_TCP] = cg->fwd[dir][FWD_UDP] = true;
	translate_words(c, gs, argc - words, argv + words);
	translate_fds(c, gs);
	translate_addresses(c, cg, gs);
	translate_link(c, gs);
	if (gs->api_socket)
		need_path("--api-socket", gs->api_socket, c->api_socket,
			  sizeof(c->api_socket));
}

/* Text of each descriptor */
struct named {
	const char *fd[SLIRP_FDS];
	bool tapfd;
};

static void early_seen(const struct opt *row, const char *arg, void *of)
{
	struct named *n = of;

	if (row->letter == 'r')
		n->fd[SLIRP_FD_READY] = arg;
	else if (row->letter == 'e')
		n->fd[SLIRP_FD_EXIT] = arg;
	else if (row->handle == opt_netns_type)
		n->tapfd = !strcmp(arg, "tapfd");
}

unsigned slirp_opts_early(int argc, char **argv, int ret_fds[SLIRP_FDS])
{
	struct named named = { .tapfd = false };
	int words = opts_scan(&slirp_opts, argc, argv, early_seen, &named);
	unsigned n = 0;

	if (named.tapfd && words < argc)
		named.fd[SLIRP_FD_TAP] = argv[words];
	for (unsigned i = 0; i < SLIRP_FDS; i++) {
		if (named.fd[i] && parse_number_of_fd(named.fd[i], &ret_fds[n]))
			n++;
	}
	return n;
}
