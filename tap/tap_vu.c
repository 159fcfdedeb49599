// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the link by vhost-user: frames in the guest's own buffers
 *
 * Flow from the guest: it kicks its transmit ring → up to VU_BATCH chains are taken,
 * the virtio-net header of each is copied, the rest is the frame, where it lies →
 * tap_rx() → the chains go back. More than a batch waits for the next turn.
 *
 * Flow to the guest: tap_reserve() takes as many chains of the receive ring as the
 * frames need, and lends what lies behind room for the headers: sockets are read
 * straight into the guest. tap_commit() scatters the headers over the first buffers
 * and gives the chains back, tap_cancel() puts back those that weren't needed and
 * publishes the others. With MRG_RXBUF a frame lies in several chains, otherwise in
 * one. The guest is called at the end of the turn, if it wants to be.
 *
 * Ring full: nothing is lent, and the driver is asked to kick when it has refilled
 * the ring. What has no reservation waits meanwhile, in order, in an area of ours, so
 * that no answer is lost; when that is full, too, it is refused.
 *
 * Link: there is one from the first time that a driver starts until the front-end
 * goes. A driver that stops (a reboot, a paused machine) is a guest that doesn't read:
 * nothing is lent, and connections wait for it.
 *
 * Invariants: no pointer into the guest's memory is kept from one event to the next,
 * and reservations don't last that long either; so the memory can be mapped anew by
 * any message. What is wrong with a ring is found in the middle of other work, and
 * ends the connection at the end of the turn.
 */
#include "tap/tap_vu.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "engine/drop.h"
#include "engine/loop.h"
#include "engine/retry.h"
#include "tap.h"
#include "tap/guest_mem.h"
#include "tap/tap_unix.h"
#include "tap/vhost_user.h"
#include "tap/vnet.h"
#include "util.h"
#include "util/log.h"
#include "util/wire.h"

enum {
	VU_BATCH	= 128,		/* frames from the guest at once */
	VU_RX_IOV	= VU_BATCH * 8,	/* pieces that they lie in */
	VU_FRAME_MAX	= 65535 + ETH_HLEN_,
	VU_CHAINS	= 1024,		/* of one reservation */
	VU_IOV		= TAP_TX_IOV + VIRTQ_CHAIN_MAX,
	VU_WAITING	= 256 * 1024,	/* frames without a reservation */
	VU_RETRIES	= 3,		/* while the driver refills its ring */
	VU_SILENT	= 2,		/* kicks: QEMU makes one as a ring starts */
};
static_assert((int)VU_RX_IOV >= (int)TAP_RX_IOV, "one frame fits");

static struct {
	struct tap_caps caps;
	struct vnet_format vnet;
	bool mergeable;			/* frames over several chains */
	bool runs;			/* both rings do */
	bool seen;			/* what a driver has put into a ring */
	bool told;			/* that nothing is */
	uint8_t silent[VU_RINGS];	/* kicks of each, and nothing seen */
	bool more, fresh;		/* frames wait in the transmit ring; a
					 * batch was handed up this turn */

	/* The reservation: chains that were taken, and their pieces */
	unsigned chains, iovs, committed;
	struct vu_chain {
		uint16_t head;
		uint32_t len;
	} chain[VU_CHAINS];
	struct vu_frame {
		unsigned chain, chains, iov, iovs;
	} frame[TAP_TX_FRAMES];

	size_t wait_at, wait_len;	/* of vu_buf.waiting */

	bool owed[VU_RINGS];		/* a call that has failed */
	uint8_t faults[VU_RINGS];	/* how often, in succession */
	struct retry retry;		/* of calls, by ring */
	uint64_t retry_marks[RETRY_LEVELS];
} vu;

