// SPDX-License-Identifier: GPL-2.0-or-later
/* Links: conf.o conf/conf_opts.o conf/slirp_opts.o engine/guest.o fwd/fwd.o
 *	fwd/fwd_rule.o host/net.o
 *	host/net_resolve.o host/nlmsg.o host/resolv.o util/parse.o util/addr.o fwd/learned.o
 *	fwd/policy.o fwd/policy_spec.o util/dnsname.o util/rdwr.o
 *
 * Command lines in, resolved configurations out, on a host made of text.
 *
 *	t_conf FILE.in		print what becomes of each command line in FILE
 *	t_conf -x WORD...	just run this one, on no host at all
 *
 * Lines of FILE.in, besides empty ones and "# comment":
 *
 *	host NAME	the facts in NAME.host, next to FILE.in, from here on
 *	print		show what conf_print() says, too, from here on
 *	$ WORD...	a command line; "..." keeps spaces, "" is empty
 *
 * Lines of NAME.host:
 *
 *	v4|v6 IFNAME INDEX ADDR/LEN [gw ADDR] [ll ADDR] [of NUMBER]
 *			a template interface; the first one is the default
 *	if NAME...	interfaces without addresses
 *	resolv LINE	a line of resolv.conf
 *	ports FIRST LAST	ephemeral ones
 *	no-ipv6		IPv6 sockets can't be had
 *	no-netlink	the kernel can't be asked for interfaces
 *
 * Each command line runs in a process of its own. Descriptor 3 is a connected
 * stream socket there, 4 a file, 5 a socket that isn't connected, 6 is closed.
 * What lies below conf.c and conf_opts.c is faked here, libc included.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf.h"
#include "util/log.h"
#include "host/net.h"
#include "util/parse.h"
#include "util.h"

enum {
	TEMPLATES_MAX	= 8,
	WORDS_MAX	= 600,
	LINE_MAX_	= 8192,
};

static struct {
	struct nl_template tmpl[FAMILIES][TEMPLATES_MAX];
	unsigned tmpl_count[FAMILIES];
	char ifs[TEMPLATES_MAX][IFNAMSIZ];
	unsigned if_count;
	char resolv[LINE_MAX_];
	char ports[64];
	bool no_ipv6, no_netlink;
} host;

/* Fakes: log.c */

enum log_level log_max = LOG_LVL_INFO;

static void say(enum log_level level, const char *fmt, va_list ap)
{
	static const char *const prefix[] = { "error", "warn", "info" };

	if (level > log_max)
		return;
	fprintf(stderr, "%s: ", prefix[MIN(level, LOG_LVL_INFO)]);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(level, fmt, ap);
	va_end(ap);
}

bool log_admit(struct log_limit *l, enum log_level level)
{
	(void)l;
	return level <= log_max;
}

void log_msg_limited(const struct log_limit *l, enum log_level level,
		     const char *fmt, ...)
{
	va_list ap;

	(void)l;
	va_start(ap, fmt);
	say(level, fmt, ap);
	va_end(ap);
}

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

void log_timestamps(bool on)
{
	if (on)
		fputs("(timestamps from here on)\n", stderr);
}

/* Fakes: util.c, netlink.c, libc */

ssize_t read_file(const char *path, char *buf, size_t size)
{
	const char *text = "";

	if (!strcmp(path, "/etc/resolv.conf"))
		text = host.resolv;
	else if (!strcmp(path, "/proc/sys/net/ipv4/ip_local_port_range"))
		text = host.ports;
	else if (!strncmp(path, "policy/", 7))
		text = path + 7;	/* a file by its contents */
	if (!*text)
		return -ENOENT;
	return snprintf(buf, size, "%s", text);
}

ssize_t read_file_nowait(const char *path, char *buf, size_t size)
{
	return read_file(path, buf, size);
}

bool parse_number(const char *s, int base, long long min, long long max,
		  long long *ret)
{
	long long v;
	char *end;

	errno = 0;
	v = strtoll(s, &end, base);
	if (errno || end == s || *end || v < min || v > max)
		return false;
	*ret = v;
	return true;
}

int nl_open(void)
{
	return host.no_netlink ? -EPERM : open("/dev/null", O_RDONLY);
}

int nl_link_get(int fd, const char *ifname, struct nl_link *ret_link)
{
	(void)fd;
	ret_link->ifi = if_nametoindex(ifname);
	return ret_link->ifi ? 0 : -ENODEV;
}

