/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration: read-only once the loop runs
 *
 * Filled by conf.c from the command line, then made read-only. What follows from
 * it and the host's network lives in host/net.c, what is learned from the guest
 * in tap.c.
 */
#ifndef ENGINE_CONF_TYPES_H
#define ENGINE_CONF_TYPES_H

#include <limits.h>
#include <net/if.h>
#include <sys/types.h>
#include <sys/un.h>

#include "engine/net_types.h"
#include "fwd/fwd_rule.h"
#include "util/addr.h"

enum mode { MODE_PASST, MODE_VU, MODE_PASTA };

enum {
	CONF_MTU_MAX	= 65521,	/* 65535 - Ethernet header */
	CONF_MTU_DEFAULT = 65520,
	CONF_MTU_LEAST	= 68,		/* RFC 791 3.2; see frame_mtu() */
};

struct conf {
	enum mode mode;

	/* General */
	bool foreground;
	bool quiet, debug, trace;
	bool doctor;			/* no start: would one work? */
	unsigned stats_s;		/* 0: no statistics */
	char log_file[PATH_MAX];
	size_t log_size;
	char pcap_file[PATH_MAX];
	char pid_file[PATH_MAX];
	bool have_runas;
	uid_t runas_uid;
	gid_t runas_gid;
	bool chroot_fallback;
	bool no_follow_host;		/* the host's network is as at the start */

	/* Link */
	unsigned mtu;			/* 0: don't advertise */
	uint8_t our_mac[6];
	char socket_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd;				/* -F, or -1 */
	bool one_off;

	/* Guest's configuration */
	struct net_options net;
	char hostname[CONF_NAME_MAX + 1];
	char fqdn[CONF_NAME_MAX + 1];
	bool dhcp_dns, dhcp_search;	/* send them to the guest */

	/* Switches */
	bool no_tcp, no_udp, no_icmp;
	bool no_dhcp, no_dhcpv6, no_ndp, no_ra;
	bool freebind;

	/* Forwarding; empty for a disabled protocol */
	struct fwd_rules fwd_in;	/* host → guest: -t, -u */
	struct fwd_rules fwd_out;	/* namespace → host: -T, -U */
	struct fwd_ephemeral ephemeral;	/* the host's ports that "all" leaves out */

	/* Egress policy: its rules are policy.c's */
	bool deny_silently;
	char audit_file[PATH_MAX];
	char learn_file[PATH_MAX];	/* --policy-learn */

	/* Namespace mode */
	pid_t ns_pid;			/* join its namespaces; 0: no */
	char netns[PATH_MAX];		/* --netns as path; "": none */
	char userns[PATH_MAX];
	bool netns_only;
	bool no_netns_quit;
	bool config_net;
	char ns_ifname[IFNAMSIZ];	/* tap in the namespace, resolved */
	bool have_ns_mac;
	uint8_t ns_mac[6];
	bool no_splice, splice_only, host_lo_to_ns_lo;
	char **command;			/* NULL-terminated; NULL: none given */

	/* Called as slirp4netns: namespace mode with other manners */
	bool slirp;
	bool no_ns;			/* fd is a tap, its namespace unknown */
	int ready_fd;			/* told when all is ready, or -1 */
	int exit_fd;			/* its first event ends us, or -1 */
	char api_socket[sizeof(((struct sockaddr_un *)0)->sun_path)];

	/* Control */
	char conf_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char control_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* May any rules come and go while we run? */
static inline bool conf_is_controlled(const struct conf *c)
{
	return *c->conf_path || *c->control_path;
}

/* Is the guest's namespace one that others have made? */
static inline bool conf_joins(const struct conf *c)
{
	return c->mode == MODE_PASTA && (c->ns_pid || *c->netns);
}

/* Or is it ours, with a command in it that we end with? */
static inline bool conf_has_command(const struct conf *c)
{
	return c->mode == MODE_PASTA && !conf_joins(c) && !c->no_ns;
}

#endif /* ENGINE_CONF_TYPES_H */