/* Apart, since what isn't zero at the start takes room in the binary */
static struct {
	struct iovec iov[VU_IOV];
	struct iovec rx_iov[VU_RX_IOV], one_iov, long_iov[VIRTQ_CHAIN_MAX];
	struct tap_frame rx_frame[VU_BATCH];
	uint16_t rx_head[VU_BATCH];
	uint8_t one[VNET_MAX + VU_FRAME_MAX];
	uint8_t waiting[VU_WAITING];
} vu_buf;

static struct virtq *vu_q(enum vu_ring_name i)
{
	return &vhost_user_ring(i)->q;
}

/* ---- From the guest ---- */

/* Is that what the driver may send? */
static bool vu_meta_ok(const struct tap_meta *m, const uint8_t *vh)
{
	const struct tap_offload *o = &vu.caps.rx;
	uint8_t gso = vh[1] & (uint8_t)~VNET_GSO_ECN;

	if (gso == VNET_GSO_NONE)
		return true;
	if (!m->gso_size)
		return false;
	return gso == VNET_GSO_TCPV4 ? o->tso[V4] :
	       gso == VNET_GSO_TCPV6 ? o->tso[V6] :
	       gso == VNET_GSO_UDP_L4 && o->uso[V4];
}

/* Describe what lies in a chain as a frame; false if there is none in it */
static bool vu_frame(struct tap_frame *f, const struct iovec *iov, unsigned cnt,
		     uint32_t len)
{
	struct bytes all = { iov, cnt, 0, len };
	uint8_t vh[VNET_MAX] = { 0 };

	if (len < (uint32_t)vu.vnet.size + ETH_HLEN_ ||
	    len > (uint32_t)vu.vnet.size + VU_FRAME_MAX)
		return false;
	bytes_copy(&all, 0, vh, vu.vnet.size);
	f->meta = vnet_get(vh, vu.vnet);
	/* That it's valid is nothing that a driver may say: virtio 1.2 5.1.6.2.2 */
	f->meta.csum_ok = vh[0] & VNET_NEEDS_CSUM && vu.caps.rx.csum;
	f->data = bytes_slice(&all, vu.vnet.size, len - vu.vnet.size);
	return vu_meta_ok(&f->meta, vh);
}

/* A chain of more pieces than a frame may have: copied together */
static bool vu_take_long(struct virtq_chain *c, struct iovec *ret_iov)
{
	struct bytes all = { vu_buf.long_iov, 0, 0, 0 };
	bool full;

	if (!virtq_take(vu_q(VU_TX), false, vu_buf.long_iov, VIRTQ_CHAIN_MAX, c,
			&full)) {
		if (full)
			vu_q(VU_TX)->why = "a chain of too many pieces";
		return false;
	}
	all.cnt = c->cnt;
	all.len = c->len;
	ret_iov->iov_base = vu_buf.one;
	ret_iov->iov_len = bytes_copy(&all, 0, vu_buf.one, sizeof(vu_buf.one));
	c->cnt = 1;
	return true;
}

/* One batch; true if more may be there */
static bool vu_batch(struct virtq *q)
{
	unsigned taken = 0, frames = 0, iovs = 0;
	bool full = false, last = false;

	while (!last && taken < VU_BATCH && iovs + TAP_RX_IOV <= VU_RX_IOV) {
		struct tap_frame *f = &vu_buf.rx_frame[frames];
		struct iovec *iov = &vu_buf.rx_iov[iovs];
		struct virtq_chain c;

		if (!virtq_take(q, false, iov, TAP_RX_IOV, &c, &full)) {
			if (!full || !vu_take_long(&c, iov))
				break;
			last = true;	/* there is one place for it */
		}
		vu_buf.rx_head[taken++] = c.head;
		if (vu_frame(f, iov, c.cnt, c.len))
			frames++;
		else
			drop(DROP_FRAME_SHORT);
		iovs += c.cnt;
	}
	if (frames)
		tap_rx(vu_buf.rx_frame, frames);
	for (unsigned i = 0; i < taken; i++)
		virtq_give(q, vu_buf.rx_head[i], 0);
	virtq_publish(q);
	return last || taken == VU_BATCH || iovs + TAP_RX_IOV > VU_RX_IOV;
}