int nl_template_get(int fd, enum family f, const char *ifname,
		    struct nl_template *ret_tmpl)
{
	(void)fd;
	if (host.no_netlink)
		return -EPERM;
	for (unsigned i = 0; i < host.tmpl_count[f]; i++) {
		if (*ifname && strcmp(host.tmpl[f][i].ifname, ifname))
			continue;
		*ret_tmpl = host.tmpl[f][i];
		return 0;
	}
	return *ifname && !if_nametoindex(ifname) ? -ENODEV : -ENOENT;
}

unsigned if_nametoindex(const char *name)
{
	for (enum family f = V4; f < FAMILIES; f++) {
		for (unsigned i = 0; i < host.tmpl_count[f]; i++) {
			if (!strcmp(host.tmpl[f][i].ifname, name))
				return host.tmpl[f][i].ifi;
		}
	}
	for (unsigned i = 0; i < host.if_count; i++) {
		if (!strcmp(host.ifs[i], name))
			return 100 + i;
	}
	return 0;
}

int socket(int domain, int type, int protocol)
{
	if (domain == AF_INET6 && host.no_ipv6) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	return (int)syscall(SYS_socket, domain, type, protocol);
}

void random_bytes(void *buf, size_t n)
{
	memset(buf, 0x77, n);
}

int getpagesize(void)
{
	return 4096;
}

/* The host's facts */

static void bad_line(const char *line)
{
	fprintf(stderr, "can't understand: %s\n", line);
	exit(2);
}

static void add_template(enum family f, char *words)
{
	struct nl_template *t = &host.tmpl[f][host.tmpl_count[f]++];
	char name[IFNAMSIZ], addr[64], gw[64] = "", ll[64] = "", *p;
	unsigned ifi = 0, len = 0, of = 1;

	if (sscanf(words, "%15s %u %63[^/]/%u", name, &ifi, addr, &len) != 4)
		bad_line(words);
	if ((p = strstr(words, " gw ")))
		sscanf(p, " gw %63s", gw);
	if ((p = strstr(words, " ll ")))
		sscanf(p, " ll %63s", ll);
	if ((p = strstr(words, " of ")))
		sscanf(p, " of %u", &of);
	strcpy(t->ifname, name);
	t->ifi = ifi;
	t->prefix_len = len;
	t->candidates = of;
	addr_parse(addr, &t->addr);
	addr_parse(gw, &t->gw);
	addr_parse(ll, &t->ll);
}

static void add_fact(char *line)
{
	char *rest = line + strcspn(line, " "), *name;

	if (*rest)
		*rest++ = '\0';
	if (!strcmp(line, "v4")) {
		add_template(V4, rest);
	} else if (!strcmp(line, "v6")) {
		add_template(V6, rest);
	} else if (!strcmp(line, "if")) {
		while ((name = strtok_r(NULL, " ", &rest)))
			strcpy(host.ifs[host.if_count++], name);
	} else if (!strcmp(line, "resolv")) {
		strcat(strcat(host.resolv, rest), "\n");
	} else if (!strcmp(line, "ports")) {
		strcpy(host.ports, rest);
	} else if (!strcmp(line, "no-ipv6")) {
		host.no_ipv6 = true;
	} else if (!strcmp(line, "no-netlink")) {
		host.no_netlink = true;
	} else {
		bad_line(line);
	}
}

static void read_host(const char *in, const char *name)
{
	const char *slash = strrchr(in, '/');
	char path[PATH_MAX], line[LINE_MAX_];
	FILE *f;

	if (snprintf(path, sizeof(path), "%.*s%s.host",
		     slash ? (int)(slash - in + 1) : 0, in, name) < 1)
		bad_line(name);
	f = fopen(path, "r");
	if (!f)
		bad_line(path);
	memset(&host, 0, sizeof(host));
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (*line && *line != '#')
			add_fact(line);
	}
	fclose(f);
}

/* The result: everything that isn't zero */

static void dump_flag(bool set, const char *name)
{
	if (set)
		printf(" %s", name);
}

static void dump_text(const char *name, const char *text)
{
	if (*text)
		printf("%s %s\n", name, text);
}

static void dump_addr(const char *name, const struct addr *a)
{
	if (!addr_is_none(a))
		printf(" %s %s", name, ADDR_STR(a));
}

