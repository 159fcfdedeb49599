// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the sockets of UDP flows: outbound ones, and what all have in common
 *
 * Data: a static table; outbound sockets are found by the guest's endpoint. One
 * lives as long as it has flows. Listeners of forwarding rules are adopted by
 * udp.c.
 */
#include "udp/udp_int.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "engine/loop.h"
#include "frame/icmp_err.h"
#include "host/listen.h"
#include "host/net.h"
#include "host/sock.h"
#include "util.h"
#include "util/wire.h"

enum {
	UDP_SOCKS	= 131072,
	UDP_BUCKETS	= 16384,
};

#ifndef UDP_GRO
#define UDP_GRO		104		/* Linux 5.0 */
#endif

static struct {
	bool gro;			/* on listeners, too */
	uint32_t high, free_head;
	uint32_t bucket[UDP_BUCKETS];	/* index + 1 */
	struct udp_sock sock[UDP_SOCKS];
} socks;

struct udp_sock *udp_sock_of(const struct flow *f)
{
	return &socks.sock[f->udp.sock];
}

struct udp_sock *udp_sock_at(uint32_t index)
{
	return &socks.sock[index];
}

uint32_t udp_sock_index(const struct udp_sock *s)
{
	return (uint32_t)(s - socks.sock);
}

struct udp_sock *udp_sock_alloc(void)
{
	struct udp_sock *s;
	uint16_t gen;

	if (socks.free_head) {
		s = &socks.sock[socks.free_head - 1];
		socks.free_head = s->next;
	} else if (socks.high < UDP_SOCKS) {
		s = &socks.sock[socks.high++];
	} else {
		return NULL;
	}
	gen = (uint16_t)(s->gen + 1);
	*s = (struct udp_sock){ .fd = -1, .gen = gen, .side = HOST };
	return s;
}

void udp_sock_recycle(struct udp_sock *s)
{
	s->next = socks.free_head;
	socks.free_head = (uint32_t)(s - socks.sock) + 1;
}

static uint32_t *udp_sock_bucket(const struct addr *guest, uint16_t port)
{
	struct flow_side key = { .peer = *guest, .peer_port = port };

	return &socks.bucket[flow_side_hash(PROTO_UDP, &key) &
			   (UDP_BUCKETS - 1)];
}

static void udp_set(int fd, int level, int name)
{
	int on = 1;

	setsockopt(fd, level, name, &on, sizeof(on));
}

/* Ask for what goes along with a datagram, and for errors; watch it */
int udp_sock_watch(struct udp_sock *s)
{
	struct loop_ref ref = { .kind = LOOP_UDP, .gen = s->gen,
				.index = (uint32_t)(s - socks.sock) };

	if (!s->rule || socks.gro)
		udp_set(s->fd, SOL_UDP, UDP_GRO);
	udp_set(s->fd, IPPROTO_IP, IP_RECVTOS);
	udp_set(s->fd, IPPROTO_IP, IP_RECVTTL);
	if (s->rule)
		udp_set(s->fd, IPPROTO_IP, IP_PKTINFO);
	if (s->v6) {
		udp_set(s->fd, IPPROTO_IPV6, IPV6_RECVTCLASS);
		udp_set(s->fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT);
		if (s->rule) {
			udp_set(s->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO);
			/* Groups that the host is in: the default, but for IPv4
			 * to a socket of IPv6
			 */
			udp_set(s->fd, IPPROTO_IP, IP_MULTICAST_ALL);
		}
	}
	icmp_err_enable(s->fd, s->v6);
	return loop_add(s->fd, EPOLLIN | EPOLLET, ref);
}

static struct udp_sock *udp_sock_find(const struct flow_side *guest,
				      bool v6, bool lo)
{
	uint32_t at = *udp_sock_bucket(&guest->peer, guest->peer_port);

	while (at) {
		struct udp_sock *s = &socks.sock[at - 1];

		if (s->guest_port == guest->peer_port && s->v6 == v6 &&
		    s->lo == lo && addr_eq(&s->guest, &guest->peer))
			return s;
		at = s->next;
	}
	return NULL;
}

/* Descriptor bound to the guest's port, or any if that is taken; or -errno */
static int udp_sock_open(const struct flow_side *host, uint16_t port)
{
	int fd = sock_outbound(SOCK_DGRAM, IPPROTO_UDP, &host->peer,
			       &host->our, port);

	if (fd == -EADDRINUSE || fd == -EACCES)
		fd = sock_outbound(SOCK_DGRAM, IPPROTO_UDP, &host->peer,
				   &host->our, 0);
	return fd;
}

