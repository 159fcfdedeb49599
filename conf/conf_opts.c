// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: every option of the command line, see conf_opts.h
 *
 * Data: options[] is the only list of options. The input of getopt_long(), the
 * check of modes and the text of --help are made from it (opts.c); test/conf compares
 * it with the manual page.
 *
 * Flow: a word of the command line → row → is it for this mode? → does this
 * version have it? (not_yet[]) → handler, which checks the value and stores it.
 * The last one wins where an option is repeated, unless its handler adds up.
 *
 * Invariants: getopt stops at the first word that is no option, so that those
 * of a command aren't ours. Port specs are parsed as they come, since `none`
 * looks at what came before it.
 */
#include "conf/conf_opts.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf/opts.h"
#include "fwd/policy.h"
#include "util.h"
#include "util/log.h"
#include "util/parse.h"
#include "util/version.h"

enum {
	M_PASST	= 1 << MODE_PASST,
	M_VU	= 1 << MODE_VU,
	M_PASTA	= 1 << MODE_PASTA,
	M_VM	= M_PASST | M_VU,
	M_ALL	= M_VM | M_PASTA,
};

enum {
	STATS_MAX_S	= 86400,
	LOG_ENTRIES_MIN	= 5,		/* pages in the smallest log file */
	LOG_PAGE_MIN	= 8192,
	POLICY_FILE_MAX	= 8 << 20,
};

static bool is_none(const struct call *k)
{
	return !strcmp(k->arg, "none");
}

/* Sanity of values */

static void copy_text(const struct call *k, size_t size, const char *what)
{
	size_t len = strlen(k->arg);

	if (!len)
		die("Invalid %s: %s can't be empty", what, k->name);
	if (len >= size)
		die("Invalid %s: %s can't be longer than %zu characters", what,
		    k->name, size - 1);
	memcpy((char *)k->c + k->row->at, k->arg, len + 1);
}

/* Number within [min, max]; base 0 takes C syntax */
static long long need_number(const struct call *k, int base, long long min,
			     long long max)
{
	long long v;

	if (!parse_number(k->arg, base, min, max, &v))
		die("Invalid %s: %s (expected a number from %lld to %lld)",
		    k->name, k->arg, min, max);
	return v;
}

/* Address that can be somebody's */
static struct addr need_addr(const struct call *k, const char *what,
			     bool loopback_ok)
{
	struct addr a;

	if (!addr_parse(k->arg, &a) || !addr_is_unicast(&a) ||
	    (!loopback_ok && addr_is_loopback(&a)))
		die("%s: %s (%s needs a unicast IPv4 or IPv6 address%s)", what,
		    k->arg, k->name, loopback_ok ? "" : ", not a loopback one");
	return a;
}

static void need_ifname(const struct call *k, char ret[IFNAMSIZ])
{
	const char *p = k->arg;

	if (!parse_ifname(&p, ret) || !parse_end(&p))
		die("Invalid interface name: %s (%s needs 1 to %d characters, no slash, no space)",
		    k->arg, k->name, IFNAMSIZ - 1);
}

static void need_mac(const struct call *k, uint8_t ret[6])
{
	static const uint8_t zero[6];

	if (!mac_parse(k->arg, ret) || ret[0] & 1 || !memcmp(ret, zero, 6))
		die("Invalid MAC address: %s (%s needs a unicast address, xx:xx:xx:xx:xx:xx)",
		    k->arg, k->name);
}

/* Handlers that serve several options */

static void opt_set(const struct call *k)
{
	*(bool *)(void *)((char *)k->c + k->row->at) = true;
}

static void opt_path(const struct call *k)
{
	copy_text(k, PATH_MAX, "path");
}

static void opt_host_name(const struct call *k)
{
	copy_text(k, CONF_NAME_MAX + 1, "name");
}

static void opt_ifname(const struct call *k)
{
	need_ifname(k, (char *)k->c + k->row->at);
}

/* Accepted, without any effect (yet) */
static void opt_nothing(const struct call *k)
{
	(void)k;
}

/* Handlers: general */

static void opt_debug(const struct call *k)
{
	k->c->debug = true;
	k->c->quiet = false;
}

static void opt_trace(const struct call *k)
{
	opt_debug(k);
	k->c->trace = true;
}

static void opt_quiet(const struct call *k)
{
	k->c->quiet = true;
	k->c->debug = k->c->trace = false;
}

static void opt_stats(const struct call *k)
{
	k->c->stats_s = (unsigned)need_number(k, 10, 1, STATS_MAX_S);
}

static void opt_stderr(const struct call *k)
{
	warn("%s has no effect any more, and will be dropped", k->name);
}

