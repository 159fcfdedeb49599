// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest on the stream link, without a virtual machine: a tap in this network
 * namespace on one side, QEMU's socket (32-bit big-endian length before each
 * frame) on the other.
 *
 *	shim TAP SOCKET
 *
 * It must cost as little as possible, or one would measure it rather than the
 * daemon. So the tap has offloads: the kernel's segments of up to 64 KiB are
 * cut here, with the checksums that the other side expects, and sent without
 * another copy; and what arrives in order for one connection is put together
 * before it is written to the tap, as any network card's driver would. Of
 * the frames merged that way, the checksum of one in 64 is verified.
 *
 * "ready" is printed once the tap exists. Ends with the daemon.
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "util.h"

enum {
	ETH = 14,
	FRAME = 65535 + 64,
	SLOTS = 8,		/* segments taken from the tap at once */
	PIECES = 1024,		/* IOV_MAX */
	HEAD = 4 + ETH + 60 + 60,
	STREAM = 1024 * 1024,
	SAMPLE = 64,
};

struct frame {			/* what one needs to know of a TCP segment */
	unsigned l3, l4, data;	/* offsets */
	unsigned len;		/* of the frame, by the IP header */
	int v6;
};

static int tap, sock;
static char slots[SLOTS][FRAME];
static char heads[PIECES / 2][HEAD];
static struct iovec out[PIECES];
static unsigned out_n, out_at;
static char stream[STREAM];
static size_t stream_len;
static unsigned long bad_csum;

static uint16_t get16(const char *p)
{
	return (uint16_t)((uint8_t)p[0] << 8 | (uint8_t)p[1]);
}