static void dump_family(const struct conf *c, enum family f, const char *name)
{
	const struct net_family *fam = &net_get()->fam[f];

	printf("%s:", name);
	dump_flag(!fam->enabled, "off");
	dump_flag(fam->local_mode, "local-mode");
	dump_addr("guest", &fam->guest);
	if (fam->prefix_len)
		printf(" /%u", fam->prefix_len);
	dump_flag(fam->guest_fixed, "fixed");
	dump_flag(fam->own_net, "own-net");
	dump_addr("gw", &fam->gw);
	dump_flag(fam->enabled && !addr_is_none(&c->net.fam[f].gw), "fixed");
	dump_addr("our", &fam->our);
	dump_addr("map-host-loopback", &fam->map_host_loopback);
	dump_addr("map-guest-addr", &fam->map_guest_addr);
	for (unsigned i = 0; i < fam->dns_count; i++)
		dump_addr("dns", &fam->dns[i]);
	dump_addr("dns-forward", &fam->dns_forward);
	dump_addr("dns-host", &fam->dns_host);
	for (unsigned i = 0; i < fam->dns_host_count; i++) {
		if (i)
			printf(" or %s", ADDR_STR(&fam->dns_hosts[i]));
		if (fam->dns_host_ifi[i])
			printf("(%u)", fam->dns_host_ifi[i]);
	}
	dump_addr("outbound", &fam->outbound);
	if (*fam->outbound_if)
		printf(" outbound-if %s", fam->outbound_if);
	if (*fam->template_if)
		printf(" template %s(%u)", fam->template_if,
		       fam->template_ifi);
	dump_flag(fam->copy_addrs, "copy-addrs");
	dump_flag(fam->copy_routes, "copy-routes");
	putchar('\n');
}

static void dump_switches(const struct conf *c)
{
	const struct net *net = net_get();

	printf("switches:");
	dump_flag(c->foreground, "foreground");
	dump_flag(c->quiet, "quiet");
	dump_flag(c->debug, "debug");
	dump_flag(c->trace, "trace");
	dump_flag(c->chroot_fallback, "chroot-fallback");
	dump_flag(c->one_off, "one-off");
	dump_flag(c->no_follow_host, "no-follow-host");
	dump_flag(c->dhcp_dns, "dhcp-dns");
	dump_flag(c->dhcp_search, "dhcp-search");
	dump_flag(c->no_tcp, "no-tcp");
	dump_flag(c->no_udp, "no-udp");
	dump_flag(c->no_icmp, "no-icmp");
	dump_flag(c->no_dhcp || addr_is_none(&net->fam[V4].gw), "no-dhcp");
	dump_flag(c->no_dhcpv6 || addr_is_none(&net->fam[V6].guest),
		  "no-dhcpv6");
	dump_flag(c->no_ndp, "no-ndp");
	dump_flag(c->no_ra, "no-ra");
	dump_flag(c->freebind, "freebind");
	dump_flag(c->netns_only, "netns-only");
	dump_flag(c->no_netns_quit, "no-netns-quit");
	dump_flag(c->config_net, "config-net");
	dump_flag(c->no_splice, "no-splice");
	dump_flag(c->splice_only, "splice-only");
	dump_flag(c->host_lo_to_ns_lo, "host-lo-to-ns-lo");
	dump_flag(c->slirp, "slirp");
	dump_flag(c->no_ns, "no-ns");
	putchar('\n');
}

static void dump_rules(const char *name, const struct fwd_rules *rules)
{
	char buf[FWD_RULE_STRLEN];

	for (unsigned i = 0; i < rules->count; i++)
		printf("%s: %s\n", name, fwd_rule_print(&rules->rule[i], buf));
}

static void dump_namespace(const struct conf *c)
{
	if (c->ns_pid)
		printf("PID: %d\n", (int)c->ns_pid);
	dump_text("netns:", c->netns);
	dump_text("userns:", c->userns);
	dump_text("ns-ifname:", c->ns_ifname);
	if (c->have_ns_mac)
		printf("ns-mac: %s\n", MAC_STR(c->ns_mac));
	if (c->command) {
		printf("command:");
		for (char **word = c->command; *word; word++)
			printf(" [%s]", *word);
		putchar('\n');
	}
}