static void opt_log_size(const struct call *k)
{
	long page = MAX(LOG_PAGE_MIN, getpagesize());

	k->c->log_size = (size_t)need_number(k, 0, LOG_ENTRIES_MIN * page,
					     INT_MAX);
}

/* Number, or false if it is a name */
static bool is_id(const char *s, unsigned *ret)
{
	return parse_uint(&s, UINT32_MAX - 1, ret) && parse_end(&s);
}

/* User of --runas, and its group */
static void runas_user(const struct call *k, const char *user)
{
	const struct passwd *pw;
	unsigned id;

	if (is_id(user, &id)) {
		if (!id)
			die("Invalid %s: 0 is root, which this program never "
			    "runs as", k->name);
		pw = getpwuid(id);
		k->c->runas_uid = id;
		k->c->runas_gid = pw ? pw->pw_gid : id;
		return;
	}

	pw = getpwnam(user);
	if (!pw)
		die("Invalid %s: no user '%s' on this host", k->name, user);
	if (!pw->pw_uid)
		die("Invalid %s: '%s' is root, and can't be asked for by name",
		    k->name, user);
	k->c->runas_uid = pw->pw_uid;
	k->c->runas_gid = pw->pw_gid;
}

static void runas_group(const struct call *k, const char *group)
{
	const struct group *gr;
	unsigned id;

	if (is_id(group, &id)) {
		k->c->runas_gid = id;
		return;
	}
	gr = getgrnam(group);
	if (!gr)
		die("Invalid %s: no group '%s' on this host", k->name, group);
	k->c->runas_gid = gr->gr_gid;
}

static void opt_runas(const struct call *k)
{
	char user[256];
	char *group;

	if (strlen(k->arg) >= sizeof(user))
		die("Invalid %s: longer than %zu characters", k->name,
		    sizeof(user) - 1);
	strcpy(user, k->arg);
	group = strchr(user, ':');
	if (group)
		*group++ = '\0';
	runas_user(k, user);
	if (group)
		runas_group(k, group);
	k->c->have_runas = true;
}

static void opt_version(const struct call *k)
{
	printf("%s " VERSION_TEXT,
	       k->c->mode == MODE_PASTA ? "pasta" : "passt");
	exit(EXIT_SUCCESS);
}

/* QEMU's convention for vhost-user back-ends: JSON on stdout */
static void opt_print_capabilities(const struct call *k)
{
	(void)k;
	puts("{\n  \"type\": \"net\"\n}");
	exit(EXIT_SUCCESS);
}

static void opt_only_v4(const struct call *k)
{
	k->g->only[V4] = true;
	k->g->only[V6] = false;
}

static void opt_only_v6(const struct call *k)
{
	k->g->only[V4] = false;
	k->g->only[V6] = true;
}

/* Handlers: link */

static void opt_socket(const struct call *k)
{
	copy_text(k, sizeof(k->c->socket_path), "socket path");
	k->c->fd = -1;
}

static void opt_control(const struct call *k)
{
	copy_text(k, sizeof(k->c->conf_path), "socket path");
}

static bool parse_fd(const char *s, int *ret)
{
	unsigned v;

	if (!parse_uint(&s, INT_MAX, &v) || !parse_end(&s) ||
	    v == STDOUT_FILENO || v == STDERR_FILENO)
		return false;
	*ret = (int)v;
	return true;
}

static void opt_fd(const struct call *k)
{
	if (!parse_fd(k->arg, &k->c->fd))
		die("Invalid --fd: %s (expected the number of an open descriptor, 0 or at least 3)",
		    k->arg);
	k->c->socket_path[0] = '\0';
}

static void opt_mtu(const struct call *k)
{
	const char *p = k->arg;
	unsigned v;

	if (!parse_uint(&p, INT_MAX, &v) || !parse_end(&p))
		die("Invalid MTU: %s (%s needs a number from 0 to %d)", k->arg,
		    k->name, CONF_MTU_MAX);
	if (v > CONF_MTU_MAX)
		die("MTU %u too large (max %d)", v, CONF_MTU_MAX);
	k->c->mtu = v;
}

static void opt_mac(const struct call *k)
{
	need_mac(k, k->c->our_mac);
}

static void opt_repair_path(const struct call *k)
{
	if (!is_none(k) && k->c->mode != MODE_VU)
		die("%s is for vhost-user mode only", k->name);
}

/* Handlers: addresses */

