// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: command line and host facts → struct conf
 *
 * Flow:
 *	1. The mode, by our name or --vhost-user.
 *	2. Options, each on its own (conf_opts.c), then words that are none; or
 *	   those of slirp4netns (slirp_opts.c), if that's what we are called.
 *	3. What contradicts what.
 *	4. Addresses for each family: what was given, else what the template
 *	   interface has, else local mode, which needs no network at all.
 *	5. Resolvers and search domains: what was given, else /etc/resolv.conf.
 *	6. Forwarding defaults, names, and switches that imply others.
 *
 * Invariants: a family that isn't enabled has nothing in it but its index.
 * `our` is always set for an enabled family, but with --splice-only, where there
 * is no link and no address. Forwarding rules exist only for
 * enabled protocols and families. One line ends a start that makes no sense.
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
#include "host/netlink.h"
#include "util.h"
#include "util/log.h"
#include "util/parse.h"

enum {
	LOG_SIZE_DEFAULT	= 1 << 20,
	EPH_FIRST_DEFAULT	= 49152,	/* RFC 6335, 6 */
	EPH_LAST_DEFAULT	= 65535,
	LOCAL_GUEST_V4		= 0xa9fe0201,	/* 169.254.2.1 */
	LOCAL_GW_V4		= 0xa9fe0202,	/* 169.254.2.2 */
	LOCAL_LEN_V4		= 16,
	LEN_V6			= 64,
	MTU_MIN_TCP		= 88,	/* Linux sends segments of 48 bytes at
					 * least */
	MTU_MIN_V6		= 1280,		/* RFC 8200, 5 */
	RESOLV_CONF_MAX		= 1 << 16,
};

static const char *const family_name[FAMILIES] = {
	[V4] = "IPv4", [V6] = "IPv6",
};

static const char *const proto_name[FWD_PROTOS] = {
	[FWD_TCP] = "TCP", [FWD_UDP] = "UDP",
};

/* What we may be called, or have in our name */
enum own_name { NAME_SLIRP, NAME_PASTA, NAME_PASST, NAME_OTHER };

static const char *const own_names[NAME_OTHER] = {
	[NAME_SLIRP] = "slirp4netns",
	[NAME_PASTA] = "pasta",
	[NAME_PASST] = "passt",
};

/* Names of the host's resolvers */
struct resolv {
	struct addr ns[FAMILIES][CONF_DNS_MAX];
	unsigned count[FAMILIES];
	char search[CONF_SEARCH_MAX][CONF_NAME_MAX + 1];
	unsigned search_count;
};

static struct addr local_gw(enum family f)
{
	static const uint8_t fe80_1[16] = { [0] = 0xfe, [1] = 0x80, [15] = 1 };

	return f == V4 ? addr_v4(LOCAL_GW_V4) : addr_from_v6(fe80_1);
}

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
static void read_ephemeral(struct conf_given *g)
{
	char buf[64];
	unsigned first, last;

	g->eph_first = EPH_FIRST_DEFAULT;
	g->eph_last = EPH_LAST_DEFAULT;
	if (read_file("/proc/sys/net/ipv4/ip_local_port_range", buf,
		      sizeof(buf)) <= 0 ||
	    sscanf(buf, "%u %u", &first, &last) != 2 ||
	    first > last || last > UINT16_MAX)
		return;
	g->eph_first = (uint16_t)first;
	g->eph_last = (uint16_t)last;
}

/* Step 2: words that are no option */

/* A single number is a PID, anything else a command */
static void take_words(struct conf *c, int count, char **words)
{
	const char *p = words[0];
	unsigned pid;

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
	if (c->mode != MODE_PASTA || c->ns_pid || *c->netns)
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
	if (c->trace)
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
	bool joins = c->ns_pid || *c->netns;

	if ((g->no_copy_routes || g->no_copy_addrs) && !c->config_net)
		die("--no-copy-%s needs --config-net",
		    g->no_copy_routes ? "routes" : "addrs");
	if (c->no_splice && c->splice_only)
		die("--no-splice and --splice-only contradict each other");
	if (c->splice_only && c->fd >= 0)
		die("--fd and --splice-only contradict each other");
	if (c->no_splice && c->host_lo_to_ns_lo)
		die("--no-splice and --host-lo-to-ns-lo contradict each other");
	if (*c->userns && !joins)
		die("--userns needs --netns or a PID");
}

