// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the socket's receive queue, which is our send buffer towards the guest
 *
 * Data: what the guest hasn't acknowledged is still in the queue: it is peeked at,
 * sent, and discarded only when acknowledged. sock_una is the sequence number of
 * the queue's first byte, so a segment at seq is what lies seq - sock_una bytes into
 * the queue. The kernel's SO_PEEK_OFF follows by itself as long as we go forward;
 * for a segment sent again it is moved, and moved back. Where it doesn't exist, what
 * was sent before is peeked into a discard area.
 */
#include "tcp/tcp_int.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "host/sock.h"
#include "util.h"
#include "util/sockopt.h"

enum {
	PEEK_DISCARD	= 1024 * 1024,	/* area for peeks without SO_PEEK_OFF */
	PEEK_DISCARD_IOV = 16,
	PEEK_DISCARD_TRIES = 3,		/* at once: close() may come next */
};

static uint8_t tcp_discard_area[PEEK_DISCARD];
static int tcp_peek_inq = -1;		/* of the last peek */

uint32_t tcp_peek_reach(const struct tcp_conn *conn)
{
	if (sock_has_peek_off())
		return UINT32_MAX;
	return PEEK_DISCARD * PEEK_DISCARD_IOV -
	       (conn->snd_nxt - conn->sock_una);
}

/* Have the next peek start at seq. 0 or -errno, never -EAGAIN */
static int tcp_set_peek_off(struct tcp_conn *conn, tcp_seq seq)
{
	int off = (int)(seq - conn->sock_una);

	/* The kernel moves it along with what is peeked and discarded */
	if (conn->peek_off ? conn->peek_moved || seq != conn->snd_nxt : off) {
		if (setsockopt(conn->fd, SOL_SOCKET, SO_PEEK_OFF, &off,
			       sizeof(off)))
			return errno == EAGAIN ? -EINTR : -errno;
		conn->peek_off = true;
	}
	/* Unless it is new data at the right place */
	conn->peek_moved = seq != conn->snd_nxt;
	return 0;
}

/* Iovecs for `off` bytes in front of a peek; how many */
static unsigned tcp_peek_skip(struct iovec *iov, uint32_t off)
{
	unsigned n = 0;

	while (off) {
		assert(n < PEEK_DISCARD_IOV);	/* tcp_peek_reach() */
		iov[n].iov_base = tcp_discard_area;
		iov[n].iov_len = MIN(off, PEEK_DISCARD);
		off -= (uint32_t)iov[n++].iov_len;
	}
	return n;
}

bool tcp_peek_was_all(const struct tcp_conn *conn, tcp_seq end)
{
	uint32_t len = end - conn->sock_una;
	int n;

	/* A FIN counts in one of them: if we don't know of it yet, so much the better */
	if (tcp_peek_inq >= 0)
		return (uint32_t)tcp_peek_inq <= len + conn->sock_eof;
	return !ioctl(conn->fd, SIOCINQ, &n) && (uint32_t)n <= len;
}

/* Bytes in the queue, FIN included, as recvmsg() tells (Linux 4.18); or -1 */
static int tcp_inq(struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int n;

	if (!c || c->cmsg_level != IPPROTO_TCP || c->cmsg_type != TCP_CM_INQ)
		return -1;
	memcpy(&n, CMSG_DATA(c), sizeof(n));
	return n;
}

ssize_t tcp_peek(struct tcp_conn *conn, tcp_seq seq, struct iovec *iov,
		 unsigned cnt)
{
	struct iovec all[PEEK_DISCARD_IOV + TAP_TX_IOV];
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = {
		.msg_iov = iov, .msg_iovlen = cnt,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	uint32_t skip = 0;
	ssize_t n;

	if (sock_has_peek_off()) {
		int rc = tcp_set_peek_off(conn, seq);

		if (rc)
			return rc;
	} else {
		unsigned skips;

		assert(cnt <= TAP_TX_IOV);
		skip = seq - conn->sock_una;
		skips = tcp_peek_skip(all, skip);
		memcpy(all + skips, iov, cnt * sizeof(*iov));
		msg.msg_iov = all;
		msg.msg_iovlen = skips + cnt;
	}
	do {
		n = recvmsg(conn->fd, &msg, MSG_PEEK | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		return tap_io_error(-errno);
	conn->faults = 0;
	if (n < 0)
		return -EAGAIN;
	tcp_peek_inq = tcp_inq(&msg);
	if (!skip || n > (ssize_t)skip)
		return n - (ssize_t)skip;
	if (!tcp_peek_was_all(conn, seq))
		return -EINTR;
	return conn->sock_eof ? 0 : -EAGAIN;
}

void tcp_discard_acked(struct flow *f)
{
	struct tcp_conn *conn = &f->tcp;
	tcp_seq data_end = conn->snd_una;
	unsigned tries = 0;

	/* A FIN of ours that was acknowledged isn't in the socket's queue */
	if (conn->fin_sent && conn->snd_una == conn->snd_nxt)
		data_end--;
	/* More than once only where urgent data stops it. The kernel takes what
	 * goes off the peek offset as well. As long as our SYN isn't acknowledged, the
	 * queue begins behind what is.
	 */
	while (seq_lt(conn->sock_una, data_end) && conn->fd >= 0) {
		ssize_t n = recv(conn->fd, NULL, data_end - conn->sock_una,
				 MSG_TRUNC | MSG_DONTWAIT);

		if (n > 0) {
			conn->sock_una += (tcp_seq)n;
			flow_moved(f, HOST, (uint64_t)n);
		} else if (!n || !is_momentary(-errno)) {
			break;		/* its event tells */
		} else if (tries++ == PEEK_DISCARD_TRIES) {
			tcp_fault(f, -errno);
			break;
		}
	}
}
