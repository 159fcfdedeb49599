// SPDX-License-Identifier: GPL-2.0-or-later
/* Links: all.o
 *
 * Conversations of TCP: make fuzz, then build/fuzz/fuzz_tcp [CORPUS]. A guest, with the
 * state that it needs to complete a handshake or to be just beside the window, and the
 * host's sockets. On a tap, which cuts segments up. What is checked: fuzz_world.h.
 */
#include "fuzz_world.h"

/* What a guest has to say */
struct seg {
	tcp_seq seq, ack;
	uint32_t len;
	uint16_t wnd, urg;
	uint8_t flags;
	uint8_t opt[40];
	size_t opt_len;
};

static void seg_opt(struct seg *s, const void *p, size_t len)
{
	if (s->opt_len + len > sizeof(s->opt))
		return;
	memcpy(s->opt + s->opt_len, p, len);
	s->opt_len += len;
}

static void seg_opt_ts(struct conv *c, struct seg *s)
{
	uint8_t ts[12] = { 1, 1, 8, 10 };
	be32_t v = be32_put(++c->ts);

	memcpy(ts + 4, &v, sizeof(v));
	seg_opt(s, ts, sizeof(ts));
}

/* Blocks above what is acknowledged */
static void seg_opt_sack(const struct conv *c, struct seg *s)
{
	uint8_t n = in_u8() % 4, head[4] = { 1, 1, 5, (uint8_t)(2 + 8 * n) };

	seg_opt(s, head, sizeof(head));
	for (unsigned i = 0; i < n; i++) {
		tcp_seq left = c->rcv + in_u16();
		be32_t block[2] = { be32_put(left), be32_put(left + in_u16()) };

		seg_opt(s, block, sizeof(block));
	}
}

static void seg_opts(struct conv *c, struct seg *s)
{
	uint8_t how = in_u8(), raw[40];

	if (how & 1)
		seg_opt_ts(c, s);
	if (how & 2)
		seg_opt_sack(c, s);
	if (how & 4)
		seg_opt(s, raw, in_bytes(raw, in_u8() % 41));
	while (s->opt_len % 4)
		s->opt[s->opt_len++] = 0;
}

/* Where its window ends, at most */
static void seg_note(struct conv *c, const struct seg *s)
{
	tcp_seq end = s->seq + s->len + !!(s->flags & TCP_SYN) +
		      !!(s->flags & TCP_FIN);
	tcp_seq edge = s->ack + ((uint32_t)s->wnd <<
				 (s->flags & TCP_SYN ? 0 : c->wscale));

	c->sent = seq_max(c->sent, end);
	if (s->flags & TCP_SYN)
		c->syn_wnd = MAX(c->syn_wnd, s->wnd);
	if (!(s->flags & TCP_ACK) || !c->heard)
		return;
	c->edge = c->edge_known ? seq_max(c->edge, edge) : edge;
	c->edge_known = true;
}

static void seg_send(struct conv *c, struct seg *s)
{
	static uint8_t frame[128 + SEG_MAX];
	size_t at, l4_len = sizeof(struct wire_tcp) + s->opt_len + s->len;
	struct wire_tcp h = {
		.sport = be16_put(c->guest_port), .dport = be16_put(c->host_port),
		.seq = be32_put(s->seq), .ack = be32_put(s->ack),
		.off = (uint8_t)((sizeof(h) + s->opt_len) / 4 << 4),
		.flags = s->flags, .wnd = be16_put(s->wnd),
		.urg = be16_put(s->urg),
	};
	uint8_t *p;

	if (!c->host_port)
		return;			/* nobody has begun it */
	at = guest_headers(frame, &c->guest, &c->host, PROTO_TCP, l4_len);
	p = frame + at;
	memcpy(p, &h, sizeof(h));
	memcpy(p + sizeof(h), s->opt, s->opt_len);
	for (uint32_t i = 0; i < s->len; i++)
		p[sizeof(h) + s->opt_len + i] =
			*guest_bytes(s->seq + !!(s->flags & TCP_SYN) + i);
	guest_csum(&c->guest, &c->host, PROTO_TCP, p, l4_len);
	guest_send(frame, at + l4_len, NULL);
	seg_note(c, s);
}

static struct conv *in_conv(void)
{
	return &guest.conv[in_u8() % CONVS];
}

