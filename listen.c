// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: listening sockets follow the forwarding rules
 *
 * Data: a static table, one entry for each rule and port. TCP listeners are
 * watched by tcp.c, UDP ones are adopted by udp.c.
 */
#include "listen.h"

#include <errno.h>
#include <string.h>

#include "log.h"
#include "sock.h"
#include "wire.h"

/* All ports of each protocol on a few addresses */
enum { LISTEN_MAX = FWD_SOCKETS_MAX };

static struct {
	uint32_t count;
	struct listener entry[LISTEN_MAX];
} listeners;

static const char *listen_proto(const struct fwd_rule *r)
{
	return r->proto == PROTO_TCP ? "TCP" : "UDP";
}

static void listen_refused(const struct fwd_rule *r, uint16_t port, int rc)
{
	const char *where = r->flags & FWD_DUAL ? "*" : ADDR_STR(&r->listen);

	err("Listen failed for HOST %s port %s%s%s/%u: %s", listen_proto(r),
	    where, *r->ifname ? "%" : "", r->ifname, port, strerror(-rc));
	switch (rc) {
	case -EACCES:
		err("Ports below net.ipv4.ip_unprivileged_port_start need "
		    "CAP_NET_BIND_SERVICE");
		break;
	case -EPERM:
		if (*r->ifname)
			err("Device binding for '%s' unsupported "
			    "(requires kernel 5.7+)", r->ifname);
		break;
	case -EMFILE:
	case -ENFILE:
		err("Too many ports for the limit of open files: raise it "
		    "(ulimit -Hn) or forward fewer ports");
		break;
	}
	die("Couldn't listen on requested ports");
}

static void listen_rule(const struct fwd_rule *r)
{
	unsigned failed = 0, opened = 0;
	int last_rc = 0;

	for (unsigned port = r->first; port <= r->last; port++) {
		int fd;

		if (listeners.count == LISTEN_MAX) {
			last_rc = -ENFILE;
			failed += r->last - port + 1U;
			break;
		}
		fd = sock_listen(r, (uint16_t)port);
		if (fd < 0 && !(r->flags & FWD_WEAK))
			listen_refused(r, (uint16_t)port, fd);
		if (fd < 0) {
			failed++;
			last_rc = fd;
			continue;
		}
		opened++;
		listeners.entry[listeners.count++] = (struct listener){
			.fd = fd, .rule = r, .port = (uint16_t)port,
		};
	}
	if (failed && !opened)
		listen_refused(r, r->first, last_rc);
	if (failed)
		warn("Couldn't listen on %u of %u %s ports from %u to %u: %s",
		     failed, failed + opened, listen_proto(r), r->first,
		     r->last, strerror(-last_rc));
}

void listen_open(const struct conf *c)
{
	for (unsigned i = 0; i < c->fwd_in.count; i++)
		listen_rule(&c->fwd_in.rule[i]);
}

uint32_t listen_count(void)
{
	return listeners.count;
}

const struct listener *listen_at(uint32_t index)
{
	assert(index < listeners.count);
	return &listeners.entry[index];
}
