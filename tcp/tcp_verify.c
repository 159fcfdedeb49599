// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: server names of connections, compared before the first byte leaves
 *
 * Flow: a run of data → all that there is of the stream → server_name() → the
 * policy, on the word of the guest → go; or RST. Once the socket has taken what was
 * compared, conn->verify is off, and what follows is written from where it is.
 *
 * What was compared is what is sent: from our copy, since the guest can write to its
 * own memory in between (vhost-user), and may send other bytes for those that it
 * hasn't had an acknowledgement of.
 *
 * Data: what isn't enough yet has to be kept. It would do to leave it without
 * acknowledgement, if guests sent more then; but one that writes little by little
 * doesn't (Nagle: RFC 9293 3.7.4), nor does one whose congestion window is used up.
 * So it is copied to one of a few static places of SERVER_NAME_BYTES each, and
 * acknowledged; beyond that nothing is. When all are taken, the oldest has waited
 * for long enough, and is reset. Mostly the first run has all that is needed, and
 * the socket takes it: that needs no place.
 *
 * Invariants: verify is on as long as anything is held, also if the name was
 * right, and the socket just doesn't take it (`go`).
 */
#include "tcp/tcp_verify.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "fwd/audit.h"
#include "fwd/egress.h"
#include "fwd/policy.h"
#include "tcp/tcp_int.h"
#include "util.h"
#include "util/server_name.h"
#include "util/wire.h"

enum { HELD = 128 };

struct held {
	uint32_t flow;			/* index + 1; 0: free */
	uint32_t len, sent;
	bool go;			/* the name is right */
	mono_t since;
	uint8_t buf[SERVER_NAME_BYTES];
};

static struct {
	struct held held[HELD];
	uint8_t first[SERVER_NAME_BYTES];
} ver;

static struct held *held_find(const struct flow *f)
{
	for (struct held *h = ver.held; h < ver.held + HELD; h++)
		if (h->flow == flow_index(f) + 1)
			return h;
	return NULL;
}

static struct held *held_new(const struct flow *f)
{
	struct held *best = NULL;

	for (struct held *h = ver.held; h < ver.held + HELD; h++)
		if (!best || (best->flow &&
			      (!h->flow || mono_before(h->since, best->since))))
			best = h;
	if (best->flow) {
		audit_end(flow_at(best->flow - 1), "made room");
		flow_evict(flow_at(best->flow - 1));
	}
	best->flow = flow_index(f) + 1;
	best->since = loop_now();
	best->len = best->sent = 0;
	best->go = false;
	return best;
}

void tcp_verify_forget(const struct flow *f)
{
	struct held *h = held_find(f);

	if (h)
		h->flow = 0;
}

/* 1: the name is right, 0: more is needed, -1: wrong */
static int verify_bytes(const struct flow *f, const uint8_t *p, size_t len)
{
	char name[DNSNAME_TEXT_LEN] = "";

	enum server_name rc = server_name(p, len, name);

	if (rc == SERVER_NAME_MORE && len < SERVER_NAME_BYTES)
		return 0;
	if (rc != SERVER_NAME_FOUND)
		*name = '\0';
	if (egress_may_name(PROTO_TCP, &f->side[GUEST], &f->side[HOST], name)) {
		if (*name)
			egress_named(f, name);
		return 1;
	}
	egress_wrong_name(PROTO_TCP, &f->side[GUEST], name);
	audit_end(f, "wrong name");
	return -1;
}

static uint32_t gather(const struct iovec *iov, unsigned cnt, uint8_t *to,
		       uint32_t room)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < cnt && n < room; i++) {
		uint32_t part = (uint32_t)MIN(iov[i].iov_len, room - n);

		memcpy(to + n, iov[i].iov_base, part);
		n += part;
	}
	return n;
}

/* Write what was compared, from *at on, as far as the socket takes it; if that is
 * all, verification is over. False: the socket has failed.
 */
static bool verified_write(struct flow *f, const uint8_t *p, uint32_t len,
			   uint32_t *at)
{
	while (*at < len) {
		ssize_t n = send(f->tcp.fd, p + *at, len - *at,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;	/* an event tells */
		if (n < 0) {
			if (!is_momentary(-errno))
				return false;
			tcp_fault(f, -errno);
			return true;
		}
		*at += (uint32_t)n;
	}
	f->tcp.verify = false;
	return true;
}

static bool held_write(struct flow *f, struct held *h)
{
	bool ok = verified_write(f, h->buf, h->len, &h->sent);

	if (ok && !f->tcp.verify)
		h->flow = 0;
	return ok;
}

/* The first run: nothing is held yet */
static int verify_first(struct flow *f, const struct iovec *iov, unsigned cnt)
{
	uint32_t n = gather(iov, cnt, ver.first, sizeof(ver.first)), sent = 0;
	int rc = verify_bytes(f, ver.first, n);
	struct held *h;

	if (rc < 0 || (rc && !verified_write(f, ver.first, n, &sent)))
		return -1;
	if (!f->tcp.verify)
		return (int)n;
	h = held_new(f);
	memcpy(h->buf, ver.first, n);
	h->len = n;
	h->sent = sent;
	h->go = rc > 0;
	return (int)n;
}

int tcp_verify(struct flow *f, const struct iovec *iov, unsigned cnt,
	       uint32_t len)
{
	struct held *h = held_find(f);
	uint32_t n;
	int rc;

	if (!len)
		return 0;
	if (!h)
		return verify_first(f, iov, cnt);
	if (h->go)
		return held_write(f, h) ? 0 : -1;
	n = gather(iov, cnt, h->buf + h->len, SERVER_NAME_BYTES - h->len);
	h->len += n;
	rc = verify_bytes(f, h->buf, h->len);
	h->go = rc > 0;
	if (h->go && !held_write(f, h))
		rc = -1;
	return rc < 0 ? -1 : (int)n;
}

int tcp_verify_end(struct flow *f)
{
	struct held *h = held_find(f);

	if (h && h->go && !held_write(f, h))
		return -1;
	if (h && h->go)
		return !f->tcp.verify;
	if (h) {
		egress_wrong_name(PROTO_TCP, &f->side[GUEST], "");
		audit_end(f, "wrong name");
		return -1;
	}
	f->tcp.verify = false;
	return 1;
}

bool tcp_verify_writable(struct flow *f)
{
	struct held *h = held_find(f);

	return !h || !h->go || held_write(f, h);
}
