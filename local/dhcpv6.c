// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: DHCPv6 server for the one guest
 *
 * There is one address to give, to whoever asks, so there are no
 * bindings and no state: a reply follows from the request and the
 * configuration. Our DUID follows from our MAC, and survives restarts and
 * migration.
 *
 * Flow: dhcpv6_input() copies the message to private memory, dhcp6_parse()
 * makes a struct dhcp6_req of it, and the table of messages says what it must
 * carry, and who writes the reply.
 *
 * What is answered (RFC 8415 18.3), "ours" being the guest's address:
 *
 *	SOLICIT		ADVERTISE with ours, at highest preference, so that no
 *			client waits for other servers; or at once REPLY, if the
 *			client takes rapid commit
 *	REQUEST		REPLY with ours; IAs in which the client wants another
 *			address: NotOnLink
 *	RENEW, REBIND	REPLY with ours; those that we gave before are
 *			deprecated, for two hours from the host's change on
 *			(former.h); other addresses get lifetimes of zero, so
 *			that the client drops them at once
 *	CONFIRM		REPLY Success if all addresses are ours, else NotOnLink;
 *			nothing if there are no addresses
 *	RELEASE,	REPLY Success, and NoBinding for IAs in which there are
 *	DECLINE		other addresses; nothing else changes
 *	INFORMATION-	REPLY with what doesn't depend on addresses
 *	REQUEST
 *
 * The first IA_NA gets the address, further ones NoAddrsAvail, like any IA_TA;
 * IA_PD gets NoPrefixAvail. Resolvers, search list and FQDN are sent in every
 * reply that configures something, asked for or not. Messages from relays
 * aren't answered, nor are those to unicast addresses, which we invite nobody
 * to use.
 *
 * Standards: RFC 8415, RFC 3646 (DNS), RFC 4704 (FQDN).
 */
#include "local/dhcpv6.h"

#include <string.h>

#include "engine/conf_types.h"
#include "engine/drop.h"
#include "engine/loop.h"
#include "frame/frame_build.h"
#include "frame/frame_parse.h"
#include "host/net.h"
#include "local/former.h"
#include "util/dnsname.h"
#include "util/log.h"
#include "util/rdwr.h"
#include "util/wire.h"

enum {
	DHCP6_SERVER_PORT	= 547,
	DHCP6_CLIENT_PORT	= 546,

	DHCP6_MSG_MAX		= 1280 - sizeof(struct wire_ip6) -
				  sizeof(struct wire_udp),
	DHCP6_INPUT_MAX		= 1500,
	DHCP6_DUID_MAX		= 130,	/* RFC 8415 11.1, with type */
	DHCP6_IA_MAX		= 8,	/* more are ignored */
};

static const uint32_t dhcp6_infinity = UINT32_MAX;

/* Where the address follows the host's: the client asks again at T1 */
enum {
	DHCP6_T1_S		= 1800,
	DHCP6_T2_S		= 2880,
	DHCP6_PREFERRED_S	= 3600,
	DHCP6_VALID_S		= FORMER_VALID_S,
};

/* RFC 8415 7.3 */
enum dhcp6_type {
	DHCP6_NONE	= 0,
	DHCP6_SOLICIT	= 1,
	DHCP6_ADVERTISE	= 2,
	DHCP6_REQUEST	= 3,
	DHCP6_CONFIRM	= 4,
	DHCP6_RENEW	= 5,
	DHCP6_REBIND	= 6,
	DHCP6_REPLY	= 7,
	DHCP6_RELEASE	= 8,
	DHCP6_DECLINE	= 9,
	DHCP6_INFORM	= 11,
};

enum dhcp6_code {
	OPT6_CLIENT_ID		= 1,
	OPT6_SERVER_ID		= 2,
	OPT6_IA_NA		= 3,
	OPT6_IA_TA		= 4,
	OPT6_IAADDR		= 5,
	OPT6_PREFERENCE		= 7,
	OPT6_STATUS		= 13,
	OPT6_RAPID_COMMIT	= 14,
	OPT6_DNS		= 23,
	OPT6_SEARCH		= 24,
	OPT6_IA_PD		= 25,
	OPT6_FQDN		= 39,
};

