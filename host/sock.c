// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: host-side sockets, see sock.h
 *
 * Everything that knows socket options and kernel versions about them is here.
 */
#include "host/sock.h"

#include <errno.h>
#include <limits.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/net.h"
#include "host/sock_ns.h"
#include "util.h"
#include "util/log.h"
#include "util/sockopt.h"
#include "util/wire.h"

enum {
	SOCK_BACKLOG	= 4096,		/* the kernel clamps to somaxconn */
	SOCK_DGRAM_BUF	= 1024 * 1024,	/* and to rmem_max, wmem_max */
	SOCK_STREAM_BUF	= 1024 * 1024,	/* a stream's, at most; likewise */
	SOCK_KEEP_MAX_S	= 32767,	/* between keepalive probes, at most */
	SOCK_KEEP_MAX	= 127,		/* of them, at most */
	SOCK_WATCH_S	= 15,		/* between those of sock_watch_peer() */
	SOCK_RESET_TRIES = 4,
	SOCK_WATCH_COUNT = 9,		/* as net.ipv4.tcp_keepalive_probes */
};

static struct {
	const struct conf *conf;
	bool peek_off;
	bool notsent_lowat;		/* the host limits unsent data */
	bool bindtodevice;
	bool grow_rcvbuf, grow_sndbuf;	/* of datagram sockets */
	uint32_t stream_sndbuf_max;	/* what we can make that of a stream */
	unsigned local_ports;
	bool inq;			/* TCP_INQ may be known */
} sock;

static int sock_set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

static bool sock_probe_peek_off(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
	int zero = 0;
	bool ok;

	if (fd < 0)
		return errno == EAFNOSUPPORT;
	ok = !setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof(zero));
	close(fd);
	return ok;
}

static bool sock_probe_bindtodevice(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok;

	if (fd < 0)
		return true;
	ok = !setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2) ||
	     errno != EPERM;
	close(fd);
	return ok;
}

/* Does asking for a larger buffer make it larger? The host's limit may be below
 * its default.
 */
static bool sock_probe_grow(int name)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int before = 0, after = 0;
	socklen_t len = sizeof(int);

	if (fd < 0)
		return false;
	getsockopt(fd, SOL_SOCKET, name, &before, &len);
	sock_set_int(fd, SOL_SOCKET, name, SOCK_DGRAM_BUF);
	getsockopt(fd, SOL_SOCKET, name, &after, &len);
	close(fd);
	return after > before;
}

/* How large a stream's send buffer can be made: the host's net.core.wmem_max, and
 * the third of net.ipv4.tcp_wmem, which setsockopt() doesn't heed. 0 if what that
 * sets would be final (before Linux 5.14, which has SO_BUF_LOCK).
 */
static uint32_t sock_probe_stream_sndbuf(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
	socklen_t len = sizeof(int);
	unsigned limit = 0;
	int after = 0;
	char buf[64];

	if (fd < 0)
		return 0;
	if (!sock_set_int(fd, SOL_SOCKET, SO_BUF_LOCK, 0) &&
	    !sock_set_int(fd, SOL_SOCKET, SO_SNDBUF, SOCK_STREAM_BUF / 2) &&
	    !getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &after, &len) &&
	    read_file("/proc/sys/net/ipv4/tcp_wmem", buf, sizeof(buf)) > 0)
		sscanf(buf, "%*u %*u %u", &limit);
	close(fd);
	return MIN(limit, (uint32_t)after) & ~1U;
}

/* net.ipv4.ip_local_port_range, for both families */
static unsigned sock_probe_local_ports(void)
{
	unsigned first = 32768, last = 60999;
	char buf[64];

	if (read_file("/proc/sys/net/ipv4/ip_local_port_range", buf,
		      sizeof(buf)) > 0)
		sscanf(buf, "%u %u", &first, &last);
	return last > first ? last - first + 1 : 1;
}

