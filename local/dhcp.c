// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: DHCP and BOOTP server for the one guest
 *
 * There is one address to give, to whoever asks, so there are no
 * leases and no state: a reply follows from the request and the configuration.
 * A daemon that was restarted, or migrated to, answers like its predecessor.
 *
 * Flow: dhcp_input() copies the message to private memory, dhcp_parse() makes a
 * struct dhcp_req of it, in host order; dhcp_judge() decides what it deserves;
 * dhcp_reply() writes the fixed part, then options from a table.
 *
 * What is answered (RFC 2131 4.3):
 *
 *	DISCOVER		OFFER, or at once ACK if the client takes rapid
 *				commit (RFC 4039)
 *	REQUEST	our address	ACK, in any state of the client, and whatever
 *		or none		server it names: it can only mean us
 *		another one	nothing if it names another server: that one's
 *				offer was taken, inside the guest. Otherwise the
 *				client remembers or renews a lease from another
 *				network or configuration: NAK, so that it starts
 *				over at once rather than after its timeouts; to
 *				all (RFC 2131 4.1), and to its address if it has
 *				one, as its socket may be bound to that
 *	INFORM			ACK without address and lease
 *	DECLINE, RELEASE	nothing: no lease to end, no other address
 *	no type (BOOTP)		a reply without options of DHCP (RFC 1534), in
 *				BOOTP's 300 bytes
 *
 * Relayed messages (giaddr set) are ignored, as our address isn't for somebody
 * behind the guest.
 *
 * Options: the type first, as some old stacks demand, then what the client
 * lists, in its order, then the rest, ascending. We send everything we have,
 * listed or not. The reply is kept to what the client says it takes, at least
 * 576 bytes with headers, and to one frame: what doesn't fit is left out, but
 * never what a client can't do without.
 *
 * Standards: RFC 2131, RFC 2132, RFC 951, RFC 1542, RFC 1534, RFC 3396 (long
 * options), RFC 3397, RFC 3442, RFC 4039, RFC 4702, RFC 6842 (client id echo).
 */
#include "local/dhcp.h"

#include <string.h>

#include "engine/conf_types.h"
#include "engine/drop.h"
#include "engine/loop.h"
#include "frame/frame_build.h"
#include "frame/frame_parse.h"
#include "host/net.h"
#include "util/dnsname.h"
#include "util/log.h"
#include "util/rdwr.h"
#include "util/wire.h"

enum {
	DHCP_SERVER_PORT	= 67,
	DHCP_CLIENT_PORT	= 68,

	BOOTREQUEST		= 1,
	BOOTREPLY		= 2,
	BOOTP_MIN_LEN		= 300,
	BOOTP_BROADCAST		= 0x8000,

	DHCP_MSG_MAX		= 1472,	/* in an Ethernet frame of 1500 */
	DHCP_IP_MIN		= 576,	/* any client takes that, RFC 2131 2 */
	DHCP_IP_UDP_LEN		= 28,
	DHCP_OPT_LEN_MAX	= 255,
	DHCP_BODY_MAX		= 2 * DHCP_OPT_LEN_MAX,
};

static const uint32_t dhcp_magic = 0x63825363;
static const uint32_t dhcp_lease_infinite = UINT32_MAX;

/* The guest asks again at half of it, and learns what is so by then */
enum {
	DHCP_LEASE_S		= 3600,
	DHCP_LEASE_LOCAL_S	= 120,	/* a network may come any time */
};

/* RFC 2132 9.6. BOOTP is what has none. */
enum dhcp_type {
	DHCP_BOOTP	= 0,
	DHCP_DISCOVER	= 1,
	DHCP_OFFER	= 2,
	DHCP_REQUEST	= 3,
	DHCP_DECLINE	= 4,
	DHCP_ACK	= 5,
	DHCP_NAK	= 6,
	DHCP_RELEASE	= 7,
	DHCP_INFORM	= 8,
	DHCP_TYPES,
};