/* RFC 8415 21.13 */
enum dhcp6_status {
	DHCP6_SUCCESS		= 0,
	DHCP6_NO_ADDRS_AVAIL	= 2,
	DHCP6_NO_BINDING	= 3,
	DHCP6_NOT_ON_LINK	= 4,
	DHCP6_NO_PREFIX_AVAIL	= 6,
};

/* RFC 4704 4.1 */
enum { FQDN6_SERVER = 0x01, FQDN6_OVERRIDE = 0x02 };

/* RFC 8415 11.4: DUID-LL */
struct duid_ll {
	be16_t type;
	be16_t htype;
	uint8_t mac[6];
} __attribute__((packed));
static_assert(sizeof(struct duid_ll) == 10, "RFC 8415 11.4");

/* Identity association of a client: IA_NA, IA_TA or IA_PD */
struct dhcp6_ia {
	uint16_t code;			/* enum dhcp6_code */
	uint32_t iaid;
	struct rd opts;
	bool has_ours;			/* addresses in it: the guest's */
	bool has_other;			/* and others */
};

/* A message from a client. Cursors are into dhcpv6_input()'s copy of it. */
struct dhcp6_req {
	uint8_t type;			/* enum dhcp6_type */
	uint8_t xid[3];
	struct rd client_id, server_id;	/* empty: not told */
	bool has_server_id;
	bool rapid_commit;
	uint8_t fqdn_flags;
	struct dhcp6_ia ia[DHCP6_IA_MAX];
	unsigned ia_count;
};

/* Options: 16-bit code, 16-bit length, body */
struct dhcp6_opt {
	struct rd rd;			/* what follows */
	uint16_t type;
	struct rd body;
	bool bad;			/* stopped by a truncated one */
};

static struct {
	const struct conf *conf;
	struct duid_ll duid;
	struct former old;		/* what we gave before */
} dhcp6;

static struct dhcp6_opt dhcp6_opt_init(struct rd rd)
{
	return (struct dhcp6_opt){ .rd = rd, .bad = rd.bad };
}

/* Advance to the next option; false at the end, or if it is truncated. There is
 * no pad and no end option. A body may be empty: the header is still consumed.
 */
static bool dhcp6_opt_next(struct dhcp6_opt *it)
{
	if (it->bad || !it->rd.left)
		return false;
	it->type = rd_u16(&it->rd);
	it->body = rd_sub(&it->rd, rd_u16(&it->rd));
	it->bad = it->rd.bad;
	return !it->bad;
}

/* RFC 8415 21.4, 21.5, 21.21. False if it is malformed. */
static bool dhcp6_parse_ia(struct dhcp6_req *req, uint16_t code, struct rd body)
{
	struct dhcp6_ia ia = { .code = code };
	struct dhcp6_opt it;

	ia.iaid = rd_u32(&body);
	if (code != OPT6_IA_TA)
		rd_bytes(&body, 8);		/* T1, T2 */
	ia.opts = body;

	it = dhcp6_opt_init(body);
	while (dhcp6_opt_next(&it)) {
		struct addr a;

		if (it.type != OPT6_IAADDR)
			continue;
		rd_copy(&it.body, a.b, sizeof(a.b));
		if (it.body.bad)
			return false;
		if (addr_eq(&a, &net_get()->fam[V6].guest))
			ia.has_ours = true;
		else
			ia.has_other = true;
	}
	if (!it.bad && req->ia_count < DHCP6_IA_MAX)
		req->ia[req->ia_count++] = ia;
	return !it.bad;
}

