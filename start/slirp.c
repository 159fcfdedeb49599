// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: banner and descriptors of slirp4netns, see slirp.h
 *
 * The exit descriptor is mostly a pipe whose other end our caller's monitor
 * holds. Whatever happens to it, its end included, is the end: also what it was
 * when we started.
 */
#include "start/slirp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "engine/conf_types.h"
#include "engine/loop.h"
#include "host/net.h"
#include "util.h"
#include "util/log.h"

void slirp_banner(const struct conf *c)
{
	const struct net_family *v4 = &net_get()->fam[V4];
	uint8_t net[4];
	struct addr mask, first;

	if (!c->slirp)
		return;
	mask = addr_v4_mask(v4->prefix_len);
	for (unsigned i = 0; i < sizeof(net); i++)
		net[i] = addr_v4_bytes(&v4->gw)[i] & addr_v4_bytes(&mask)[i];
	first = addr_from_v4(net);

	printf("Starting slirp\n"
	       "* MTU:             %u\n"
	       "* Network:         %s\n"
	       "* Netmask:         %s\n"
	       "* Gateway:         %s\n",
	       c->mtu, ADDR_STR(&first), ADDR_STR(&mask), ADDR_STR(&v4->gw));
	if (v4->dns_count)
		printf("* DNS:             %s\n", ADDR_STR(&v4->dns[0]));
	printf("* DHCP begin:      %s\n"
	       "* DHCP end:        %s\n"
	       "* Recommended IP:  %s\n",
	       ADDR_STR(&v4->guest), ADDR_STR(&v4->guest),
	       ADDR_STR(&v4->guest));
	if (*c->api_socket)
		printf("* API Socket:      %s\n", c->api_socket);
	if (!addr_is_none(&v4->map_host_loopback))
		printf("WARNING: 127.0.0.1:* on the host is accessible as %s "
		       "(set --disable-host-loopback to prohibit connecting to "
		       "127.0.0.1:*)\n", ADDR_STR(&v4->map_host_loopback));
	fflush(stdout);
}

static void exit_event(struct loop_ref ref, uint32_t events)
{
	(void)ref;
	(void)events;
	loop_exit(EXIT_SUCCESS);
}

void slirp_start(const struct conf *c)
{
	struct loop_ref ref = { .kind = LOOP_SLIRP };
	int rc;

	if (c->exit_fd < 0)
		return;
	loop_set_handler(LOOP_SLIRP, exit_event);
	rc = loop_add(c->exit_fd, EPOLLIN | EPOLLPRI, ref);
	if (rc)
		die("Couldn't watch --exit-fd %d: %s", c->exit_fd,
		    rc == -EPERM ? "it is a file, in which nothing happens" :
				   strerror(-rc));
}

void slirp_ready(const struct conf *c)
{
	if (c->ready_fd < 0)
		return;
	if (write(c->ready_fd, "1", 1) != 1)
		warn("Couldn't tell --ready-fd %d: %s", c->ready_fd,
		     strerror(errno));
	close(c->ready_fd);
	/* No socket may get the number of a standard one, and messages with it;
	 * what this is can't be written to
	 */
	if (c->ready_fd <= STDERR_FILENO && dup(loop_fd()) < 0)
		warn("Couldn't replace descriptor %d", c->ready_fd);
}
