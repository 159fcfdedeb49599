// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: sockets for datagrams and the flows that use them, see dgram.h
 *
 * Data: a static table of sockets; outbound ones are found by the guest's
 * endpoint. Each has the list of its flows.
 *
 * Descriptors: outbound sockets, the longest idle first, give way to whatever
 * needs one (idle.c), but for dgram.keep of them, which only make room for each
 * other. While there are fewer sockets than that, spare descriptors keep the
 * place, so that names can be asked for however many connections there are.
 *
 * Floods: new sockets are limited in number and rate, but those for who has answered
 * lately, as a resolver has. Flows that have theirs, and everything else, don't wait
 * for them.
 *
 * Timers: each flow looks again when it could have been idle for long enough.
 */
#include "host/dgram.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/retry.h"
#include "frame/opening.h"
#include "fwd/audit.h"
#include "fwd/egress.h"
#include "host/listen.h"
#include "host/net.h"
#include "host/net_flows.h"
#include "host/sock.h"
#include "util.h"
#include "util/wire.h"

enum {
	DGRAM_SOCKS	= 131072,
	DGRAM_BUCKETS	= 16384,
	DGRAM_ICMP_HEAD	= 4,		/* type, code, checksum */
	DGRAM_ANSWERS	= 256,
	DGRAM_KEEP	= 64,		/* descriptors, at most, … */
	DGRAM_KEEP_PART	= 16,		/* …and one in so many */
	DGRAM_RETIRED_S	= 30,		/* idle by a port that has no rule */
	DGRAM_PATHS	= 64,		/* whose MTU the guest was told */
	DGRAM_PATH_S	= 9 * 60,	/* Linux believes it for ten minutes */
};

/* To `to`, as the guest sees it, go no more than `mtu` bytes at a time */
struct dgram_path {
	struct addr to;
	uint32_t mtu;
	mono_t until;
};

static struct {
	uint32_t high, free_head;
	unsigned open;			/* outbound sockets */
	uint64_t answers[DGRAM_ANSWERS];	/* remote endpoints that did */
	unsigned keep, spares;
	int spare[DGRAM_KEEP];
	struct retry retry;
	uint64_t retry_marks[RETRY_LEVELS * RETRY_WORDS(DGRAM_SOCKS)];
	uint32_t bucket[DGRAM_BUCKETS];	/* index + 1 */
	uint32_t path_mtu_min;		/* that was ever told; 0: none */
	struct dgram_path path[DGRAM_PATHS];
	struct dgram_sock sock[DGRAM_SOCKS];
} dgram;

struct dgram_sock *dgram_sock_at(uint32_t index)
{
	assert(index < DGRAM_SOCKS);
	return &dgram.sock[index];
}

uint32_t dgram_sock_index(const struct dgram_sock *s)
{
	return (uint32_t)(s - dgram.sock);
}

struct dgram_sock *dgram_sock_of(const struct flow *f)
{
	return &dgram.sock[f->dgram.sock];
}

struct dgram_sock *dgram_sock_from_ref(struct loop_ref ref)
{
	struct dgram_sock *s;

	if (ref.index >= DGRAM_SOCKS)
		return NULL;
	s = &dgram.sock[ref.index];
	return s->fd >= 0 && s->gen == ref.gen ? s : NULL;
}

struct loop_ref dgram_sock_ref(const struct dgram_sock *s, enum loop_kind kind)
{
	return (struct loop_ref){ .kind = (uint8_t)kind, .gen = s->gen,
				  .index = dgram_sock_index(s) };
}

/* ---- Reading ---- */

static void dgram_sock_fault(struct dgram_sock *s, int rc)
{
	debug("Reading datagrams: %s", strerror(-rc));
	retry_later(&dgram.retry, dgram_sock_index(s), s->faults);
	s->faults += s->faults < UINT8_MAX;
}