/* False if the option is malformed */
static bool dhcp6_parse_opt(struct dhcp6_req *req, uint16_t code,
			    struct rd body)
{
	switch (code) {
	case OPT6_CLIENT_ID:
		req->client_id = body;
		return body.left && body.left <= DHCP6_DUID_MAX;
	case OPT6_SERVER_ID:
		req->server_id = body;
		req->has_server_id = true;
		break;
	case OPT6_IA_NA:
	case OPT6_IA_TA:
	case OPT6_IA_PD:
		return dhcp6_parse_ia(req, code, body);
	case OPT6_RAPID_COMMIT:
		req->rapid_commit = true;
		break;
	case OPT6_FQDN:
		req->fqdn_flags = rd_u8(&body);
		break;
	}
	return true;
}

/* RFC 8415 8 */
static bool dhcp6_parse(struct rd rd, struct dhcp6_req *ret_req)
{
	struct dhcp6_req req = { .type = DHCP6_NONE };
	struct dhcp6_opt it;

	req.type = rd_u8(&rd);
	rd_copy(&rd, req.xid, sizeof(req.xid));
	it = dhcp6_opt_init(rd);
	while (dhcp6_opt_next(&it)) {
		if (!dhcp6_parse_opt(&req, it.type, it.body))
			return false;
	}
	if (it.bad)
		return false;
	*ret_req = req;
	return true;
}

/* Options are written between these two, as lengths are known afterwards */
static size_t opt_begin(struct wr *wr, enum dhcp6_code code)
{
	wr_u16(wr, code);
	wr_u16(wr, 0);
	return wr->len;
}

static void opt_end(struct wr *wr, size_t begin)
{
	wr_u16_at(wr, begin - 2, (uint16_t)(wr->len - begin));
}

static void put_opt(struct wr *wr, enum dhcp6_code code, const void *body,
		    size_t len)
{
	size_t begin = opt_begin(wr, code);

	wr_bytes(wr, body, len);
	opt_end(wr, begin);
}

static void put_status(struct wr *wr, enum dhcp6_status status)
{
	static const char *const text[] = {
		[DHCP6_SUCCESS] = "all right",
		[DHCP6_NO_ADDRS_AVAIL] = "only one address to give",
		[DHCP6_NO_BINDING] = "not the address we gave",
		[DHCP6_NOT_ON_LINK] = "not an address of this link",
		[DHCP6_NO_PREFIX_AVAIL] = "no prefixes to give",
	};
	size_t begin = opt_begin(wr, OPT6_STATUS);

	wr_u16(wr, status);
	wr_bytes(wr, text[status], strlen(text[status]));
	opt_end(wr, begin);
}

/* May the guest's address become another one? */
static bool dhcp6_follows(void)
{
	return !dhcp6.conf->no_follow_host && !net_get()->fam[V6].guest_fixed;
}

static void put_iaaddr(struct wr *wr, const struct addr *a,
		       uint32_t preferred_s, uint32_t valid_s)
{
	size_t begin = opt_begin(wr, OPT6_IAADDR);

	wr_bytes(wr, a->b, sizeof(a->b));
	wr_u32(wr, preferred_s);
	wr_u32(wr, valid_s);
	opt_end(wr, begin);
}

/* The head of an IA as the client sent it. T1 and T2 never come, unless the
 * address may change.
 */
static size_t ia_begin(struct wr *wr, const struct dhcp6_ia *ia)
{
	size_t begin = opt_begin(wr, ia->code);

	wr_u32(wr, ia->iaid);
	if (ia->code != OPT6_IA_TA) {
		wr_u32(wr, dhcp6_follows() ? DHCP6_T1_S : dhcp6_infinity);
		wr_u32(wr, dhcp6_follows() ? DHCP6_T2_S : dhcp6_infinity);
	}
	return begin;
}

static void put_ia_status(struct wr *wr, const struct dhcp6_ia *ia,
			  enum dhcp6_status status)
{
	size_t begin = ia_begin(wr, ia);

	put_status(wr, status);
	opt_end(wr, begin);
}