void sock_init(const struct conf *c)
{
	sock.conf = c;
	sock.peek_off = sock_probe_peek_off(AF_INET) &&
			sock_probe_peek_off(AF_INET6);
	sock.notsent_lowat =
		read_file_number("/proc/sys/net/ipv4/tcp_notsent_lowat",
				 UINT32_MAX) != UINT32_MAX;
	sock.bindtodevice = sock_probe_bindtodevice();
	sock.grow_rcvbuf = sock_probe_grow(SO_RCVBUF);
	sock.grow_sndbuf = sock_probe_grow(SO_SNDBUF);
	sock.stream_sndbuf_max = sock_probe_stream_sndbuf();
	sock.local_ports = sock_probe_local_ports();
	sock.inq = true;
	debug("SO_PEEK_OFF for TCP: %s", sock.peek_off ? "yes" : "no");
}

bool sock_has_peek_off(void)
{
	return sock.peek_off;
}

bool sock_has_buf_lock(void)
{
	return sock.stream_sndbuf_max;
}

unsigned sock_local_ports(void)
{
	return sock.local_ports;
}

bool sock_has_bindtodevice(void)
{
	return sock.bindtodevice;
}

/* The guest has its own Nagle algorithm; and an urgent byte is data like any
 * other, or positions in the stream would not fit (RFC 6093 5)
 */
static int sock_set_stream(int fd)
{
	int rc = sock_set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);

	/* A limit on what isn't sent yet (net.ipv4.tcp_notsent_lowat) would
	 * break what the window promises by the buffer's size
	 */
	if (!rc && sock.notsent_lowat)
		rc = sock_set_int(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, -1);
	return rc ? rc : sock_set_int(fd, SOL_SOCKET, SO_OOBINLINE, 1);
}

/* Have recvmsg() tell how much is in the queue (Linux 4.18): else another call has to.
 * Inherited by what a listener accepts.
 */
static void sock_set_inq(int fd)
{
	if (sock.inq)
		sock.inq = sock_set_int(fd, IPPROTO_TCP, TCP_INQ, 1) !=
			   -ENOPROTOOPT;
}

/* What comes or goes in a burst, while we do something else or the network is
 * slower than the guest, is lost where it doesn't fit. The default holds 90
 * full-size datagrams, in the kernel's accounting.
 */
static void sock_set_dgram(int fd)
{
	if (sock.grow_rcvbuf)
		sock_set_int(fd, SOL_SOCKET, SO_RCVBUF, SOCK_DGRAM_BUF);
	if (sock.grow_sndbuf)
		sock_set_int(fd, SOL_SOCKET, SO_SNDBUF, SOCK_DGRAM_BUF);
}

static int sock_set_type(int fd, int type)
{
	if (type == SOCK_STREAM)
		return sock_set_stream(fd);
	sock_set_dgram(fd);
	return 0;
}

/* scope: as in addr_to_sockaddr(); 0 if the socket is bound to its link */
static int sock_bind(int fd, const struct addr *a, uint16_t port,
		     unsigned scope)
{
	union sockaddr_any sa;
	socklen_t len = addr_to_sockaddr(&sa, a, port, scope);

	return bind(fd, &sa.sa, len) ? -errno : 0;
}

int sock_outbound(int type, int proto, const struct addr *peer,
		  const struct addr *our, uint16_t our_port)
{
	enum family f = addr_family(peer);
	const char *ifname = net_get()->fam[f].outbound_if;
	struct addr any = f == V4 ? addr_v4(0) : (struct addr){ { 0 } };
	int fd, rc;

	fd = socket(f == V4 ? AF_INET : AF_INET6,
		    type | SOCK_NONBLOCK | SOCK_CLOEXEC, proto);
	if (fd < 0)
		return -errno;
	if (f == V6)
		sock_set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	rc = sock_set_type(fd, type);
	if (type == SOCK_STREAM)
		sock_set_inq(fd);
	if (!rc && *ifname && !addr_is_loopback(peer) &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, ifname,
		       (socklen_t)strlen(ifname)))
		rc = -errno;
	if (!rc && (our_port || !addr_is_none(our)))
		rc = sock_bind(fd, addr_is_none(our) ? &any : our, our_port,
			       net_scope(our));
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

