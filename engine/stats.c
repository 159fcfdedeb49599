// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: counters of all modules and the flow table, as messages */
#include "engine/stats.h"

#include <inttypes.h>

#include "engine/flow.h"
#include "engine/timer.h"
#include "input.h"
#include "splice.h"
#include "tap.h"
#include "tcp.h"
#include "udp.h"

static struct {
	struct timer timer;
	unsigned seconds;
	uint64_t seen;			/* frames at the last print */
} stats;

static void stats_counters(void)
{
	const struct tap_counters *l = &tap_counters;
	const struct input_counters *in = &input_counters;
	const struct tcp_counters *t = &tcp_counters;
	const struct udp_counters *u = &udp_counters;
	const struct splice_counters *s = &splice_counters;

	info("link: %" PRIu64 " frames, %" PRIu64 " bytes from the guest; %"
	     PRIu64 " frames, %" PRIu64 " bytes to it, %" PRIu64 " not taken",
	     l->rx_frames, l->rx_bytes, l->tx_frames, l->tx_bytes,
	     l->tx_dropped);
	info("dropped from the guest: %" PRIu64 " malformed, %" PRIu64
	     " with a wrong checksum, %" PRIu64 " fragments, %" PRIu64
	     " of other protocols, %" PRIu64 " not IP",
	     l->rx_bad + in->malformed, in->bad_csum, in->fragments,
	     in->unknown_proto, in->ignored);
	info("TCP: %u flows; segments: %" PRIu64 " in, %" PRIu64 " out, %"
	     PRIu64 " sent again, %" PRIu64 " timeouts, %" PRIu64
	     " out of order; %" PRIu64 " resets, %" PRIu64 " refused, %"
	     PRIu64 " challenge ACKs, %" PRIu64 " short writes",
	     flow_count(FLOW_TCP), t->in_segs, t->out_segs, t->rtx_segs,
	     t->rto, t->out_of_order, t->resets, t->refused, t->challenge_acks,
	     t->short_writes);
	info("UDP: %u flows; datagrams: %" PRIu64 " from the guest, %" PRIu64
	     " to it, %" PRIu64 " dropped; %" PRIu64 " errors; %" PRIu64
	     " flows made room",
	     flow_count(FLOW_UDP), u->in_dgrams, u->out_dgrams, u->dropped,
	     u->errors, u->evicted);
	info("spliced: %u flows; %" PRIu64 " connections, %" PRIu64
	     " refused, %" PRIu64 " reset, %" PRIu64 " bytes",
	     flow_count(FLOW_SPLICE), s->opened, s->refused, s->resets,
	     s->bytes);
	info("ping: %u flows; %" PRIu64 " turns of the loop",
	     flow_count(FLOW_PING), loop_turns());
}

/* Asked for: said, quiet or not */
static enum log_level stats_aloud(void)
{
	enum log_level was = log_max;

	log_max = MAX(was, LOG_LVL_INFO);
	return was;
}

void stats_dump(void)
{
	enum log_level was = stats_aloud();

	stats_counters();
	for (uint32_t i = 0; i < flow_high(); i++) {
		const struct flow *f = flow_at(i);

		if (f->type == FLOW_TCP || f->type == FLOW_UDP ||
		    f->type == FLOW_PING || f->type == FLOW_SPLICE)
			info("flow %u: %s", i, FLOW_STR(f));
	}
	log_max = was;
}

static void stats_timer(struct timer *t)
{
	uint64_t frames = tap_counters.rx_frames + tap_counters.tx_frames;
	enum log_level was = stats_aloud();

	if (frames != stats.seen)
		stats_counters();
	log_max = was;
	stats.seen = frames;
	timer_set(t, TIMER_STATS, mono_add(loop_now(), DUR_S(stats.seconds)));
}

void stats_start(unsigned seconds)
{
	stats.seconds = seconds;
	if (!seconds)
		return;
	timer_set_handler(TIMER_STATS, stats_timer);
	timer_set(&stats.timer, TIMER_STATS,
		  mono_add(loop_now(), DUR_S(seconds)));
}