enum dhcp_code {
	OPT_PAD			= 0,
	OPT_MASK		= 1,
	OPT_ROUTER		= 3,
	OPT_DNS			= 6,
	OPT_HOSTNAME		= 12,
	OPT_DOMAIN		= 15,
	OPT_MTU			= 26,
	OPT_REQUESTED_IP	= 50,
	OPT_LEASE		= 51,
	OPT_OVERLOAD		= 52,
	OPT_TYPE		= 53,
	OPT_SERVER_ID		= 54,
	OPT_PARAMS		= 55,
	OPT_MESSAGE		= 56,
	OPT_MAX_SIZE		= 57,
	OPT_CLIENT_ID		= 61,
	OPT_RAPID_COMMIT	= 80,
	OPT_FQDN		= 81,
	OPT_SEARCH		= 119,
	OPT_ROUTES		= 121,
	OPT_END			= 255,
};

enum { OVERLOAD_FILE = 1, OVERLOAD_SNAME = 2 };

/* RFC 4702 2.1 */
enum { FQDN_SERVER = 0x01, FQDN_OVERRIDE = 0x02, FQDN_ENCODED = 0x04 };

/* Kinds of replies: bits, so that an option can say which it belongs to */
enum dhcp_verdict {
	REPLY_NONE	= 0,
	REPLY_OFFER	= 1 << 0,
	REPLY_ACK	= 1 << 1,
	REPLY_RAPID	= 1 << 2,	/* ACK of a DISCOVER */
	REPLY_INFORM	= 1 << 3,	/* ACK of an INFORM */
	REPLY_NAK	= 1 << 4,
	REPLY_BOOTP	= 1 << 5,

	REPLIES_LEASE	= REPLY_OFFER | REPLY_ACK | REPLY_RAPID,
	REPLIES_CONFIG	= REPLIES_LEASE | REPLY_INFORM | REPLY_BOOTP,
	REPLIES_DHCP	= REPLIES_LEASE | REPLY_INFORM | REPLY_NAK,
};

/* A message from a client. Pointers are into dhcp_input()'s copy of it. */
struct dhcp_req {
	uint8_t htype, hlen;
	uint8_t xid[4];
	uint16_t flags;
	uint8_t ciaddr[4];
	uint8_t giaddr[4];
	uint8_t chaddr[16];
	const uint8_t *sname;		/* 64 bytes */
	const uint8_t *file;		/* 128 bytes */

	uint8_t type;			/* enum dhcp_type */
	uint8_t overload;		/* options are in file, sname, too */
	struct addr requested;		/* none: not told */
	struct addr server_id;		/* none: not told */
	uint16_t max_size;		/* of the IP packet; 0: not told */
	bool rapid_commit;
	uint8_t fqdn_flags;
	struct rd client_id;		/* empty: not told */
	uint8_t params[256];		/* options asked for, in this order */
	unsigned params_len;
};

/* Options: code, length, body; but pad and end are just the code */
struct dhcp_opt {
	struct rd rd;			/* what follows */
	uint8_t type;
	struct rd body;
	bool bad;			/* stopped by a truncated one */
};

static struct {
	const struct conf *conf;
} dhcp;

static struct dhcp_opt dhcp_opt_init(struct rd rd)
{
	return (struct dhcp_opt){ .rd = rd, .bad = rd.bad };
}

/* Advance to the next option that isn't a pad; false at the end option, at the
 * end of the bytes (some clients send no end), or if an option is truncated.
 * A body may be empty: the code and length are still consumed.
 */
static bool dhcp_opt_next(struct dhcp_opt *it)
{
	do {
		if (it->bad || !it->rd.left)
			return false;
		it->type = rd_u8(&it->rd);
	} while (it->type == OPT_PAD);

	if (it->type == OPT_END) {
		it->rd.left = 0;
		return false;
	}
	it->body = rd_sub(&it->rd, rd_u8(&it->rd));
	it->bad = it->rd.bad;
	return !it->bad;
}

/* An option that is an IPv4 address, none if its length is wrong */
static struct addr dhcp_opt_addr(struct rd body)
{
	uint8_t four[4];

	rd_copy(&body, four, sizeof(four));
	return body.bad || body.left ? (struct addr){ { 0 } } :
				       addr_from_v4(four);
}