/* SYN, or SYN-ACK, with what a stack has to offer, or with anything */
static void op_syn(void)
{
	struct conv *c = in_conv();
	uint8_t how = in_u8();
	struct seg s = {
		.seq = c->nxt, .flags = TCP_SYN, .wnd = how & 1 ? 65535 : in_u16(),
	};
	uint8_t mss[4] = { 2, 4, 0x05, 0xb4 }, ws[4] = { 1, 3, 3, 7 };
	static const uint8_t sack_ok[4] = { 1, 1, 4, 2 };

	/* Begins anew: further on than anything before */
	if (how & 2)
		s.seq = c->sent + ((uint32_t)in_u16() << in_u8() % 12);
	if (how & 4)
		in_bytes(mss + 2, 2);
	if (how & 8)
		in_bytes(ws + 3, 1);
	if (how & 16)
		s.len = in_size() % SEG_MAX;
	if (c->by_host && c->heard) {
		s.flags |= TCP_ACK;
		s.ack = c->rcv;
	}
	if (!(how & 32))
		c->wscale = MAX(c->wscale, MIN(ws[3], 14));
	seg_opt(&s, mss, sizeof(mss));
	if (!(how & 32))
		seg_opt(&s, ws, sizeof(ws));
	if (!(how & 64))
		seg_opt(&s, sack_ok, sizeof(sack_ok));
	if (how & 128)
		seg_opt_ts(c, &s);
	seg_send(c, &s);
	c->nxt = s.seq + 1;
}

static struct seg seg_next(const struct conv *c)
{
	return (struct seg){ .seq = c->nxt, .ack = c->rcv, .flags = TCP_ACK,
			     .wnd = 65535 };
}

static void op_ack(void)
{
	struct conv *c = in_conv();
	struct seg s = seg_next(c);

	seg_send(c, &s);
}

static void op_data(void)
{
	struct conv *c = in_conv();
	struct seg s = seg_next(c);

	s.len = in_size() % SEG_MAX;
	seg_send(c, &s);
	c->nxt += s.len;
}

static void op_fin(void)
{
	struct conv *c = in_conv();
	struct seg s = seg_next(c);

	s.flags |= TCP_FIN;
	s.len = in_size() % SEG_MAX;
	seg_send(c, &s);
	c->nxt += s.len + 1;
}

static void op_reset(void)
{
	struct conv *c = in_conv();
	struct seg s = seg_next(c);

	s.flags = TCP_RST | (in_u8() & TCP_ACK);
	s.seq += (uint32_t)(int8_t)in_u8();
	seg_send(c, &s);
}

static void op_window(void)
{
	struct conv *c = in_conv();
	struct seg s = seg_next(c);

	s.wnd = in_u16();
	seg_send(c, &s);
}

/* One that may be beside everything */
static void op_segment(void)
{
	struct conv *c = in_conv();
	struct seg s = seg_next(c);
	uint8_t shift = in_u8();

	s.flags = in_u8() & ~TCP_SYN;
	s.seq += (uint32_t)(int16_t)in_u16() << (shift & 3);
	s.ack += (uint32_t)(int16_t)in_u16() << (shift >> 2 & 3);
	s.len = in_size() % SEG_MAX;
	s.wnd = in_u16();
	s.urg = shift & 16 ? in_u16() : 0;
	seg_opts(c, &s);
	seg_send(c, &s);
}

/* A handshake, all of it */
static void op_open(void)
{
	struct conv *c = in_conv();
	static const uint8_t ws[8] = { 2, 4, 0x05, 0xb4, 1, 3, 3, 7 };
	struct seg s = { .seq = c->nxt, .flags = TCP_SYN, .wnd = 65535 };

	if (c->by_host)
		return;
	c->wscale = MAX(c->wscale, ws[7]);
	seg_opt(&s, ws, sizeof(ws));
	seg_send(c, &s);
	c->nxt++;
	world_turn();
	for (unsigned i = 0; i < FDS; i++)
		if (kernel.fd[i].kind == FD_STREAM)
			kernel_connected(&kernel.fd[i], 0);
	world_turn();
	s = seg_next(c);
	seg_send(c, &s);
}

static const world_op ops[] = {
	op_open, op_data, op_ack, op_segment, op_syn, op_fin, op_reset, op_window,
	op_connected, op_stream_in, op_stream_eof, op_stream_error,
	op_stream_takes, op_path, op_time, op_fault, op_link, op_accept,
	op_connect,
};

static const struct world_target target = {
	.is_tun = true, .ops = ops, .count = ARRAY_SIZE(ops),
};
