// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: a reader of DNS messages, see dnsmsg.h
 *
 *	header		id, flags, four counts
 *	question	name, type, class
 *	answers		name, type, class, TTL, length, data
 *	authority, additional: likewise
 *
 * Pointers make names of a message out of others of it, and looking for a chain of
 * names reads all of them again and again: what somebody writes for it could keep us
 * busy. So letters, pointers and records are steps, and a message has a number of
 * them, which leaves room for every answer that anybody needs.
 *
 * Standards: RFC 1035 4.1, RFC 3596 (AAAA), RFC 6891 (OPT), RFC 9460 (HTTPS, SVCB).
 */
#include "util/dnsmsg.h"

#include <string.h>

enum {
	TYPE_A		= 1,
	TYPE_CNAME	= 5,
	TYPE_AAAA	= 28,
	TYPE_OPT	= 41,
	TYPE_SVCB	= 64,
	TYPE_HTTPS	= 65,
	CLASS_IN	= 1,
	OPCODE_QUERY	= 0,

	FLAG_ANSWER	= 0x8000,
	FLAG_RD		= 0x0100,
	FLAG_RA		= 0x0080,
	OPCODE_SHIFT	= 11,
	RCODE_MASK	= 0xf,

	POINTER		= 0xc0,
	CNAMES_MAX	= 16,		/* on the way to an address */

	/* Parameters of SVCB */
	KEY_IPV4HINT	= 4,
	KEY_IPV6HINT	= 6,

	STEPS		= 256 * 1024,
	RECORD_STEPS	= 16,
	POINTER_STEPS	= 8,
};

/* A cursor into a message that knows where it begins, for pointers, and how much may
 * still be done
 */
struct cursor {
	const uint8_t *msg;
	struct rd rd;
	unsigned *steps;
};

static bool take_steps(const struct cursor *c, unsigned n)
{
	if (*c->steps < n)
		return false;
	*c->steps -= n;
	return true;
}

static size_t cursor_at(const struct cursor *c)
{
	return (size_t)(c->rd.p - c->msg);
}

/* One label → text; false if it isn't any */
static bool label_text(struct wr *wr, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t b = p[i];

		if (b <= ' ' || b >= 0x7f || b == '.')
			return false;
		wr_u8(wr, b >= 'A' && b <= 'Z' ? (uint8_t)(b | 0x20) : b);
	}
	return true;
}

/* The name at the cursor, which moves behind it. False, and nothing more to be
 * read, if it is malformed. A name that isn't text gives *ret_text = false.
 */
static bool read_name(struct cursor *c, char name[DNSNAME_TEXT_LEN],
		      bool *ret_text)
{
	uint8_t buf[DNSNAME_TEXT_LEN];
	struct wr wr = wr_init(buf, sizeof(buf));
	struct rd rd = c->rd;
	size_t start = cursor_at(c), wire = 0;
	bool jumped = false, text = true;

	for (;;) {
		const uint8_t *label;
		uint8_t n = rd_u8(&rd);

		if (!take_steps(c, n < POINTER ? 1U + n : POINTER_STEPS))
			break;
		if (rd.bad || (n > DNSNAME_LABEL_MAX && n < POINTER))
			break;
		if (n >= POINTER) {
			size_t to = (size_t)(n & ~POINTER) << 8 | rd_u8(&rd);

			if (rd.bad || to >= start)
				break;
			if (!jumped)
				c->rd = rd;
			jumped = true;
			rd = rd_init(c->msg + to, start - to);
			start = to;
			continue;
		}
		wire += 1U + n;
		if (wire > DNSNAME_WIRE_MAX)
			break;
		if (!n) {
			if (!jumped)
				c->rd = rd;
			/* The last dot becomes the end */
			buf[wr.len ? wr.len - 1 : 0] = '\0';
			memcpy(name, buf, wr.len ? wr.len : 1);
			*ret_text = text && !wr.bad;
			return true;
		}
		label = rd_bytes(&rd, n);
		text = text && label && label_text(&wr, label, n);
		wr_u8(&wr, '.');
	}
	c->rd.bad = true;
	return false;
}

/* A record; data is `len` bytes at data_at */
struct record {
	char name[DNSNAME_TEXT_LEN];
	bool text;
	uint16_t type, class;
	uint32_t ttl;
	struct rd data;
};

static bool read_record(struct cursor *c, struct record *ret)
{
	if (!take_steps(c, RECORD_STEPS) ||
	    !read_name(c, ret->name, &ret->text))
		return false;
	ret->type = rd_u16(&c->rd);
	ret->class = rd_u16(&c->rd);
	ret->ttl = rd_u32(&c->rd);
	ret->data = rd_sub(&c->rd, rd_u16(&c->rd));
	return !c->rd.bad;
}

bool dnsmsg_read(const void *msg, size_t len, struct dnsmsg *ret)
{
	unsigned steps = STEPS;
	struct cursor c = { msg, rd_init(msg, len), &steps };
	uint16_t flags, questions;
	bool text;

	memset(ret, 0, sizeof(*ret));
	ret->id = rd_u16(&c.rd);
	flags = rd_u16(&c.rd);
	questions = rd_u16(&c.rd);
	rd_bytes(&c.rd, 6);
	ret->is_answer = flags & FLAG_ANSWER;
	ret->opcode = flags >> OPCODE_SHIFT & RCODE_MASK;
	ret->rcode = flags & RCODE_MASK;
	if (c.rd.bad || questions != 1 || !read_name(&c, ret->name, &text) ||
	    !text)
		return false;
	/* A question's name has nothing behind it to point to */
	len = strlen(ret->name);
	if (cursor_at(&c) - DNSMSG_HDR != (len ? len + 2 : 1))
		return false;
	ret->type = rd_u16(&c.rd);
	ret->class = rd_u16(&c.rd);
	ret->question_end = cursor_at(&c);
	return !c.rd.bad;
}