static void check_conflicts(const struct conf *c, const struct conf_given *g)
{
	if (c->stats_s && !c->foreground)
		die("--stats needs --foreground");
	if (g->have_netmask && g->have_v4_len && c->fam[V4].guest_fixed)
		die("Redundant prefix length specification: give either --netmask or --address with /LENGTH");
	check_fd(c);
	if (c->mode == MODE_PASTA)
		check_namespace(c, g);
}

/* Step 4: families and addresses */

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
	c->fam[V4].enabled = !g->only[V6];
	c->fam[V6].enabled = !g->only[V4] && v6_possible;
}

static void check_mtu(const struct conf *c)
{
	if (!c->mtu)
		return;
	if (c->mtu < CONF_MTU_LEAST && c->config_net)
		die("MTU %u is too small for a network interface (--mtu: minimum %d with --config-net)",
		    c->mtu, CONF_MTU_LEAST);
	if (c->fam[V4].enabled && c->mtu < CONF_MTU_LEAST)
		warn("MTU %u is too small for IPv4 (minimum %d)", c->mtu,
		     CONF_MTU_LEAST);
	else if (c->fam[V4].enabled && c->mtu < MTU_MIN_TCP)
		warn("MTU %u is too small for TCP of a Linux guest (minimum %d)",
		     c->mtu, MTU_MIN_TCP);
	if (c->fam[V6].enabled && c->mtu < MTU_MIN_V6)
		warn("MTU %u is too small for IPv6 (minimum %d)", c->mtu,
		     MTU_MIN_V6);
}

static bool template_usable(enum family f, const struct nl_template *t)
{
	return !addr_is_none(&t->addr) && !addr_is_loopback(&t->addr) &&
	       (f == V4 || !addr_is_none(&t->ll));
}

/* Interface that the family's defaults come from; false: there is none that
 * has what it takes
 */
static bool find_template(const struct conf *c, const struct conf_given *g,
			  enum family f, struct nl_template *ret)
{
	const struct conf_family *fam = &c->fam[f];
	const char *name = *g->ifname ? g->ifname : fam->outbound_if;
	bool usable;
	int rc;

	if (*fam->outbound_if && !if_nametoindex(fam->outbound_if))
		die("Invalid interface name: %s (--outbound-if%c): there is no such interface",
		    fam->outbound_if, f == V4 ? '4' : '6');

	rc = nl_template_get(f, name, ret);
	if (rc == -ENODEV)
		die("Invalid interface name: %s (--interface): there is no such interface",
		    name);
	if (rc && rc != -ENOENT)
		warn("Can't ask the kernel for %s interfaces and routes: %s",
		     family_name[f], strerror(-rc));
	usable = !rc && template_usable(f, ret);

	if (!usable && *name && !*g->ifname && !fam->guest_fixed)
		die("External interface not usable: %s (--outbound-if%c) has no %s address",
		    name, f == V4 ? '4' : '6', family_name[f]);
	if (usable && !*name && ret->candidates > 1)
		info("Several interfaces with a default %s route, taking %s: --interface names another one",
		     family_name[f], ret->ifname);
	return usable;
}

/* Prefix length by class, as in the old days: RFC 791, 2.3 */
static unsigned classful_len(const struct addr *a)
{
	uint8_t top = addr_v4_bytes(a)[0];

	if (top < 128)
		return 8;
	if (top < 192)
		return 16;
	return top < 224 ? 24 : 32;
}

static unsigned v4_len(const struct conf_family *fam,
		       const struct conf_given *g, const struct nl_template *t)
{
	if (g->have_netmask)
		return g->netmask;
	if (fam->guest_fixed)
		return g->have_v4_len ? g->v4_len : classful_len(&fam->guest);
	return fam->local_mode ? LOCAL_LEN_V4 : t->prefix_len;
}