/* Edge-triggered, and there may be more: have the kernel tell again */
static void dgram_sock_rewatch(struct dgram_sock *s)
{
	enum loop_kind kind = s->proto == PROTO_UDP ? LOOP_UDP : LOOP_PING;
	int rc = loop_mod(s->fd, EPOLLIN | EPOLLET, dgram_sock_ref(s, kind));

	if (rc)
		dgram_sock_fault(s, rc);
}

/* The entry may be another's by now, whom it does no harm */
static void dgram_sock_again(uint32_t index)
{
	if (dgram.sock[index].fd >= 0)
		dgram_sock_rewatch(&dgram.sock[index]);
}

void dgram_sock_drain(struct dgram_sock *s, int rc, unsigned turns,
		      int (*recv)(struct dgram_sock *s))
{
	uint16_t gen = s->gen;
	int got = 1;

	while (got && turns--) {
		got = recv(s);
		/* Making room for a flow may have taken the socket itself */
		if (s->fd < 0 || s->gen != gen)
			return;
	}
	if (rc >= 0 && got)
		rc = got;
	if (rc < 0) {
		dgram_sock_fault(s, rc);
		return;
	}
	s->faults = 0;
	if (rc)
		dgram_sock_rewatch(s);
}

/* ---- The table ---- */

struct dgram_sock *dgram_sock_adopt(void)
{
	struct dgram_sock *s;
	uint16_t gen;

	if (dgram.free_head) {
		s = &dgram.sock[dgram.free_head - 1];
		dgram.free_head = s->next;
	} else if (dgram.high < DGRAM_SOCKS) {
		s = &dgram.sock[dgram.high++];
	} else {
		return NULL;
	}
	gen = (uint16_t)(s->gen + 1);
	*s = (struct dgram_sock){ .fd = -1, .gen = gen, .side = HOST,
				  .pmtudisc = IP_PMTUDISC_WANT };
	return s;
}

static void dgram_sock_recycle(struct dgram_sock *s)
{
	s->fd = -1;
	s->next = dgram.free_head;
	dgram.free_head = dgram_sock_index(s) + 1;
}

void dgram_sock_drop(struct dgram_sock *s)
{
	while (s->first_flow)
		flow_end(flow_at(s->first_flow - 1));
	dgram_sock_recycle(s);
}

/* Its port is soon to be somebody else's: who is silent for longer is given up */
static void dgram_hurry(struct dgram_sock *s)
{
	uint32_t at = s->first_flow;

	while (at) {
		struct flow *f = flow_at(at - 1);
		uint8_t *limit = &f->dgram.limit_s[true];

		*limit = MIN(*limit, DGRAM_RETIRED_S);
		timer_set(&f->dgram.timer, f->dgram.timer.kind,
			  mono_add(f->dgram.idle.used, DUR_S(*limit)));
		at = f->dgram.next;
	}
}

bool dgram_sock_retire(struct dgram_sock *s)
{
	int fd = s->first_flow ? dup(s->fd) : -1;

	if (fd < 0 || sock_share_port(fd, true)) {
		close_fd(&fd);
		return false;
	}
	s->fd = fd;
	s->kept = *s->rule;
	s->rule = &s->kept;
	s->retired = true;
	listen_note_retired(s->side, s->port, true);
	dgram_hurry(s);
	return true;
}

/* It has no flow any more */
static void dgram_retired_end(struct dgram_sock *s)
{
	listen_note_retired(s->side, s->port, false);
	close_fd(&s->fd);
	dgram_sock_recycle(s);
}

void dgram_drop_retired(void)
{
	for (uint32_t i = 0; i < dgram.high; i++) {
		struct dgram_sock *s = &dgram.sock[i];
		uint16_t gen = s->gen;

		while (s->fd >= 0 && s->retired && s->gen == gen)
			flow_end(flow_at(s->first_flow - 1));
	}
}

static uint32_t *dgram_bucket(uint8_t proto, const struct addr *guest,
			      uint16_t port)
{
	struct flow_side key = { .peer = *guest, .peer_port = port };

	return &dgram.bucket[flow_side_hash(proto, &key) & (DGRAM_BUCKETS - 1)];
}

/* ---- Descriptors ---- */