bool dnsmsg_is_plain_query(const void *msg, size_t len, const struct dnsmsg *m)
{
	unsigned steps = STEPS;
	struct cursor c = { msg, rd_init(msg, len), &steps };
	uint16_t answers, authority, additional;
	struct record r;

	rd_bytes(&c.rd, 6);
	answers = rd_u16(&c.rd);
	authority = rd_u16(&c.rd);
	additional = rd_u16(&c.rd);
	if (m->is_answer || m->opcode != OPCODE_QUERY || answers || authority ||
	    additional > 1)
		return false;
	rd_bytes(&c.rd, m->question_end - DNSMSG_HDR);
	if (additional && (!read_record(&c, &r) || r.type != TYPE_OPT))
		return false;
	return !c.rd.bad && !c.rd.left;
}

bool dnsmsg_has_answers(const void *msg, size_t len)
{
	struct rd rd = rd_init(msg, len);

	rd_bytes(&rd, 6);
	return rd_u16(&rd);
}

/* What was found so far */
struct found {
	struct dnsmsg_addr *addr;
	unsigned n;
	uint32_t ttl;			/* the least on the way */
};

/* A row of addresses of `size` bytes each, as far as there are whole ones */
static void found_add(struct found *found, struct rd data, size_t size,
		      uint32_t ttl)
{
	while (data.left >= size && found->n < DNSMSG_ADDRS) {
		const uint8_t *p = rd_bytes(&data, size);

		found->addr[found->n++] = (struct dnsmsg_addr){
			.addr = size == 4 ? addr_from_v4(p) : addr_from_v6(p),
			.ttl = MIN(found->ttl, ttl),
		};
	}
}

/* RFC 9460 2.2: priority, target, parameters. In service mode, addresses by which
 * the owner is served may be among them; an alias has none.
 */
static void found_add_hints(struct found *found, struct cursor data,
			    uint32_t ttl)
{
	char target[DNSNAME_TEXT_LEN];
	bool text;

	if (!rd_u16(&data.rd) || !read_name(&data, target, &text))
		return;
	while (data.rd.left && !data.rd.bad) {
		uint16_t key = rd_u16(&data.rd);
		struct rd value = rd_sub(&data.rd, rd_u16(&data.rd));

		if (data.rd.bad || !take_steps(&data, RECORD_STEPS))
			break;
		if (key == KEY_IPV4HINT)
			found_add(found, value, 4, ttl);
		else if (key == KEY_IPV6HINT)
			found_add(found, value, 16, ttl);
	}
}

/* One look at all answers for what `name` is: its addresses, and if it is another
 * name, that. True: it is another name.
 */
static bool read_answers(struct cursor c, const struct dnsmsg *m,
			 char name[DNSNAME_TEXT_LEN], struct found *found)
{
	char target[DNSNAME_TEXT_LEN];
	uint32_t target_ttl = 0;
	bool alias = false, text;
	uint16_t answers;
	struct record r;

	rd_bytes(&c.rd, 6);
	answers = rd_u16(&c.rd);
	rd_bytes(&c.rd, m->question_end - 8);
	for (unsigned i = 0; i < answers && read_record(&c, &r); i++) {
		size_t want = r.type == TYPE_A ? 4 : r.type == TYPE_AAAA ? 16 : 0;
		struct cursor data = { c.msg, r.data, c.steps };

		if (!r.text || r.class != CLASS_IN || strcmp(r.name, name))
			continue;
		if (want && r.data.left == want)
			found_add(found, r.data, want, r.ttl);
		if (r.type == TYPE_HTTPS || r.type == TYPE_SVCB)
			found_add_hints(found, data, r.ttl);
		if (r.type == TYPE_CNAME && !alias &&
		    read_name(&data, target, &text) && text) {
			alias = true;
			target_ttl = r.ttl;
		}
	}
	if (!alias)
		return false;
	found->ttl = MIN(found->ttl, target_ttl);
	strcpy(name, target);
	return true;
}

unsigned dnsmsg_addrs(const void *msg, size_t len, const struct dnsmsg *m,
		      struct dnsmsg_addr ret[DNSMSG_ADDRS])
{
	struct found found = { .addr = ret, .ttl = UINT32_MAX };
	unsigned steps = STEPS;
	struct cursor c = { msg, rd_init(msg, len), &steps };
	char name[DNSNAME_TEXT_LEN];

	strcpy(name, m->name);
	for (int i = 0; i < CNAMES_MAX && read_answers(c, m, name, &found); i++)
		;
	return found.n;
}

size_t dnsmsg_reply(const void *msg, size_t len, const struct dnsmsg *m,
		    uint8_t rcode, uint8_t *buf)
{
	struct wr wr = wr_init(buf, DNSMSG_REPLY_MAX);
	struct rd rd = rd_init(msg, len);
	size_t question = m ? m->question_end - DNSMSG_HDR : 0;
	uint16_t id = rd_u16(&rd), flags = rd_u16(&rd);

	if (len < DNSMSG_HDR || flags & FLAG_ANSWER)
		return 0;
	wr_u16(&wr, id);
	wr_u16(&wr, (uint16_t)(FLAG_ANSWER | FLAG_RA | rcode |
			       (flags & (FLAG_RD | RCODE_MASK << OPCODE_SHIFT))));
	wr_u16(&wr, question ? 1 : 0);
	wr_zero(&wr, 6);
	if (question)
		wr_bytes(&wr, (const uint8_t *)msg + DNSMSG_HDR, question);
	return wr.bad ? 0 : wr.len;
}
