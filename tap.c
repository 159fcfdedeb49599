// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the link as everybody above sees it: one back-end behind tap_ops
 *
 * Data: which back-end it is, its capabilities, what was learned from the
 * guest. No code above this file knows which kind of link there is.
 */
#include "tap.h"

#include <errno.h>
#include <string.h>

#include "engine/counters.h"
#include "engine/drop.h"
#include "engine/loop.h"
#include "tap/pcap.h"

struct tap_counters tap_counters;
struct guest_addrs tap_guest;

static struct {
	const struct tap_ops *ops;	/* NULL: no guest now */
	struct tap_caps caps;
	struct tap_events events;
	mono_t rx_at;			/* heard last */
	bool reserved;			/* lent, and not cancelled */
	uint8_t our_mac[6];
	uint8_t guest_mac[6];
} tap;

static const struct counter tap_rows[] = {
	COUNTER("link_in_frames", tap_counters.rx_frames, "frames",
		"from the guest"),
	COUNTER("link_in_bytes", tap_counters.rx_bytes, "bytes",
		"from the guest"),
	COUNTER("link_out_frames", tap_counters.tx_frames, "frames",
		"to the guest"),
	COUNTER("link_out_bytes", tap_counters.tx_bytes, "bytes",
		"to the guest"),
};

void tap_init(const struct tap_events *events, const uint8_t our_mac[6])
{
	counters_add("link", tap_rows, ARRAY_SIZE(tap_rows));
	tap.events = *events;
	memcpy(tap.our_mac, our_mac, sizeof(tap.our_mac));
	memset(tap.guest_mac, 0xff, sizeof(tap.guest_mac));
}

void tap_set_link(const struct tap_ops *ops, const struct tap_caps *caps)
{
	tap.ops = ops;
	if (!ops) {
		tap.events.down();
		return;
	}
	tap.caps = *caps;
	tap.rx_at = loop_now();
	tap.events.up();
}

bool tap_is_up(void)
{
	return tap.ops;
}

const struct tap_caps *tap_caps(void)
{
	return &tap.caps;
}

void tap_narrow(unsigned mtu)
{
	if (!tap.caps.mtu || mtu < tap.caps.mtu)
		tap.caps.mtu = mtu;
}

int tap_io_error(int rc)
{
	if (rc != -EFAULT || !tap.ops || !tap.ops->lost)
		return rc;
	tap.ops->lost();
	return -ENOMEM;
}

void tap_rx(const struct tap_frame *frames, unsigned count)
{
	tap_counters.rx_frames += count;
	tap.rx_at = loop_now();
	for (unsigned i = 0; i < count; i++) {
		tap_counters.rx_bytes += frames[i].data.len;
		pcap_frame(NULL, 0, &frames[i].data);
	}
	tap.events.rx(frames, count);
}

size_t tap_reserve(struct tap_tx *tx, size_t want, size_t seg, size_t hdr_len)
{
	size_t lent;

	assert(!tap.reserved && hdr_len <= TAP_HDR_MAX);
	tx->count = tx->iovs = 0;
	tx->hdr_len = (unsigned)hdr_len;
	if (!tap.ops)
		return 0;
	lent = tap.ops->reserve(tx, want, seg, hdr_len);
	tap.reserved = lent;
	return lent;
}

static bool tap_sent(bool ok, const uint8_t *hdr, size_t hdr_len,
		     const struct bytes *payload)
{
	if (!ok) {
		drop(DROP_LINK_FULL);
		return false;
	}
	tap_counters.tx_frames++;
	tap_counters.tx_bytes += hdr_len + payload->len;
	pcap_frame(hdr, hdr_len, payload);
	return true;
}

bool tap_commit(struct tap_tx *tx, unsigned i, const uint8_t *hdr, size_t len,
		const struct tap_meta *meta)
{
	struct bytes payload = tap_tx_payload(tx, i, len);

	assert(tap.reserved && i < tx->count && payload.len == len);
	if (!tap.ops)
		return false;
	return tap_sent(tap.ops->commit(tx, i, hdr, len, meta),
			hdr, tx->hdr_len, &payload);
}

void tap_cancel(struct tap_tx *tx)
{
	if (tap.ops && tap.reserved)
		tap.ops->cancel(tx);
	tap.reserved = false;
	tx->count = 0;
}

bool tap_send(const uint8_t *hdr, size_t hdr_len, const struct bytes *payload,
	      const struct tap_meta *meta)
{
	static const struct bytes empty;

	assert(!tap.reserved && hdr_len <= TAP_HDR_MAX);
	if (!tap.ops) {
		drop(DROP_LINK_DOWN);
		return false;
	}
	if (!payload)
		payload = &empty;
	return tap_sent(tap.ops->send(hdr, hdr_len, payload, meta),
			hdr, hdr_len, payload);
}

void tap_flush(void)
{
	assert(!tap.reserved);
	if (tap.ops)
		tap.ops->flush();
}

bool tap_is_paused(void)
{
	mono_t since = mono_add(tap.rx_at, DUR_S(1));

	return tap.ops && tap.ops->unread && mono_before(since, loop_now()) &&
	       tap.ops->unread();
}

const uint8_t *tap_guest_mac(void)
{
	return tap.guest_mac;
}

const uint8_t *tap_our_mac(void)
{
	return tap.our_mac;
}

void tap_learn_mac(const uint8_t mac[6])
{
	if (mac[0] & 1)
		return;			/* no station has a group address */
	memcpy(tap.guest_mac, mac, sizeof(tap.guest_mac));
}