/* How long an address is still good that we gave before: what uses it goes on */
static uint32_t old_valid_s(const struct addr *a)
{
	for (unsigned i = 0; i < FORMER_MAX; i++) {
		if (addr_eq(a, &dhcp6.old.addr[i]))
			return former_left_s(&dhcp6.old, i, loop_now());
	}
	return 0;
}

/* Addresses of the client that aren't ours, over at once: RFC 8415 18.3.4; but
 * those that we gave before are deprecated. What would fill the message is left to the
 * client's own timers.
 */
static void put_expired(struct wr *wr, const struct dhcp6_ia *ia)
{
	struct dhcp6_opt it = dhcp6_opt_init(ia->opts);

	while (dhcp6_opt_next(&it) && wr->len < wr->size / 2) {
		struct addr a;

		if (it.type != OPT6_IAADDR)
			continue;
		rd_copy(&it.body, a.b, sizeof(a.b));
		if (!addr_eq(&a, &net_get()->fam[V6].guest))
			put_iaaddr(wr, &a, 0, old_valid_s(&a));
	}
}

/* All IAs, the first IA_NA with the address. `expire`: end other addresses;
 * otherwise refuse IAs with them, if `refuse`.
 */
static void put_ias(struct wr *wr, const struct dhcp6_req *req, bool refuse,
		    bool expire)
{
	bool given = false;

	for (unsigned i = 0; i < req->ia_count; i++) {
		const struct dhcp6_ia *ia = &req->ia[i];
		size_t begin;

		if (ia->code == OPT6_IA_PD) {
			put_ia_status(wr, ia, DHCP6_NO_PREFIX_AVAIL);
			continue;
		}
		if (refuse && ia->has_other) {
			put_ia_status(wr, ia, DHCP6_NOT_ON_LINK);
			continue;
		}
		if (ia->code == OPT6_IA_TA || given) {
			put_ia_status(wr, ia, DHCP6_NO_ADDRS_AVAIL);
			continue;
		}
		begin = ia_begin(wr, ia);
		put_iaaddr(wr, &net_get()->fam[V6].guest,
			   dhcp6_follows() ? DHCP6_PREFERRED_S : dhcp6_infinity,
			   dhcp6_follows() ? DHCP6_VALID_S : dhcp6_infinity);
		if (expire)
			put_expired(wr, ia);
		opt_end(wr, begin);
		given = true;
	}
}

/* RFC 3646 3 */
static void put_dns(struct wr *wr)
{
	const struct net_family *fam = &net_get()->fam[V6];

	if (dhcp6.conf->dhcp_dns && fam->dns_count)
		put_opt(wr, OPT6_DNS, fam->dns,
			fam->dns_count * sizeof(fam->dns[0]));
}

/* RFC 3646 4: not compressed (RFC 8415 10). Names that don't fit into a message
 * that any link carries are left out.
 */
static void put_search(struct wr *wr)
{
	const struct net_search *s = &net_get()->search;
	size_t start = wr->len;
	size_t begin;

	if (!dhcp6.conf->dhcp_search || wr->size - wr->len < 4)
		return;
	begin = opt_begin(wr, OPT6_SEARCH);
	for (unsigned i = 0; i < s->count; i++)
		dnsname_put(wr, s->name[i]);
	opt_end(wr, begin);
	if (wr->len == begin)
		wr->len = start;
}

/* RFC 4704 6: no updates of the DNS; those that the client leaves to us are
 * taken back
 */
static void put_fqdn(struct wr *wr, const struct dhcp6_req *req)
{
	size_t start = wr->len;
	size_t begin;

	if (wr->size - wr->len < 5)
		return;
	begin = opt_begin(wr, OPT6_FQDN);
	wr_u8(wr, req->fqdn_flags & FQDN6_SERVER ? FQDN6_OVERRIDE : 0);
	if (dnsname_put(wr, dhcp6.conf->fqdn))
		opt_end(wr, begin);
	else
		wr->len = start;
}

