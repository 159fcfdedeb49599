// SPDX-License-Identifier: GPL-2.0-or-later
/* A vhost-user front-end, and the driver of its guest, without a virtual machine
 *
 *	vufront [OPTION...] CONTROL stream FD
 *	vufront [OPTION...] CONTROL tap NAME
 *
 * CONTROL is the daemon's socket: a path, or the number of a descriptor. Frames go
 * between the daemon's rings and, each behind its 4-byte length, a stream socket (as
 * test/pkt speaks it), or a tap of this network namespace, with its offloads.
 *
 *	-f FEATURES	virtio feature bits to take, if they are offered; default
 *			all for a tap, and no offloads for a stream
 *	-n NUM		entries of a ring, 256
 *	-b BYTES	size of each receive buffer; 4096, or for a whole frame if they
 *			can't be merged
 *	-r SEED		receive buffers and sent frames in pieces of random size,
 *			down to one byte; half of them by indirect tables
 *
 * What a stream's reader expects, whole checksums and segments of one size, is made
 * here of what the daemon leaves to offloads. "ready" is printed once the rings are
 * there. Ends when one of the two other ends does. SIGUSR1 takes the memory of receive
 * buffers away.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define BIT(n) (1ULL << (n))

enum {
	RX, TX, RINGS,

	F_CSUM = 0, F_GUEST_CSUM = 1, F_GUEST_TSO4 = 7, F_GUEST_TSO6 = 8,
	F_HOST_TSO4 = 11, F_HOST_TSO6 = 12, F_MRG_RXBUF = 15,
	F_INDIRECT = 28, F_EVENT_IDX = 29, F_PROTOCOL = 30, F_VERSION_1 = 32,
	F_GUEST_USO4 = 54, F_GUEST_USO6 = 55, F_HOST_USO = 56,

	NUM_MAX = 1024,
	PIECES = 8,			/* descriptors of a random chain */
	SLOT = 65536 + 256,		/* one frame with its header */
	VNET = 12,
	ETH = 14,
	BATCH = 32,			/* frames sent at once */
	DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4,
	HALF = 160 * 1024 * 1024,	/* of the memory: a region */
	OUT = 8 * 1024 * 1024,
	GPA_HIGH = 1,			/* second region, in units of 4 GiB */
};

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct ring {
	unsigned num, size;		/* entries; buffers */
	struct desc *desc;
	uint16_t *avail, *used;		/* flags, idx, entries */
	struct desc *table;		/* indirect ones, PIECES for each buffer */
	int kick, call;
	uint16_t next_avail, seen_used;
	uint16_t kicked;
	uint16_t free[NUM_MAX];		/* buffers that are ours, by number */
	unsigned frees;
	bool indirect[NUM_MAX];
};

static uint8_t *mem;
static struct ring ring[RINGS];
static uint64_t features, wanted;
static unsigned opt_num = 256, rx_bytes;
static bool scatter;
static unsigned seed;
static bool is_tap;
static int control, other, mem_fd;
static uint8_t *out, *in;
static size_t out_at, out_len, in_len;

__attribute__((noreturn))
static void fail(const char *what)
{
	fprintf(stderr, "vufront: %s: %s\n", what, strerror(errno));
	exit(1);
}

static bool has(int bit)
{
	return features & BIT(bit);
}

static unsigned rnd(unsigned n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % n;
}

/* Guest-physical address of what is at p: two regions, far apart */
static uint64_t gpa(const void *p)
{
	uint64_t off = (uint64_t)((const uint8_t *)p - mem);

	return off < HALF ? off : ((uint64_t)GPA_HIGH << 32) + off - HALF;
}

static uint8_t *rx_buf(unsigned i)
{
	return mem + HALF + (size_t)i * SLOT;
}

static uint8_t *tx_buf(unsigned i)
{
	return mem + HALF / 2 + (size_t)i * SLOT;
}

/* ---- the protocol ---- */