static void dhcp_parse_opt(struct dhcp_req *req, uint8_t type, struct rd body)
{
	switch (type) {
	case OPT_REQUESTED_IP:
		req->requested = dhcp_opt_addr(body);
		break;
	case OPT_OVERLOAD:
		req->overload = rd_u8(&body);
		break;
	case OPT_TYPE:
		req->type = rd_u8(&body);
		break;
	case OPT_SERVER_ID:
		req->server_id = dhcp_opt_addr(body);
		break;
	case OPT_PARAMS:		/* in parts, possibly: RFC 3396 */
		while (body.left && req->params_len < ARRAY_SIZE(req->params))
			req->params[req->params_len++] = rd_u8(&body);
		break;
	case OPT_MAX_SIZE:
		req->max_size = rd_u16(&body);
		break;
	case OPT_CLIENT_ID:
		req->client_id = body;
		break;
	case OPT_RAPID_COMMIT:
		req->rapid_commit = true;
		break;
	case OPT_FQDN:
		req->fqdn_flags = rd_u8(&body);
		break;
	}
}

/* All options of one area; false if one is truncated */
static bool dhcp_parse_opts(struct dhcp_req *req, struct rd rd)
{
	struct dhcp_opt it = dhcp_opt_init(rd);

	while (dhcp_opt_next(&it))
		dhcp_parse_opt(req, it.type, it.body);
	return !it.bad;
}

/* RFC 2131 2 */
static bool dhcp_parse(struct rd rd, struct dhcp_req *ret_req)
{
	struct dhcp_req req = { .type = DHCP_BOOTP };
	uint8_t overload;
	uint8_t op;

	op = rd_u8(&rd);
	req.htype = rd_u8(&rd);
	req.hlen = rd_u8(&rd);
	rd_bytes(&rd, 1);			/* hops */
	rd_copy(&rd, req.xid, sizeof(req.xid));
	rd_bytes(&rd, 2);			/* secs */
	req.flags = rd_u16(&rd);
	rd_copy(&rd, req.ciaddr, sizeof(req.ciaddr));
	rd_bytes(&rd, 8);			/* yiaddr, siaddr */
	rd_copy(&rd, req.giaddr, sizeof(req.giaddr));
	rd_copy(&rd, req.chaddr, sizeof(req.chaddr));
	req.sname = rd_bytes(&rd, 64);
	req.file = rd_bytes(&rd, 128);
	if (rd.bad || op != BOOTREQUEST || req.hlen > sizeof(req.chaddr))
		return false;

	/* BOOTP's vendor area may be all zeroes, or missing */
	if (rd_u32(&rd) == dhcp_magic) {
		if (!dhcp_parse_opts(&req, rd))
			return false;
		overload = req.overload;
		if ((overload & OVERLOAD_FILE) &&
		    !dhcp_parse_opts(&req, rd_init(req.file, 128)))
			return false;
		if ((overload & OVERLOAD_SNAME) &&
		    !dhcp_parse_opts(&req, rd_init(req.sname, 64)))
			return false;
	}
	*ret_req = req;
	return true;
}

/* The address the client means, in whichever way; none if it tells none */
static struct addr dhcp_wanted(const struct dhcp_req *req)
{
	struct addr ciaddr = addr_from_v4(req->ciaddr);

	return addr_is_any(&ciaddr) ? req->requested : ciaddr;
}

/* RFC 2131 4.3.2, as told at the head of this file */
static enum dhcp_verdict dhcp_judge_request(const struct dhcp_req *req)
{
	const struct net_family *fam = &net_get()->fam[V4];
	struct addr wanted = dhcp_wanted(req);

	if (addr_is_any(&wanted) || addr_eq(&wanted, &fam->guest))
		return REPLY_ACK;
	if (!addr_is_none(&req->server_id) &&
	    !addr_eq(&req->server_id, &fam->our))
		return REPLY_NONE;
	return REPLY_NAK;
}

static enum dhcp_verdict dhcp_judge(const struct dhcp_req *req)
{
	switch (req->type) {
	case DHCP_BOOTP:
		return REPLY_BOOTP;
	case DHCP_DISCOVER:
		return req->rapid_commit ? REPLY_RAPID : REPLY_OFFER;
	case DHCP_REQUEST:
		return dhcp_judge_request(req);
	case DHCP_INFORM:
		return REPLY_INFORM;
	}
	return REPLY_NONE;
}