static void vu_transmitted(void)
{
	struct virtq *q = vu_q(VU_TX);

	virtq_listen(q, false);
	vu.fresh = true;
	vu.more = vu_batch(q) || (!q->why && virtq_listen(q, true));
	if (vu.more)
		loop_again();
}

/* ---- To the guest ---- */

/* One chain has to be enough for any frame, and this one is of len bytes: nothing that
 * is larger can reach the guest, whatever its MTU. So datagrams are cut, and
 * connections are told.
 */
static void vu_narrow(uint32_t len)
{
	uint32_t head = (uint32_t)vu.vnet.size + ETH_HLEN_;

	if (len > head && len - head < VU_FRAME_MAX - ETH_HLEN_)
		tap_narrow(len - head);
}

/* Take chains until there are `need` bytes from chain `first` on, or one chain if a
 * frame can't have more; how many bytes
 */
static size_t vu_collect(size_t need)
{
	struct virtq *q = vu_q(VU_RX);
	size_t sum = 0;

	while (sum < need && vu.chains < VU_CHAINS) {
		struct virtq_chain c;
		bool full;

		if (!virtq_take(q, true, vu_buf.iov + vu.iovs,
				VU_IOV - vu.iovs, &c, &full)) {
			if (full && !vu.iovs)
				q->why = "a chain of too many pieces";
			break;
		}
		vu.chain[vu.chains++] = (struct vu_chain){ c.head, c.len };
		vu.iovs += c.cnt;
		sum += c.len;
		if (!vu.mergeable) {
			vu_narrow(c.len);
			break;
		}
	}
	return sum;
}

/* Put back what was taken beyond the first `chains` */
static void vu_put_back(unsigned chains)
{
	virtq_untake(vu_q(VU_RX), vu.chains - chains);
	vu.chains = chains;
}

static size_t vu_whole(size_t hdr_len, size_t len)
{
	return vu.vnet.size + MAX(hdr_len + len, ETH_MIN_FRAME);
}

/* Lend one frame with room for up to len bytes of payload: how many; 0: the ring has
 * no more
 */
static size_t vu_lend(struct tap_tx *tx, size_t hdr_len, size_t len)
{
	struct vu_frame *f = &vu.frame[tx->count];
	size_t head = vu.vnet.size + hdr_len, sum;
	struct bytes room;
	unsigned n;

	*f = (struct vu_frame){ .chain = vu.chains, .iov = vu.iovs };
	sum = vu_collect(vu_whole(hdr_len, len));
	f->chains = vu.chains - f->chain;
	f->iovs = vu.iovs - f->iov;
	if (sum < vu_whole(hdr_len, 1)) {
		if (sum && !vu.mergeable)
			vu_q(VU_RX)->why = "a receive buffer that is too small";
		vu_put_back(f->chain);
		return 0;
	}
	len = MIN(len, sum - head);
	room = (struct bytes){ vu_buf.iov + f->iov, f->iovs, 0,
			       (uint32_t)(head + len) };
	room = bytes_slice(&room, (uint32_t)head, (uint32_t)len);
	n = bytes_to_iov(&room, tx->iov + tx->iovs, TAP_TX_IOV - tx->iovs);
	sum = bytes_all(tx->iov + tx->iovs, n).len;
	/* Of many small buffers, the first frame takes as many as can be lent */
	if (sum < len && tx->count) {
		vu_put_back(f->chain);
		return 0;
	}
	len = sum;
	tx->frame[tx->count++] = (struct tap_tx_frame){
		.len = (uint32_t)len,
		.first = (uint16_t)tx->iovs,
		.cnt = (uint16_t)n,
	};
	tx->iovs += n;
	return len;
}

