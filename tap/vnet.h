/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The virtio-net header (virtio 1.x 5.1.6) as tun/tap and vhost-user use it
 *
 *	0  flags
 *	1  gso_type
 *	2  hdr_len	of what is cut up, 16 bits
 *	4  gso_size
 *	6  csum_start	from the Ethernet header on
 *	8  csum_offset
 *	10 num_buffers	where the header has 12 bytes
 *
 * Own definition, since headers of older build hosts lack UDP_L4 (USO, Linux 6.2).
 * Its byte order is the machine's on a tap, and little-endian with virtio 1.0.
 */
#ifndef TAP_VNET_H
#define TAP_VNET_H

#include <endian.h>
#include <string.h>

#include "tap.h"

enum {
	VNET_MAX		= 12,

	VNET_NEEDS_CSUM		= 1,
	VNET_DATA_VALID		= 2,
	VNET_GSO_NONE		= 0,
	VNET_GSO_TCPV4		= 1,
	VNET_GSO_UDP		= 3,
	VNET_GSO_TCPV6		= 4,
	VNET_GSO_UDP_L4		= 5,
	VNET_GSO_ECN		= 0x80,
};

/* As the link wants it */
struct vnet_format {
	uint8_t size;			/* 0 (no header), 10 or 12 */
	bool le;			/* else the machine's order */
};
static const struct vnet_format vnet_native = { 10, false };
static const struct vnet_format vnet_virtio1 = { 12, true };

static inline void vnet_put16(uint8_t *p, struct vnet_format f, uint16_t v)
{
	if (f.le)
		v = htole16(v);
	memcpy(p, &v, sizeof(v));
}

static inline uint16_t vnet_get16(const uint8_t *p, struct vnet_format f)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return f.le ? le16toh(v) : v;
}

/* For a frame that we send, whose headers are hdr: f.size bytes to p. buffers: how
 * many of the guest's it lies in.
 */
static inline void vnet_put(uint8_t *p, struct vnet_format f,
			    const struct tap_meta *m, const uint8_t *hdr,
			    size_t hdr_len, unsigned buffers)
{
	bool v6 = hdr[12] == 0x86;	/* EtherType 0x86dd */

	memset(p, 0, f.size);
	if (!f.size)
		return;
	if (m->csum_partial) {
		p[0] = VNET_NEEDS_CSUM;
		vnet_put16(p + 6, f, m->csum_start);
		vnet_put16(p + 8, f, m->csum_offset);
	}
	if (m->gso != TAP_GSO_NONE) {
		p[1] = m->gso == TAP_GSO_UDP ? VNET_GSO_UDP_L4 :
		       v6 ? VNET_GSO_TCPV6 : VNET_GSO_TCPV4;
		vnet_put16(p + 2, f, (uint16_t)hdr_len);
		vnet_put16(p + 4, f, m->gso_size);
	}
	if (f.size == VNET_MAX)
		vnet_put16(p + 10, f, (uint16_t)buffers);
}

/* Of a frame that we received: p has f.size bytes. The checksum needs no look if
 * the sender left it to us (the bytes never crossed a wire) or verified it.
 */
static inline struct tap_meta vnet_get(const uint8_t *p, struct vnet_format f)
{
	struct tap_meta m = { 0 };

	m.csum_ok = p[0] & (VNET_NEEDS_CSUM | VNET_DATA_VALID);
	switch (p[1] & ~VNET_GSO_ECN) {
	case VNET_GSO_TCPV4:
	case VNET_GSO_TCPV6:
		m.gso = TAP_GSO_TCP;
		break;
	case VNET_GSO_UDP_L4:
		m.gso = TAP_GSO_UDP;
		break;
	}
	if (m.gso != TAP_GSO_NONE)
		m.gso_size = vnet_get16(p + 4, f);
	return m;
}

#endif /* TAP_VNET_H */