/* A non-blocking socket, here or in the guest's namespace */
static int sock_new(int type, bool in_ns, enum family f)
{
	int fd;

	if (in_ns)
		return sock_ns_get(type, f);
	fd = socket(f == V4 ? AF_INET : AF_INET6,
		    type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

int sock_splice(int type, bool in_ns, enum family f, uint16_t our_port)
{
	struct addr any = f == V4 ? addr_v4(0) : (struct addr){ { 0 } };
	int fd = sock_new(type, in_ns, f), rc;

	if (fd < 0)
		return fd;
	rc = sock_set_type(fd, type);
	if (!rc && f == V6)
		rc = sock_set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (!rc && our_port)
		rc = sock_bind(fd, &any, our_port, 0);
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

int sock_connect(int fd, const struct addr *peer, uint16_t port)
{
	union sockaddr_any sa;
	socklen_t len = addr_to_sockaddr(&sa, peer, port, net_scope(peer));
	int rc = connect(fd, &sa.sa, len) ? -errno : 0;

	if (is_momentary(rc))
		rc = connect(fd, &sa.sa, len) ? -errno : 0;
	/* The first call may have begun it in spite of its error */
	return rc == -EALREADY ? -EINPROGRESS : rc == -EISCONN ? 0 : rc;
}

/* Where a rule's socket is opened */
struct listen_at {
	uint16_t port;
	bool in_ns;
	bool v6only;
	bool beside;			/* another socket of ours has that port */
};

int sock_share_port(int fd, bool share)
{
	return sock_set_int(fd, SOL_SOCKET, SO_REUSEADDR, share);
}

static int sock_listen_on(const struct fwd_rule *r, const struct addr *a,
			  const struct listen_at *at)
{
	bool tcp = r->proto == PROTO_TCP, v4 = addr_is_v4(a);
	int type = tcp ? SOCK_STREAM : SOCK_DGRAM;
	int fd, rc = 0;

	fd = sock_new(type, at->in_ns, addr_family(a));
	if (fd < 0)
		return fd;
	if (!v4)
		rc = sock_set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, at->v6only);
	if (!rc && (tcp || at->beside))
		rc = sock_set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (!rc)		/* accepted ones inherit it */
		rc = sock_set_type(fd, type);
	if (tcp)
		sock_set_inq(fd);
	if (!rc && sock.conf->freebind)
		rc = v4 ? sock_set_int(fd, IPPROTO_IP, IP_FREEBIND, 1) :
			  sock_set_int(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1);
	if (!rc && *r->ifname &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, r->ifname,
		       (socklen_t)strlen(r->ifname)))
		rc = -errno;
	if (!rc)
		rc = sock_bind(fd, a, at->port, *r->ifname ? 0 : net_scope(a));
	if (!rc && tcp && listen(fd, SOCK_BACKLOG))
		rc = -errno;
	/* Nobody else may have it, too */
	if (!rc && at->beside)
		rc = sock_share_port(fd, false);
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

int sock_listen(const struct fwd_rule *r, uint16_t port, bool in_ns,
		bool beside)
{
	const struct addr any4 = addr_v4(0), any6 = { { 0 } };
	struct listen_at at = { .port = port, .in_ns = in_ns, .v6only = true,
				.beside = beside };
	int fd;

	if (!(r->flags & FWD_DUAL))
		return sock_listen_on(r, &r->listen, &at);
	if (!net_get()->fam[V6].enabled)
		return sock_listen_on(r, &any4, &at);
	at.v6only = !net_get()->fam[V4].enabled;
	fd = sock_listen_on(r, &any6, &at);
	if (fd == -EAFNOSUPPORT)
		fd = sock_listen_on(r, &any4, &at);
	return fd;
}

bool sock_device_is_gone(int fd)
{
	char name[IFNAMSIZ];
	socklen_t len = sizeof(name);

	return getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len) &&
	       errno == ENODEV;
}

bool sock_have_addr(const struct addr *a, unsigned ifi)
{
	int fd = socket(addr_is_v4(a) ? AF_INET : AF_INET6,
			SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool have = fd < 0 || sock_bind(fd, a, 0, ifi) !=
			      -EADDRNOTAVAIL;

	close_fd(&fd);
	return have;
}

static struct addr sock_local_at(int fd, uint16_t *ret_port, unsigned *ret_ifi)
{
	union sockaddr_any sa = { 0 };
	socklen_t len = sizeof(sa);

	/* It may find no memory, for a moment */
	if (getsockname(fd, &sa.sa, &len) && getsockname(fd, &sa.sa, &len))
		sa.sa.sa_family = AF_UNSPEC;
	*ret_ifi = sa.sa.sa_family == AF_INET6 ? sa.sin6.sin6_scope_id : 0;
	return addr_from_sockaddr(&sa, ret_port);
}

struct addr sock_local(int fd, uint16_t *ret_port)
{
	unsigned ifi;

	return sock_local_at(fd, ret_port, &ifi);
}

struct addr sock_local_link(int fd, unsigned *ret_ifi)
{
	uint16_t port;

	return sock_local_at(fd, &port, ret_ifi);
}

unsigned sock_send_batch(int fd, struct mmsghdr *mm, unsigned n,
			 int *ret_error)
{
	bool retried = false;
	unsigned done = 0;

	*ret_error = 0;
	while (done < n) {
		int rc = sendmmsg(fd, mm + done, n - done,
				  MSG_DONTWAIT | MSG_NOSIGNAL);

		if (rc > 0) {
			done += (unsigned)rc;
			retried = false;
		} else if (errno == EAGAIN || (errno != EINTR && retried)) {
			*ret_error = errno;
			break;
		} else {
			retried = errno != EINTR;
		}
	}
	return done;
}

unsigned sock_send_or_drop(int fd, struct mmsghdr *mm, unsigned n)
{
	unsigned tried = 0, lost = 0;

	/* Each turn sends some, or gives one up, or is the last */
	while (tried < n) {
		int error;

		tried += sock_send_batch(fd, mm + tried, n - tried, &error);
		if (error == EAGAIN)
			return lost + n - tried;
		if (error) {
			tried++;
			lost++;
		}
	}
	return lost;
}

void sock_set_dscp(int fd, const struct addr *peer, uint8_t tos)
{
	bool v4 = addr_is_v4(peer);

	if (sock_set_int(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6,
			 v4 ? IP_TOS : IPV6_TCLASS, tos))
		debug("Couldn't set DSCP: %s", strerror(errno));
}

void sock_set_ttl(int fd, const struct addr *peer, uint8_t ttl)
{
	bool v4 = addr_is_v4(peer);
	int rc = sock_set_int(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6,
			      v4 ? IP_TTL : IPV6_UNICAST_HOPS, ttl);

	if (rc)
		debug("Couldn't set TTL: %s", strerror(-rc));
}

int sock_error(int fd)
{
	socklen_t len = sizeof(int);
	int e = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) ? errno : e;
}

void sock_reset(int *fd)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (*fd < 0)
		return;
	/* Without it, the peer would take a reset for an end */
	for (unsigned i = 0; i < SOCK_RESET_TRIES; i++)
		if (!setsockopt(*fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)))
			break;
	close(*fd);
	*fd = -1;
}

