/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The whole daemon, as main() makes it, between a guest and a kernel that an input
 * drives: fuzz_kernel.h. A target says what link there is, and what an input is made of.
 *
 * What is always checked: frames to the guest are well-formed, with right checksums and
 * no larger than the MTU; of a guest's connection, what the host gets is what the guest has
 * sent, byte by byte, and the other way round; nothing beyond a window, nothing
 * acknowledged that wasn't sent, no window taken back; and when guest and hosts have
 * been silent for long enough, no flow and no socket is left.
 */
#ifndef TEST_FUZZ_FUZZ_WORLD_H
#define TEST_FUZZ_FUZZ_WORLD_H

#define main passt_main
#include "passt.c"
#undef main

#include "fuzz_kernel.h"
#include "tap/vnet.h"
#include "util/csum.h"
#include "util/seq.h"
#include "util/wire.h"

enum {
	WORLD_MTU	= 1500,
	WORLD_TURNS	= 30000,	/* until all is over */
	WORLD_HOURS	= 24,
	CONVS		= 4,		/* IPv4, IPv6; and begun by the host */
	SEG_MAX		= 4096,
};
#define WORLD_HOUR	3600000000LL

/* An input is a row of operations: a number, and what that takes from in_u8() and its
 * likes. A turn of the loop comes after one with a number below OP_BATCH.
 */
typedef void (*world_op)(void);
enum { OP_BATCH = 192 };

struct world_target {
	bool is_tun;			/* else a stream */
	bool any_data;			/* the guest's TCP has no certain bytes */
	const world_op *ops;
	unsigned count;
};
static const struct world_target target;	/* by who includes this */

/* A connection of the guest's, as it sees it */
struct conv {
	bool v6, by_host;
	struct addr guest, host;
	uint16_t guest_port, host_port;

	tcp_seq nxt, sent;		/* next to be sent; the end of all that was */
	uint8_t wscale;			/* largest of its SYNs, as… */
	uint16_t syn_wnd;		/* …this is */
	uint32_t ts;

	bool heard;			/* a SYN of theirs, and since: */
	tcp_seq iss, rcv;		/* of theirs; up to where all is here */
	uint8_t their_scale;
	bool edge_known, their_edge_known;
	tcp_seq edge, their_edge;	/* of the windows, right */
};

static struct {
	bool hangs_up;
	uint8_t to[1 << 20];		/* words of length, frames */
	size_t to_len, to_at;
	uint8_t from[1 << 21];
	size_t from_len;
	struct conv conv[CONVS];
} guest;

static struct guest_addrs world_guest;

static const uint8_t guest_mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };
static const uint8_t our_mac[6] = { 0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55 };

/* ---- Input ---- */

static struct { const uint8_t *p; size_t left; } in;

static uint8_t in_u8(void)
{
	if (!in.left)
		return 0;
	in.left--;
	return *in.p++;
}

static uint16_t in_u16(void)
{
	uint16_t low = in_u8();

	return (uint16_t)(low | in_u8() << 8);
}

/* So many bytes, or what is left */
static size_t in_bytes(void *buf, size_t n)
{
	n = MIN(n, in.left);
	memcpy(buf, in.p, n);
	in.p += n;
	in.left -= n;
	return n;
}

/* Small ones are likely */
static uint32_t in_size(void)
{
	uint32_t v = in_u8();

	return v < 192 ? v : (v & 63) << 8 | in_u8();
}

/* ---- What the guest gets ---- */

static struct conv *conv_find(const struct addr *g, uint16_t gp, const struct addr *h,
			      uint16_t hp)
{
	for (unsigned i = 0; i < CONVS; i++) {
		struct conv *c = &guest.conv[i];

		if (addr_eq(&c->guest, g) && addr_eq(&c->host, h) &&
		    c->guest_port == gp && c->host_port == hp)
			return c;
	}
	return NULL;
}

/* The host's SYN of something new */
static struct conv *conv_asked(const struct addr *g, uint16_t gp, const struct addr *h,
			       uint16_t hp)
{
	struct conv *c = &guest.conv[CONVS / 2 + !addr_is_v4(g)];

	c->guest = *g;
	c->guest_port = gp;
	c->host = *h;
	c->host_port = hp;
	c->heard = false;
	return c;
}