/* The first chains from `at` on that hold n bytes: how many */
static unsigned vu_chains_for(unsigned at, size_t n)
{
	unsigned i = at;

	for (; n && i < vu.chains; i++)
		n -= MIN(n, vu.chain[i].len);
	return i - at;
}

static void vu_dirty(const struct bytes *room)
{
	size_t left = room->len;

	for (unsigned i = 0; left && i < room->cnt; i++) {
		size_t len = MIN(left, room->iov[i].iov_len);

		gmem_dirty(room->iov[i].iov_base, len);
		left -= len;
	}
}

/* Give the chains of a frame of n bytes, written to `room`, to the guest */
static void vu_give(unsigned at, unsigned chains, const struct bytes *room,
		    size_t n)
{
	struct virtq *q = vu_q(VU_RX);

	if (vhost_user_has(VU_F_LOG_ALL))
		vu_dirty(room);
	for (unsigned i = at; i < at + chains; i++) {
		uint32_t len = (uint32_t)MIN(n, vu.chain[i].len);

		virtq_give(q, vu.chain[i].head, len);
		n -= len;
	}
	vu.committed = at + chains;
}

/* Headers of a frame whose payload of len bytes lies in `room` already, or will */
static void vu_headers(const struct bytes *room, const uint8_t *hdr,
		       size_t hdr_len, size_t len, const struct tap_meta *meta,
		       unsigned chains)
{
	static const uint8_t zero[ETH_MIN_FRAME];
	uint8_t block[VNET_MAX + TAP_HDR_MAX];
	size_t n = hdr_len + len;

	vnet_put(block, vu.vnet, meta, hdr, hdr_len, chains);
	memcpy(block + vu.vnet.size, hdr, hdr_len);
	bytes_fill(room, 0, block, vu.vnet.size + hdr_len);
	if (n < ETH_MIN_FRAME)
		bytes_fill(room, (uint32_t)(vu.vnet.size + n), zero,
			   ETH_MIN_FRAME - n);
}

static bool vu_push(const uint8_t *hdr, size_t hdr_len,
		    const struct bytes *payload, const struct tap_meta *meta,
		    bool *ret_never)
{
	size_t n = vu_whole(hdr_len, payload->len), sum;
	struct virtq *q = vu_q(VU_RX);
	struct bytes room;

	vu.chains = vu.iovs = vu.committed = 0;
	sum = vu_collect(n);
	if (sum < n) {
		/* Even an idle guest doesn't lend much more than now */
		*ret_never = sum && (!vu.mergeable ||
				     vu.chains >= q->num / 2U);
		vu_put_back(0);
		return false;
	}
	room = (struct bytes){ vu_buf.iov, vu.iovs, 0, (uint32_t)n };
	vu_headers(&room, hdr, hdr_len, payload->len, meta, vu.chains);
	bytes_move(&room, (uint32_t)(vu.vnet.size + hdr_len), payload);
	vu_give(0, vu.chains, &room, n);
	virtq_publish(q);
	return true;
}

/* A frame that waits, in front of its bytes */
struct vu_waiting {
	uint32_t hdr_len, len;
	struct tap_meta meta;
};

/* Send what waits, in order: true if nothing does any more */
static bool vu_push_waiting(void)
{
	while (vu.wait_at < vu.wait_len) {
		uint8_t *p = vu_buf.waiting + vu.wait_at;
		struct vu_waiting w;
		struct iovec iov;
		struct bytes b;
		bool never = false;

		memcpy(&w, p, sizeof(w));
		p += sizeof(w);
		iov = (struct iovec){ p + w.hdr_len, w.len };
		b = (struct bytes){ &iov, 1, 0, w.len };
		if (!vu_push(p, w.hdr_len, &b, &w.meta, &never) && !never)
			return false;
		drop_n(DROP_LINK_FULL, never);
		vu.wait_at += sizeof(w) + w.hdr_len + w.len;
	}
	vu.wait_at = vu.wait_len = 0;
	return true;
}