bool sock_sndbuf(int fd, struct sock_sndbuf *ret_sndbuf)
{
	uint32_t mem[SK_MEMINFO_VARS];
	socklen_t len = sizeof(mem);
	int payload = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, mem, &len) ||
	    len < (SK_MEMINFO_WMEM_QUEUED + 1) * sizeof(mem[0]))
		return false;
	ret_sndbuf->size = mem[SK_MEMINFO_SNDBUF];
	ret_sndbuf->queued = mem[SK_MEMINFO_WMEM_QUEUED];
	/* Little in it: how it is made up doesn't matter yet */
	if (ret_sndbuf->queued > ret_sndbuf->size / 4)
		ioctl(fd, SIOCOUTQ, &payload);
	ret_sndbuf->payload = (uint32_t)payload;
	return true;
}

/* What the next step would make of a stream's send buffer */
static uint32_t sock_sndbuf_step(const struct sock_sndbuf *sb)
{
	return MIN(MIN(sb->size, SOCK_STREAM_BUF / 2) * 2,
		   sock.stream_sndbuf_max);
}

bool sock_may_grow_sndbuf(const struct sock_sndbuf *sb)
{
	return sock_sndbuf_step(sb) > sb->size;
}

void sock_grow_sndbuf(int fd, struct sock_sndbuf *sb)
{
	uint32_t size = sock_sndbuf_step(sb);

	/* What is asked for is doubled */
	if (size > sb->size &&
	    !sock_set_int(fd, SOL_SOCKET, SO_SNDBUF, (int)(size / 2)) &&
	    !sock_set_int(fd, SOL_SOCKET, SO_BUF_LOCK, 0) &&
	    sock_sndbuf(fd, sb) && sb->size < size)
		sock.stream_sndbuf_max = sb->size;	/* a new limit of the host */
}