static void opt_address(const struct call *k)
{
	struct net_family_options *fam;
	const char *p = k->arg;
	unsigned len = 64;
	bool has_len;
	struct addr a;

	if (!parse_addr(&p, &a) || !addr_is_unicast(&a) || addr_is_loopback(&a))
		die("Invalid guest address: %s (%s needs a unicast IPv4 or IPv6 address, not a loopback one)",
		    k->arg, k->name);
	has_len = parse_literal(&p, "/");
	if (has_len && !parse_uint(&p, addr_is_v4(&a) ? 32 : 128, &len))
		die("Invalid prefix length: %s (%s allows 0 to 32 for IPv4, 0 to 128 for IPv6)",
		    k->arg, k->name);
	if (!parse_end(&p))
		die("Invalid guest address: %s (%s needs ADDRESS or ADDRESS/LENGTH)",
		    k->arg, k->name);

	fam = &k->c->net.fam[addr_family(&a)];
	fam->guest = a;
	if (addr_is_v4(&a)) {
		k->g->have_v4_len = has_len;
		k->g->v4_len = len;
	}
}

/* Bits of a mask that is contiguous */
static bool mask_bits(const struct addr *mask, unsigned *ret)
{
	for (unsigned bits = 0; bits <= 32; bits++) {
		struct addr m = addr_v4_mask(bits);

		if (addr_eq(&m, mask)) {
			*ret = bits;
			return true;
		}
	}
	return false;
}

static void opt_netmask(const struct call *k)
{
	struct addr mask;
	long long bits;

	if (parse_number(k->arg, 0, 0, 32, &bits))
		k->g->netmask = (unsigned)bits;
	else if (!addr_parse(k->arg, &mask) ||
		 !mask_bits(&mask, &k->g->netmask))
		die("Invalid prefix length: %s (%s needs 0 to 32, or a mask like 255.255.255.0)",
		    k->arg, k->name);
	k->g->have_netmask = true;
}

static void opt_gateway(const struct call *k)
{
	struct addr a = need_addr(k, "Invalid gateway address", false);

	k->c->net.fam[addr_family(&a)].gw = a;
}

static void opt_interface(const struct call *k)
{
	need_ifname(k, k->c->net.ifname);
}

static void opt_outbound(const struct call *k)
{
	struct addr a = need_addr(k, "Invalid outbound address", true);

	k->c->net.fam[addr_family(&a)].outbound = a;
}

static void opt_map_host_loopback(const struct call *k)
{
	struct addr a;

	if (is_none(k)) {
		for (enum family f = V4; f < FAMILIES; f++)
			k->c->net.fam[f].map_host_loopback = (struct addr){ { 0 } };
		k->c->net.no_map_gw = true;
		return;
	}
	a = need_addr(k, "Invalid address to remap to host", false);
	k->c->net.fam[addr_family(&a)].map_host_loopback = a;
}

static void opt_no_map_gw(const struct call *k)
{
	k->c->net.no_map_gw = true;
}

static void opt_map_guest_addr(const struct call *k)
{
	struct addr a;

	if (is_none(k)) {
		for (enum family f = V4; f < FAMILIES; f++)
			k->c->net.fam[f].map_guest_addr = (struct addr){ { 0 } };
		return;
	}
	a = need_addr(k, "Invalid address to remap to host", false);
	k->c->net.fam[addr_family(&a)].map_guest_addr = a;
}

/* Handlers: names */

static void dns_clear(struct net_family_options *fam)
{
	fam->dns_count = 0;
	fam->dns_forward = fam->dns_host = (struct addr){ { 0 } };
}

static void opt_dns(const struct call *k)
{
	struct net_family_options *fam;
	struct addr a;

	k->c->net.dns_none = is_none(k);
	if (k->c->net.dns_none) {
		for (enum family f = V4; f < FAMILIES; f++)
			dns_clear(&k->c->net.fam[f]);
		return;
	}
	if (!addr_parse(k->arg, &a) || !addr_is_unicast(&a))
		die("Cannot use DNS address %s (%s needs a unicast IPv4 or IPv6 address, or none)",
		    k->arg, k->name);
	fam = &k->c->net.fam[addr_family(&a)];
	if (fam->dns_count < CONF_DNS_MAX)
		fam->dns[fam->dns_count++] = a;
}

static void opt_dns_forward(const struct call *k)
{
	struct addr a = need_addr(k, "Invalid DNS forwarding address", false);

	k->c->net.fam[addr_family(&a)].dns_forward = a;
}

static void opt_dns_host(const struct call *k)
{
	struct addr a = need_addr(k, "Invalid host nameserver address", true);

	k->c->net.fam[addr_family(&a)].dns_host = a;
}