/* Keep the place of sockets that aren't there */
static void dgram_fill_spares(void)
{
	while (dgram.open + dgram.spares < dgram.keep) {
		int fd = dup(loop_fd());

		if (fd < 0)
			return;
		dgram.spare[dgram.spares++] = fd;
	}
}

/* Descriptor bound to the guest's port, or any if that is taken; or -errno */
static int dgram_open(uint8_t proto, const struct flow_side *host,
		      uint16_t port)
{
	int fd = sock_outbound(SOCK_DGRAM, proto, &host->peer, &host->our,
			       port);

	if (fd == -EADDRINUSE || fd == -EACCES)
		fd = sock_outbound(SOCK_DGRAM, proto, &host->peer, &host->our,
				   0);
	return fd;
}

static void dgram_drop_spare(void)
{
	if (dgram.spares)
		close(dgram.spare[--dgram.spares]);
}

/* There are no descriptors: is there one now? */
static bool dgram_make_room(void)
{
	/* What ends may become a spare one at once */
	if (!dgram.spares && !flow_make_room_for(-EMFILE, IDLE_SOCK))
		return false;
	dgram_drop_spare();
	return true;
}

/* Who has answered lately, by a keyed hash; one takes the place of another, and nothing
 * else ends it: who has somebody there that answers could have him do so again
 */
static uint64_t *dgram_answer(uint8_t proto, const struct flow_side *host,
			      uint64_t *ret_hash)
{
	struct flow_side key = { .peer = host->peer,
				 .peer_port = host->peer_port };

	*ret_hash = flow_side_hash(proto, &key);
	return &dgram.answers[*ret_hash % DGRAM_ANSWERS];
}

static bool dgram_answers(uint8_t proto, const struct flow_side *host)
{
	uint64_t hash;

	return *dgram_answer(proto, host, &hash) == hash;
}

static void dgram_note_answer(const struct flow *f)
{
	uint64_t hash;
	uint64_t *slot = dgram_answer(f->proto, &f->side[HOST], &hash);

	*slot = hash;
}

bool dgram_begin(uint8_t proto, const struct flow_side *host,
		 const struct pkt *pkts, unsigned n)
{
	if (!dgram_answers(proto, host))
		return opening_begin(pkts, n);
	loop_opening_starts();
	return true;
}

/* A descriptor for s, watched; 0 or -errno */
static int dgram_sock_open(struct dgram_sock *s, const struct flow_side *host,
			   dgram_watch watch)
{
	int rc;

	s->fd = dgram_open(s->proto, host, s->guest_port);
	if (is_out_of_files(s->fd) && dgram_make_room())
		s->fd = dgram_open(s->proto, host, s->guest_port);
	rc = s->fd < 0 ? s->fd : watch(s);
	if (rc) {
		close_fd(&s->fd);
		return rc;
	}
	dgram.open++;
	if (dgram.open + dgram.spares > dgram.keep)
		dgram_drop_spare();
	sock_local(s->fd, &s->port);
	if (!s->port) {
		/* Not bound yet: the guest's port is 0, or it was refused */
		struct addr any = s->v6 ? (struct addr){ { 0 } } : addr_v4(0);
		union sockaddr_any sa;
		socklen_t len = addr_to_sockaddr(&sa, &any, 0, 0);

		if (!bind(s->fd, &sa.sa, len))
			sock_local(s->fd, &s->port);
	}
	if (s->proto == PROTO_UDP)
		listen_note_outbound(s->port, true);
	return 0;
}

static void dgram_sock_close(struct dgram_sock *s)
{
	uint32_t *link = dgram_bucket(s->proto, &s->guest, s->guest_port);
	uint32_t self = dgram_sock_index(s) + 1;

	while (*link != self) {
		assert(*link);
		link = &dgram.sock[*link - 1].next;
	}
	*link = s->next;
	if (s->proto == PROTO_UDP)
		listen_note_outbound(s->port, false);
	idle_remove(&s->idle);
	close_fd(&s->fd);
	dgram.open--;
	dgram_fill_spares();
	dgram_sock_recycle(s);
}