/* Builders of options: append the body to wr; false if there's nothing to say.
 * What doesn't fit sets wr->bad.
 */

static bool opt_mask(const struct dhcp_req *req, struct wr *wr)
{
	struct addr mask = addr_v4_mask(net_get()->fam[V4].prefix_len);

	(void)req;
	wr_bytes(wr, addr_v4_bytes(&mask), 4);
	return true;
}

static bool opt_router(const struct dhcp_req *req, struct wr *wr)
{
	(void)req;
	wr_bytes(wr, addr_v4_bytes(&net_get()->fam[V4].gw), 4);
	return true;
}

static bool opt_dns(const struct dhcp_req *req, struct wr *wr)
{
	const struct net_family *fam = &net_get()->fam[V4];

	(void)req;
	if (!dhcp.conf->dhcp_dns)
		return false;
	for (unsigned i = 0; i < fam->dns_count; i++)
		wr_bytes(wr, addr_v4_bytes(&fam->dns[i]), 4);
	return fam->dns_count;
}

static bool opt_hostname(const struct dhcp_req *req, struct wr *wr)
{
	(void)req;
	wr_bytes(wr, dhcp.conf->hostname, strlen(dhcp.conf->hostname));
	return dhcp.conf->hostname[0];
}

/* The first of the search list, for clients that don't know lists */
static bool opt_domain(const struct dhcp_req *req, struct wr *wr)
{
	const struct net_search *s = &net_get()->search;
	const char *domain = s->name[0];

	(void)req;
	if (!dhcp.conf->dhcp_search || !s->count)
		return false;
	wr_bytes(wr, domain, strlen(domain));
	return domain[0];
}

static bool opt_mtu(const struct dhcp_req *req, struct wr *wr)
{
	(void)req;
	wr_u16(wr, (uint16_t)dhcp.conf->mtu);
	return dhcp.conf->mtu >= 68;		/* RFC 2132 5.1: the least */
}

static bool opt_lease(const struct dhcp_req *req, struct wr *wr)
{
	const struct net_family *fam = &net_get()->fam[V4];
	uint32_t lease_s = fam->local_mode ? DHCP_LEASE_LOCAL_S : DHCP_LEASE_S;

	(void)req;
	if (dhcp.conf->no_follow_host || fam->guest_fixed)
		lease_s = dhcp_lease_infinite;
	wr_u32(wr, lease_s);
	return true;
}

static bool opt_server_id(const struct dhcp_req *req, struct wr *wr)
{
	(void)req;
	wr_bytes(wr, addr_v4_bytes(&net_get()->fam[V4].our), 4);
	return true;
}

static bool opt_message(const struct dhcp_req *req, struct wr *wr)
{
	static const char text[] = "not the address of this network";

	(void)req;
	wr_bytes(wr, text, sizeof(text) - 1);
	return true;
}

static bool opt_client_id(const struct dhcp_req *req, struct wr *wr)
{
	wr_bytes(wr, req->client_id.p, req->client_id.left);
	return req->client_id.left;
}

static bool opt_rapid_commit(const struct dhcp_req *req, struct wr *wr)
{
	(void)req;
	(void)wr;
	return true;
}

/* RFC 4702 2: wire form, and no updates of the DNS: those that the client
 * leaves to us are taken back. Both obsolete result codes are 255.
 */
static bool opt_fqdn(const struct dhcp_req *req, struct wr *wr)
{
	uint8_t flags = FQDN_ENCODED;

	if (req->fqdn_flags & FQDN_SERVER)
		flags |= FQDN_OVERRIDE;
	wr_u8(wr, flags);
	wr_u16(wr, 0xffff);
	return dnsname_put(wr, dhcp.conf->fqdn);
}

/* RFC 3397. Names that don't fit are left out: they come last. */
static bool opt_search(const struct dhcp_req *req, struct wr *wr)
{
	const struct net_search *s = &net_get()->search;

	(void)req;
	if (!dhcp.conf->dhcp_search)
		return false;
	for (unsigned i = 0; i < s->count; i++)
		dnsname_put_compressed(wr, s->name[i]);
	return wr->len;
}

