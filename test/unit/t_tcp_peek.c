// SPDX-License-Identifier: GPL-2.0-or-later
/* Links: tcp/tcp_peek.o util.o util/log.o
 *
 * What leaves a connection's receive queue on the host, for what the guest has
 * acknowledged: never more than that.
 */
#include "tcp/tcp_int.h"

#include <errno.h>
#include <sys/socket.h>

#include "host/sock.h"
#include "tap_test.h"

enum { ISS = 0xfffffff0, FD = 1000 };

static struct {
	size_t queued;			/* bytes of the queue */
	int error;			/* of the next call, and all others */
	unsigned calls, faults;
} sock;

ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	size_t n = MIN(len, sock.queued);

	(void)fd;
	(void)buf;
	(void)flags;
	sock.calls++;
	errno = sock.error ? sock.error : EAGAIN;
	if (sock.error || !n)
		return -1;
	sock.queued -= n;
	return (ssize_t)n;
}

bool sock_has_peek_off(void)
{
	return true;
}

int tap_io_error(int rc)
{
	return rc;
}

void tcp_fault(struct flow *f, int rc)
{
	(void)f;
	(void)rc;
	sock.faults++;
}

void flow_moved(const struct flow *f, enum flow_side_name from, uint64_t bytes)
{
	(void)f;
	(void)from;
	(void)bytes;
}

/* As tcp_new_conn() makes it, with a hundred bytes of an early server's */
static struct flow opened(void)
{
	struct flow f = { .tcp = { .fd = FD, .snd_una = ISS,
				   .snd_nxt = ISS + 1U, .sock_una = ISS + 1U } };

	memset(&sock, 0, sizeof(sock));
	sock.queued = 100;
	return f;
}

static void test_handshake(void)
{
	struct flow f = opened();

	/* Whatever has us look again then */
	tcp_discard_acked(&f);
	is_int(sock.queued, 100, "our SYN isn't acknowledged: nothing goes");
	is_int(f.tcp.sock_una, (tcp_seq)(ISS + 1U), "the queue begins where it did");
	is_int(sock.calls, 0, "the socket isn't asked");

	f.tcp.snd_una = ISS + 1U;
	tcp_discard_acked(&f);
	is_int(sock.queued, 100, "the SYN's acknowledgement takes no data either");
}

static void test_data(void)
{
	struct flow f = opened();

	f.tcp.snd_nxt = ISS + 1U + 100;
	f.tcp.snd_una = ISS + 1U + 40;
	tcp_discard_acked(&f);
	is_int(sock.queued, 60, "what is acknowledged goes, across 2^32");
	is_int(f.tcp.sock_una, f.tcp.snd_una, "the queue begins behind it");

	f.tcp.snd_nxt++;
	f.tcp.fin_sent = true;
	f.tcp.snd_una = f.tcp.snd_nxt;
	tcp_discard_acked(&f);
	is_int(sock.queued, 0, "all goes with the FIN's acknowledgement");
	is_int(f.tcp.sock_una, (tcp_seq)(f.tcp.snd_una - 1),
	       "a FIN is nothing that lies in the queue");
	sock.calls = 0;
	tcp_discard_acked(&f);
	is_int(sock.calls, 0, "and nothing is left to be asked for");
}

static void test_faults(void)
{
	struct flow f = opened();

	f.tcp.snd_nxt = f.tcp.snd_una = ISS + 1U + 40;
	sock.error = ENOMEM;
	tcp_discard_acked(&f);
	is_int(sock.faults, 1, "no memory: to be tried again");
	sock.error = 0;
	tcp_discard_acked(&f);
	is_int(sock.queued, 60, "which does it");
}

int main(void)
{
	test_handshake();
	test_data();
	test_faults();
	return done();
}
