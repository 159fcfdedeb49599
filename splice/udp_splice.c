// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: spliced UDP flows, see udp_splice.h
 *
 * Flow, client → service: udp_in.c receives a batch at a listener, finds the flows,
 * and hands over datagram by datagram; those in a row for one flow go out in one
 * sendmmsg(). Service → client: recvmmsg() from the far socket → out of the
 * listener, from the address that the client has talked to.
 *
 * That nobody listens is told to the far socket only. A client inside the
 * namespace is told by an ICMP error that we make up: a raw socket there is
 * within our rights, if it was opened in time. On the host it isn't: a client's
 * datagrams are lost there, as on any network.
 */
#include "splice/udp_splice.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/drop.h"
#include "engine/retry.h"
#include "frame/icmp_err.h"
#include "host/dns_proxy.h"
#include "host/sock.h"
#include "host/sock_ns.h"
#include "udp/udp_sock.h"
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
	struct retry retry;
	uint64_t retry_marks[RETRY_LEVELS * RETRY_WORDS(FLOW_MAX)];

	uint8_t buf[USPLICE_BATCH][USPLICE_DGRAM_MAX];
} us;

void udp_splice_flush(void)
{
	if (us.flow)
		drop_n(DROP_UDP_REPLY,
		       sock_send_or_drop(us.flow->udp_splice.fd, us.out,
					 us.count));
	us.flow = NULL;
	us.count = 0;
}

void udp_splice_send(struct flow *f, const struct bytes *dgrams)
{
	idle_used(&f->udp_splice.idle, IDLE_UDP_SPLICE, flow_index(f),
		  flow_use(f)->begun, f->dgram.answered);
	for (uint32_t i = 0; i < dgrams->cnt; i++) {
		if (us.flow != f || us.count == USPLICE_BATCH)
			udp_splice_flush();
		us.flow = f;
		us.out_iov[us.count] = dgrams->iov[i];
		us.out[us.count].msg_hdr = (struct msghdr){
			.msg_iov = &us.out_iov[us.count], .msg_iovlen = 1,
		};
		us.count++;
	}
}

/* The far socket, with the client's port as its source if that is free; 0 or
 * -errno
 */
static int us_open(struct flow *f)
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
	f->udp_splice.fd = fd;
	return 0;
}

struct flow *udp_splice_new(struct dgram_sock *s, const struct flow_side *from,
			    const struct flow_side *to)
{
	static const struct dgram_type type = {
		.type = FLOW_UDP_SPLICE, .timer = TIMER_UDP,
		.one_way_s = 30, .both_ways_s = 180,
	};
	struct flow *f = flow_alloc();
	int rc;

	if (!f)
		return NULL;
	f->proto = PROTO_UDP;
	f->ini = s->side;
	f->side[s->side] = *from;
	f->side[!s->side] = *to;
	rc = us_open(f);
	if (flow_make_room_for(rc, IDLE_UDP_SPLICE))
		rc = us_open(f);
	if (rc) {
		drop(drop_of_connect(-rc));
		warn_limited("UDP %s -> %s refused: %s",
			     ENDPOINT_STR(&from->peer, from->peer_port),
			     ENDPOINT_STR(&from->our, from->our_port),
			     strerror(-rc));
		flow_free(f);
		return NULL;
	}
	/* Only the listener's side is looked up; but for the guest's queries */
	flow_activate(f, FLOW_UDP_SPLICE);
	flow_hash(f, s->side);
	dns_proxy_note(f, f->udp_splice.fd);
	dgram_flow_begin(f, s, &type);
	return f;
}

static void us_end(struct flow *f)
{
	if (us.flow == f)
		udp_splice_flush();
	idle_remove(&f->udp_splice.idle);
	close_fd(&f->udp_splice.fd);
	dgram_flow_end(f);
}

/* Answers of the service, back to the client; sets names and control data in mm */
static void us_reply(struct flow *f, struct mmsghdr *mm, unsigned n)
{
	const struct flow_side *to = &f->side[f->ini];
	union udp_control control = { .buf = { 0 } };
	struct msghdr m = { .msg_control = &control };
	union sockaddr_any sa;

	dgram_flow_used(f, !f->ini);
	m.msg_name = &sa;
	m.msg_namelen = udp_sock_name(f, &sa, &to->peer, to->peer_port);
	udp_cmsg_source(f, &m);
	for (unsigned i = 0; i < n; i++) {
		m.msg_iov = mm[i].msg_hdr.msg_iov;
		m.msg_iovlen = mm[i].msg_hdr.msg_iovlen;
		mm[i].msg_hdr = m;
	}
	drop_n(DROP_UDP_REPLY, sock_send_or_drop(dgram_sock_of(f)->fd, mm, n));
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

/* One batch of answers: 0 when there are no more, 1, or -errno */
static int us_recv(struct flow *f)
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
	n = recvmmsg(f->udp_splice.fd, mm, USPLICE_BATCH, MSG_DONTWAIT, NULL);
	if (n < 0 && errno == ECONNREFUSED) {
		if (f->ini == GUEST)
			udp_splice_refuse(&f->side[GUEST]);
		return 1;
	}
	if (n <= 0)
		return n < 0 && errno != EAGAIN ? -errno : 0;
	for (int i = 0; i < n; i++) {
		iov[i].iov_len = mm[i].msg_len;
		flow_moved(f, !f->ini, mm[i].msg_len);
	}
	us_reply(f, mm, (unsigned)n);
	return n == USPLICE_BATCH;
}

/* Edge-triggered, and not empty, or a call has failed: have the kernel tell again */
static void us_rewatch(struct flow *f, int rc)
{
	if (rc > 0)
		rc = loop_mod(f->udp_splice.fd, EPOLLIN | EPOLLET,
			      flow_ref(f, LOOP_UDP_SPLICE));
	if (rc < 0) {
		flow_debug(f, "read: %s", strerror(-rc));
		retry_later(&us.retry, flow_index(f), f->udp_splice.faults);
		f->udp_splice.faults += f->udp_splice.faults < UINT8_MAX;
	}
}

static void us_again(uint32_t index)
{
	struct flow *f = flow_at(index);

	if (f->type == FLOW_UDP_SPLICE)
		us_rewatch(f, 1);
}

static void us_event(struct loop_ref ref, uint32_t events)
{
	struct flow *f = flow_from_ref(ref, FLOW_UDP_SPLICE);
	int rc = 1;

	(void)events;
	if (!f)
		return;
	for (int i = 0; i < USPLICE_TURNS && rc; i++)
		rc = us_recv(f);
	if (rc >= 0)
		f->udp_splice.faults = 0;
	us_rewatch(f, rc);
}

void udp_splice_init(const struct conf *c)
{
	const struct flow_ops ops = {
		.name = "UDP", .state = dgram_flow_state,
		.states = dgram_states, .active = dgram_flow_active,
		.end = us_end,
	};
	const struct idle_ops idle = { .gain = IDLE_FD, .end = dgram_flow_evict };
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
	retry_init(&us.retry, us.retry_marks, RETRY_WORDS(FLOW_MAX), us_again);
	flow_set_ops(FLOW_UDP_SPLICE, &ops);
	idle_set_ops(IDLE_UDP_SPLICE, &idle);
	loop_set_handler(LOOP_UDP_SPLICE, us_event);
}