static void resolve_guest_v4(struct conf_family *fam,
			     const struct conf_given *g,
			     const struct nl_template *t)
{
	fam->prefix_len = v4_len(fam, g, t);
	if (!fam->guest_fixed)
		fam->guest = fam->local_mode ? addr_v4(LOCAL_GUEST_V4) :
					       t->addr;
	fam->our = addr_is_none(&fam->gw) ? local_gw(V4) : fam->gw;
}

static void resolve_guest_v6(struct conf_family *fam,
			     const struct nl_template *t)
{
	fam->prefix_len = LEN_V6;
	if (!fam->guest_fixed && !fam->local_mode)
		fam->guest = t->addr;
	if (!addr_is_v4(&fam->gw) && addr_is_linklocal(&fam->gw))
		fam->our = fam->gw;
	else
		fam->our = fam->local_mode ? local_gw(V6) : t->ll;
}

static void resolve_family(struct conf *c, const struct conf_given *g,
			   enum family f)
{
	struct conf_family *fam = &c->fam[f];
	struct nl_template t = { .ifi = 0 };

	fam->local_mode = !find_template(c, g, f, &t);
	if (!fam->gw_fixed)
		fam->gw = fam->local_mode ? local_gw(f) : t.gw;
	if (f == V4)
		resolve_guest_v4(fam, g, &t);
	else
		resolve_guest_v6(fam, &t);

	if (!g->no_map_gw && addr_is_none(&fam->map_host_loopback))
		fam->map_host_loopback = fam->gw;

	if (fam->local_mode)
		return;
	memcpy(fam->template_if, t.ifname, sizeof(fam->template_if));
	fam->template_ifi = t.ifi;
	fam->copy_addrs = c->config_net && !fam->guest_fixed &&
			  !g->no_copy_addrs;
	fam->copy_routes = c->config_net && !fam->gw_fixed &&
			   !g->no_copy_routes;
}

static void resolve_families(struct conf *c, const struct conf_given *g)
{
	bool usable = false;

	for (enum family f = V4; f < FAMILIES; f++) {
		if (!c->fam[f].enabled)
			continue;
		resolve_family(c, g, f);
		usable |= !c->fam[f].local_mode || c->fam[f].guest_fixed;
	}
	if (*g->ifname && !usable)
		die("External interface not usable: %s (--interface) has no address for a guest",
		    g->ifname);
	if (!usable)
		info("No external interface with addresses: local mode, with link-local addresses only");
}

/* Step 5: resolvers and search domains */

static void resolv_add_ns(struct resolv *r, char *text)
{
	struct addr a;
	enum family f;

	text[strcspn(text, "%")] = '\0';	/* scope of a link-local one */
	if (!addr_parse(text, &a) || !addr_is_unicast(&a))
		return;
	f = addr_family(&a);
	if (r->count[f] < CONF_DNS_MAX)
		r->ns[f][r->count[f]++] = a;
}

/* The last "search" or "domain" line holds: resolv.conf(5) */
static void resolv_set_search(struct resolv *r, char **words)
{
	const char *domain;

	r->search_count = 0;
	while ((domain = strtok_r(NULL, " \t\r", words))) {
		if (r->search_count == CONF_SEARCH_MAX ||
		    strlen(domain) > CONF_NAME_MAX)
			continue;
		strcpy(r->search[r->search_count++], domain);
	}
}

static void resolv_line(struct resolv *r, char *line)
{
	char *words, *key = strtok_r(line, " \t\r", &words), *value;

	if (!key)
		return;
	if (!strcmp(key, "nameserver")) {
		value = strtok_r(NULL, " \t\r", &words);
		if (value)
			resolv_add_ns(r, value);
	} else if (!strcmp(key, "search") || !strcmp(key, "domain")) {
		resolv_set_search(r, &words);
	}
}

static void resolv_read(struct resolv *r)
{
	static char text[RESOLV_CONF_MAX];
	char *line, *lines;
	ssize_t n;

	n = read_file("/etc/resolv.conf", text, sizeof(text));
	if (n < 0) {
		if (n != -ENOENT)
			warn("Can't read /etc/resolv.conf: %s",
			     strerror((int)-n));
		return;
	}
	for (line = strtok_r(text, "\n", &lines); line;
	     line = strtok_r(NULL, "\n", &lines))
		resolv_line(r, line);
}

