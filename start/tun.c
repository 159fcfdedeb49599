// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the tap device at the start, see tun.h */
#include "start/tun.h"

#include <errno.h>
#include <string.h>

#include "engine/conf_types.h"
#include "host/netns.h"
#include "tap/tap_tun.h"
#include "util/log.h"

int tun_open(const struct conf *c)
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
