// SPDX-License-Identifier: GPL-2.0-or-later
/* The walk through the table of flows after changes of the host's network: each flow is
 * looked at, some in a turn, however often there are changes
 *
 * Links: host/net_flows.o engine/timer.o util/addr.o
 */
#include "host/net_flows.h"

#include <string.h>

#include "engine/flow.h"
#include "engine/loop.h"
#include "engine/timer.h"
#include "host/host_addrs.h"
#include "host/net.h"
#include "host/sock.h"
#include "tap_test.h"

enum { FLOWS = 5000, FD_LOST = 7, FD_KEPT };

static mono_t now;
static struct net net;
static net_hook net_changed;
static struct flow flows[FLOWS];
static struct {
	unsigned looks[FLOWS], in_turn, turn_max;
	uint32_t high;
	bool cut_lost, cut_kept;	/* as the last look had it */
} seen;
static struct host_addrs lost;

mono_t loop_now(void)
{
	return now;
}

uint32_t flow_high(void)
{
	return seen.high;
}

struct flow *flow_at(uint32_t index)
{
	return &flows[index];
}

static void look(struct flow *f)
{
	seen.looks[f - flows]++;
	seen.in_turn++;
	seen.turn_max = MAX(seen.turn_max, seen.in_turn);
	seen.cut_lost = net_flows_cut(FD_LOST);
	seen.cut_kept = net_flows_cut(FD_KEPT);
}

const struct flow_ops *flow_ops(const struct flow *f)
{
	static const struct flow_ops ops = { .host_changed = look };

	return (f - flows) % 2 ? NULL : &ops;	/* every second is in use */
}

const struct net *net_get(void)
{
	return &net;
}

void net_add_hook(net_hook fn)
{
	net_changed = fn;
}

struct addr sock_local_link(int fd, unsigned *ret_ifi)
{
	struct addr a = lost.a[0].addr;

	*ret_ifi = 0;
	a.b[15] = (uint8_t)(a.b[15] + (fd == FD_KEPT));
	return a;
}

bool sock_have_addr(const struct addr *a, unsigned ifi)
{
	(void)a;
	(void)ifi;
	return false;
}

bool sock_device_is_gone(int fd)
{
	(void)fd;
	return false;
}

bool host_addrs_have(const struct host_addrs *l, const struct host_addr *a)
{
	return l->count && addr_eq(&l->a[0].addr, &a->addr);
}

void host_addrs_add(struct host_addrs *l, const struct host_addr *a)
{
	l->a[0] = *a;
	l->count = 1;
}

static void change(void)
{
	seen.in_turn = 0;
	net_changed(&net);
}

/* One of the loop's; false: nothing is due any more */
static bool turn(void)
{
	int ms = timer_timeout_ms(now);

	if (ms < 0)
		return false;
	seen.in_turn = 0;
	now = mono_add(now, DUR_MS(ms ? ms : 1));
	timer_run(now);
	return true;
}

static void finish(void)
{
	for (unsigned i = 0; i < FLOWS && turn(); i++)
		;
}

/* Flows in use that were looked at less often than that, or more often */
static unsigned others_than(unsigned least, unsigned most)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < seen.high; i += 2)
		n += seen.looks[i] < least || seen.looks[i] > most;
	return n;
}

static void forget(void)
{
	memset(seen.looks, 0, sizeof(seen.looks));
}

int main(void)
{
	lost.count = 1;
	lost.a[0].addr = addr_from_v4((const uint8_t[]){ 192, 0, 2, 1 });
	timer_init(now);
	net_flows_init();
	change();
	ok(!turn(), "no flows: nothing to do");

	seen.high = FLOWS;
	change();
	finish();
	is_int(others_than(1, 1), 0, "after a change, each is looked at once");
	ok(!seen.cut_lost, "... and goes on");
	ok(seen.turn_max <= 512, "at most %u in a turn", seen.turn_max);

	forget();
	net_flows_gone(&lost);
	ok(seen.cut_lost && !seen.cut_kept, "what has a lost address can't");
	change();
	finish();
	is_int(others_than(1, 2), 0, "another change meanwhile: nobody twice as often");
	ok(seen.cut_lost, "... all know of the first one");
	change();
	finish();
	ok(!seen.cut_lost, "... until all have");

	/* Nearly the whole table between two changes is never reached by a walk that
	 * begins at its first entry each time
	 */
	forget();
	for (unsigned i = 0; i < 100; i++) {
		change();
		turn();
	}
	is_int(others_than(10, 100), 0, "a change with each turn: all have theirs");
	forget();
	change();
	finish();
	is_int(others_than(1, 1), 0, "... and the last one is seen by all");
	return done();
}