static void dns_add(struct conf_family *fam, const struct addr *a)
{
	for (unsigned i = 0; i < fam->dns_count; i++) {
		if (addr_eq(&fam->dns[i], a))
			return;
	}
	if (fam->dns_count < CONF_DNS_MAX)
		fam->dns[fam->dns_count++] = *a;
}

/* A resolver of the host as the guest can reach it. On the host's loopback, or
 * at the address that leads there, it has to be reached by forwarding.
 */
static void dns_offer(struct conf_family *fam, const struct addr *ns)
{
	if (!addr_is_loopback(ns) && !addr_eq(ns, &fam->map_host_loopback)) {
		dns_add(fam, ns);
		return;
	}
	if (addr_is_none(&fam->dns_forward))
		fam->dns_forward = fam->map_host_loopback;
	if (!addr_is_none(&fam->dns_forward))
		dns_add(fam, &fam->dns_forward);
}

/* The resolver that --dns-host names for the other family; else the host's first
 * of that family; else of the other one, and there not a link-local one, which
 * only works with that family's interface; or none
 */
static struct addr dns_host_default(const struct resolv *r, enum family f,
				    const struct addr *named)
{
	enum family other = f == V4 ? V6 : V4;

	if (!addr_is_none(named))
		return *named;
	if (r->count[f])
		return r->ns[f][0];
	for (unsigned i = 0; i < r->count[other]; i++) {
		if (!addr_is_linklocal(&r->ns[other][i]))
			return r->ns[other][i];
	}
	return (struct addr){ { 0 } };
}

static void resolve_dns_family(struct conf_family *fam, bool defaults,
			       const struct resolv *r, enum family f,
			       const struct addr *named)
{
	if (defaults && !fam->dns_count) {
		for (unsigned i = 0; i < r->count[f]; i++)
			dns_offer(fam, &r->ns[f][i]);
	}
	if (!addr_is_none(&fam->dns_forward) && addr_is_none(&fam->dns_host))
		fam->dns_host = dns_host_default(r, f, named);
}

static void warn_dns(const struct conf *c, const struct conf_given *g)
{
	bool any = g->dns_none, lacks_host = false;

	for (enum family f = V4; f < FAMILIES; f++) {
		const struct conf_family *fam = &c->fam[f];

		if (!fam->enabled)
			continue;
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

static bool resolv_needed(const struct conf *c, const struct conf_given *g)
{
	if (!c->search_count && !g->search_none)
		return true;
	for (enum family f = V4; f < FAMILIES; f++) {
		const struct conf_family *fam = &c->fam[f];

		if (!fam->enabled)
			continue;
		if (!fam->dns_count && !g->dns_none)
			return true;
		if (!addr_is_none(&fam->dns_forward) &&
		    addr_is_none(&fam->dns_host))
			return true;
	}
	return false;
}

static void resolve_names(struct conf *c, const struct conf_given *g)
{
	const struct addr named[FAMILIES] = { c->fam[V4].dns_host,
					      c->fam[V6].dns_host };
	static struct resolv r;

	if (resolv_needed(c, g))
		resolv_read(&r);
	for (enum family f = V4; f < FAMILIES; f++) {
		if (c->fam[f].enabled)
			resolve_dns_family(&c->fam[f], !g->dns_none, &r, f,
					   &named[f == V4 ? V6 : V4]);
	}
	warn_dns(c, g);

	if (!c->search_count && !g->search_none) {
		memcpy(c->search, r.search, sizeof(c->search));
		c->search_count = r.search_count;
	}
}

/* Step 6: forwarding and the rest */

static bool proto_off(const struct conf *c, enum conf_proto proto)
{
	return proto == FWD_TCP ? c->no_tcp : c->no_udp;
}

static void check_rule(const struct conf *c, const struct fwd_rule *r)
{
	enum conf_proto proto = r->proto == IPPROTO_TCP ? FWD_TCP : FWD_UDP;
	enum family f = addr_family(&r->listen);
	char text[FWD_RULE_STRLEN];

	if (proto_off(c, proto))
		die("Can't add %s forwarding rule, %s not enabled",
		    proto_name[proto], proto_name[proto]);
	if (!(r->flags & FWD_DUAL) && !c->fam[f].enabled)
		die("Can't add forwarding rule, %s not enabled: %s",
		    family_name[f], fwd_rule_print(r, text));
}

static void check_rules(const struct conf *c, const struct fwd_rules *rules)
{
	for (unsigned i = 0; i < rules->count; i++)
		check_rule(c, &rules->rule[i]);
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
			conf_opts_add_fwd(c, g, dir, p, name[dir][p], "auto");
		}
	}
	if (c->no_splice && c->fwd_out.count) {
		warn("-T and -U have no effect with --no-splice");
		c->fwd_out.count = 0;
	}
}