static uint8_t their_scale(const uint8_t *opt, size_t len)
{
	for (size_t i = 0; i < len && opt[i]; ) {
		if (opt[i] == 3)
			return opt[i + 2];
		i += opt[i] == 1 ? 1 : opt[i + 1];
	}
	return 0;
}

static void conv_syn(struct conv *c, const struct wire_tcp *h, tcp_seq seq,
		     const uint8_t *opt, size_t len)
{
	if (!c->heard || c->iss != seq) {
		c->heard = true;
		c->iss = seq;
		c->rcv = seq + 1;
		c->edge = seq + 1 + c->syn_wnd;
		c->edge_known = h->flags & TCP_ACK;
		c->their_edge_known = false;
	}
	c->their_scale = their_scale(opt, len);
}

/* Of their window's field, RFC 7323 2.2: which SYN of the guest's counts is for them
 * to say
 */
static uint32_t conv_unit(const struct conv *c)
{
	const struct flow_side side = {
		.our = c->host, .our_port = c->host_port,
		.peer = c->guest, .peer_port = c->guest_port,
	};
	const struct flow *f = flow_lookup(GUEST, PROTO_TCP, &side);

	return f && f->tcp.wscale_ok ? 1U << c->their_scale : 1;
}

static void conv_data(struct conv *c, tcp_seq seq, const uint8_t *p, size_t len)
{
	assert(!memcmp(p, kernel_bytes(seq - c->iss - 1), len));
	assert(!len || !c->edge_known ||
	       seq_leq(seq + (uint32_t)len, c->edge));
}

