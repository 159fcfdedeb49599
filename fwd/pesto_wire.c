// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: pesto's messages as bytes, see pesto_wire.h
 *
 *	hello	magic 8, version 4, length of names 4, of interface names 4
 *	rule	address listened at 16, target's or :: 16, interface 16, first
 *		port 2, last 2, target of the first 2, protocol 1, flags 1
 *
 * Flags are those of enum fwd_rule_flags, and addresses ours as they are: IPv4 as
 * ::ffff:a.b.c.d.
 */
#include "fwd/pesto_wire.h"

#include <string.h>

const char pesto_magic[PESTO_MAGIC_LEN] = "basil:s";

static_assert(FWD_DUAL == 1 && FWD_WEAK == 2 && FWD_AUTO == 4,
	      "what is sent");
static_assert((int)PESTO_IFNAME_LEN == IFNAMSIZ, "part of the protocol");

void pesto_put_hello(struct wr *wr)
{
	wr_bytes(wr, pesto_magic, PESTO_MAGIC_LEN);
	wr_u32(wr, PESTO_VERSION);
	wr_u32(wr, PESTO_NAME_LEN);
	wr_u32(wr, PESTO_IFNAME_LEN);
}

bool pesto_get_hello(struct rd *rd, uint32_t *ret_version)
{
	const uint8_t *magic = rd_bytes(rd, PESTO_MAGIC_LEN);

	*ret_version = rd_u32(rd);
	return magic && !memcmp(magic, pesto_magic, PESTO_MAGIC_LEN) &&
	       rd_u32(rd) == PESTO_NAME_LEN && rd_u32(rd) == PESTO_IFNAME_LEN &&
	       !rd->bad;
}

void pesto_put_rule(struct wr *wr, const struct fwd_rule *r)
{
	wr_bytes(wr, &r->listen, sizeof(r->listen));
	wr_bytes(wr, &r->target, sizeof(r->target));
	wr_bytes(wr, r->ifname, sizeof(r->ifname));
	wr_u16(wr, r->first);
	wr_u16(wr, r->last);
	wr_u16(wr, r->to);
	wr_u8(wr, r->proto);
	wr_u8(wr, r->flags);
}

struct fwd_rule pesto_get_rule(struct rd *rd)
{
	struct fwd_rule r;
	size_t len;

	rd_copy(rd, &r.listen, sizeof(r.listen));
	rd_copy(rd, &r.target, sizeof(r.target));
	rd_copy(rd, r.ifname, sizeof(r.ifname));
	r.first = rd_u16(rd);
	r.last = rd_u16(rd);
	r.to = rd_u16(rd);
	r.proto = rd_u8(rd);
	r.flags = rd_u8(rd);

	/* Whatever is behind its end isn't part of a name */
	len = strnlen(r.ifname, IFNAMSIZ);
	memset(r.ifname + len, 0, IFNAMSIZ - len);
	return r;
}
