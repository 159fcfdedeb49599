/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The link by a tap device, with a virtio-net header and offloads */
#ifndef TAP_TAP_TUN_H
#define TAP_TAP_TUN_H

#include <net/if.h>

#include "util/types.h"

/* Runs inside the namespace: opens /dev/net/tun and makes the interface
 * `ifname`. Descriptor, or -errno of what failed: *ret_what then says which
 * step it was.
 */
struct tap_tun_args {
	char ifname[IFNAMSIZ];
	bool persist;			/* leave it to its namespace's end:
					 * closing it costs 30 ms */
	const char *ret_what;
};
int tap_tun_open(void *args);	/* struct tap_tun_args *; see netns_run() */
/* It has failed with rc: end the start, with the cause and the remedy */
void tap_tun_die(const struct tap_tun_args *args, int rc)
	__attribute__((noreturn));
/* Can several datagrams of UDP be one frame of it (Linux 6.2)? */
bool tap_tun_has_uso(int fd);

/* Probe offloads of fd, make it the link, register with the loop */
void tap_tun_start(int fd);

#endif /* TAP_TAP_TUN_H */