static void message(uint32_t request, const void *payload, uint32_t size,
		    const int *fds, unsigned nfds, uint64_t *reply)
{
	struct { uint32_t request, flags, size; } h = { request, 1, size };
	struct iovec iov[2] = { { &h, sizeof(h) },
				{ (void *)(uintptr_t)payload, size } };
	union { struct cmsghdr c; char buf[CMSG_SPACE(8 * sizeof(int))]; } u;
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	if (nfds) {
		msg.msg_control = &u;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		u.c.cmsg_level = SOL_SOCKET;
		u.c.cmsg_type = SCM_RIGHTS;
		u.c.cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(&u.c), fds, nfds * sizeof(int));
	}
	if (sendmsg(control, &msg, MSG_NOSIGNAL) < 0)
		fail("request");
	if (!reply)
		return;
	if (recv(control, &h, sizeof(h), MSG_WAITALL) != sizeof(h) ||
	    h.size != 8 || recv(control, reply, 8, MSG_WAITALL) != 8)
		fail("reply");
}

static void message_u64(uint32_t request, uint64_t v, int fd)
{
	message(request, &v, sizeof(v), &fd, fd >= 0, NULL);
}

static void message_state(uint32_t request, uint32_t i, uint32_t num)
{
	const uint32_t state[2] = { i, num };

	message(request, state, sizeof(state), NULL, 0, NULL);
}