void dgram_flow_evict(uint32_t index)
{
	audit_end(flow_at(index), "made room");
	flow_evict(flow_at(index));
}

static void dgram_sock_evict(uint32_t index)
{
	struct dgram_sock *s = dgram_sock_at(index);
	uint16_t gen = s->gen;

	/* It closes with the last one */
	while (s->fd >= 0 && s->gen == gen)
		dgram_flow_evict(s->first_flow - 1);
}

/* ---- The guest's endpoints ---- */

/* Is it of that endpoint, and for destinations of that kind? */
static bool dgram_sock_fits(const struct dgram_sock *s,
			    const struct dgram_sock *want)
{
	return s->proto == want->proto && s->v6 == want->v6 &&
	       s->lo == want->lo && s->guest_port == want->guest_port &&
	       addr_eq(&s->guest, &want->guest);
}

/* One that fits, and has no flow with that remote endpoint; or NULL */
static struct dgram_sock *dgram_sock_find(const struct dgram_sock *want,
					  struct flow_side *host)
{
	uint32_t at = *dgram_bucket(want->proto, &want->guest,
				    want->guest_port);

	for (; at; at = dgram.sock[at - 1].next) {
		struct dgram_sock *s = &dgram.sock[at - 1];

		if (!dgram_sock_fits(s, want))
			continue;
		host->our = s->our;
		host->our_port = s->port;
		if (!flow_lookup(HOST, s->proto, host))
			return s;
	}
	return NULL;
}

struct dgram_sock *dgram_sock_get(uint8_t proto, const struct flow_side *guest,
				  struct flow_side *host, dgram_watch watch)
{
	const struct net_family *cf = &net_get()->fam[addr_family(&host->peer)];
	struct dgram_sock want = {
		.proto = proto, .v6 = !addr_is_v4(&host->peer),
		.lo = addr_is_loopback(&host->peer) &&
		      (*cf->outbound_if || !addr_is_none(&cf->outbound)),
		.guest = guest->peer, .guest_port = guest->peer_port,
		.our = host->our, .side = HOST,
		.pmtudisc = IP_PMTUDISC_WANT,
	};
	struct dgram_sock *s = dgram_sock_find(&want, host);
	uint32_t *head;

	if (s)
		return s;
	s = dgram_sock_adopt();
	if (!s) {
		errno = ENFILE;
		return NULL;
	}
	want.gen = s->gen;
	*s = want;
	host->our = s->our;
	errno = -dgram_sock_open(s, host, watch);
	if (errno) {
		dgram_sock_recycle(s);
		return NULL;
	}
	head = dgram_bucket(s->proto, &s->guest, s->guest_port);
	s->next = *head;
	*head = dgram_sock_index(s) + 1;
	host->our_port = s->port;
	return s;
}

/* ---- Flows ---- */

mono_t dgram_flow_active(const struct flow *f)
{
	return f->dgram.idle.used;
}

const char *const dgram_states[] = { "ONE_WAY", "BOTH_WAYS", NULL };

const char *dgram_flow_state(const struct flow *f)
{
	return dgram_states[f->dgram.answered];
}

static void dgram_timer(struct timer *t)
{
	struct flow *f = container_of(t, struct flow, dgram.timer);
	mono_t due = mono_add(f->dgram.idle.used,
			      DUR_S(f->dgram.limit_s[f->dgram.answered]));

	if (mono_before(loop_now(), due)) {
		timer_set(t, t->kind, due);
		return;
	}
	flow_debug(f, "idle");
	audit_end(f, "idle");
	flow_end(f);
}

void dgram_flow_begin(struct flow *f, struct dgram_sock *s,
		      const struct dgram_type *t)
{
	f->dgram.sock = dgram_sock_index(s);
	f->dgram.limit_s[false] = t->one_way_s;
	f->dgram.limit_s[true] = t->both_ways_s;
	f->dgram.next = s->first_flow;
	if (s->first_flow)
		flow_at(s->first_flow - 1)->dgram.prev = flow_index(f) + 1;
	s->first_flow = flow_index(f) + 1;
	dgram_flow_used(f, f->ini);
	timer_set(&f->dgram.timer, t->timer,
		  mono_add(loop_now(), DUR_S(t->one_way_s)));
	flow_debug(f, "new");
}

