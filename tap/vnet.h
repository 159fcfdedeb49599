/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The virtio-net header (virtio 1.x 5.1.6) as tun/tap and vhost-user use it */
#ifndef TAP_VNET_H
#define TAP_VNET_H

#include "tap.h"

/* Native byte order on tun; own definition, since headers of older build hosts
 * lack UDP_L4 (USO, Linux 6.2)
 */
struct vnet_hdr {
	uint8_t flags;
	uint8_t gso_type;
	uint16_t hdr_len;
	uint16_t gso_size;
	uint16_t csum_start;
	uint16_t csum_offset;
};
static_assert(sizeof(struct vnet_hdr) == 10, "virtio_net_hdr");

enum {
	VNET_NEEDS_CSUM		= 1,
	VNET_DATA_VALID		= 2,
	VNET_GSO_NONE		= 0,
	VNET_GSO_TCPV4		= 1,
	VNET_GSO_UDP		= 3,
	VNET_GSO_TCPV6		= 4,
	VNET_GSO_UDP_L4		= 5,
	VNET_GSO_ECN		= 0x80,
};

/* For a frame that we send; v6 says which TCP GSO type it is */
static inline struct vnet_hdr vnet_encode(const struct tap_meta *m,
					  size_t hdr_len, bool v6)
{
	struct vnet_hdr h = { 0 };

	if (m->csum_partial) {
		h.flags = VNET_NEEDS_CSUM;
		h.csum_start = m->csum_start;
		h.csum_offset = m->csum_offset;
	}
	if (m->gso != TAP_GSO_NONE) {
		h.gso_type = m->gso == TAP_GSO_UDP ? VNET_GSO_UDP_L4 :
			     v6 ? VNET_GSO_TCPV6 : VNET_GSO_TCPV4;
		h.gso_size = m->gso_size;
		h.hdr_len = (uint16_t)hdr_len;
	}
	return h;
}

/* Of a frame that we received. The checksum needs no look if the sender left it
 * to us (the bytes never crossed a wire) or verified it.
 */
static inline struct tap_meta vnet_decode(const struct vnet_hdr *h)
{
	struct tap_meta m = { 0 };

	m.csum_ok = h->flags & (VNET_NEEDS_CSUM | VNET_DATA_VALID);
	switch (h->gso_type & ~VNET_GSO_ECN) {
	case VNET_GSO_TCPV4:
	case VNET_GSO_TCPV6:
		m.gso = TAP_GSO_TCP;
		break;
	case VNET_GSO_UDP_L4:
		m.gso = TAP_GSO_UDP;
		break;
	}
	if (m.gso != TAP_GSO_NONE)
		m.gso_size = h->gso_size;
	return m;
}

#endif /* TAP_VNET_H */