/* RFC 3442, for a gateway outside the subnet: on the link, and the default.
 * Clients that know this option ignore the router option then.
 */
static bool opt_routes(const struct dhcp_req *req, struct wr *wr)
{
	const struct net_family *fam = &net_get()->fam[V4];

	(void)req;
	if (addr_same_prefix(&fam->gw, &fam->guest, fam->prefix_len))
		return false;
	wr_u8(wr, 32);
	wr_bytes(wr, addr_v4_bytes(&fam->gw), 4);
	wr_zero(wr, 4);
	wr_u8(wr, 0);
	wr_bytes(wr, addr_v4_bytes(&fam->gw), 4);
	return true;
}

/* All we know to send but the type, ascending. `reserve`: bytes with code and
 * length for which others leave room, as no client can do without.
 */
static const struct dhcp_option {
	uint8_t code;
	uint8_t replies;		/* mask of enum dhcp_verdict */
	uint8_t reserve;
	bool (*build)(const struct dhcp_req *req, struct wr *wr);
} dhcp_options[] = {
	{ OPT_MASK,		REPLIES_CONFIG,	6,	opt_mask },
	{ OPT_ROUTER,		REPLIES_CONFIG,	6,	opt_router },
	{ OPT_DNS,		REPLIES_CONFIG,	0,	opt_dns },
	{ OPT_HOSTNAME,		REPLIES_CONFIG,	0,	opt_hostname },
	{ OPT_DOMAIN,		REPLIES_CONFIG,	0,	opt_domain },
	{ OPT_MTU,		REPLIES_CONFIG,	4,	opt_mtu },
	{ OPT_LEASE,		REPLIES_LEASE,	6,	opt_lease },
	{ OPT_SERVER_ID,	REPLIES_DHCP,	6,	opt_server_id },
	{ OPT_MESSAGE,		REPLY_NAK,	0,	opt_message },
	{ OPT_CLIENT_ID,	REPLIES_DHCP,	0,	opt_client_id },
	{ OPT_RAPID_COMMIT,	REPLY_RAPID,	2,	opt_rapid_commit },
	{ OPT_FQDN,		REPLIES_CONFIG,	0,	opt_fqdn },
	{ OPT_SEARCH,		REPLIES_CONFIG,	0,	opt_search },
	{ OPT_ROUTES,		REPLIES_CONFIG,	16,	opt_routes },
};
static_assert(ARRAY_SIZE(dhcp_options) <= 32, "fits a mask of 32 bits");

/* Longest body of an option that takes up to `room` (2 or more) bytes with the
 * one or two headers it needs
 */
static size_t dhcp_body_max(size_t room)
{
	if (room <= 2 + DHCP_OPT_LEN_MAX)
		return room - 2;
	return MIN(room - 4, (size_t)DHCP_BODY_MAX);
}

/* Append an option, in parts if it is long (RFC 3396 5) */
static void dhcp_put_opt(struct wr *wr, uint8_t code, const struct wr *body)
{
	size_t at = 0;

	do {
		size_t part = MIN(body->len - at, (size_t)DHCP_OPT_LEN_MAX);

		wr_u8(wr, code);
		wr_u8(wr, (uint8_t)part);
		wr_bytes(wr, body->buf + at, part);
		at += part;
	} while (at < body->len);
}

/* The option of this code if it is still to be sent, or NULL */
static const struct dhcp_option *dhcp_find_opt(uint8_t code, uint32_t todo)
{
	for (unsigned i = 0; i < ARRAY_SIZE(dhcp_options); i++) {
		if (dhcp_options[i].code == code)
			return todo & 1U << i ? &dhcp_options[i] : NULL;
	}
	return NULL;
}

/* Build one option, take it off the list, give its reservation back. Between
 * calls, wr has room for what is reserved: so these always fit, and the others
 * are left out if they would eat into that.
 */