static void put_config(struct wr *wr, const struct dhcp6_req *req)
{
	put_dns(wr);
	put_fqdn(wr, req);
	put_search(wr);
}

/* Handlers: append what the message deserves, in addition to the identifiers;
 * return the type of the reply, DHCP6_NONE for none
 */

static enum dhcp6_type on_solicit(const struct dhcp6_req *req, struct wr *wr)
{
	static const uint8_t highest = 255;

	if (req->rapid_commit)
		put_opt(wr, OPT6_RAPID_COMMIT, NULL, 0);
	else
		put_opt(wr, OPT6_PREFERENCE, &highest, sizeof(highest));
	put_ias(wr, req, false, false);
	put_config(wr, req);
	return req->rapid_commit ? DHCP6_REPLY : DHCP6_ADVERTISE;
}

static enum dhcp6_type on_request(const struct dhcp6_req *req, struct wr *wr)
{
	put_ias(wr, req, true, false);
	put_config(wr, req);
	return DHCP6_REPLY;
}

static enum dhcp6_type on_renew(const struct dhcp6_req *req, struct wr *wr)
{
	put_ias(wr, req, false, true);
	put_config(wr, req);
	return DHCP6_REPLY;
}

static enum dhcp6_type on_confirm(const struct dhcp6_req *req, struct wr *wr)
{
	bool has_ours = false, has_other = false;

	for (unsigned i = 0; i < req->ia_count; i++) {
		has_ours |= req->ia[i].has_ours;
		has_other |= req->ia[i].has_other;
	}
	if (!has_ours && !has_other)
		return DHCP6_NONE;
	put_status(wr, has_other ? DHCP6_NOT_ON_LINK : DHCP6_SUCCESS);
	return DHCP6_REPLY;
}

static enum dhcp6_type on_release(const struct dhcp6_req *req, struct wr *wr)
{
	put_status(wr, DHCP6_SUCCESS);
	for (unsigned i = 0; i < req->ia_count; i++) {
		if (req->ia[i].has_other)
			put_ia_status(wr, &req->ia[i], DHCP6_NO_BINDING);
	}
	return DHCP6_REPLY;
}

static enum dhcp6_type on_inform(const struct dhcp6_req *req, struct wr *wr)
{
	if (req->ia_count)			/* RFC 8415 16.12 */
		return DHCP6_NONE;
	put_config(wr, req);
	return DHCP6_REPLY;
}

/* Messages from clients, and what they must carry: RFC 8415 16.2 to 16.12.
 * A REBIND with our identifier is let pass: it does no harm.
 */
static const struct dhcp6_message {
	const char *name;
	enum { ID_ABSENT, ID_OURS, ID_MAY_BE_OURS } server_id;
	bool needs_client_id;
	enum dhcp6_type (*handle)(const struct dhcp6_req *req, struct wr *wr);
} dhcp6_messages[] = {
	[DHCP6_SOLICIT] = { "SOLICIT", ID_ABSENT, true, on_solicit },
	[DHCP6_REQUEST] = { "REQUEST", ID_OURS, true, on_request },
	[DHCP6_CONFIRM] = { "CONFIRM", ID_ABSENT, true, on_confirm },
	[DHCP6_RENEW] = { "RENEW", ID_OURS, true, on_renew },
	[DHCP6_REBIND] = { "REBIND", ID_MAY_BE_OURS, true, on_renew },
	[DHCP6_RELEASE] = { "RELEASE", ID_OURS, true, on_release },
	[DHCP6_DECLINE] = { "DECLINE", ID_OURS, true, on_release },
	[DHCP6_INFORM] = { "INFORMATION-REQUEST", ID_MAY_BE_OURS, false,
			   on_inform },
};