struct flow *dgram_flow_new(const struct dgram_type *t, struct dgram_sock *s,
			    enum flow_side_name ini,
			    const struct flow_side *guest,
			    const struct flow_side *host)
{
	struct flow *f = flow_alloc();

	if (!f) {
		if (!s->first_flow && !s->rule)
			dgram_sock_close(s);
		return NULL;
	}
	f->proto = s->proto;
	f->ini = (uint8_t)ini;
	f->side[GUEST] = *guest;
	f->side[HOST] = *host;
	flow_activate(f, t->type);
	flow_hash(f, GUEST);
	flow_hash(f, HOST);
	dgram_flow_begin(f, s, t);
	return f;
}

void dgram_flow_used(struct flow *f, enum flow_side_name from)
{
	struct dgram_sock *s = dgram_sock_of(f);

	if (from != f->ini && !f->dgram.answered) {
		f->dgram.answered = true;
		if (from == HOST)
			dgram_note_answer(f);
	}
	idle_used(&f->dgram.idle, IDLE_FLOW, flow_index(f), flow_use(f)->begun,
		  f->dgram.answered);
	if (!s->rule)
		idle_used(&s->idle, IDLE_SOCK, f->dgram.sock, flow_use(f)->begun,
			  f->dgram.answered);
}

/* What the guest was told of the path to there, or NULL; ret_place: where that is,
 * or has to be
 */
static struct dgram_path *dgram_path(const struct addr *to,
				     struct dgram_path **ret_place)
{
	struct dgram_path *oldest = dgram.path;

	for (struct dgram_path *p = dgram.path; p < dgram.path + DGRAM_PATHS;
	     p++) {
		if (addr_eq(&p->to, to)) {
			*ret_place = p;
			return mono_before(loop_now(), p->until) ? p : NULL;
		}
		if (mono_before(p->until, oldest->until))
			oldest = p;
	}
	*ret_place = oldest;
	return NULL;
}

void dgram_flow_told_mtu(const struct flow *f, uint32_t mtu)
{
	const struct addr *to = &f->side[GUEST].our;
	struct dgram_path *place;

	mtu = MAX(mtu, 1);
	if (dgram_path(to, &place))
		mtu = MIN(mtu, place->mtu);
	*place = (struct dgram_path){
		.to = *to, .mtu = mtu,
		.until = mono_add(loop_now(), DUR_S(DGRAM_PATH_S)),
	};
	if (!dgram.path_mtu_min || mtu < dgram.path_mtu_min)
		dgram.path_mtu_min = mtu;
}

/* Is this packet larger than the guest was told? */
static bool dgram_path_ignored(const struct flow *f, const struct pkt *pkt)
{
	uint32_t len = pkt->l3.len;
	struct dgram_path *place;

	if (pkt->gso_size)
		len += pkt->gso_size - pkt->payload.len;
	return dgram.path_mtu_min && len > dgram.path_mtu_min &&
	       dgram_path(&f->side[GUEST].our, &place) && len > place->mtu;
}

uint8_t dgram_flow_pmtudisc(const struct flow *f, const struct pkt *pkt)
{
	bool v4 = pkt->family == V4;

	if (!pkt->df)
		return v4 ? IP_PMTUDISC_DONT : IP_PMTUDISC_WANT;
	return (v4 && !pkt->ip_id) || dgram_path_ignored(f, pkt) ?
	       IP_PMTUDISC_PROBE : IP_PMTUDISC_WANT;
}