static void add_search(const struct call *k, const char *domain, size_t len)
{
	struct net_search *s = &k->c->net.search;

	if (len > CONF_NAME_MAX)
		die("Invalid search domain: %s (%s allows %d characters)",
		    k->arg, k->name, CONF_NAME_MAX);
	if (s->count == CONF_SEARCH_MAX) {
		warn("More than %d search domains, left out: %.*s",
		     CONF_SEARCH_MAX, (int)len, domain);
		return;
	}
	memcpy(s->name[s->count], domain, len);
	s->name[s->count++][len] = '\0';
}

static void opt_search(const struct call *k)
{
	const char *p = k->arg;
	size_t len;

	k->c->net.search_none = is_none(k);
	if (k->c->net.search_none) {
		k->c->net.search.count = 0;
		return;
	}
	p += strspn(p, " ");
	if (!*p)
		die("Invalid search domain: %s can't be empty, for no search list say none",
		    k->name);
	for (; *p; p += len + strspn(p + len, " ")) {
		len = strcspn(p, " ");
		add_search(k, p, len);
	}
}

static void opt_dhcp_dns(const struct call *k)
{
	k->c->dhcp_dns = k->c->mode == MODE_PASTA;
}

static void opt_dhcp_search(const struct call *k)
{
	k->c->dhcp_search = k->c->mode == MODE_PASTA;
}

/* Handlers: namespace */

static void opt_netns(const struct call *k)
{
	char *path = k->c->netns;
	int len;

	len = snprintf(path, PATH_MAX, "%s%s",
		       strchr(k->arg, '/') ? "" : "/run/netns/", k->arg);
	if (!*k->arg || len >= PATH_MAX)
		die("Invalid %s: expected the path of a namespace, or a name in /run/netns",
		    k->name);
}

static void opt_userns(const struct call *k)
{
	opt_path(k);
	k->c->netns_only = false;
}

static void opt_netns_only(const struct call *k)
{
	k->c->netns_only = true;
	k->c->userns[0] = '\0';
}

static void opt_no_copy(const struct call *k)
{
	bool routes = !strcmp(k->row->name, "no-copy-routes");

	warn("%s will be dropped soon: give %s instead", k->name,
	     routes ? "--gateway" : "--address");
	if (routes)
		k->g->no_copy_routes = true;
	else
		k->g->no_copy_addrs = true;
}

static void opt_ns_mac(const struct call *k)
{
	need_mac(k, k->c->ns_mac);
	k->c->have_ns_mac = true;
}

/* Handlers: forwarding */

static struct fwd_rules *rules_of(struct conf *c, enum conf_dir dir)
{
	return dir == DIR_IN ? &c->fwd_in : &c->fwd_out;
}

static const uint8_t proto_number[FWD_PROTOS] = {
	[FWD_TCP] = IPPROTO_TCP,
	[FWD_UDP] = IPPROTO_UDP,
};

static bool have_rules(const struct fwd_rules *rules, enum conf_proto proto)
{
	for (unsigned i = 0; i < rules->count; i++) {
		if (rules->rule[i].proto == proto_number[proto])
			return true;
	}
	return false;
}

/* `none` first and rules later are fine, but `none` after rules contradicts
 * them. Podman adds it after "-t80" and "--tcp-ports=80", which it overlooks:
 * a warning serves these users, ending the start would not.
 */
static void opt_ports(const struct call *k)
{
	enum conf_proto proto;
	enum conf_dir dir;

	dir = isupper((unsigned char)k->row->letter) ? DIR_OUT : DIR_IN;
	proto = tolower((unsigned char)k->row->letter) == 't' ? FWD_TCP :
								FWD_UDP;
	k->g->fwd[dir][proto] = true;
	if (!is_none(k))
		conf_opts_add_fwd(k->c, dir, proto, k->name, k->arg);
	else if (have_rules(rules_of(k->c, dir), proto))
		warn("%s none has no effect after other %s options: they are kept",
		     k->name, k->name);
}

static void opt_rule(const struct call *k)
{
	char text[POLICY_ERR_LEN];

	if (policy_add(!strcmp(k->row->name, "allow"), k->arg, text))
		die("%s %s", k->name, text);
}

static void opt_no_verify_names(const struct call *k)
{
	(void)k;
	policy_no_verify();
}

static void opt_policy(const struct call *k)
{
	static char text[POLICY_FILE_MAX];
	ssize_t n = read_file(k->arg, text, sizeof(text));
	char why[POLICY_ERR_LEN];

	if (n < 0)
		die("%s: couldn't read %s: %s", k->name, k->arg,
		    strerror((int)-n));
	if (strlen(text) != (size_t)n)
		die("%s: %s isn't text", k->name, k->arg);
	if (policy_add_text(text, why))
		die("%s %s, %s", k->name, k->arg, why);
}