static void share_memory(void)
{
	struct {
		uint32_t n, pad;
		struct { uint64_t gpa, size, user, offset; } r[2];
	} t = { 2, 0, {
		{ 0, HALF, (uintptr_t)mem, 0 },
		{ (uint64_t)GPA_HIGH << 32, HALF, (uintptr_t)mem + HALF, HALF },
	} };
	int fd = memfd_create("guest", 0), fds[2] = { fd, fd };

	mem_fd = fd;
	if (fd < 0 || ftruncate(fd, 2L * HALF))
		fail("memory");
	mem = mmap(NULL, 2L * HALF, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		fail("memory");
	t.r[0].user = (uintptr_t)mem;
	t.r[1].user = (uintptr_t)mem + HALF;
	message(5, &t, sizeof(t), fds, 2, NULL);
}

static void ring_lay_out(unsigned i)
{
	struct ring *r = &ring[i];
	uint8_t *p = mem + 4096 + i * 1024L * 1024;

	r->num = opt_num;
	r->desc = (struct desc *)(void *)p;
	r->avail = (uint16_t *)(void *)(p + 64 * 1024);
	r->used = (uint16_t *)(void *)(p + 128 * 1024);
	r->table = (struct desc *)(void *)(p + 256 * 1024);
	/* A chain in pieces takes several descriptors */
	r->size = scatter ? r->num / PIECES : r->num;
	for (unsigned b = 0; b < r->size; b++)
		r->free[r->frees++] = (uint16_t)b;
	r->kick = eventfd(0, EFD_NONBLOCK);
	r->call = eventfd(0, EFD_NONBLOCK);
}

static void ring_tell(unsigned i)
{
	struct ring *r = &ring[i];
	struct { uint32_t i, flags; uint64_t desc, used, avail, log; } a = {
		i, 0, (uintptr_t)r->desc, (uintptr_t)r->used,
		(uintptr_t)r->avail, 0,
	};

	message_state(8, i, r->num);
	message_state(10, i, 0);
	message(9, &a, sizeof(a), NULL, 0, NULL);
	message_u64(13, i, r->call);
	message_u64(12, i, r->kick);
	message_state(18, i, 1);
}

/* ---- the driver ---- */

static uint16_t *used_event(const struct ring *r)
{
	return r->avail + 2 + r->num;
}

static uint16_t avail_event(const struct ring *r)
{
	return *(volatile uint16_t *)(r->used + 2 + 4 * r->num);
}

static void put_piece(struct desc *d, const uint8_t *p, uint32_t len,
		      uint16_t flags, uint16_t next)
{
	*d = (struct desc){ gpa(p), len, flags, next };
}

/* Lend buffer b, of len bytes at p */
static void lend(struct ring *r, unsigned b, uint8_t *p, uint32_t len,
		 uint16_t flags)
{
	unsigned n = scatter ? 1 + rnd(PIECES) : 1, stride = scatter ? PIECES : 1;
	bool indirect = scatter && has(F_INDIRECT) && rnd(2);
	struct desc *d = indirect ? r->table + b * PIECES :
			 r->desc + b * stride;
	unsigned first = indirect ? 0 : b * stride;

	for (unsigned i = 0; i < n; i++) {
		bool last = i + 1 == n;
		uint32_t piece = last ? len : rnd(4) ? rnd(len + 1) :
				 (uint32_t)(len > 0);

		put_piece(&d[i], p, piece, flags | (last ? 0 : DESC_NEXT),
			  (uint16_t)(first + i + 1));
		p += piece;
		len -= piece;
	}
	if (indirect)
		put_piece(r->desc + b * stride, (uint8_t *)d,
			  n * (uint32_t)sizeof(*d), DESC_INDIRECT, 0);
	r->avail[2 + r->next_avail % r->num] = (uint16_t)(b * stride);
	r->next_avail++;
}

/* Show what was lent, kick if that is wanted */
static void publish(struct ring *r)
{
	const uint64_t one = 1;
	uint16_t old = r->kicked, now = r->next_avail;
	bool kick;

	if (old == now)
		return;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	*(volatile uint16_t *)(r->avail + 1) = now;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	kick = has(F_EVENT_IDX) ?
	       (uint16_t)(now - avail_event(r) - 1) < (uint16_t)(now - old) :
	       !(*(volatile uint16_t *)r->used & 1);
	r->kicked = now;
	if (kick && write(r->kick, &one, sizeof(one)) < 0)
		fail("kick");
}

/* Next buffer that came back: its number, -1 if there is none */
static int returned(struct ring *r, uint32_t *ret_len)
{
	uint32_t e[2];

	if (*(volatile uint16_t *)(r->used + 1) == r->seen_used)
		return -1;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	memcpy(e, r->used + 2 + 4 * (r->seen_used % r->num), sizeof(e));
	r->seen_used++;
	*ret_len = e[1];
	return (int)(scatter ? e[0] / PIECES : e[0]);
}

/* Be called for the next one; true if it is there already */
static bool listen_to(struct ring *r)
{
	*(volatile uint16_t *)used_event(r) = r->seen_used;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return *(volatile uint16_t *)(r->used + 1) != r->seen_used;
}

static void refill(void)
{
	struct ring *r = &ring[RX];

	while (r->frees) {
		unsigned b = r->free[--r->frees];
		uint32_t len = rx_bytes;

		if (scatter)
			len = has(F_MRG_RXBUF) ? 1 + rnd(rx_bytes) : SLOT;
		lend(r, b, rx_buf(b), len, DESC_WRITE);
	}
	publish(r);
}

static void reclaim(void)
{
	uint32_t len;
	int b;

	while ((b = returned(&ring[TX], &len)) >= 0)
		ring[TX].free[ring[TX].frees++] = (uint16_t)b;
}

/* ---- offloads, for a reader that knows none ---- */

static uint32_t sum(const uint8_t *p, size_t n, uint32_t acc)
{
	for (size_t i = 0; i < n; i++)
		acc += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (acc >> 16)
		acc = (acc & 0xffff) + (acc >> 16);
	return acc;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void emit(const uint8_t *f, size_t len)
{
	uint32_t word = htonl((uint32_t)len);

	if (out_len + 4 + len > OUT) {
		errno = ENOBUFS;
		fail("stream");
	}
	memcpy(out + out_len, &word, 4);
	memcpy(out + out_len + 4, f, len);
	out_len += 4 + len;
}

/* Lengths and checksums of a frame of len bytes */
static void complete(uint8_t *f, size_t len, unsigned l4, unsigned field,
		     bool udp)
{
	bool v6 = f[12] == 0x86;
	uint32_t acc;

	if (v6) {
		put16(f + ETH + 4, (uint32_t)len - ETH - 40);
	} else {
		put16(f + ETH + 2, (uint32_t)len - ETH);
		put16(f + ETH + 10, 0);
		put16(f + ETH + 10, ~sum(f + ETH, 20, 0));
	}
	if (udp)
		put16(f + l4 + 4, (uint32_t)len - l4);
	put16(f + l4 + field, 0);
	acc = (udp ? 17U : 6U) + (uint32_t)(len - l4);
	acc = v6 ? sum(f + ETH + 8, 32, acc) : sum(f + ETH + 12, 8, acc);
	acc = ~sum(f + l4, len - l4, acc) & 0xffff;
	put16(f + l4 + field, udp && !acc ? 0xffff : acc);
}

/* A frame behind its virtio-net header, as the daemon sent it */
static void deliver(uint8_t *p, size_t len)
{
	uint16_t gso_size, l4, field;
	uint8_t gso = p[1] & 0x7f, *f = p + VNET, seg[SLOT];
	size_t head, n;
	uint32_t seq;

	memcpy(&gso_size, p + 4, 2);
	memcpy(&l4, p + 6, 2);
	memcpy(&field, p + 8, 2);
	len -= VNET;
	if (!(p[0] & 1)) {
		emit(f, len);
		return;
	}
	if (!gso) {
		/* What is padded ends where the IP header says */
		n = f[12] == 0x86 ? ETH + 40U + get16(f + ETH + 4) :
		    ETH + (size_t)get16(f + ETH + 2);
		complete(f, n, l4, field, field == 6);
		emit(f, len);
		return;
	}
	head = gso == 5 ? l4 + 8U : l4 + (f[l4 + 12] >> 4) * 4U;
	seq = get32(f + l4 + 4);
	for (size_t at = head; at < len; at += n) {
		n = len - at < gso_size ? len - at : gso_size;
		memcpy(seg, f, head);
		memcpy(seg + head, f + at, n);
		if (gso != 5) {
			put16(seg + l4 + 4, (seq + (uint32_t)(at - head)) >> 16);
			put16(seg + l4 + 6, seq + (uint32_t)(at - head));
			if (at + n < len)
				seg[l4 + 13] &= (uint8_t)~9;	/* FIN, PSH */
		}
		complete(seg, head + n, l4, field, gso == 5);
		if (head + n < 60) {
			memset(seg + head + n, 0, 60);
			emit(seg, 60);
		} else {
			emit(seg, head + n);
		}
	}
}

/* ---- frames ---- */

/* Frames from the daemon, while there is room for what they become */
static void from_daemon(void)
{
	static uint8_t frame[SLOT * 2];
	struct ring *r = &ring[RX];
	struct iovec iov[NUM_MAX];
	unsigned bufs[NUM_MAX];
	uint32_t len;
	int b;

	while ((is_tap || !out_len) && (b = returned(r, &len)) >= 0) {
		uint16_t want = 1, n = 0;
		size_t all = 0;

		if (has(F_MRG_RXBUF))
			memcpy(&want, rx_buf((unsigned)b) + 10, 2);
		if (scatter && has(F_MRG_RXBUF) && len < VNET) {
			/* The header itself is in pieces */
			uint8_t vh[VNET];
			uint16_t mark = r->seen_used;
			size_t have = len;
			uint32_t l = len;
			int bb = b;

			memcpy(vh, rx_buf((unsigned)bb), l);
			while (have < VNET &&
			       (bb = returned(r, &l)) >= 0) {
				size_t k = l < VNET - have ? l : VNET - have;

				memcpy(vh + have, rx_buf((unsigned)bb), k);
				have += k;
			}
			r->seen_used = mark;
			memcpy(&want, vh + 10, 2);
		}
		do {
			bufs[n] = (unsigned)b;
			iov[n++] = (struct iovec){ rx_buf((unsigned)b), len };
			all += len;
		} while (n < want && (b = returned(r, &len)) >= 0);
		if (n < want) {
			errno = EPROTO;
			fail("a frame lacks buffers");
		}
		if (is_tap) {
			if (writev(other, iov, n) < 0 && errno != EIO)
				fail("tap");
		} else {
			all = 0;
			for (unsigned i = 0; i < n; i++) {
				memcpy(frame + all, iov[i].iov_base,
				       iov[i].iov_len);
				all += iov[i].iov_len;
			}
			deliver(frame, all);
		}
		for (unsigned i = 0; i < n; i++)
			r->free[r->frees++] = (uint16_t)bufs[i];
		/* As Linux: half of the ring at once */
		if (r->frees > r->size / 2)
			refill();
	}
	if (!is_tap)
		refill();
}

static void send_slot(unsigned b, uint32_t len)
{
	lend(&ring[TX], b, tx_buf(b), len, 0);
}

static void from_tap(void)
{
	struct ring *r = &ring[TX];

	for (int i = 0; i < BATCH; i++) {
		unsigned b;
		ssize_t n;

		if (!r->frees)
			reclaim();
		if (!r->frees)
			break;
		b = r->free[r->frees - 1];
		n = read(other, tx_buf(b), SLOT);
		if (n < 0)
			break;
		r->frees--;
		send_slot(b, (uint32_t)n);
	}
	publish(r);
}

/* Whole frames of what was read from the stream; an end of it ends us */
static void from_stream(bool readable)
{
	struct ring *r = &ring[TX];
	size_t at = 0;

	if (readable && in_len < 4 * SLOT) {
		ssize_t n = recv(other, in + in_len, 8 * SLOT - in_len,
				 MSG_DONTWAIT);

		if (!n || (n < 0 && errno != EAGAIN))
			exit(0);
		in_len += n > 0 ? (size_t)n : 0;
	}
	while (in_len - at >= 4) {
		uint32_t len = get32(in + at);
		unsigned b;

		if (len > 65535)
			exit(0);
		if (in_len - at - 4 < len)
			break;
		if (!r->frees)
			reclaim();
		if (!r->frees)
			break;
		b = r->free[--r->frees];
		memset(tx_buf(b), 0, VNET);
		memcpy(tx_buf(b) + VNET, in + at + 4, len);
		send_slot(b, VNET + len);
		at += 4 + len;
	}
	in_len -= at;
	memmove(in, in + at, in_len);
	publish(r);
}

static void to_stream(void)
{
	ssize_t n = send(other, out + out_at, out_len - out_at,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN)
		exit(0);
	out_at += n > 0 ? (size_t)n : 0;
	if (out_at == out_len)
		out_at = out_len = 0;
}

static void run(void)
{
	enum { OTHER, CONTROL, CALL_RX, CALL_TX, FDS };
	struct pollfd p[FDS] = {
		[OTHER] = { .fd = other },
		[CONTROL] = { .fd = control, .events = POLLIN },
		[CALL_RX] = { .fd = ring[RX].call, .events = POLLIN },
		[CALL_TX] = { .fd = ring[TX].call, .events = POLLIN },
	};
	uint64_t v;

	for (;;) {
		bool again = listen_to(&ring[RX]) &&
			     (is_tap || !out_len);

		if (!ring[TX].frees)
			listen_to(&ring[TX]);
		reclaim();
		p[OTHER].events = (short)((ring[TX].frees ? POLLIN : 0) |
					  (out_len ? POLLOUT : 0));
		if (poll(p, FDS, again ? 0 : -1) < 0) {
			if (errno == EINTR)
				continue;
			fail("poll");
		}
		if (p[CONTROL].revents)
			exit(0);
		for (int i = CALL_RX; i <= CALL_TX; i++)
			if (p[i].revents && read(p[i].fd, &v, sizeof(v)) < 0)
				fail("call");
		from_daemon();
		if (is_tap && p[OTHER].revents & POLLIN)
			from_tap();
		else if (!is_tap)
			from_stream(p[OTHER].revents & (POLLIN | POLLHUP));
		if (out_len)
			to_stream();
	}
}

/* ---- start ---- */

static void take_away(int sig)
{
	(void)sig;
	if (ftruncate(mem_fd, HALF))
		_exit(1);
}

static int open_control(const char *arg)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	if (arg[strspn(arg, "0123456789")] == '\0')
		return atoi(arg);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", arg);
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)))
		fail(arg);
	return fd;
}