static bool vu_wait(const uint8_t *hdr, size_t hdr_len,
		    const struct bytes *payload, const struct tap_meta *meta)
{
	const struct vu_waiting w = { .hdr_len = (uint32_t)hdr_len,
				      .len = payload->len, .meta = *meta };
	uint8_t *p = vu_buf.waiting;

	if (vu.wait_at && vu.wait_len + sizeof(w) + hdr_len + payload->len >
			  VU_WAITING) {
		vu.wait_len -= vu.wait_at;
		memmove(p, p + vu.wait_at, vu.wait_len);
		vu.wait_at = 0;
	}
	p += vu.wait_len;
	if (vu.wait_len + sizeof(w) + hdr_len + payload->len > VU_WAITING)
		return false;
	memcpy(p, &w, sizeof(w));
	memcpy(p + sizeof(w), hdr, hdr_len);
	bytes_copy(payload, 0, p + sizeof(w) + hdr_len, payload->len);
	vu.wait_len += sizeof(w) + hdr_len + payload->len;
	return true;
}

/* The ring was too empty. Has the driver refilled it meanwhile? If not, it kicks
 * when it does.
 */
static bool vu_refilled(unsigned tries)
{
	struct virtq *q = vu_q(VU_RX);

	if (q->why || !virtq_listen(q, true))
		return false;
	if (tries < VU_RETRIES)
		return true;
	loop_again();
	return false;
}

/* Can a frame be sent now? */
static bool vu_is_ready(void)
{
	if (!vu.runs)
		return false;
	for (unsigned tries = 0; !vu_push_waiting(); tries++)
		if (!vu_refilled(tries))
			return false;
	return true;
}

static size_t vu_lend_frames(struct tap_tx *tx, size_t want, size_t seg,
			     size_t hdr_len)
{
	size_t lent = 0;

	while (lent < want && tx->count < TAP_TX_FRAMES) {
		size_t len = MIN(seg, want - lent);
		size_t n = vu_lend(tx, hdr_len, len);

		lent += n;
		/* A buffer may be all that a frame has */
		if (!n || (n < len && vu.mergeable))
			break;
	}
	return lent;
}

static size_t vu_reserve(struct tap_tx *tx, size_t want, size_t seg,
			 size_t hdr_len)
{
	size_t lent = 0;

	seg = MIN(seg, VU_FRAME_MAX - hdr_len);
	if (!vu_is_ready())
		return 0;
	for (unsigned tries = 0; !lent; tries++) {
		vu.chains = vu.iovs = vu.committed = 0;
		lent = vu_lend_frames(tx, want, seg, hdr_len);
		if (!lent && !vu_refilled(tries))
			break;
	}
	return lent;
}

static bool vu_commit(struct tap_tx *tx, unsigned i, const uint8_t *hdr,
		      size_t len, const struct tap_meta *meta)
{
	const struct vu_frame *f = &vu.frame[i];
	size_t n = vu_whole(tx->hdr_len, len);
	struct bytes room = { vu_buf.iov + f->iov, f->iovs, 0, (uint32_t)n };
	unsigned chains = vu_chains_for(f->chain, n);

	vu_headers(&room, hdr, tx->hdr_len, len, meta, chains);
	vu_give(f->chain, chains, &room, n);
	return true;
}

static void vu_cancel(struct tap_tx *tx)
{
	(void)tx;
	vu_put_back(vu.committed);
	virtq_publish(vu_q(VU_RX));
}

static bool vu_send(const uint8_t *hdr, size_t hdr_len,
		    const struct bytes *payload, const struct tap_meta *meta)
{
	bool never = false;

	if (!vu.runs || hdr_len + payload->len > VU_FRAME_MAX)
		return false;
	if (vu_is_ready() && vu_push(hdr, hdr_len, payload, meta, &never))
		return true;
	if (never || vu_q(VU_RX)->why)
		return false;
	virtq_listen(vu_q(VU_RX), true);
	return vu_wait(hdr, hdr_len, payload, meta);
}