#define AT(field)	offsetof(struct conf, field)

/* clang-format off */
static const struct opt options[] = {
{ NULL, 0, NULL, M_ALL, NULL, 0, "General" },
{ "debug", 'd', NULL, M_ALL, opt_debug, 0,
  "Tell what happens, on stderr" },
{ "trace", 0, NULL, M_ALL, opt_trace, 0,
  "Tell about each packet, too; implies --debug" },
{ "stats", 0, "SECONDS", M_ALL, opt_stats, 0,
  "Print counters that often; needs --foreground" },
{ "quiet", 'q', NULL, M_ALL, opt_quiet, 0,
  "Only warnings and errors" },
{ "foreground", 'f', NULL, M_ALL, opt_set, AT(foreground),
  "Stay in the foreground\n"
  "default: go to the background once all is ready" },
{ "stderr", 'e', NULL, M_ALL, opt_stderr, 0,
  "Deprecated, no effect" },
{ "log-file", 'l', "PATH", M_ALL, opt_path, AT(log_file),
  "Log to a file\n"
  "default: to the system log" },
{ "log-size", 0, "BYTES", M_ALL, opt_log_size, 0,
  "Limit of the log file, oldest lines go first\n"
  "default: 1048576" },
{ "runas", 0, "USER[:GROUP]", M_ALL, opt_runas, 0,
  "Become this user, name or number\n"
  "default: nobody, if started as root" },
{ "conf-path", 'c', "PATH", M_ALL, opt_control, AT(conf_path),
  "Socket for pesto, to change forwarded ports" },
{ "control", 0, "PATH", M_ALL, opt_control, AT(control_path),
  "Socket for requests: what goes on, and what shall" },
{ "doctor", 0, NULL, M_ALL, opt_set, AT(doctor),
  "Tell what a start with these options needs, and\n"
  "whether that's there; don't start" },
{ "help", 'h', NULL, M_ALL, NULL, 0,
  "Print this, and exit" },
{ "version", 0, NULL, M_ALL, opt_version, 0,
  "Print the version, and exit" },
{ "pcap", 'p', "PATH", M_ALL, opt_path, AT(pcap_file),
  "Capture the frames on the guest's side to a file" },
{ "pid", 'P', "PATH", M_ALL, opt_path, AT(pid_file),
  "Write our PID to a file, once all is ready" },
{ "chroot-fallback", 0, NULL, M_ALL, opt_set, AT(chroot_fallback),
  "Use chroot where pivot_root isn't possible" },
{ "no-follow-host", 0, NULL, M_ALL, opt_set, AT(no_follow_host),
  "Stay with the host's network as it is now" },
{ "ipv4-only", '4', NULL, M_ALL, opt_only_v4, 0,
  "No IPv6" },
{ "ipv6-only", '6', NULL, M_ALL, opt_only_v6, 0,
  "No IPv4" },

{ NULL, 0, NULL, M_ALL, NULL, 0, "Addresses and interfaces" },
{ "mtu", 'm', "MTU", M_ALL, opt_mtu, 0,
  "MTU for the guest; 0: don't tell it any\n"
  "default: 65520" },
{ "address", 'a', "ADDR[/LEN]", M_ALL, opt_address, 0,
  "Address for the guest, one for each family\n"
  "default: of the interface with the default route" },
{ "netmask", 'n', "MASK", M_ALL, opt_netmask, 0,
  "IPv4 prefix length or mask for the guest\n"
  "default: of the host's address" },
{ "mac-addr", 'M', "MAC", M_ALL, opt_mac, 0,
  "Our own MAC address, as the guest sees it\n"
  "default: 9a:55:9a:55:9a:55" },
{ "gateway", 'g', "ADDR", M_ALL, opt_gateway, 0,
  "Default gateway for the guest, one for each family\n"
  "default: the host's" },
{ "interface", 'i', "NAME", M_ALL, opt_interface, 0,
  "Take addresses and routes from this interface\n"
  "default: the one with the default route" },
{ "outbound", 'o', "ADDR", M_ALL, opt_outbound, 0,
  "Source of connections, one for each family\n"
  "default: the host's routing decides" },
{ "outbound-if4", 0, "NAME", M_ALL, opt_ifname, AT(net.fam[V4].outbound_if),
  "Bind IPv4 connections to this interface\n"
  "default: the host's routing decides" },
{ "outbound-if6", 0, "NAME", M_ALL, opt_ifname, AT(net.fam[V6].outbound_if),
  "Bind IPv6 connections to this interface\n"
  "default: the host's routing decides" },

{ NULL, 0, NULL, M_ALL, NULL, 0, "Names" },
{ "dns", 'D', "ADDR", M_ALL, opt_dns, 0,
  "Resolver for the guest, up to three for each\n"
  "family, or none\n"
  "default: those of /etc/resolv.conf" },
{ "dns-forward", 0, "ADDR", M_ALL, opt_dns_forward, 0,
  "Send queries for this address to the host's\n"
  "resolver, one for each family" },
{ "dns-host", 0, "ADDR", M_ALL, opt_dns_host, 0,
  "Resolver behind --dns-forward, one for each family\n"
  "default: the first of /etc/resolv.conf" },
{ "search", 'S', "LIST", M_ALL, opt_search, 0,
  "Search domains, up to six, or none\n"
  "default: those of /etc/resolv.conf" },
{ "no-dhcp-dns", 0, NULL, M_VM, opt_dhcp_dns, 0,
  "Don't send resolvers to the guest" },
{ "no-dhcp-search", 0, NULL, M_VM, opt_dhcp_search, 0,
  "Don't send search domains to the guest" },
{ "dhcp-dns", 0, NULL, M_PASTA, opt_dhcp_dns, 0,
  "Send resolvers by DHCP, DHCPv6 and NDP" },
{ "dhcp-search", 0, NULL, M_PASTA, opt_dhcp_search, 0,
  "Send search domains by DHCP, DHCPv6 and NDP" },
{ "hostname", 'H', "NAME", M_ALL, opt_host_name, AT(hostname),
  "Host name for the guest" },
{ "fqdn", 0, "NAME", M_ALL, opt_host_name, AT(fqdn),
  "Fully qualified domain name for the guest" },

{ NULL, 0, NULL, M_ALL, NULL, 0, "Protocols and mapping" },
{ "no-tcp", 0, NULL, M_ALL, opt_set, AT(no_tcp),
  "No TCP" },
{ "no-udp", 0, NULL, M_ALL, opt_set, AT(no_udp),
  "No UDP" },
{ "no-icmp", 0, NULL, M_ALL, opt_set, AT(no_icmp),
  "No ICMP, no ICMPv6; implies --no-ndp" },
{ "no-dhcp", 0, NULL, M_ALL, opt_set, AT(no_dhcp),
  "No DHCP server" },
{ "no-ndp", 0, NULL, M_ALL, opt_set, AT(no_ndp),
  "No answers to NDP" },
{ "no-dhcpv6", 0, NULL, M_ALL, opt_set, AT(no_dhcpv6),
  "No DHCPv6 server" },
{ "no-ra", 0, NULL, M_ALL, opt_set, AT(no_ra),
  "No router advertisements" },
{ "freebind", 0, NULL, M_ALL, opt_set, AT(freebind),
  "Let -t and -u name addresses that the host lacks" },
{ "map-host-loopback", 0, "ADDR", M_ALL, opt_map_host_loopback, 0,
  "The guest reaches the host's loopback by this\n"
  "address; one for each family, or none\n"
  "default: the gateway" },
{ "no-map-gw", 0, NULL, M_ALL, opt_no_map_gw, 0,
  "The gateway's address doesn't lead to the host" },
{ "map-guest-addr", 0, "ADDR", M_ALL, opt_map_guest_addr, 0,
  "The guest reaches the host's own address, which it\n"
  "shares, by this one; one for each family, or none\n"
  "default: none" },

{ NULL, 0, NULL, M_ALL, NULL, 0, "Link to the guest" },
{ "socket", 's', "PATH", M_VM, opt_socket, AT(socket_path),
  "Listen for the virtual machine on this UNIX socket\n"
  "default: the first free /tmp/passt_N.socket" },
{ "socket-path", 0, "PATH", M_VM, opt_socket, AT(socket_path),
  "Same as --socket" },
{ "fd", 'F', "FD", M_ALL, opt_fd, 0,
  "Use this connected socket; implies --one-off" },
{ "one-off", '1', NULL, M_VM, opt_set, AT(one_off),
  "Exit when the first guest disconnects" },
{ "vhost-user", 0, NULL, M_ALL, opt_nothing, 0,
  "Be passt, for a virtual machine with vhost-user" },
{ "print-capabilities", 0, NULL, M_ALL, opt_print_capabilities, 0,
  "Tell what kind of vhost-user device this is" },
{ "repair-path", 0, "PATH", M_ALL, opt_repair_path, 0,
  "Socket of passt-repair, or none: only none yet" },
{ "migrate-exit", 0, NULL, M_VU, opt_nothing, 0,
  "Deprecated: not supported yet" },
{ "migrate-no-linger", 0, NULL, M_VU, opt_nothing, 0,
  "Deprecated: not supported yet" },

{ NULL, 0, NULL, M_PASTA, NULL, 0, "Namespace" },
{ "ns-ifname", 'I', "NAME", M_PASTA, opt_ifname, AT(ns_ifname),
  "Name of the interface in the namespace\n"
  "default: as on the host, else tap0" },
{ "userns", 0, "PATH", M_PASTA, opt_userns, AT(userns),
  "Join this user namespace\n"
  "default: that of PID" },
{ "netns", 0, "PATH|NAME", M_PASTA, opt_netns, 0,
  "Join this network namespace" },
{ "netns-only", 0, NULL, M_PASTA, opt_netns_only, 0,
  "Neither join nor create a user namespace\n"
  "default: if --netns comes without --userns" },
{ "no-netns-quit", 0, NULL, M_PASTA, opt_set, AT(no_netns_quit),
  "Don't exit when the namespace disappears" },
{ "config-net", 0, NULL, M_PASTA, opt_set, AT(config_net),
  "Set addresses and routes, bring the interface up" },
{ "no-copy-routes", 0, NULL, M_PASTA, opt_no_copy, 0,
  "Deprecated: don't copy all routes of the host" },
{ "no-copy-addrs", 0, NULL, M_PASTA, opt_no_copy, 0,
  "Deprecated: don't copy all addresses of the host" },
{ "ns-mac-addr", 0, "MAC", M_PASTA, opt_ns_mac, 0,
  "MAC address of the interface in the namespace" },
{ "no-splice", 0, NULL, M_PASTA, opt_set, AT(no_splice),
  "No short cut between the loopback interfaces" },
{ "splice-only", 0, NULL, M_PASTA, opt_set, AT(splice_only),
  "Nothing but that short cut: no interface" },
{ "host-lo-to-ns-lo", 0, NULL, M_PASTA, opt_set, AT(host_lo_to_ns_lo),
  "The host's loopback leads to the namespace's" },

{ NULL, 0, NULL, M_ALL, NULL, 0, "Forwarding" },
{ "tcp-ports", 't', "SPEC", M_ALL, opt_ports, 0,
  "Forward TCP ports of the host to the guest:\n"
  "  none          no port\n"
  "  22            port 22\n"
  "  2222:22       port 2222 to the guest's port 22\n"
  "  80-90:180-190 a range to another one\n"
  "  22,80-90,~85  several, without port 85\n"
  "  all           all ports but ephemeral ones\n"
  "  ~25           all of these but 25\n"
  "  192.0.2.1/80  one address of the host only\n"
  "  %eth0/80      one interface of the host only\n"
  "  0.0.0.0/80:192.0.2.9/80\n"
  "                an address behind the guest\n"
  "  auto          what somebody inside listens at\n"
  "                (pasta only)\n"
  "default: pasta: auto, passt: none" },
{ "udp-ports", 'u', "SPEC", M_ALL, opt_ports, 0,
  "The same for UDP" },
{ "tcp-ns", 'T', "SPEC", M_PASTA, opt_ports, 0,
  "Forward TCP ports of the namespace's loopback to\n"
  "the host's\n"
  "default: auto, with --no-splice none" },
{ "udp-ns", 'U', "SPEC", M_PASTA, opt_ports, 0,
  "The same for UDP" },

{ NULL, 0, NULL, M_ALL, NULL, 0, "Whom the guest may talk to" },
{ "allow", 0, "RULE", M_ALL, opt_rule, 0,
  "Allow it, and deny what no rule allows. Rules are\n"
  "asked in order, the first that matches decides:\n"
  "  10.0.0.0/8:443       a network, at this port\n"
  "  [2001:db8::/32]:443  the same for IPv6\n"
  "  example.org:443/tcp  a name (DNS is watched)\n"
  "  *.example.org        all names below it\n"
  "  any:53/udp           everybody\n"
  "  host                 what leads to this host\n"
  "  private              networks that aren't public\n"
  "  public               the rest" },
{ "deny", 0, "RULE", M_ALL, opt_rule, 0,
  "Deny it; alone, the rest is allowed" },
{ "policy", 0, "FILE", M_ALL, opt_policy, 0,
  "Rules from a file: lines \"allow RULE\", \"deny RULE\"" },
{ "no-verify-names", 0, NULL, M_ALL, opt_no_verify_names, 0,
  "Don't compare names in TLS and HTTP with the rules" },
{ "policy-learn", 0, "FILE", M_ALL, opt_path, AT(learn_file),
  "Allow everything, and write the rules that would\n"
  "have been needed, at the end and at SIGUSR1" },
{ "audit", 0, "PATH", M_ALL, opt_path, AT(audit_file),
  "Record each flow of the guest: lines of JSON. The\n"
  "limit is --log-size" },
{ "deny-silently", 0, NULL, M_ALL, opt_set, AT(deny_silently),
  "Don't tell the guest what is denied" },
};
/* clang-format on */