/* The entry for this message; NULL if there's none or it isn't acceptable */
static const struct dhcp6_message *dhcp6_judge(const struct dhcp6_req *req)
{
	const struct dhcp6_message *m;
	bool ours = req->server_id.left == sizeof(dhcp6.duid) &&
		    !memcmp(req->server_id.p, &dhcp6.duid, sizeof(dhcp6.duid));

	if (req->type >= ARRAY_SIZE(dhcp6_messages))
		return NULL;
	m = &dhcp6_messages[req->type];
	if (!m->handle || (m->needs_client_id && !req->client_id.left))
		return NULL;
	if (req->has_server_id)
		return m->server_id != ID_ABSENT && ours ? m : NULL;
	return m->server_id != ID_OURS ? m : NULL;
}

static void dhcp6_reply(const struct dhcp6_req *req,
			const struct dhcp6_message *message,
			const struct pkt *pkt)
{
	uint8_t buf[DHCP6_MSG_MAX];
	struct wr wr = wr_init(buf, sizeof(buf));
	struct iovec iov = { .iov_base = buf };
	struct bytes payload = { .iov = &iov, .cnt = 1 };
	struct frame_ip ip = {
		.src = net_get()->fam[V6].our,
		.dst = pkt->src,
		.dst_mac = pkt->src_mac,
		.proto = PROTO_UDP,
	};
	enum dhcp6_type type;

	wr_zero(&wr, 1);			/* type, see below */
	wr_bytes(&wr, req->xid, sizeof(req->xid));
	put_opt(&wr, OPT6_SERVER_ID, &dhcp6.duid, sizeof(dhcp6.duid));
	if (req->client_id.left)
		put_opt(&wr, OPT6_CLIENT_ID, req->client_id.p,
			req->client_id.left);
	type = message->handle(req, &wr);
	assert(!wr.bad);
	debug("DHCPv6: %s from %s: %s", message->name, ADDR_STR(&pkt->src),
	      type == DHCP6_NONE ? "ignored" : "answered");
	if (type == DHCP6_NONE)
		return;

	buf[0] = (uint8_t)type;
	iov.iov_len = wr.len;
	payload.len = (uint32_t)wr.len;
	frame_send_udp(&ip, DHCP6_SERVER_PORT, DHCP6_CLIENT_PORT, &payload, 0);
}

static void dhcp6_net_changed(const struct net *old)
{
	former_note(&dhcp6.old, &old->fam[V6].guest, &net_get()->fam[V6].guest,
		    loop_now());
}

void dhcpv6_init(const struct conf *c)
{
	dhcp6.conf = c;
	dhcp6.old = (struct former){ .prefix_len = 128 };
	net_add_hook(dhcp6_net_changed);
	dhcp6.duid.type = be16_put(3);		/* DUID-LL */
	dhcp6.duid.htype = be16_put(1);		/* Ethernet */
	memcpy(dhcp6.duid.mac, c->our_mac, sizeof(dhcp6.duid.mac));
}

bool dhcpv6_input(const struct pkt *pkt)
{
	const struct net_family *fam = &net_get()->fam[V6];
	const struct dhcp6_message *message;
	uint8_t buf[DHCP6_INPUT_MAX];
	struct dhcp6_req req;
	size_t len;

	if (pkt->dport != DHCP6_SERVER_PORT || !addr_is_multicast(&pkt->dst))
		return false;
	if (dhcp6.conf->no_dhcpv6 || !fam->enabled ||
	    addr_is_none(&fam->guest))
		return true;

	len = bytes_copy(&pkt->payload, 0, buf, sizeof(buf));
	if (len < pkt->payload.len || !dhcp6_parse(rd_init(buf, len), &req) ||
	    !addr_is_unicast(&pkt->src)) {
		drop(DROP_DHCPV6);
		return true;
	}
	message = dhcp6_judge(&req);
	if (message)
		dhcp6_reply(&req, message, pkt);
	else
		debug("DHCPv6: message of type %u from %s: ignored", req.type,
		      ADDR_STR(&pkt->src));
	return true;
}