static int open_tap(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK), size = VNET;

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) ||
	    ioctl(fd, TUNSETVNETHDRSZ, &size))
		fail("tap");
	return fd;
}

/* What the daemon takes from us, the kernel may leave to it */
static void offloads(void)
{
	unsigned o = 0;

	o |= has(F_CSUM) ? 1 : 0;
	o |= has(F_HOST_TSO4) ? 2 : 0;
	o |= has(F_HOST_TSO6) ? 4 : 0;
	o |= has(F_HOST_USO) ? 0x60 : 0;
	if (ioctl(other, TUNSETOFFLOAD, (unsigned long)o) &&
	    ioctl(other, TUNSETOFFLOAD, (unsigned long)(o & 7)))
		fail("offloads");
}

int main(int argc, char **argv)
{
	uint64_t offered;
	int opt;

	wanted = 0;
	while ((opt = getopt(argc, argv, "f:n:b:r:")) != -1) {
		switch (opt) {
		case 'f':
			wanted = *optarg == '~' ? ~0ULL : strtoull(optarg, NULL, 0);
			break;
		case 'n':
			opt_num = (unsigned)atoi(optarg);
			break;
		case 'b':
			rx_bytes = (unsigned)atoi(optarg);
			break;
		case 'r':
			scatter = true;
			seed = (unsigned)atoi(optarg);
			break;
		default:
			return 1;
		}
	}
	if (argc - optind != 3 || opt_num > NUM_MAX || rx_bytes > SLOT)
		return 1;
	control = open_control(argv[optind]);
	is_tap = !strcmp(argv[optind + 1], "tap");
	other = is_tap ? open_tap(argv[optind + 2]) : atoi(argv[optind + 2]);
	out = malloc(OUT);
	in = malloc(8 * SLOT);
	if (!out || !in)
		fail("memory");
	if (!wanted)
		wanted = is_tap ? ~0ULL : BIT(F_MRG_RXBUF) | BIT(F_INDIRECT) |
					  BIT(F_EVENT_IDX);
	wanted |= BIT(F_PROTOCOL) | BIT(F_VERSION_1);

	message(1, NULL, 0, NULL, 0, &offered);
	features = offered & wanted & ~BIT(26);
	message(15, NULL, 0, NULL, 0, &offered);
	message_u64(16, offered & BIT(3), -1);
	message(3, NULL, 0, NULL, 0, NULL);
	message_u64(2, features, -1);
	share_memory();
	for (unsigned i = 0; i < RINGS; i++)
		ring_lay_out(i);
	/* As little as may be between a reader who pauses and our rings */
	opt = 1;
	if (is_tap)
		offloads();
	else
		setsockopt(other, SOL_SOCKET, SO_SNDBUF, &opt, sizeof(opt));
	if (!rx_bytes)
		rx_bytes = has(F_MRG_RXBUF) ? 4096 : SLOT;
	refill();
	for (unsigned i = 0; i < RINGS; i++)
		ring_tell(i);
	signal(SIGUSR1, take_away);
	puts("ready");
	fflush(stdout);
	run();
}