/* What other versions of this program do, and this one doesn't */

static bool asks_more_than_none(const struct call *k)
{
	return !is_none(k);
}

static const struct {
	const char *name;
	bool (*refused)(const struct call *k);	/* NULL: with any value */
} not_yet[] = {
	{ "repair-path",	asks_more_than_none },
	{ "migrate-exit",	NULL },
	{ "migrate-no-linger",	NULL },
};

static void conf_check_supported(const struct call *k)
{
	for (unsigned i = 0; i < ARRAY_SIZE(not_yet); i++) {
		if (strcmp(not_yet[i].name, k->row->name))
			continue;
		if (!not_yet[i].refused)
			die("%s is not supported by this version", k->name);
		if (not_yet[i].refused(k))
			die("%s %s is not supported by this version", k->name,
			    k->arg);
	}
}

static void conf_check_mode(const struct call *k)
{
	const char *only = "vhost-user";

	if (k->row->modes & 1u << k->c->mode)
		return;
	if (k->row->modes == M_PASTA)
		only = "pasta";
	else if (k->row->modes == M_VM)
		only = "passt / vhost-user";
	die("%s is for %s mode only", k->name, only);
}

static void conf_check(const struct call *k)
{
	conf_check_mode(k);
	conf_check_supported(k);
}