/* The outbound socket of a guest's endpoint; NULL with errno set */
struct udp_sock *udp_sock_get(const struct flow_side *guest,
			      const struct flow_side *host)
{
	bool v6 = !addr_is_v4(&host->peer);
	const struct net_family *cf = &net_get()->fam[v6 ? V6 : V4];
	bool lo = addr_is_loopback(&host->peer) &&
		  (*cf->outbound_if || !addr_is_none(&cf->outbound));
	struct udp_sock *s = udp_sock_find(guest, v6, lo);
	uint32_t *head;
	int rc;

	if (s)
		return s;
	s = udp_sock_alloc();
	if (!s) {
		errno = ENFILE;
		return NULL;
	}
	s->v6 = v6;
	s->lo = lo;
	s->guest = guest->peer;
	s->guest_port = guest->peer_port;
	s->our = host->our;
	s->fd = udp_sock_open(host, guest->peer_port);
	rc = s->fd < 0 ? s->fd : udp_sock_watch(s);
	if (rc) {
		close_fd(&s->fd);
		udp_sock_recycle(s);
		errno = -rc;
		return NULL;
	}
	sock_local(s->fd, &s->port);
	if (!s->port) {
		/* Not bound yet: the guest's port is 0, or it was refused */
		struct addr any = v6 ? (struct addr){ { 0 } } : addr_v4(0);
		union sockaddr_any sa;
		socklen_t len = addr_to_sockaddr(&sa, &any, 0, 0);

		if (!bind(s->fd, &sa.sa, len))
			sock_local(s->fd, &s->port);
	}
	listen_note_outbound(s->port, true);
	head = udp_sock_bucket(&s->guest, s->guest_port);
	s->next = *head;
	*head = (uint32_t)(s - socks.sock) + 1;
	return s;
}

void udp_sock_close(struct udp_sock *s)
{
	uint32_t *link = udp_sock_bucket(&s->guest, s->guest_port);
	uint32_t self = (uint32_t)(s - socks.sock) + 1;

	while (*link != self) {
		assert(*link);
		link = &socks.sock[*link - 1].next;
	}
	*link = s->next;
	listen_note_outbound(s->port, false);
	close_fd(&s->fd);
	udp_sock_recycle(s);
}

/* Socket address in the family of the socket */
socklen_t udp_sockaddr(const struct flow *f,
		       union sockaddr_any *ret_sa, const struct addr *a,
		       uint16_t port)
{
	if (!udp_sock_of(f)->v6 || !addr_is_v4(a))
		return addr_to_sockaddr(ret_sa, a, port, f->udp.scope);
	memset(ret_sa, 0, sizeof(ret_sa->sin6));
	ret_sa->sin6.sin6_family = AF_INET6;
	ret_sa->sin6.sin6_port = htons(port);
	memcpy(&ret_sa->sin6.sin6_addr, a->b, sizeof(a->b));
	return sizeof(ret_sa->sin6);
}

void udp_cmsg(struct msghdr *msg, int level, int type, const void *data,
	      size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)(void *)
		((char *)msg->msg_control + msg->msg_controllen);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	msg->msg_controllen += CMSG_SPACE(len);
}

/* On listeners: the source of what goes back to the client */
void udp_control_source(const struct flow *f, const struct udp_sock *s,
			struct msghdr *msg)
{
	const struct addr *our = &f->side[s->side].our;

	if (!s->rule || addr_is_none(our) || f->udp.to_many)
		return;
	if (s->v6) {
		struct in6_pktinfo pi = { .ipi6_ifindex = 0 };

		memcpy(&pi.ipi6_addr, our->b, 16);
		if (addr_is_linklocal(our) && !addr_is_v4(our))
			pi.ipi6_ifindex = f->udp.scope;
		udp_cmsg(msg, IPPROTO_IPV6, IPV6_PKTINFO, &pi, sizeof(pi));
	} else {
		struct in_pktinfo pi = { .ipi_ifindex = 0 };

		memcpy(&pi.ipi_spec_dst, addr_v4_bytes(our), 4);
		udp_cmsg(msg, IPPROTO_IP, IP_PKTINFO, &pi, sizeof(pi));
	}
}

void udp_sock_init(const struct conf *c)
{
	/* What may be spliced comes one by one, to be passed on as it is */
	socks.gro = c->mode != MODE_PASTA;
}
