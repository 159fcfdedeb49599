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
#include <getopt.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Values of getopt_long() beside letters */
enum {
	OPT_CIDR = 256,
	OPT_NO_LOOPBACK,
	OPT_NO_LOOPBACK_OLD,
	OPT_NETNS_TYPE,
	OPT_USERNS,
	OPT_SANDBOX_OLD,
	OPT_NOTHING,			/* what we do anyway */
	OPT_OUTBOUND,
	OPT_OUTBOUND6,
	OPT_NO_DNS,
	OPT_MAC,
	OPT_TARGET_TYPE,
};

static const char shorts[] = "ce:r:m:6a:hv";

/* clang-format off */
static const struct option longs[] = {
	{ "configure",			no_argument,	   NULL, 'c' },
	{ "exit-fd",			required_argument, NULL, 'e' },
	{ "ready-fd",			required_argument, NULL, 'r' },
	{ "mtu",			required_argument, NULL, 'm' },
	{ "enable-ipv6",		no_argument,	   NULL, '6' },
	{ "api-socket",			required_argument, NULL, 'a' },
	{ "cidr",			required_argument, NULL, OPT_CIDR },
	{ "disable-host-loopback",	no_argument,	   NULL, OPT_NO_LOOPBACK },
	{ "no-host-loopback",		no_argument,	   NULL, OPT_NO_LOOPBACK_OLD },
	{ "netns-type",			required_argument, NULL, OPT_NETNS_TYPE },
	{ "userns-path",		required_argument, NULL, OPT_USERNS },
	{ "enable-sandbox",		no_argument,	   NULL, OPT_NOTHING },
	{ "create-sandbox",		no_argument,	   NULL, OPT_SANDBOX_OLD },
	{ "enable-seccomp",		no_argument,	   NULL, OPT_NOTHING },
	{ "outbound-addr",		required_argument, NULL, OPT_OUTBOUND },
	{ "outbound-addr6",		required_argument, NULL, OPT_OUTBOUND6 },
	{ "disable-dns",		no_argument,	   NULL, OPT_NO_DNS },
	{ "macaddress",			required_argument, NULL, OPT_MAC },
	{ "target-type",		required_argument, NULL, OPT_TARGET_TYPE },
	{ "help",			no_argument,	   NULL, 'h' },
	{ "version",			no_argument,	   NULL, 'v' },
	{ 0 },
};
/* clang-format on */

static const char help_text[] =
"Usage: slirp4netns [OPTION]... PID|PATH|FD [TAPNAME]\n"
"\n"
"Connect a network namespace without privileges, the way slirp4netns does.\n"
"TAPNAME: name of the interface in the namespace, default: tap0\n"
"\n"
"  -c, --configure            Set address and route, bring the interface up\n"
"  -e, --exit-fd=FD           Exit when something happens at this descriptor\n"
"  -r, --ready-fd=FD          Write 1 to this descriptor when all is ready\n"
"  -m, --mtu=MTU              1 to 65521\n"
"                             default: 1500\n"
"  -6, --enable-ipv6          IPv6, in fd00::/64\n"
"  -a, --api-socket=PATH      Take requests to forward ports on this socket\n"
"      --cidr=NET/LENGTH      Network of the guest\n"
"                             default: 10.0.2.0/24\n"
"      --disable-host-loopback\n"
"                             The gateway doesn't lead to the host's 127.0.0.1\n"
"      --netns-type=TYPE      What the first word is: path, pid, or tapfd for\n"
"                             an open tap device\n"
"                             default: pid\n"
"      --userns-path=PATH     Join this user namespace\n"
"                             default: that of PID\n"
"      --enable-sandbox       No effect: there is a sandbox in any case\n"
"      --enable-seccomp       No effect: system calls are filtered in any case\n"
"      --outbound-addr=ADDR|INTERFACE\n"
"                             Source address or interface of IPv4 connections\n"
"      --outbound-addr6=ADDR|INTERFACE\n"
"                             Source address or interface of IPv6 connections\n"
"      --disable-dns          The third address doesn't lead to a resolver\n"
"      --macaddress=MAC       MAC address of the interface; needs --configure\n"
"      --target-type=netns    No other type than this\n"
"  -h, --help                 Print this, and exit\n"
"  -v, --version              Print the version, and exit\n";

__attribute__((noreturn))
static void print_version(void)
{
	printf("slirp4netns version %s (passt)\n"
	       "commit: %s\n"
	       "libslirp: none\n"
	       "SLIRP_CONFIG_VERSION_MAX: %d\n"
	       "libseccomp: %d.%d.%d\n",
	       VERSION, VERSION, SLIRP_CONFIG, SCMP_VER_MAJOR, SCMP_VER_MINOR,
	       SCMP_VER_MICRO);
	exit(EXIT_SUCCESS);
}