static struct opts opts_of(enum mode mode)
{
	static const char pasta[] =
		"Usage: pasta [OPTION]... [COMMAND [ARGUMENT]...]\n"
		"       pasta [OPTION]... PID\n"
		"       pasta [OPTION]... --netns PATH|NAME\n\n"
		"Connect a network namespace without privileges: a new one with a command or\n"
		"shell in it, that of a process, or a named one.\n";
	static const char passt[] =
		"Usage: passt [OPTION]...\n\n"
		"Connect a virtual machine to the network without privileges.\n";

	return (struct opts){
		.row = options, .count = ARRAY_SIZE(options),
		.head = mode == MODE_PASTA ? pasta : passt,
		.modes = 1u << mode, .equals = ' ', .complain_last = true,
		.check = conf_check,
	};
}

static void early_seen(const struct opt *o, const char *arg, void *of)
{
	struct conf_early *early = of;

	if (!strcmp(o->name, "vhost-user"))
		early->vhost_user = true;
	else if (!strcmp(o->name, "doctor"))
		early->doctor = true;
	else if (!strcmp(o->name, "help") || o->handle == opt_version ||
		 o->handle == opt_print_capabilities)
		early->tell = true;
	else if (o->handle == opt_socket ||
		 (o->handle == opt_fd && !parse_fd(arg, &early->fd)))
		early->fd = -1;
}

