// SPDX-License-Identifier: GPL-2.0-or-later
/* Links: all.o
 *
 * What a tap says with a frame: make fuzz, then build/fuzz/fuzz_vnet [CORPUS]. Any
 * virtio-net header in front of segments of TCP and trains of UDP that it fits, or not.
 * What is checked: fuzz_world.h.
 */
#include "fuzz_world.h"

static uint8_t frame[65536 + 64];

/* A header that makes sense, with one byte less so; in_size() is of a segment */
static void make_vnet(uint8_t vnet[VNET_MAX], bool v6, bool tcp)
{
	const struct tap_meta m = {
		.gso = in_u8() % 3, .gso_size = (uint16_t)in_size(),
		.csum_partial = in_u8() & 1, .csum_start = 34,
		.csum_offset = tcp ? 16 : 6,
	};
	uint8_t hdr[14] = { [12] = v6 ? 0x86 : 8 };
	uint8_t at = in_u8();

	vnet_put(vnet, vnet_native, &m, hdr, 54, 1);
	if (at < 2 * vnet_native.size)
		vnet[at % vnet_native.size] = in_u8();
}

static void op_train(void)
{
	uint8_t how = in_u8(), vnet[VNET_MAX];
	bool v6 = how & 1, tcp = how & 2;
	size_t hdr = tcp ? sizeof(struct wire_tcp) : sizeof(struct wire_udp);
	size_t len = hdr + (in_size() << how / 64 * 2), at;
	struct wire_udp udp = { .sport = be16_put(40000), .dport = be16_put(7),
				.len = be16_put((uint16_t)len) };
	struct wire_tcp t = { .sport = be16_put(40000), .dport = be16_put(80),
			      .off = 5 << 4, .flags = how & 4 ? TCP_SYN : TCP_ACK };
	struct addr src, dst;
	uint8_t *p;

	len = MIN(len, 65000);
	addr_parse(v6 ? "2001:db8::15" : "192.0.2.15", &src);
	addr_parse(v6 ? "2001:db8:1::1" : "198.51.100.1", &dst);
	make_vnet(vnet, v6, tcp);
	at = guest_headers(frame, &src, &dst, tcp ? PROTO_TCP : PROTO_UDP, len);
	p = frame + at;
	memset(p, 0, len);
	t.seq = be32_put(in_u8());
	t.ack = be32_put(guest.conv[v6].rcv);
	t.wnd = be16_put(65535);
	memcpy(p, tcp ? (void *)&t : (void *)&udp, hdr);
	if (how & 8)
		in_bytes(p, hdr);
	if (how & 16)
		guest_csum(&src, &dst, tcp ? PROTO_TCP : PROTO_UDP, p, len);
	guest_send(frame, at + len, vnet);
}

/* Anything, short ones too: shorter than the header itself as well */
static void op_any(void)
{
	uint8_t raw[VNET_MAX + 512];
	size_t len = in_bytes(raw, in_size() % sizeof(raw));
	uint8_t *to = guest_room(4 + len);
	be32_t word = be32_put((uint32_t)len);

	if (!to || !len)
		return;
	memcpy(to, &word, sizeof(word));
	memcpy(to + 4, raw, len);
	guest.to_len += 4 + len;
}

static const world_op ops[] = {
	op_train, op_any, op_connected, op_stream_in, op_dgram, op_time, op_link,
	op_fault,
};

static const struct world_target target = {
	.is_tun = true, .any_data = true, .ops = ops, .count = ARRAY_SIZE(ops),
};