/* A segment of theirs */
static void conv_heard(const struct addr *src, const struct addr *dst,
		       const uint8_t *p, size_t len)
{
	struct wire_tcp h;
	size_t off;
	struct conv *c;
	tcp_seq seq, ack, end;

	memcpy(&h, p, sizeof(h));
	off = h.off / 16U * 4U;
	assert(off >= sizeof(h) && off <= len);
	seq = be32_get(h.seq);
	ack = be32_get(h.ack);
	c = conv_find(dst, be16_get(h.dport), src, be16_get(h.sport));
	if ((h.flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && !c)
		c = conv_asked(dst, be16_get(h.dport), src, be16_get(h.sport));
	if (!c || target.any_data)
		return;
	if (h.flags & TCP_RST) {
		c->their_edge_known = false;
		return;
	}
	if (h.flags & TCP_SYN)
		conv_syn(c, &h, seq, p + sizeof(h), off - sizeof(h));
	if (!c->heard)
		return;
	if (h.flags & TCP_ACK) {
		uint32_t unit = h.flags & TCP_SYN ? 1 : conv_unit(c);
		tcp_seq edge = ack + be16_get(h.wnd) * unit;

		assert(seq_leq(ack, c->sent));
		assert(h.flags & TCP_SYN || !c->their_edge_known ||
		       seq_geq(edge + unit - 1, c->their_edge));
		if (!(h.flags & TCP_SYN)) {
			c->their_edge = edge;
			c->their_edge_known = true;
		}
	}
	conv_data(c, seq, p + off, len - off);
	end = seq + (uint32_t)(len - off) + !!(h.flags & TCP_FIN);
	if (!(h.flags & TCP_SYN) && seq_leq(seq, c->rcv) && seq_gt(end, c->rcv))
		c->rcv = end;
}

/* From the transport header on, whole */
static void guest_check_l4(const struct addr *src, const struct addr *dst, uint8_t proto,
			   const uint8_t *p, size_t len, bool partial)
{
	uint64_t sum = proto == PROTO_ICMP ? 0 :
		       csum_pseudo(src, dst, proto, (uint32_t)len);
	struct wire_udp udp;
	uint16_t field;

	assert(proto == PROTO_TCP || proto == PROTO_UDP || proto == PROTO_ICMP ||
	       proto == PROTO_ICMP6);
	assert(len >= (proto == PROTO_TCP ? sizeof(struct wire_tcp) : 8));
	memcpy(&field, p + wire_csum_offset(proto), sizeof(field));
	if (partial)
		assert(field == csum_fold(sum));
	else
		assert(csum_fold(csum_add(sum, p, len)) == 0xffff);
	memcpy(&udp, p, sizeof(udp));
	assert(proto != PROTO_UDP || be16_get(udp.len) == len);
	if (proto == PROTO_TCP)
		conv_heard(src, dst, p, len);
}

/* An IP packet, of which there are len bytes */
static void guest_check_ip(const uint8_t *p, size_t len, bool v6, bool partial,
			   size_t gso)
{
	struct addr src, dst;
	struct wire_ip4 h4;
	struct wire_ip6 h6;
	size_t hdr, all;
	bool is_frag;
	uint8_t proto;

	assert(len >= (v6 ? sizeof(h6) : sizeof(h4)));
	memcpy(&h4, p, sizeof(h4));
	if (v6) {
		memcpy(&h6, p, sizeof(h6));
		assert(be32_get(h6.ver_tc_flow) >> 28 == 6);
		hdr = sizeof(h6);
		all = hdr + be16_get(h6.payload_len);
		proto = h6.next_hdr;
		is_frag = proto == PROTO_FRAGMENT;
		src = addr_from_v6(h6.src);
		dst = addr_from_v6(h6.dst);
	} else {
		assert(h4.ver_ihl == 0x45);
		assert(csum_fold(csum_add(0, p, sizeof(h4))) == 0xffff);
		hdr = sizeof(h4);
		all = be16_get(h4.tot_len);
		proto = h4.proto;
		is_frag = be16_get(h4.frag) & (IP4_MF | IP4_OFFSET);
		src = addr_from_v4(h4.src);
		dst = addr_from_v4(h4.dst);
	}
	assert(all >= hdr && all <= len);
	/* Padding, to Ethernet's least */
	assert(all == len || sizeof(struct wire_eth) + len == ETH_MIN_FRAME);
	assert(gso || all <= WORLD_MTU);
	if (!is_frag)
		guest_check_l4(&src, &dst, proto, p + hdr, all - hdr, partial);
}

/* A frame of theirs; m as on a tap */
static void guest_check(const uint8_t *p, size_t len, const struct tap_meta *m)
{
	struct wire_eth h;
	uint16_t type;

	assert(len >= sizeof(h) && len <= 65535 + sizeof(h));
	memcpy(&h, p, sizeof(h));
	type = be16_get(h.type);
	assert(!memcmp(h.src, our_mac, 6));
	assert(m->gso == TAP_GSO_NONE ||
	       (m->csum_partial && m->gso_size && m->gso_size < WORLD_MTU));
	if (type == ETHERTYPE_ARP_) {
		assert(len >= sizeof(h) + sizeof(struct wire_arp));
		return;
	}
	assert(type == ETHERTYPE_IPV4 || type == ETHERTYPE_IPV6_);
	guest_check_ip(p + sizeof(h), len - sizeof(h), type == ETHERTYPE_IPV6_,
		       m->csum_partial, m->gso);
}

static void guest_take_stream(const uint8_t *p, size_t len)
{
	static const struct tap_meta plain;
	size_t at = 0;

	assert(guest.from_len + len <= sizeof(guest.from));
	memcpy(guest.from + guest.from_len, p, len);
	guest.from_len += len;
	while (guest.from_len - at >= 4) {
		be32_t word;
		size_t n;

		memcpy(&word, guest.from + at, sizeof(word));
		n = be32_get(word);
		assert(n >= ETH_MIN_FRAME && n <= 65535);
		if (guest.from_len - at - 4 < n)
			break;
		guest_check(guest.from + at + 4, n, &plain);
		at += 4 + n;
	}
	guest.from_len -= at;
	memmove(guest.from, guest.from + at, guest.from_len);
}

static ssize_t guest_write(const void *buf, size_t len)
{
	const uint8_t *p = buf;
	struct tap_meta m;

	if (!target.is_tun) {
		if (kernel.link_piece)
			len = MIN(len, kernel.link_piece);
		guest_take_stream(p, len);
		return (ssize_t)len;
	}
	assert(len > vnet_native.size);
	m = vnet_get(p, vnet_native);
	m.csum_partial = p[0] & VNET_NEEDS_CSUM;
	guest_check(p + vnet_native.size, len - vnet_native.size, &m);
	return (ssize_t)len;
}

/* ---- What the guest sends ---- */

static bool guest_has_more(void)
{
	return guest.hangs_up || guest.to_at < guest.to_len;
}

static ssize_t guest_read(void *buf, size_t size)
{
	size_t n = guest.to_len - guest.to_at;

	if (!n && guest.hangs_up)
		return guest.hangs_up = false;
	if (!n)
		return kernel_fail(EAGAIN);
	if (target.is_tun) {
		be32_t word;

		memcpy(&word, guest.to + guest.to_at, sizeof(word));
		guest.to_at += sizeof(word);
		n = be32_get(word);
		memcpy(buf, guest.to + guest.to_at, MIN(n, size));
		guest.to_at += n;
		n = MIN(n, size);
	} else {
		n = MIN(n, size);
		if (kernel.link_piece)
			n = MIN(n, kernel.link_piece);
		memcpy(buf, guest.to + guest.to_at, n);
		guest.to_at += n;
	}
	if (guest.to_at == guest.to_len)
		guest.to_at = guest.to_len = 0;
	return (ssize_t)n;
}

/* The guest's bytes: sequence numbers come round, and so do they */
static const uint8_t *guest_bytes(tcp_seq seq)
{
	return kernel_bytes(seq % 32768);
}

static void guest_stream_sent(int fd, uint64_t at, const struct iovec *iov, size_t cnt,
			      size_t len)
{
	tcp_seq seq;
	uint32_t i = 0;

	if (target.any_data)
		return;
	while (i < flow_high() && (flow_at(i)->type != FLOW_TCP ||
				   flow_at(i)->tcp.fd != fd))
		i++;
	assert(i < flow_high());
	seq = flow_at(i)->tcp.irs + 1 + (tcp_seq)at;
	for (size_t j = 0; j < cnt && len; j++) {
		size_t done = 0, n = MIN(len, iov[j].iov_len);

		/* Up to where they come round */
		while (done < n) {
			size_t part = MIN(n - done, 32768 - seq % 32768);

			assert(!memcmp((uint8_t *)iov[j].iov_base + done,
				       guest_bytes(seq), part));
			done += part;
			seq += (tcp_seq)part;
		}
		len -= n;
	}
}

/* Room for bytes on the link, of which there is less the more wait */
static uint8_t *guest_room(size_t len)
{
	return sizeof(guest.to) - guest.to_len >= len ? guest.to + guest.to_len : NULL;
}

/* A frame; vnet: header of a tap, or NULL */
static void guest_send(const uint8_t *p, size_t len, const uint8_t *vnet)
{
	size_t vh = target.is_tun ? vnet_native.size : 0;
	be32_t word = be32_put((uint32_t)(len + vh));
	uint8_t *to = guest_room(sizeof(word) + vh + len);

	if (!to)
		return;
	memcpy(to, &word, sizeof(word));
	memset(to + sizeof(word), 0, vh);
	if (vnet)
		memcpy(to + sizeof(word), vnet, vh);
	memcpy(to + sizeof(word) + vh, p, len);
	guest.to_len += sizeof(word) + vh + len;
}

/* Headers of Ethernet and IP to p; how long they are */
static size_t guest_headers(uint8_t *p, const struct addr *src, const struct addr *dst,
			    uint8_t proto, size_t len)
{
	bool v4 = addr_is_v4(dst);
	struct wire_eth eth = {
		.type = be16_put(v4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6_),
	};
	struct wire_ip4 h4 = {
		.ver_ihl = 0x45, .ttl = 64, .proto = proto,
		.tot_len = be16_put((uint16_t)(sizeof(h4) + len)),
	};
	struct wire_ip6 h6 = {
		.ver_tc_flow = be32_put(6U << 28), .next_hdr = proto,
		.payload_len = be16_put((uint16_t)len), .hop_limit = 64,
	};

	memcpy(eth.dst, our_mac, 6);
	memcpy(eth.src, guest_mac, 6);
	memcpy(p, &eth, sizeof(eth));
	if (v4) {
		memcpy(h4.src, addr_v4_bytes(src), 4);
		memcpy(h4.dst, addr_v4_bytes(dst), 4);
		h4.csum = csum_finish(csum_add(0, &h4, sizeof(h4)));
		memcpy(p + sizeof(eth), &h4, sizeof(h4));
		return sizeof(eth) + sizeof(h4);
	}
	memcpy(h6.src, src->b, 16);
	memcpy(h6.dst, dst->b, 16);
	memcpy(p + sizeof(eth), &h6, sizeof(h6));
	return sizeof(eth) + sizeof(h6);
}

/* The right checksum, where the field is */
static void guest_csum(const struct addr *src, const struct addr *dst, uint8_t proto,
		       uint8_t *l4, size_t len)
{
	size_t at = wire_csum_offset(proto);
	uint64_t sum = proto == PROTO_ICMP ? 0 :
		       csum_pseudo(src, dst, proto, (uint32_t)len);
	be16_t csum = { 0 };

	if (len < at + sizeof(csum))
		return;
	memcpy(l4 + at, &csum, sizeof(csum));
	csum = csum_finish(csum_add(sum, l4, len));
	if (proto == PROTO_UDP && !csum.raw)
		csum.raw = 0xffff;
	memcpy(l4 + at, &csum, sizeof(csum));
}

/* ---- The world ---- */

static char *world_args[] = {
	(char *)"passt", (char *)"-q", (char *)"-f", (char *)"-s",
	(char *)"/nonexistent/socket", (char *)"-m", (char *)"1500",
	(char *)"-a", (char *)"192.0.2.15", (char *)"-n", (char *)"24",
	(char *)"-g", (char *)"192.0.2.1",
	(char *)"-a", (char *)"2001:db8::15", (char *)"-g", (char *)"fe80::1",
	(char *)"-D", (char *)"192.0.2.53", (char *)"-D", (char *)"2001:db8::53",
	(char *)"-S", (char *)"example.org",
	(char *)"--dns-forward", (char *)"192.0.2.3",
	(char *)"-t", (char *)"8080", (char *)"-u", (char *)"8080", NULL,
};

static uint64_t world_turn_from;

static bool world_turned(void)
{
	return loop_turns() != world_turn_from;
}

static void world_turn(void)
{
	world_turn_from = loop_turns();
	loop_linger(world_turned, DUR_S(1000000));
}

/* Until the link has been read. What the daemon hangs up on is lost. */
static void world_settle(void)
{
	unsigned turns = 0;

	while (guest_has_more() && kernel_pick(FD_LINK, 0)) {
		world_turn();
		assert(++turns < WORLD_TURNS);
	}
}

static void world_init(void)
{
	struct conf *c = &roof.conf;

	kernel.on = true;
	log_init("fuzz");
	conf_init(c, ARRAY_SIZE(world_args) - 1, world_args);
	log_max = LOG_LVL_ERR;
	sock_init(c);
	ports_open(c, HOST);
	loop_init();
	modules_init(c);
	for (unsigned i = 0; i < FDS; i++)
		kernel.fd[i].at_start = true;
	if (target.is_tun) {
		tap_tun_start(kernel_new(FD_LINK));
	} else {
		tap_unix_listen(c->socket_path);
		tap_stream_start(false);
	}
	world_guest = tap_guest;
}

static void conv_reset(struct conv *c, unsigned i)
{
	memset(c, 0, sizeof(*c));
	c->v6 = i % 2;
	c->by_host = i >= CONVS / 2;
	c->nxt = c->sent = 0xfffff000 + i;
	if (c->by_host)
		return;
	addr_parse(c->v6 ? "2001:db8::15" : "192.0.2.15", &c->guest);
	addr_parse(c->v6 ? "2001:db8:1::1" : "198.51.100.1", &c->host);
	c->guest_port = (uint16_t)(40000 + i);
	c->host_port = 80;
}

/* Sequence numbers are a clock's: they start alike for each input */
static void world_begin(const uint8_t *p, size_t len)
{
	struct kernel_fd *listener = kernel_pick(FD_LINK_LISTENER, 0);

	in.p = p;
	in.left = len;
	kernel.now_us = ((kernel.now_us >> 34) + 1) << 34;
	kernel.random = 1;
	kernel.rtt_us = 100;
	for (unsigned i = 0; i < CONVS; i++)
		conv_reset(&guest.conv[i], i);
	tap_guest = world_guest;
	tap_learn_mac(guest_mac);
	if (!kernel_pick(FD_LINK, 0)) {
		guest.from_len = 0;
		listener->waiting = 1;
	}
	world_turn();
}

static unsigned world_flows(void)
{
	unsigned n = 0;

	for (unsigned i = FLOW_TCP; i < FLOW_DEAD; i++)
		n += flow_count(i);
	return n;
}

/* What should have ended */
__attribute__((noreturn)) static void world_tell(void)
{
	char text[FLOW_STRLEN];

	for (uint32_t i = 0; i < flow_high(); i++) {
		const struct flow *f = flow_at(i);
		const struct flow_ops *o = flow_ops(f);

		if (f->type > FLOW_NEW && f->type < FLOW_DEAD)
			fprintf(stderr, "left: %s, %s\n", flow_print(f, text),
				o && o->state ? o->state(f) : "");
	}
	abort();
}

/* Nobody says a word any more */
static void world_end(void)
{
	int64_t until;
	unsigned turns = 0;

	kernel.fault_in = 0;
	kernel.connect_error = 0;
	kernel.connects = kernel.slow_peer = kernel.not_taken = false;
	kernel.link_piece = 0;
	if (target.is_tun)
		guest.to_len = guest.to_at = 0;
	world_settle();
	for (unsigned i = 0; i < FDS; i++) {
		struct kernel_fd *k = &kernel.fd[i];

		k->waiting = 0;
		if (k->kind == FD_STREAM) {
			kernel_connected(k, ETIMEDOUT);
			kernel_stream_takes(k, UINT32_MAX);
		}
	}
	until = kernel.now_us + WORLD_HOURS * WORLD_HOUR;
	while (world_flows()) {
		world_turn();
		if (++turns == WORLD_TURNS || kernel.now_us >= until)
			world_tell();
	}
	assert(!kernel_sockets());
	guest.to_len = guest.to_at = 0;
	guest.hangs_up = false;
}

/* ---- What the host's side does, for all targets ---- */

static int in_errno(void)
{
	static const int errors[] = {
		ECONNREFUSED, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH,
		EPIPE, EACCES, EMSGSIZE, EADDRNOTAVAIL, EPERM, EINTR, EAGAIN,
		ENOBUFS, ENOMEM, EMFILE, EIO,
	};

	return errors[in_u8() % ARRAY_SIZE(errors)];
}

static struct kernel_fd *in_stream(void)
{
	return kernel_pick(FD_STREAM, in_u8());
}

static void op_connected(void)
{
	struct kernel_fd *k = in_stream();
	uint8_t how = in_u8();

	if (k)
		kernel_connected(k, how < 192 ? 0 : in_errno());
}

static void op_connect(void)
{
	uint8_t how = in_u8();

	kernel.connects = how & 1;
	kernel.connect_error = how & 2 ? in_errno() : 0;
}

static void op_stream_in(void)
{
	struct kernel_fd *k = in_stream();

	if (k)
		kernel_stream_in(k, in_size() << in_u8() % 8);
}

static void op_stream_eof(void)
{
	struct kernel_fd *k = in_stream();

	if (k)
		kernel_stream_eof(k);
}

static void op_stream_error(void)
{
	struct kernel_fd *k = in_stream();

	if (k)
		kernel_stream_error(k, in_errno());
}

static void op_stream_takes(void)
{
	struct kernel_fd *k = in_stream();

	kernel.slow_peer = in_u8() & 1;
	if (k)
		kernel_stream_takes(k, in_size() << in_u8() % 12);
}

static void op_path(void)
{
	kernel.rtt_us = 1U << in_u8() % 24;
}

static void op_time(void)
{
	uint8_t how = in_u8();

	kernel.now_us += (int64_t)(how % 8 + 1) << how / 8;
}

static void op_fault(void)
{
	kernel.fault_in = in_u8();
	kernel.fault = in_errno();
}

static void op_link(void)
{
	uint8_t how = in_u8();

	kernel.not_taken = how & 1;
	kernel.link_piece = how & 2 ? in_size() + 1U : 0;
}

/* An address of some meaning */
static struct addr in_addr(void)
{
	static const char *const texts[] = {
		"198.51.100.1", "2001:db8:1::1", "192.0.2.15", "2001:db8::15",
		"192.0.2.1", "fe80::1", "192.0.2.3", "192.0.2.53",
		"2001:db8::53", "127.0.0.1", "::1", "224.0.0.1", "ff02::1",
		"255.255.255.255", "192.0.2.255", "0.0.0.0", "::", "fe80::15",
		"198.51.100.2", "2001:db8:1::2", "192.0.2.16", "2001:db8::16",
		"169.254.1.1", "ff02::2", "ff02::1:2", "ff02::1:ff00:1",
	};
	uint8_t which = in_u8();
	struct addr a = { { 0 } };
	uint8_t raw[16];

	if (which < 224) {
		addr_parse(texts[which % ARRAY_SIZE(texts)], &a);
		return a;
	}
	memset(raw, 0, sizeof(raw));
	in_bytes(raw, which & 1 ? 16 : 4);
	return which & 1 ? addr_from_v6(raw) : addr_from_v4(raw);
}

static void op_accept(void)
{
	struct kernel_fd *k = kernel_pick(FD_LISTENER, 0);
	struct addr a = in_addr();

	addr_to_sockaddr(&kernel.client, &a, in_u16(), 0);
	k->waiting++;
	k->news = true;
}

/* Whom the socket has talked to, mostly */
static void in_from(const struct kernel_fd *k, union sockaddr_any *ret)
{
	uint8_t how = in_u8();
	struct addr a;

	*ret = k->peer;
	if (how < 160 && ret->sa.sa_family)
		return;
	a = in_addr();
	if (k->v6)
		*ret = (union sockaddr_any){ .sin6 = {
			.sin6_family = AF_INET6, .sin6_port = in_u16(),
		} };
	else
		addr_to_sockaddr(ret, &a, in_u16(), 0);
	if (k->v6)
		memcpy(&ret->sin6.sin6_addr, a.b, 16);
	else if (ret->sa.sa_family != AF_INET)
		ret->sa.sa_family = AF_INET;
}

/* A datagram of an outbound socket or of a listener */
static void op_dgram(void)
{
	struct kernel_fd *k = kernel_pick(FD_DGRAM, in_u8());
	struct kernel_dgram *d = k ? kernel_dgram(k) : NULL;
	uint8_t how;

	if (!d)
		return;
	in_from(k, &d->from);
	how = in_u8();
	d->ttl = how & 1 ? in_u8() : 64;
	d->tos = how & 2 ? in_u8() : 0;
	d->has_pktinfo = k->at_start;
	d->given = in_bytes(d->data, in_u8());
	d->len = how & 4 ? in_u16() % 65508U : d->given;
	d->given = MIN(d->given, d->len);
	/* No more than the kernel puts together */
	if (how & 8 && d->len)
		d->gro = (int)MAX(1U, d->len / (in_u8() % 64 + 1U));
}

static void op_error(void)
{
	struct kernel_fd *k = kernel_pick(FD_DGRAM, in_u8());
	struct kernel_dgram *d = k ? kernel_dgram(k) : NULL;
	struct addr a;

	if (!d)
		return;
	d->is_error = true;
	in_from(k, &d->from);
	d->ee.ee_errno = (uint32_t)in_errno();
	d->ee.ee_origin = in_u8() % 5;
	d->ee.ee_type = in_u8();
	d->ee.ee_code = in_u8();
	d->ee.ee_info = in_u16();
	a = in_addr();
	addr_to_sockaddr(&d->offender, &a, 0, 0);
	d->len = d->given = in_bytes(d->data, in_u8());
}

/* ---- libFuzzer's ---- */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	world_init();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	world_begin(p, len);
	while (in.left) {
		uint8_t op = in_u8();

		target.ops[op % target.count]();
		if (op < OP_BATCH)
			world_turn();
	}
	world_end();
	return 0;
}

#endif /* TEST_FUZZ_FUZZ_WORLD_H */
