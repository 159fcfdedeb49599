/* SPDX-License-Identifier: GPL-2.0-or-later */
/* resolv.conf(5): the host's resolvers and search domains */
#ifndef HOST_RESOLV_H
#define HOST_RESOLV_H

#include "engine/net_types.h"

struct resolv {
	struct addr ns[FAMILIES][CONF_DNS_MAX];
	char ifname[FAMILIES][CONF_DNS_MAX][IFNAMSIZ];	/* behind a %, or "" */
	unsigned ifi[FAMILIES][CONF_DNS_MAX];	/* its number, if known */
	unsigned count[FAMILIES];
	struct net_search search;
};

/* What the file says: len bytes, a NUL behind them. It is split on the way; what can't
 * be understood is left out, and a NUL within ends a line, no more. Never fails.
 */
void resolv_parse(char *text, size_t len, struct resolv *ret);

#define RESOLV_CONF	"/etc/resolv.conf"
enum { RESOLV_MAX = 1 << 16 };		/* bytes that it may have */

/* RESOLV_CONF as it is now; 0 or -errno, and nothing in *ret then: -EFBIG beyond
 * RESOLV_MAX, as its last line would be cut, and an address with it
 */
int resolv_read(struct resolv *ret);
/* The same of what read_file() has put into text and returned */
int resolv_take(char *text, ssize_t n, struct resolv *ret);

#endif /* HOST_RESOLV_H */