static void dhcp_do_opt(const struct dhcp_req *req, struct wr *wr,
			const struct dhcp_option *opt, uint32_t *todo,
			size_t *reserve)
{
	uint8_t buf[DHCP_BODY_MAX];
	struct wr body;
	size_t room;

	*todo &= ~(1U << (opt - dhcp_options));
	*reserve -= opt->reserve;
	room = wr->size - wr->len - *reserve;
	if (room < 2)
		return;
	body = wr_init(buf, dhcp_body_max(room));
	if (opt->build(req, &body) && !body.bad)
		dhcp_put_opt(wr, opt->code, &body);
}

/* Type, what the client lists, the rest; end */
static void dhcp_put_opts(const struct dhcp_req *req, enum dhcp_verdict verdict,
			  struct wr *wr)
{
	static const uint8_t types[] = {
		[REPLY_OFFER] = DHCP_OFFER, [REPLY_ACK] = DHCP_ACK,
		[REPLY_RAPID] = DHCP_ACK, [REPLY_INFORM] = DHCP_ACK,
		[REPLY_NAK] = DHCP_NAK, [REPLY_BOOTP] = DHCP_BOOTP,
	};
	size_t reserve = 1;		/* for the end */
	uint32_t todo = 0;

	if (types[verdict] != DHCP_BOOTP) {
		wr_u8(wr, OPT_TYPE);
		wr_u8(wr, 1);
		wr_u8(wr, types[verdict]);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(dhcp_options); i++) {
		if (!(dhcp_options[i].replies & verdict))
			continue;
		todo |= 1U << i;
		reserve += dhcp_options[i].reserve;
	}

	for (unsigned i = 0; i < req->params_len; i++) {
		const struct dhcp_option *opt;

		opt = dhcp_find_opt(req->params[i], todo);
		if (opt)
			dhcp_do_opt(req, wr, opt, &todo, &reserve);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(dhcp_options); i++) {
		if (todo & 1U << i)
			dhcp_do_opt(req, wr, &dhcp_options[i], &todo, &reserve);
	}
	wr_u8(wr, OPT_END);
}

/* Bytes that the reply may have, from op on */
static size_t dhcp_reply_max(const struct dhcp_req *req,
			     enum dhcp_verdict verdict)
{
	size_t max = MAX(req->max_size, DHCP_IP_MIN) - DHCP_IP_UDP_LEN;
	unsigned mtu = dhcp.conf->mtu;

	if (verdict == REPLY_BOOTP)
		return BOOTP_MIN_LEN;
	if (mtu >= DHCP_IP_MIN)
		max = MIN(max, mtu - DHCP_IP_UDP_LEN);
	return MIN(max, (size_t)DHCP_MSG_MAX);
}

/* Where the reply goes: RFC 2131 4.1, 4.3.2 for NAK, 4.3.5 for INFORM */
static void dhcp_address(const struct dhcp_req *req, enum dhcp_verdict verdict,
			 const struct pkt *pkt, struct frame_ip *ip)
{
	static const uint8_t mac_broadcast[6] = { 0xff, 0xff, 0xff,
						  0xff, 0xff, 0xff };
	const struct net_family *fam = &net_get()->fam[V4];
	struct addr ciaddr = addr_from_v4(req->ciaddr);

	*ip = (struct frame_ip){
		.src = fam->our,
		.dst = fam->guest,
		.dst_mac = pkt->src_mac,
		.proto = PROTO_UDP,
	};
	if (verdict == REPLY_INFORM)
		ip->dst = addr_is_any(&ciaddr) ? pkt->src : ciaddr;
	if (!addr_is_unicast(&ip->dst) || verdict == REPLY_NAK ||
	    (addr_is_any(&ciaddr) && (req->flags & BOOTP_BROADCAST))) {
		ip->dst = addr_v4(INADDR_BROADCAST);
		ip->dst_mac = mac_broadcast;
	}
}

