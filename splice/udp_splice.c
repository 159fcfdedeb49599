// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: far sockets of spliced UDP flows, see udp_splice.h
 *
 * Flow, client → service: udp.c receives a batch at a listener, finds the flows,
 * and hands over datagram by datagram; those in a row for one flow go out in one
 * sendmmsg(). Service → client: recvmmsg() from the far socket → udp_reply(),
 * out of the listener, from the address that the client has talked to.
 *
 * That nobody listens is told to the far socket only. A client inside the
 * namespace is told by an ICMP error that we make up: a raw socket there is
 * within our rights, if it was opened in time. On the host it isn't: a client's
 * datagrams are lost there, as on any network.
 */
#include "splice/udp_splice.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame/icmp_err.h"
#include "fwd/audit.h"
#include "host/sock.h"
#include "host/sock_ns.h"
#include "udp.h"
#include "util.h"
#include "util/iov.h"
#include "util/wire.h"

enum {
	USPLICE_BATCH	= 16,
	USPLICE_TURNS	= 16,		/* batches per socket and turn */
	USPLICE_DGRAM_MAX = 65536,
};

static struct {
	/* Client → service, all of one flow */
	struct flow *flow;
	unsigned count;
	struct iovec out_iov[USPLICE_BATCH];
	struct mmsghdr out[USPLICE_BATCH];

	int icmp_fd[FAMILIES];		/* in the namespace; -1: none */

	uint8_t buf[USPLICE_BATCH][USPLICE_DGRAM_MAX];
} us;

void udp_splice_flush(void)
{
	if (us.flow)
		udp_counters.dropped += sock_send_or_drop(us.flow->udp.fd,
							  us.out, us.count);
	us.flow = NULL;
	us.count = 0;
}

void udp_splice_send(struct flow *f, const void *data, size_t len)
{
	if (us.flow != f || us.count == USPLICE_BATCH)
		udp_splice_flush();
	us.flow = f;
	us.out_iov[us.count] = iov_const(data, len);
	us.out[us.count].msg_hdr = (struct msghdr){
		.msg_iov = &us.out_iov[us.count], .msg_iovlen = 1,
	};
	us.count++;
}

int udp_splice_open(struct flow *f)
{
	const struct flow_side *from = &f->side[f->ini];
	struct flow_side *to = &f->side[!f->ini];
	enum family family = addr_family(&to->peer);
	int fd, rc;

	fd = sock_splice(SOCK_DGRAM, f->ini == HOST, family, from->peer_port);
	if (fd == -EADDRINUSE || fd == -EACCES)
		fd = sock_splice(SOCK_DGRAM, f->ini == HOST, family, 0);
	if (fd < 0)
		return fd;
	rc = sock_connect(fd, &to->peer, to->peer_port);
	if (!rc)
		rc = loop_add(fd, EPOLLIN | EPOLLET,
			      flow_ref(f, LOOP_UDP_SPLICE));
	if (rc) {
		close(fd);
		return rc;
	}
	to->our = sock_local(fd, &to->our_port);
	f->udp.fd = fd;
	return 0;
}

void udp_splice_close(struct flow *f)
{
	if (us.flow == f)
		udp_splice_flush();
	close_fd(&f->udp.fd);
}

void udp_splice_refuse(const struct flow_side *client)
{
	uint8_t msg[ICMP_ERR_REFUSAL_MAX];
	int fd = us.icmp_fd[addr_family(&client->peer)];
	union sockaddr_any sa;
	socklen_t len;

	if (fd < 0)
		return;
	len = addr_to_sockaddr(&sa, &client->peer, 0, 0);
	(void)!sendto(fd, msg, icmp_err_refusal(client, msg),
		      MSG_DONTWAIT | MSG_NOSIGNAL, &sa.sa, len);
}

/* One batch of answers; false when there are no more */
static bool us_recv(struct flow *f)
{
	struct iovec iov[USPLICE_BATCH];
	struct mmsghdr mm[USPLICE_BATCH];
	int n;

	for (unsigned i = 0; i < USPLICE_BATCH; i++) {
		iov[i] = (struct iovec){ us.buf[i], USPLICE_DGRAM_MAX };
		mm[i].msg_hdr = (struct msghdr){
			.msg_iov = &iov[i], .msg_iovlen = 1,
		};
	}
	n = recvmmsg(f->udp.fd, mm, USPLICE_BATCH, MSG_DONTWAIT, NULL);
	if (n < 0 && errno == ECONNREFUSED) {
		if (f->ini == GUEST)
			udp_splice_refuse(&f->side[GUEST]);
		return true;
	}
	if (n <= 0)
		return n < 0 && errno != EAGAIN;
	for (int i = 0; i < n; i++) {
		iov[i].iov_len = mm[i].msg_len;
		audit_count(f, f->ini == GUEST ? 0 : mm[i].msg_len,
			    f->ini == GUEST ? mm[i].msg_len : 0);
	}
	udp_reply(f, mm, (unsigned)n);
	return n == USPLICE_BATCH;
}

static void us_event(struct loop_ref ref, uint32_t events)
{
	struct flow *f = flow_from_ref(ref, FLOW_UDP);

	(void)events;
	if (!f)
		return;
	for (int i = 0; i < USPLICE_TURNS; i++)
		if (!us_recv(f))
			return;
	/* Edge-triggered and not empty: have the kernel tell again */
	loop_mod(f->udp.fd, EPOLLIN | EPOLLET, ref);
}

void udp_splice_init(const struct conf *c)
{
	bool wanted = conf_is_controlled(c);

	for (unsigned i = 0; i < c->fwd_out.count; i++)
		wanted |= c->fwd_out.rule[i].proto == PROTO_UDP;
	for (enum family f = V4; f < FAMILIES; f++) {
		us.icmp_fd[f] = -1;
		if (!wanted || !c->net.fam[f].enabled)
			continue;
		us.icmp_fd[f] = sock_ns_icmp(f);
		if (us.icmp_fd[f] < 0)
			debug("No ICMP errors for clients of -U: %s",
			      strerror(-us.icmp_fd[f]));
	}
	loop_set_handler(LOOP_UDP_SPLICE, us_event);
}