/* Without a link, only loopback leads inside: nothing else is listened at */
static void restrict_to_loopback(struct fwd_rules *rules)
{
	for (unsigned i = 0; i < rules->count; i++) {
		struct fwd_rule *r = &rules->rule[i];
		bool any = addr_is_any(&r->listen);
		char text[FWD_RULE_STRLEN];

		if ((!any && !addr_is_loopback(&r->listen)) ||
		    (*r->ifname && strcmp(r->ifname, "lo")) ||
		    !addr_is_none(&r->target))
			die("--splice-only forwards from loopback to loopback only, not %s",
			    fwd_rule_print(r, text));
		if (any)
			strcpy(r->ifname, "lo");
	}
}

static void resolve_switches(struct conf *c)
{
	c->no_ndp |= c->no_icmp || !c->fam[V6].enabled;
	c->no_ra |= c->no_ndp || c->config_net;
	c->no_dhcp |= addr_is_none(&c->fam[V4].gw);
	c->no_dhcpv6 |= addr_is_none(&c->fam[V6].guest);
	c->one_off |= c->fd >= 0;
}

static void resolve_ns_ifname(struct conf *c)
{
	const char *name = "tap0";

	if (c->mode != MODE_PASTA || *c->ns_ifname)
		return;
	if (*c->fam[V4].template_if)
		name = c->fam[V4].template_if;
	else if (*c->fam[V6].template_if)
		name = c->fam[V6].template_if;
	strcpy(c->ns_ifname, name);
}

static void clear_disabled(struct conf *c)
{
	for (enum family f = V4; f < FAMILIES; f++) {
		if (!c->fam[f].enabled)
			memset(&c->fam[f], 0, sizeof(c->fam[f]));
	}
}

void conf_init(struct conf *c, int argc, char **argv)
{
	static struct conf_given g;

	set_defaults(c, mode_of(argc, argv));
	memset(&g, 0, sizeof(g));
	read_ephemeral(&g);

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
	check_rules(c, &c->fwd_in);
	check_rules(c, &c->fwd_out);
	if (!c->splice_only) {
		resolve_families(c, &g);
		resolve_names(c, &g);
	}
	clear_disabled(c);

	default_rules(c, &g);
	if (c->splice_only)
		restrict_to_loopback(&c->fwd_in);
	resolve_switches(c);
	resolve_ns_ifname(c);
}

/* Telling it */

static const char *or_none(const struct addr *a, char buf[ADDR_STRLEN])
{
	return addr_is_none(a) ? "none" : addr_print(a, buf);
}

static void print_mapping(const struct conf_family *fam)
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

static void print_family(const struct conf *c, enum family f)
{
	const struct conf_family *fam = &c->fam[f];
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

void conf_print(const struct conf *c)
{
	if (c->splice_only)
		info("No interface: from loopback to loopback only");
	else
		info("MAC: %s", MAC_STR(c->our_mac));
	for (enum family f = V4; !c->splice_only && f < FAMILIES; f++)
		print_family(c, f);
	if (c->search_count)
		info("Search list:");
	for (unsigned i = 0; i < c->search_count; i++)
		info("    %s", c->search[i]);
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