static void dhcp_reply(const struct dhcp_req *req, enum dhcp_verdict verdict,
		       const struct pkt *pkt)
{
	static const uint8_t zero[4];
	bool gives = verdict & (REPLIES_LEASE | REPLY_BOOTP);
	uint8_t buf[DHCP_MSG_MAX];
	struct wr wr = wr_init(buf, dhcp_reply_max(req, verdict));
	struct iovec iov = { .iov_base = buf };
	struct bytes payload = { .iov = &iov, .cnt = 1 };
	struct frame_ip ip;

	wr_u8(&wr, BOOTREPLY);
	wr_u8(&wr, req->htype);
	wr_u8(&wr, req->hlen);
	wr_zero(&wr, 1);			/* hops */
	wr_bytes(&wr, req->xid, sizeof(req->xid));
	wr_zero(&wr, 2);			/* secs */
	wr_u16(&wr, req->flags);
	wr_bytes(&wr, verdict == REPLY_NAK ? zero : req->ciaddr, 4);
	wr_bytes(&wr, gives ? addr_v4_bytes(&net_get()->fam[V4].guest) : zero,
		 4);				/* yiaddr */
	wr_zero(&wr, 8);			/* siaddr, giaddr */
	wr_bytes(&wr, req->chaddr, sizeof(req->chaddr));
	wr_zero(&wr, 64 + 128);			/* sname, file */
	wr_u32(&wr, dhcp_magic);
	dhcp_put_opts(req, verdict, &wr);
	if (wr.len < BOOTP_MIN_LEN)
		wr_zero(&wr, BOOTP_MIN_LEN - wr.len);
	assert(!wr.bad);

	iov.iov_len = wr.len;
	payload.len = (uint32_t)wr.len;
	dhcp_address(req, verdict, pkt, &ip);
	frame_send_udp(&ip, DHCP_SERVER_PORT, DHCP_CLIENT_PORT, &payload, 0);
	if (verdict != REPLY_NAK || !addr_is_unicast(&pkt->src))
		return;
	ip.dst = pkt->src;
	ip.dst_mac = pkt->src_mac;
	frame_send_udp(&ip, DHCP_SERVER_PORT, DHCP_CLIENT_PORT, &payload, 0);
}

static void dhcp_log(const struct dhcp_req *req, enum dhcp_verdict verdict)
{
	static const char *const names[DHCP_TYPES] = {
		[DHCP_BOOTP] = "BOOTP request", [DHCP_DISCOVER] = "DISCOVER",
		[DHCP_REQUEST] = "REQUEST", [DHCP_DECLINE] = "DECLINE",
		[DHCP_RELEASE] = "RELEASE", [DHCP_INFORM] = "INFORM",
	};
	const char *name = req->type < DHCP_TYPES ? names[req->type] : NULL;
	struct addr wanted = dhcp_wanted(req);

	/* Words that people look for in logs */
	if (verdict == REPLY_OFFER || verdict == REPLY_ACK) {
		info_limited("DHCP: %s to %s",
			     verdict == REPLY_OFFER ? "offer" : "ack",
			     req->type == DHCP_DISCOVER ? "discover" :
			     req->type == DHCP_INFORM ? "inform" : "request");
		info_limited("    from %s", MAC_STR(req->chaddr));
	}
	debug("DHCP: %s from %s, for %s: %s", name ? name : "odd message",
	      MAC_STR(req->chaddr),
	      addr_is_any(&wanted) ? "any address" : ADDR_STR(&wanted),
	      verdict == REPLY_NONE ? "ignored" :
	      verdict == REPLY_NAK ? "refused" : "answered");
}

void dhcp_init(const struct conf *c)
{
	dhcp.conf = c;
}

bool dhcp_input(const struct pkt *pkt)
{
	static const uint8_t not_relayed[4];
	const struct net_family *fam = &net_get()->fam[V4];
	uint8_t buf[DHCP_MSG_MAX];
	enum dhcp_verdict verdict;
	struct dhcp_req req;
	size_t len;

	if (pkt->dport != DHCP_SERVER_PORT)
		return false;
	if (dhcp.conf->no_dhcp || !fam->enabled || addr_is_none(&fam->gw))
		return true;

	len = bytes_copy(&pkt->payload, 0, buf, sizeof(buf));
	if (len < pkt->payload.len || !dhcp_parse(rd_init(buf, len), &req)) {
		drop(DROP_DHCP);
		return true;
	}
	if (memcmp(req.giaddr, not_relayed, sizeof(req.giaddr)))
		return true;

	verdict = dhcp_judge(&req);
	dhcp_log(&req, verdict);
	if (verdict != REPLY_NONE)
		dhcp_reply(&req, verdict, pkt);
	return true;
}