/* Options, each on its own */

static void warn_old(const char *old, const char *new)
{
	warn("%s is deprecated: give %s instead", old, new);
}

static enum netns_type parse_type(const char *s)
{
	if (!strcmp(s, "pid"))
		return TYPE_PID;
	if (!strcmp(s, "path"))
		return TYPE_PATH;
	if (!strcmp(s, "tapfd"))
		return TYPE_TAPFD;
	die("Invalid --netns-type: %s (expected path, pid or tapfd)", s);
}

static uint32_t v4_number(const struct addr *a)
{
	uint32_t n;

	memcpy(&n, addr_v4_bytes(a), sizeof(n));
	return ntohl(n);
}

static void parse_cidr(const char *s, struct given_slirp *g)
{
	const char *p = s;
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

static void take_option(struct given_slirp *g, int val, const char *arg)
{
	switch (val) {
	case 'c':
		g->configure = true;
		break;
	case 'r':
		g->ready_fd = arg;
		break;
	case 'e':
		g->exit_fd = arg;
		break;
	case 'm':
		g->mtu = arg;
		break;
	case '6':
		g->ipv6 = true;
		break;
	case 'a':
		g->api_socket = arg;
		break;
	case OPT_CIDR:
		parse_cidr(arg, g);
		break;
	case OPT_NO_LOOPBACK_OLD:
		warn_old("--no-host-loopback", "--disable-host-loopback");
		g->no_loopback = true;
		break;
	case OPT_NO_LOOPBACK:
		g->no_loopback = true;
		break;
	case OPT_NETNS_TYPE:
		g->type = parse_type(arg);
		break;
	case OPT_USERNS:
		g->userns = arg;
		break;
	case OPT_SANDBOX_OLD:
		warn_old("--create-sandbox", "--enable-sandbox");
		break;
	case OPT_NOTHING:
		break;
	case OPT_OUTBOUND:
		g->outbound[V4] = arg;
		break;
	case OPT_OUTBOUND6:
		g->outbound[V6] = arg;
		break;
	case OPT_NO_DNS:
		g->no_dns = true;
		break;
	case OPT_MAC:
		g->mac = arg;
		break;
	case OPT_TARGET_TYPE:
		if (!strcmp(arg, "bess"))
			die("--target-type=bess is not supported by this version");
		if (strcmp(arg, "netns"))
			die("Invalid --target-type: %s (expected netns)", arg);
		break;
	case 'h':
		fputs(help_text, stdout);
		exit(EXIT_SUCCESS);
	case 'v':
		print_version();
	default:
		fputs(help_text, stderr);
		exit(EXIT_FAILURE);
	}
}

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
	struct given_slirp g = { .net = SLIRP_NET, .len = SLIRP_LEN };
	int val;

	optind = 0;
	while ((val = getopt_long(argc, argv, shorts, longs, NULL)) != -1)
		take_option(&g, val, optarg);

	c->slirp = c->foreground = c->quiet = c->no_splice = true;
	for (enum conf_dir dir = DIR_IN; dir < DIRS; dir++)
		cg->fwd[dir][FWD_TCP] = cg->fwd[dir][FWD_UDP] = true;
	translate_words(c, &g, argc - optind, argv + optind);
	translate_fds(c, &g);
	translate_addresses(c, cg, &g);
	translate_link(c, &g);
	if (g.api_socket)
		need_path("--api-socket", g.api_socket, c->api_socket,
			  sizeof(c->api_socket));
}

unsigned slirp_opts_early(int argc, char **argv, int ret_fds[SLIRP_FDS])
{
	const char *named[SLIRP_FDS] = { NULL };
	bool tapfd = false;
	unsigned n = 0;
	int val;

	optind = 0;
	opterr = 0;
	while ((val = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (val == 'r')
			named[SLIRP_FD_READY] = optarg;
		else if (val == 'e')
			named[SLIRP_FD_EXIT] = optarg;
		else if (val == OPT_NETNS_TYPE)
			tapfd = !strcmp(optarg, "tapfd");
	}
	opterr = 1;
	if (tapfd && optind < argc)
		named[SLIRP_FD_TAP] = argv[optind];
	for (unsigned i = 0; i < SLIRP_FDS; i++) {
		if (named[i] && parse_number_of_fd(named[i], &ret_fds[n]))
			n++;
	}
	return n;
}