bool sock_tcp_info(int fd, struct sock_tcp_info *ret_info)
{
	/* tcpi_rcv_wnd follows tcpi_snd_wnd, in headers of Linux 6.2 on */
	enum { RCV_WND = offsetof(struct tcp_info, tcpi_snd_wnd) + 4 };
	union {
		struct tcp_info ti;
		uint8_t raw[sizeof(struct tcp_info) + 8];
	} u;
	socklen_t len = sizeof(u);
	uint32_t rcv_wnd;

#define ti	u.ti
#define HAS(field) (len >= offsetof(struct tcp_info, field) + sizeof(ti.field))
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &u, &len))
		return false;
	memcpy(&rcv_wnd, u.raw + RCV_WND, sizeof(rcv_wnd));
	*ret_info = (struct sock_tcp_info){
		.has_acked = HAS(tcpi_bytes_acked),
		.acked = HAS(tcpi_bytes_acked) ? ti.tcpi_bytes_acked : 0,
		.rtt_us = ti.tcpi_rtt,
		.unacked = ti.tcpi_unacked,
		.heard_ms = MIN(ti.tcpi_last_ack_recv, ti.tcpi_last_data_recv),
		/* ~0 there: nothing was measured yet */
		.min_rtt_us = HAS(tcpi_min_rtt) &&
			      ti.tcpi_min_rtt != UINT32_MAX ?
			      ti.tcpi_min_rtt : ti.tcpi_rtt,
		.snd_wnd = HAS(tcpi_snd_wnd) ? ti.tcpi_snd_wnd : UINT32_MAX,
		.rcv_wnd = len >= RCV_WND + sizeof(rcv_wnd) ? rcv_wnd :
							      UINT32_MAX,
		.resent = ti.tcpi_total_retrans,
		.unsent = HAS(tcpi_notsent_bytes) ? ti.tcpi_notsent_bytes :
						    UINT32_MAX,
	};
#undef HAS
#undef ti
	return true;
}

unsigned sock_unacked(int fd)
{
	int n;

	return ioctl(fd, SIOCOUTQ, &n) ? UINT_MAX : (unsigned)n;
}

bool sock_has_unacked_data(int fd)
{
	return sock_unacked(fd) > 1;
}

/* Keepalive probes of the kernel's: after idle_s seconds of silence, and at once if
 * those are over (TCP_KEEPIDLE is what looks); then each interval_s, `count` times
 */
static int sock_keepalive(int fd, int idle_s, int interval_s, int count)
{
	int rc = sock_set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);

	if (!rc)
		rc = sock_set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, interval_s);
	if (!rc)
		rc = sock_set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, count);
	return rc ? rc : sock_set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle_s);
}

void sock_watch_peer(int fd)
{
	int rc = sock_keepalive(fd, SOCK_WATCH_S, SOCK_WATCH_S,
				SOCK_WATCH_COUNT);

	if (rc)
		debug("Couldn't set keepalive: %s", strerror(-rc));
}

bool sock_ask_peer(int fd)
{
	if (!sock_keepalive(fd, 1, SOCK_KEEP_MAX_S, SOCK_KEEP_MAX))
		return true;
	sock_ask_peer_end(fd);
	return false;
}

void sock_ask_peer_end(int fd)
{
	sock_set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 0);
}