struct conf_early conf_opts_early(int argc, char **argv)
{
	const struct opts o = opts_of(MODE_PASST);
	struct conf_early early = { .fd = -1 };

	opts_scan(&o, argc, argv, early_seen, &early);
	early.doctor &= !early.tell;
	return early;
}

int conf_opts_parse(struct conf *c, struct conf_given *g, int argc,
		    char **argv)
{
	const struct opts o = opts_of(c->mode);
	char why[POLICY_ERR_LEN];
	int words = opts_parse(&o, c, g, argc, argv);

	if (*c->learn_file && policy_pending())
		die("--policy-learn allows everything: it doesn't go with --allow, --deny or --policy");
	if (*c->learn_file)
		policy_learn_mode();
	if (policy_commit(why))
		die("Rules of --allow, --deny and --policy: %s", why);
	return words;
}

void conf_opts_add_fwd(struct conf *c, enum conf_dir dir,
		       enum conf_proto proto, const char *name,
		       const char *spec)
{
	struct fwd_rule_ctx ctx = {
		.proto = proto_number[proto],
		.addr_allowed = dir == DIR_IN,
		.ifname = dir == DIR_OUT ? "lo" : NULL,
		.auto_allowed = c->mode == MODE_PASTA,
		.eph = c->ephemeral,
	};
	char text[FWD_ERR_LEN];

	if (fwd_rule_parse(spec, &ctx, rules_of(c, dir), text))
		die("%s (option %s)", text, name);
}