/* The values of IPV6_MTU_DISCOVER are the same */
void dgram_sock_set_pmtudisc(struct dgram_sock *s, uint8_t pmtudisc)
{
	int value = pmtudisc;

	if (s->pmtudisc == pmtudisc)
		return;
	setsockopt(s->fd, s->v6 ? IPPROTO_IPV6 : IPPROTO_IP,
		   s->v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, &value,
		   sizeof(value));
	s->pmtudisc = pmtudisc;
}

void dgram_flow_note(struct flow *f, const struct pkt *pkt)
{
	struct dgram_ring *ring = &f->ring;
	struct dgram_sent *sent = &ring->sent[ring->next];

	if (pkt->gso_size)
		return;
	ring->next = (uint8_t)((ring->next + 1) % DGRAM_SENT);
	*sent = (struct dgram_sent){
		.ip_id = pkt->ip_id, .csum = pkt->l4_csum,
		.ttl = pkt->ttl, .tos = pkt->tos, .df = pkt->df,
		.len = (uint16_t)(pkt->payload.len +
				  (pkt->proto == PROTO_UDP ?
				   sizeof(struct wire_udp) : DGRAM_ICMP_HEAD)),
	};
	bytes_copy(&pkt->payload, 0, sent->head, sizeof(sent->head));
}

const struct dgram_sent *dgram_flow_sent(struct flow *f, const void *head,
					 size_t len, size_t whole)
{
	struct dgram_sent *found = NULL;
	int best = -1;

	/* The newest one first */
	for (unsigned i = 1; i <= DGRAM_SENT; i++) {
		struct dgram_sent *sent = &f->ring.sent[
			(f->ring.next + DGRAM_SENT - i) % DGRAM_SENT];
		int fits = 2 * (sent->len == whole) + !sent->told;

		if (!sent->len || fits <= best ||
		    memcmp(sent->head, head, MIN(len, sizeof(sent->head))))
			continue;
		found = sent;
		best = fits;
	}
	if (found)
		found->told = true;
	return found;
}

bool dgram_flow_moved(struct flow *f)
{
	if (f->ini != GUEST ||
	    !egress_has_moved(net_get(), f->proto, &f->side[GUEST],
			      &f->side[HOST]))
		return false;
	if (f->hashed & 1 << GUEST) {
		flow_debug(f, "leads elsewhere now");
		flow_unhash(f, GUEST);
	}
	return true;
}

void dgram_host_changed(struct flow *f)
{
	const struct dgram_sock *s = dgram_sock_of(f);

	if (!s->rule && net_flows_cut(s->fd))
		flow_end(f);
	else
		dgram_flow_moved(f);
}

void dgram_flow_end(struct flow *f)
{
	struct dgram_sock *s = dgram_sock_of(f);

	audit_end(f, "closed");
	timer_cancel(&f->dgram.timer);
	idle_remove(&f->dgram.idle);
	if (f->dgram.prev)
		flow_at(f->dgram.prev - 1)->dgram.next = f->dgram.next;
	else
		s->first_flow = f->dgram.next;
	if (f->dgram.next)
		flow_at(f->dgram.next - 1)->dgram.prev = f->dgram.prev;
	flow_free(f);
	if (!s->first_flow && !s->rule)
		dgram_sock_close(s);
	else if (!s->first_flow && s->retired)
		dgram_retired_end(s);
}

void dgram_init(void)
{
	const struct idle_ops entry = { .gain = IDLE_ENTRY,
					.end = dgram_flow_evict };
	struct idle_ops ops = { .gain = IDLE_FD, .end = dgram_sock_evict };
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit))
		dgram.keep = (unsigned)MIN(limit.rlim_cur / DGRAM_KEEP_PART,
					   DGRAM_KEEP);
	ops.keep = dgram.keep;
	idle_set_ops(IDLE_FLOW, &entry);
	idle_set_ops(IDLE_SOCK, &ops);
	retry_init(&dgram.retry, dgram.retry_marks, RETRY_WORDS(DGRAM_SOCKS),
		   dgram_sock_again);
	timer_set_handler(TIMER_UDP, dgram_timer);
	timer_set_handler(TIMER_ICMP, dgram_timer);
	dgram_fill_spares();
}