static void dump(const struct conf *c)
{
	static const char *const mode[] = { "passt", "vhost-user", "pasta" };

	printf("mode: %s, mtu %u, mac %s\n", mode[c->mode], c->mtu,
	       MAC_STR(c->our_mac));
	if (c->stats_s)
		printf("stats: %u s\n", c->stats_s);
	dump_text("log:", c->log_file);
	if (*c->log_file)
		printf("log-size: %zu\n", c->log_size);
	dump_text("pcap:", c->pcap_file);
	dump_text("pid:", c->pid_file);
	if (c->have_runas)
		printf("runas: %u:%u\n", c->runas_uid, c->runas_gid);
	dump_text("socket:", c->socket_path);
	if (c->fd >= 0)
		printf("fd: %d\n", c->fd);
	if (c->ready_fd >= 0)
		printf("ready-fd: %d\n", c->ready_fd);
	if (c->exit_fd >= 0)
		printf("exit-fd: %d\n", c->exit_fd);
	dump_text("api-socket:", c->api_socket);
	dump_text("conf-path:", c->conf_path);
	dump_text("control:", c->control_path);
	dump_switches(c);
	dump_family(c, V4, "IPv4");
	dump_family(c, V6, "IPv6");
	for (unsigned i = 0; i < net_get()->search.count; i++)
		dump_text("search:", net_get()->search.name[i]);
	dump_text("hostname:", c->hostname);
	dump_text("fqdn:", c->fqdn);
	dump_rules("in", &c->fwd_in);
	dump_rules("out", &c->fwd_out);
	dump_namespace(c);
}

/* One command line */

static unsigned split(char *line, char **words)
{
	unsigned n = 0;

	for (;;) {
		line += strspn(line, " ");
		if (!*line || n == WORDS_MAX)
			break;
		if (*line == '"') {
			words[n++] = ++line;
			line += strcspn(line, "\"");
		} else {
			words[n++] = line;
			line += strcspn(line, " ");
		}
		if (*line)
			*line++ = '\0';
	}
	words[n] = NULL;
	return n;
}

static void open_descriptors(void)
{
	int sv[2], fd;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) || dup2(sv[0], 10) < 0)
		abort();
	fd = open("/dev/null", O_RDWR);
	dup2(fd, 14);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	dup2(fd, 15);
	dup2(sv[1], 11);
	for (fd = 3; fd < 10; fd++)
		close(fd);
	dup2(10, 3);
	dup2(14, 4);
	dup2(15, 5);
}

/* Those that must survive are just those that the configuration has */
static void check_early(const struct conf *c, const int *fds, unsigned count)
{
	const int used[] = { c->fd, c->ready_fd, c->exit_fd };
	unsigned n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(used); i++) {
		bool found = used[i] < 0;

		for (unsigned j = 0; j < count; j++)
			found |= fds[j] == used[i];
		if (!found)
			printf("conf_early_fds() lacks %d\n", used[i]);
		n += used[i] >= 0;
	}
	if (n != count)
		printf("conf_early_fds(): %u\n", count);
}

static void run_case(const char *line, bool print)
{
	static char copy[LINE_MAX_], *words[WORDS_MAX + 1];
	static struct conf c;
	int fds[CONF_FDS_MAX], status;
	unsigned count, early;

	printf("$ %s\n", line);
	fflush(stdout);
	if (!fork()) {
		dup2(STDOUT_FILENO, STDERR_FILENO);
		open_descriptors();
		strcpy(copy, line);
		count = split(copy, words);
		early = conf_early_fds((int)count, words, fds);
		conf_init(&c, (int)count, words);
		check_early(&c, fds, early);
		if (print)
			conf_print(&c);
		dump(&c);
		exit(EXIT_SUCCESS);
	}
	if (wait(&status) < 0 || !WIFEXITED(status))
		printf("status: killed by %d\n\n", WTERMSIG(status));
	else if (WEXITSTATUS(status))
		printf("status: %d\n\n", WEXITSTATUS(status));
	else
		putchar('\n');
}

static int run_file(const char *path)
{
	static char line[LINE_MAX_];
	FILE *f = fopen(path, "r");
	bool print = false;

	if (!f)
		bad_line(path);
	setvbuf(stderr, NULL, _IONBF, 0);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "host ", 5))
			read_host(path, line + 5);
		else if (!strcmp(line, "print"))
			print = true;
		else if (!strncmp(line, "$ ", 2))
			run_case(line + 2, print);
		else if (*line && *line != '#')
			bad_line(line);
	}
	fclose(f);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static struct conf c;

	if (argc > 2 && !strcmp(argv[1], "-x")) {
		conf_init(&c, argc - 2, argv + 2);
		dump(&c);
		return EXIT_SUCCESS;
	}
	if (argc != 2)
		bad_line("arguments");
	return run_file(argv[1]);
}
