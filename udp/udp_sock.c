// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: options, names and control data of UDP sockets, see udp_sock.h */
#include "udp/udp_sock.h"

#include <netinet/udp.h>
#include <string.h>
#include <sys/epoll.h>

#include "frame/icmp_err.h"
#include "util/sockopt.h"

struct udp_counters udp_counters;

static struct {
	bool gro;			/* on listeners, too */
} socks;

static void udp_set(int fd, int level, int name)
{
	int on = 1;

	setsockopt(fd, level, name, &on, sizeof(on));
}

int udp_sock_watch(struct dgram_sock *s)
{
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
	return loop_add(s->fd, EPOLLIN | EPOLLET, dgram_sock_ref(s, LOOP_UDP));
}

socklen_t udp_sock_name(const struct flow *f, union sockaddr_any *ret_sa,
			const struct addr *a, uint16_t port)
{
	if (!dgram_sock_of(f)->v6 || !addr_is_v4(a))
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

void udp_cmsg_source(const struct flow *f, struct msghdr *msg)
{
	const struct dgram_sock *s = dgram_sock_of(f);
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