static void vu_call(uint32_t i)
{
	const struct vu_ring *r = vhost_user_ring(i);
	bool wanted = r->q.num && virtq_wants_call(vu_q(i));
	const uint64_t one = 1;

	wanted |= vu.owed[i];
	vu.owed[i] = false;
	if (!wanted || !r->q.num || r->call_fd < 0)
		return;
	if (write(r->call_fd, &one, sizeof(one)) >= 0) {
		vu.faults[i] = 0;
		return;
	}
	debug("vhost-user: calling the guest: %s", strerror(errno));
	if (!is_momentary(-errno))
		return;
	/* It may wait for nothing else */
	vu.owed[i] = true;
	retry_later(&vu.retry, i, vu.faults[i]);
	vu.faults[i] += vu.faults[i] < UINT8_MAX;
}

static void vu_flush(void)
{
	if (vu.wait_len)
		vu_is_ready();
	vhost_user_logged();
	for (enum vu_ring_name i = VU_RX; i < VU_RINGS; i++)
		vu_call(i);
}

static bool vu_unread(void)
{
	return !vu.runs || vu.wait_len || virtq_unread(vu_q(VU_RX)) ||
	       !virtq_waiting(vu_q(VU_RX), 1);
}

static void vu_lost(void)
{
	gmem_set_lost();
}

static const struct tap_ops vu_ops = {
	.reserve = vu_reserve,
	.commit = vu_commit,
	.cancel = vu_cancel,
	.send = vu_send,
	.flush = vu_flush,
	.unread = vu_unread,
	.lost = vu_lost,
};

/* ---- The device ---- */

static void vu_up(void)
{
	bool csum = vhost_user_has(VU_F_CSUM);
	bool guest_csum = vhost_user_has(VU_F_GUEST_CSUM);

	vu.mergeable = vhost_user_has(VU_F_MRG_RXBUF);
	vu.vnet = vnet_virtio1;
	if (!vhost_user_has(VU_F_VERSION_1)) {
		/* A legacy driver: virtio 1.x 5.1.6.1 */
		vu.vnet = vnet_native;
		vu.vnet.size = vu.mergeable ? VNET_MAX : vnet_native.size;
	}
	vu.caps = (struct tap_caps){
		/* virtio 1.x 5.1.3.1: all need the checksum's */
		.tx = {
			.csum = guest_csum,
			.tso = { guest_csum && vhost_user_has(VU_F_GUEST_TSO4),
				 guest_csum && vhost_user_has(VU_F_GUEST_TSO6) },
			.uso = { guest_csum && vhost_user_has(VU_F_GUEST_USO4),
				 guest_csum && vhost_user_has(VU_F_GUEST_USO6) },
		},
		.rx = {
			.csum = csum,
			.tso = { csum && vhost_user_has(VU_F_HOST_TSO4),
				 csum && vhost_user_has(VU_F_HOST_TSO6) },
			.uso = { csum && vhost_user_has(VU_F_HOST_USO),
				 csum && vhost_user_has(VU_F_HOST_USO) },
		},
		.mtu = vhost_user_mtu(),
	};
	vu.wait_at = vu.wait_len = 0;
	vu.seen = false;
	memset(vu.silent, 0, sizeof(vu.silent));
	debug("vhost-user: driver started, header of %u bytes%s, checksums %s, TSO %s, USO %s",
	      vu.vnet.size, vu.mergeable ? ", mergeable buffers" : "",
	      guest_csum ? csum ? "both ways" : "to the guest" :
	      csum ? "from the guest" : "no",
	      vu.caps.tx.tso[V4] || vu.caps.rx.tso[V4] ? "yes" : "no",
	      vu.caps.tx.uso[V4] || vu.caps.rx.uso[V4] ? "yes" : "no");
	tap_set_link(&vu_ops, &vu.caps);
}

