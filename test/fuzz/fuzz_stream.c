// SPDX-License-Identifier: GPL-2.0-or-later
/* Links: all.o
 *
 * Bytes of QEMU's stream, cut anywhere: make fuzz, then build/fuzz/fuzz_stream [CORPUS].
 * Words of length that are none, frames in pieces, a guest that hangs up in the middle
 * and comes again, and one that doesn't read. What is checked: fuzz_world.h.
 */
#include "fuzz_world.h"

/* Bytes as they are */
static void op_bytes(void)
{
	size_t n = MIN(in_size(), in.left);
	uint8_t *to = guest_room(n);

	if (to)
		guest.to_len += in_bytes(to, n);
}

/* A word, and so many bytes or fewer */
static void op_framed(void)
{
	size_t n = MIN(in_size(), in.left);
	uint8_t *to = guest_room(n + 4);
	be32_t word = be32_put((uint32_t)n + (in_u8() == 1));

	if (!to)
		return;
	memcpy(to, &word, sizeof(word));
	guest.to_len += 4 + in_bytes(to + 4, n);
}

/* An ARP request, which is always answered */
static void op_arp(void)
{
	static const uint8_t arp[42] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 0x12, 0x34,
		0x56, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 0x52, 0x54, 0, 0x12, 0x34,
		0x56, 192, 0, 2, 15, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1,
	};

	guest_send(arp, sizeof(arp), NULL);
}

static void op_hang_up(void)
{
	guest.hangs_up = true;
}

static void op_come_again(void)
{
	struct kernel_fd *k = kernel_pick(FD_LINK_LISTENER, 0);

	k->waiting += k->waiting < 4;
	k->news = true;
}

static const world_op ops[] = {
	op_bytes, op_framed, op_arp, op_link, op_hang_up, op_come_again, op_time,
	op_fault,
};

static const struct world_target target = {
	.any_data = true, .ops = ops, .count = ARRAY_SIZE(ops),
};
