// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: how many connections may wait for their connect(), see tcp_pending.h
 *
 * Data: a count for each destination, that of several that fall in the same place by
 * a keyed hash. And a list (idle.c): whoever needs a descriptor, or
 * an entry of the table of flows, and finds none gets that of the oldest, whose
 * guest asks again if it still waits.
 *
 * Clients of forwarded ports whom the guest doesn't answer are in the list, too: whoever
 * opens many of these would have all descriptors otherwise, for as long as the guest is
 * asked. They aren't counted: their descriptors are all that they cost.
 */
#include "tcp/tcp_pending.h"

#include "engine/flow.h"
#include "engine/loop.h"
#include "host/sock.h"
#include "util/wire.h"

enum {
	PENDING_PLACES	= 4096,
	PENDING_PART	= 4,		/* of the host's ports, to a destination */
};

static struct {
	unsigned max;			/* to a destination */
	uint32_t at[PENDING_PLACES];
} pending;

static uint32_t *pending_at(const struct flow_side *host)
{
	const struct flow_side key = { .peer = host->peer,
				       .peer_port = host->peer_port };

	return &pending.at[flow_side_hash(PROTO_TCP, &key) % PENDING_PLACES];
}

bool tcp_pending_allows(const struct flow_side *host)
{
	return *pending_at(host) < pending.max;
}

void tcp_pending_list(struct flow *f)
{
	idle_used(&f->tcp.pending, IDLE_TCP_PENDING, flow_index(f), loop_now(),
		  false);
}

void tcp_pending_unlist(struct flow *f)
{
	idle_remove(&f->tcp.pending);
	f->tcp.sack = (struct tcp_scoreboard){ .block = { { 0, 0 } } };
}

void tcp_pending_begin(struct flow *f)
{
	++*pending_at(&f->side[HOST]);
	tcp_pending_list(f);
}

void tcp_pending_end(struct flow *f)
{
	--*pending_at(&f->side[HOST]);
	tcp_pending_unlist(f);
}

void tcp_pending_init(void (*end)(uint32_t index))
{
	const struct idle_ops ops = { .gain = IDLE_FD | IDLE_ENTRY,
				      .end = end };

	idle_set_ops(IDLE_TCP_PENDING, &ops);
	pending.max = MAX(sock_local_ports() / PENDING_PART, 1U);
}