/* So many kicks, and what is in the ring was looked at. Who writes to private copies of the
 * pages that we map, since memory isn't shared, kicks, and nothing appears in either ring.
 */
static void vu_look_for_silence(enum vu_ring_name i, uint64_t kicks)
{
	if (vu.seen || vu.told)
		return;
	vu.seen = virtq_waiting(vu_q(i), 1) || vu_q(i)->seen_avail;
	kicks = MIN(kicks, (uint64_t)VU_SILENT);
	vu.silent[i] = (uint8_t)MIN(vu.silent[i] + kicks, (uint64_t)VU_SILENT);
	if (vu.seen || vu.silent[VU_RX] < VU_SILENT ||
	    vu.silent[VU_TX] < VU_SILENT)
		return;
	vu.told = true;
	warn_limited("vhost-user: the guest kicks, but nothing appears in its rings: its memory may not be shared (QEMU: share=on for its memory-backend; libvirt: access mode='shared')");
}

/* The driver has put something into a ring */
static void vu_kicked(enum vu_ring_name i)
{
	if (!vu.runs)
		return;
	if (i == VU_TX) {
		if (!vu.more)
			vu_transmitted();
	} else {
		virtq_listen(vu_q(VU_RX), false);
		vu_is_ready();
	}
}

static void vu_ring_changed(enum vu_ring_name i)
{
	bool runs = vu_q(VU_RX)->num && vu_q(VU_TX)->num;
	bool starts = runs && !vu.runs;

	vu.runs = runs;
	if (!runs)
		vu.more = false;
	if (starts)
		vu_up();
	/* What was done before we were there to be kicked */
	vu_kicked(starts ? VU_TX : i);
}

static void vu_closed(void)
{
	vu.runs = vu.more = vu.told = false;
	tap_set_link(NULL, NULL);
}

/* What was found wrong this turn */
static void vu_check(void)
{
	if (gmem_is_lost()) {
		vhost_user_end("the guest's memory was taken away");
		return;
	}
	for (enum vu_ring_name i = VU_RX; i < VU_RINGS; i++)
		if (vu_q(i)->why)
			vhost_user_ring_broken(i);
}

/* End-of-turn hook: more than a batch goes on in the next turn */
static void vu_rest(void)
{
	if (!vhost_user_is_open())
		return;
	if (vu.more) {
		/* What is answered leaves at that turn's end */
		loop_again();
		if (!vu.fresh)
			vu_transmitted();
	}
	vu.fresh = false;
	vu_check();
}

static void vu_event(struct loop_ref ref, uint32_t events)
{
	uint64_t kicks;
	ssize_t n;

	if (!vhost_user_is_open())
		return;
	if (!ref.index) {
		vhost_user_readable(events & EPOLLHUP);
		return;
	}
	if (!vu_q(ref.index - 1)->num)
		return;
	n = read(vhost_user_ring(ref.index - 1)->kick_fd, &kicks,
		 sizeof(kicks));
	/* Whether it can be read doesn't matter: the next kick is an event as well */
	if (!n || (n < 0 && !is_momentary(-errno))) {
		vhost_user_end("a descriptor to kick has failed");
		return;
	}
	vu_kicked(ref.index - 1);
	vu_look_for_silence(ref.index - 1, n == sizeof(kicks) ? kicks : 1);
}

void tap_vu_start(bool one_off)
{
	static const struct vu_events events = {
		.ring = vu_ring_changed,
		.closed = vu_closed,
	};

	vhost_user_init(&events);
	retry_init(&vu.retry, vu.retry_marks, 1, vu_call);
	loop_add_hook(vu_rest);
	loop_set_handler(LOOP_TAP, vu_event);
	tap_unix_start(one_off, TAP_UNIX_SPARES, vhost_user_connected);
}