static uint32_t get32(const char *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(char *p, unsigned v)
{
	p[0] = (char)(v >> 8);
	p[1] = (char)v;
}

static void put32(char *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__)
__attribute__((target_clones("avx2", "default")))
#endif
static uint64_t sum(const char *p, size_t n, uint64_t acc)
{
	typedef uint64_t lanes __attribute__((vector_size(32)));
	typedef lanes loose __attribute__((aligned(1), may_alias));
	const lanes low = { UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX };
	lanes a = { 0 }, b = { 0 };
	uint16_t v = 0;

	for (; n >= sizeof(lanes); p += sizeof(lanes), n -= sizeof(lanes)) {
		lanes x = *(const loose *)(const void *)p;

		a += x & low;
		b += x >> 32;
	}
	a += b;
	for (int i = 0; i < 4; i++)
		acc += a[i];
	for (; n >= sizeof(v); p += sizeof(v), n -= sizeof(v)) {
		memcpy(&v, p, sizeof(v));
		acc += v;
	}
	if (n) {
		v = 0;
		memcpy(&v, p, 1);
		acc += v;
	}
	return acc;
}

/* In memory order, not complemented */
static uint16_t fold(uint64_t acc)
{
	while (acc >> 16)
		acc = (acc & 0xffff) + (acc >> 16);
	return (uint16_t)acc;
}

static void put_csum(char *p, uint16_t folded)
{
	memcpy(p, &folded, 2);
}

static uint64_t pseudo(const char *f, unsigned l3, int v6, unsigned l4_len,
		       uint8_t proto)
{
	uint64_t acc = (uint64_t)htons(proto) + htons((uint16_t)l4_len);

	return v6 ? sum(f + l3 + 8, 32, acc) : sum(f + l3 + 12, 8, acc);
}

/* Length and checksum of the IP header at l3, for a frame of len bytes */
static void fix_ip(char *f, unsigned l3, int v6, unsigned len)
{
	if (v6) {
		put16(f + l3 + 4, len - l3 - 40);
		return;
	}
	put16(f + l3 + 2, len - l3);
	put16(f + l3 + 10, 0);
	put_csum(f + l3 + 10, (uint16_t)~fold(sum(f + l3, (f[l3] & 15) * 4U,
						  0)));
}

static void emit(void *p, size_t len)
{
	out[out_n++] = (struct iovec){ p, len };
}

/* One frame of the tap as it is */
static void send_whole(const struct virtio_net_hdr *vh, char *f, unsigned len)
{
	char *head = heads[out_n / 2];

	if (vh->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM &&
	    vh->csum_start + vh->csum_offset + 2U <= len) {
		uint16_t c = (uint16_t)~fold(sum(f + vh->csum_start,
						 len - vh->csum_start, 0));

		put_csum(f + vh->csum_start + vh->csum_offset, c ? c : 0xffff);
	}
	put32(head, len);
	emit(head, 4);
	emit(f, len);
}

/* One segment of the tap in pieces; the vector has room for all of them */
static void send_pieces(const struct virtio_net_hdr *vh, char *f, unsigned len)
{
	int v6 = get16(f + 12) == 0x86dd;
	unsigned l4 = vh->csum_start, hl, size = vh->gso_size, n = 0;
	unsigned id = v6 ? 0 : get16(f + ETH + 4);
	uint32_t seq;
	uint8_t flags;

	hl = l4 + ((uint8_t)f[l4 + 12] >> 4) * 4U;
	if (hl > HEAD - 4 || hl >= len || !size)
		return;
	seq = get32(f + l4 + 4);
	flags = (uint8_t)f[l4 + 13];
	for (unsigned at = hl; at < len; at += size, n++) {
		unsigned part = len - at < size ? len - at : size;
		char *h = heads[out_n / 2] + 4;
		uint64_t acc;

		memcpy(h, f, hl);
		put32(h - 4, hl + part);
		if (!v6)
			put16(h + ETH + 4, id + n);
		fix_ip(h, ETH, v6, hl + part);
		put32(h + l4 + 4, seq + at - hl);
		/* FIN and PSH on the last one only, CWR on the first */
		h[l4 + 13] = (char)(flags & ~(at + part < len ? 0x09 : 0) &
				    ~(n ? 0x80 : 0));
		put16(h + l4 + 16, 0);
		acc = pseudo(h, ETH, v6, hl - l4 + part, IPPROTO_TCP);
		acc = sum(h + l4, hl - l4, acc);
		put_csum(h + l4 + 16, (uint16_t)~fold(sum(f + at, part, acc)));
		emit(h - 4, 4 + hl);
		emit(f + at, part);
	}
}

/* What the kernel has, as far as there is room. Datagrams come whole: USO isn't
 * asked for.
 */
static void from_tap(void)
{
	unsigned slot;

	for (slot = 0; slot < SLOTS; slot++) {
		struct virtio_net_hdr vh;
		struct iovec iov[2] = {
			{ &vh, sizeof(vh) }, { slots[slot], FRAME }
		};
		ssize_t n;
		unsigned len;

		/* a segment of 64 KiB may be 128 pieces of 536 bytes */
		if (PIECES - out_n < 2 * 130)
			break;
		n = readv(tap, iov, 2);
		if (n < (ssize_t)sizeof(vh) + ETH)
			break;
		len = (unsigned)n - (unsigned)sizeof(vh);
		if (vh.gso_type == VIRTIO_NET_HDR_GSO_NONE)
			send_whole(&vh, slots[slot], len);
		else if (vh.gso_size >= 500)
			send_pieces(&vh, slots[slot], len);
	}
}

static void to_sock(void)
{
	while (out_at < out_n) {
		struct msghdr m = { .msg_iov = out + out_at,
				    .msg_iovlen = out_n - out_at };
		ssize_t n = sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			exit(0);
		while (out_at < out_n && (size_t)n >= out[out_at].iov_len)
			n -= (ssize_t)out[out_at++].iov_len;
		if (n) {
			out[out_at].iov_base = (char *)out[out_at].iov_base + n;
			out[out_at].iov_len -= (size_t)n;
		}
	}
	out_at = out_n = 0;
}

/* Is this plain TCP data, of the kind that may be put together? */
static int mergeable(const char *f, unsigned len, struct frame *ret)
{
	static const char eth4[2] = { 8, 0 }, eth6[2] = { (char)0x86, (char)0xdd };
	unsigned l3 = ETH, l4, tot;

	if (len >= ETH + 40 && !memcmp(f + 12, eth4, 2)) {
		if (f[l3] != 0x45 || f[l3 + 9] != IPPROTO_TCP ||
		    get16(f + l3 + 6) & 0x3fff)
			return 0;
		l4 = l3 + 20;
		tot = l3 + get16(f + l3 + 2);
		ret->v6 = 0;
	} else if (len >= ETH + 60 && !memcmp(f + 12, eth6, 2)) {
		if (f[l3 + 6] != IPPROTO_TCP)
			return 0;
		l4 = l3 + 40;
		tot = l4 + get16(f + l3 + 4);
		ret->v6 = 1;
	} else {
		return 0;
	}
	ret->l3 = l3;
	ret->l4 = l4;
	ret->data = l4 + ((uint8_t)f[l4 + 12] >> 4) * 4U;
	ret->len = tot;
	/* nothing but ACK and PSH */
	return tot <= len && ret->data < tot &&
	       ((uint8_t)f[l4 + 13] & ~0x08) == 0x10;
}

/* May b follow a, which ends before seq, in one segment? */
static int follows(const char *a, const struct frame *fa, uint32_t seq,
		   const char *b, const struct frame *fb)
{
	unsigned l4 = fa->l4;

	return fa->v6 == fb->v6 && fa->data == fb->data &&
	       get32(b + l4 + 4) == seq &&
	       (fa->v6 ? !memcmp(a + 14, b + 14, 4) &&
			 !memcmp(a + 20, b + 20, 34) :
			 a[15] == b[15] && !memcmp(a + 22, b + 22, 2) &&
			 !memcmp(a + 26, b + 26, 8)) &&
	       !memcmp(a + l4, b + l4, 4) &&
	       /* acknowledgement, and whatever options there are */
	       !memcmp(a + l4 + 8, b + l4 + 8, 4) &&
	       !memcmp(a + l4 + 14, b + l4 + 14, 2) &&
	       !memcmp(a + l4 + 20, b + l4 + 20, fa->data - l4 - 20);
}

static int sample_ok(const char *f, const struct frame *fr)
{
	static unsigned n;

	if (n++ % SAMPLE)
		return 1;
	if (fold(sum(f + fr->l4, fr->len - fr->l4,
		     pseudo(f, fr->l3, fr->v6, fr->len - fr->l4,
			    IPPROTO_TCP))) == 0xffff)
		return 1;
	if (!bad_csum++)
		fprintf(stderr, "shim: wrong checksum from the daemon\n");
	return 0;
}

/* Write one frame at p, or several merged; returns the bytes that are done,
 * 0 if a whole frame isn't there yet
 */
static size_t to_tap(char *p, size_t n)
{
	struct virtio_net_hdr vh = { .gso_type = VIRTIO_NET_HDR_GSO_NONE };
	struct iovec iov[128];
	struct frame first, next;
	unsigned len, total, cnt = 2, size;
	size_t done;
	uint32_t seq;
	char *f = p + 4;

	if (n < 4)
		return 0;
	len = get32(p);
	if (len < ETH || len > 65535) {
		fprintf(stderr, "shim: frame of %u bytes\n", len);
		exit(1);
	}
	if (n < 4 + (size_t)len)
		return 0;
	done = 4 + (size_t)len;
	iov[0] = (struct iovec){ &vh, sizeof(vh) };
	iov[1] = (struct iovec){ f, len };
	if (!mergeable(f, len, &first))
		goto write;
	if (!sample_ok(f, &first))
		return done;
	size = first.len - first.data;
	seq = get32(f + first.l4 + 4) + size;
	total = first.len;
	while (cnt < 128 && !(f[first.l4 + 13] & 0x08) && n - done >= 4) {
		unsigned l = get32(p + done);
		char *g = p + done + 4;
		unsigned part;

		if (l < ETH || l > 65535 || n - done - 4 < l ||
		    !mergeable(g, l, &next) ||
		    !follows(f, &first, seq, g, &next))
			break;
		part = next.len - next.data;
		if (part > size || total + part > 65535 + ETH)
			break;
		if (!sample_ok(g, &next))
			break;
		iov[cnt++] = (struct iovec){ g + next.data, part };
		total += part;
		seq += part;
		done += 4 + (size_t)l;
		f[first.l4 + 13] |= g[next.l4 + 13] & 0x08;
		if (part < size)
			break;
	}
	if (cnt > 2) {
		iov[1].iov_len = first.len;
		fix_ip(f, first.l3, first.v6, total);
		put_csum(f + first.l4 + 16,
			 fold(pseudo(f, first.l3, first.v6, total - first.l4,
				     IPPROTO_TCP)));
		vh.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		vh.gso_type = first.v6 ? VIRTIO_NET_HDR_GSO_TCPV6 :
					 VIRTIO_NET_HDR_GSO_TCPV4;
		vh.gso_size = (uint16_t)size;
		vh.hdr_len = (uint16_t)first.data;
		vh.csum_start = (uint16_t)first.l4;
		vh.csum_offset = 16;
	}
write:
	if (writev(tap, iov, (int)cnt) < 0 && errno != EAGAIN &&
	    errno != ENOBUFS && errno != EIO && errno != EINVAL)
		fail("tap");
	return done;
}

static void from_sock(void)
{
	size_t at = 0, n;
	ssize_t got = recv(sock, stream + stream_len, STREAM - stream_len,
			   MSG_DONTWAIT);

	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0)
		exit(0);
	stream_len += (size_t)got;
	while ((n = to_tap(stream + at, stream_len - at)))
		at += n;
	stream_len -= at;
	memmove(stream, stream + at, stream_len);
}

static void open_tap(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

	tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tap < 0)
		fail("/dev/net/tun");
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(tap, TUNSETIFF, &ifr) ||
	    ioctl(tap, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6))
		fail("tap");
}

int main(int argc, char **argv)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if (argc != 3)
		return 1;
	open_tap(argv[1]);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", argv[2]);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || connect(sock, (struct sockaddr *)&sa, sizeof(sa)))
		fail(argv[2]);
	big_buffers(sock);
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct pollfd p[2] = {
			{ .fd = tap, .events = out_n ? 0 : POLLIN },
			{ .fd = sock, .events = POLLIN },
		};

		if (out_n)
			p[1].events |= POLLOUT;
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			fail("poll");
		if (p[1].revents & (POLLIN | POLLHUP | POLLERR))
			from_sock();
		if (!out_n && p[0].revents & POLLIN)
			from_tap();
		if (out_n)
			to_sock();
	}
}
