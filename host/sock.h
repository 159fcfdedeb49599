/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Host-side sockets: opened, bound, asked. All are non-blocking. */
#ifndef HOST_SOCK_H
#define HOST_SOCK_H

#include "engine/conf_types.h"
#include "util/mono.h"

/* Probe what this kernel offers */
void sock_init(const struct conf *c);

/* SO_PEEK_OFF for TCP sockets (Linux 6.9 for IPv4, later for IPv6) */
bool sock_has_peek_off(void);

/* How many ports the kernel chooses from for connections */
unsigned sock_local_ports(void);

/* SO_BUF_LOCK (Linux 5.14), and the host lets a stream's send buffer grow */
bool sock_has_buf_lock(void);

/* SO_BINDTODEVICE without privileges (Linux 5.7) */
bool sock_has_bindtodevice(void);

/* A socket that will talk to `peer`, bound to `our` (none: the kernel's
 * choice) and `our_port` (0: likewise), and to the configured interface.
 * Descriptor or -errno.
 */
int sock_outbound(int type, int proto, const struct addr *peer,
		  const struct addr *our, uint16_t our_port);

/* The same on one of the two loopback interfaces' ends of a flow: inside the
 * guest's namespace, or on the host. Bound to any address, and to our_port
 * (0: the kernel's choice).
 */
int sock_splice(int type, bool in_ns, enum family f, uint16_t our_port);

/* connect(), once more after a fault of the moment; 0, -EINPROGRESS or other -errno */
int sock_connect(int fd, const struct addr *peer, uint16_t port);

/* A socket for one port of a rule: bound, and listening for TCP; on the host, or
 * inside the guest's namespace. 0 ports were refused by the grammar. beside: there
 * is one of UDP already, that shares its port. Descriptor or -errno.
 */
int sock_listen(const struct fwd_rule *r, uint16_t port, bool in_ns, bool beside);
/* May others of ours have its port, too, that say the same? Of UDP. 0 or -errno. */
int sock_share_port(int fd, bool share);

/* Does the host have this address, a link-local one on that interface? Yes, if nobody
 * can tell; no, if it's there but can't be used yet.
 */
bool sock_have_addr(const struct addr *a, unsigned ifi);

/* Was it bound to an interface that isn't there any more? One of the same name is
 * another one.
 */
bool sock_device_is_gone(int fd);

/* Local address of a socket; none, if the kernel doesn't tell */
struct addr sock_local(int fd, uint16_t *ret_port);
/* The same; the interface of a link-local one of IPv6, else 0 */
struct addr sock_local_link(int fd, unsigned *ret_ifi);

/* sendmmsg() that gets past the error of an earlier datagram, which is returned
 * instead of sending. How many it sent; errno value of what stopped it, or 0.
 */
struct mmsghdr;
unsigned sock_send_batch(int fd, struct mmsghdr *mm, unsigned n,
			 int *ret_error);
/* The same, past those that are refused, until all n were tried or the socket
 * takes no more. How many are lost.
 */
unsigned sock_send_or_drop(int fd, struct mmsghdr *mm, unsigned n);

/* DSCP of what a connected socket sends to `peer`, as the six upper bits of a
 * TOS or traffic class byte (RFC 2474). The kernel keeps the ECN bits.
 */
void sock_set_dscp(int fd, const struct addr *peer, uint8_t tos);

/* TTL, or hop limit, of what a connected socket sends to `peer` */
void sock_set_ttl(int fd, const struct addr *peer, uint8_t ttl);

/* Pending error of a socket, cleared: errno value, 0 if there is none */
int sock_error(int fd);

/* close() that sends RST: SO_LINGER with 0. *fd becomes -1. */
void sock_reset(int *fd);

/* A TCP socket's send buffer: what it may hold and what is in it, in the
 * kernel's own accounting; and how much payload that is (SIOCOUTQ)
 */
struct sock_sndbuf { uint32_t size, queued, payload; };
/* False if the kernel doesn't tell (before Linux 4.12) */
bool sock_sndbuf(int fd, struct sock_sndbuf *ret_sndbuf);
/* Is there anything to be had by the next one? No system call. */
bool sock_may_grow_sndbuf(const struct sock_sndbuf *sb);
/* Make it twice as large, at most, within tcp_wmem, wmem_max and 1 MiB; the kernel
 * may let it grow beyond. *sb: before, and after.
 */
void sock_grow_sndbuf(int fd, struct sock_sndbuf *sb);

/* What TCP_INFO says that we use. acked: bytes that the peer acknowledged,
 * has_acked: this kernel tells (4.1). RTTs in microseconds, 0: not known.
 */
struct sock_tcp_info {
	bool has_acked;
	uint64_t acked;
	uint32_t rtt_us, min_rtt_us;
	uint32_t unacked;		/* segments on their way */
	uint32_t heard_ms;		/* since the peer's last segment */
	uint32_t snd_wnd;		/* UINT32_MAX before Linux 5.4 */
	uint32_t rcv_wnd;		/* …6.2 */
	uint32_t unsent;		/* bytes; UINT32_MAX before Linux 4.6 */
	uint32_t resent;		/* segments */
};
bool sock_tcp_info(int fd, struct sock_tcp_info *ret_info);

/* Bytes that a TCP peer hasn't acknowledged yet, of which a FIN is one. Without an
 * answer, there are many.
 */
unsigned sock_unacked(int fd);
/* The same without the FIN that was sent: is there data that would be lost? */
bool sock_has_unacked_data(int fd);

/* Have the kernel ask a TCP peer that has nothing to say every now and then whether it
 * still knows of the connection: if not, the socket gets an error
 */
void sock_watch_peer(int fd);

/* Have the kernel ask a TCP peer that hasn't been heard for a second whether it is
 * there, once for each call, as soon as that second is over. An answer shows in
 * heard_ms; that the peer has forgotten us, or the 128th question in succession without
 * an answer, as the socket's error. Nothing is asked while something is on its way
 * to the peer. False: it can't be had.
 */
bool sock_ask_peer(int fd);
void sock_ask_peer_end(int fd);

#endif /* HOST_SOCK_H */
