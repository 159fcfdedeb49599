/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The link: Ethernet frames from and to the guest, whatever carries them
 *
 * Back-ends (tap_stream.c, tap_tun.c, tap_vu.c, and a fake in tests, which lends
 * pieces of any size) differ only in where the bytes live. Sending is
 *
 *	tap_reserve() → fill iov → tap_commit() per frame → tap_cancel()
 *
 * which lends space for payload that a socket is read straight into; or, for
 * what already lies somewhere, tap_send(). Both may queue; tap_flush() at the
 * end of a turn pushes. A frame that was accepted is never truncated.
 *
 * What is learned from the guest (its MAC and addresses) is kept here too.
 */
#ifndef TAP_H
#define TAP_H

#include "engine/guest.h"
#include "util/addr.h"
#include "util/iov.h"
#include "util/mono.h"

enum {
	TAP_HDR_MAX	= 160,		/* Ethernet, IP and L4 headers */
	TAP_TX_FRAMES	= 64,		/* frames of one reservation */
	TAP_TX_IOV	= 512,		/* pieces that they lie in */
	TAP_RX_BATCH	= 512,		/* frames handed up at once */
	TAP_RX_IOV	= 64,		/* pieces of each, at most */
};

enum tap_gso { TAP_GSO_NONE, TAP_GSO_TCP, TAP_GSO_UDP };

/* Offload facts that go with a frame, in both directions */
struct tap_meta {
	uint8_t gso;			/* enum tap_gso */
	bool csum_partial;		/* tx: L4 checksum is pseudo-header only */
	bool csum_ok;			/* rx: known to be good */
	uint16_t gso_size;		/* payload bytes of each segment */
	uint16_t csum_start;		/* from start of frame, if partial */
	uint16_t csum_offset;		/* from csum_start */
};

struct tap_frame {			/* received; valid during the call */
	struct bytes data;		/* from the Ethernet header on, in at
					 * most TAP_RX_IOV pieces */
	struct tap_meta meta;
};

/* What may be left to the other end of the link, in one direction */
struct tap_offload {
	bool csum;			/* partial checksums of TCP and UDP */
	bool tso[FAMILIES];		/* TCP segments of up to 64 KiB */
	bool uso[FAMILIES];		/* trains of UDP datagrams, likewise */
};

struct tap_caps {
	struct tap_offload tx;		/* to the guest */
	struct tap_offload rx;		/* from the guest */
	unsigned mtu;			/* largest packet, if it is known to
					 * whoever made the link; 0 */
};

/* A reservation: payload space of frames [0, count), in order, scattered over
 * iov[0, iovs) as it may lie in a guest's receive buffers. Reading a socket into
 * all of iov fills the frames one after the other; each takes its len before the
 * next one begins.
 */
struct tap_tx {
	unsigned count, iovs;
	unsigned hdr_len;
	struct tap_tx_frame {
		uint32_t len;		/* room for payload */
		uint16_t first, cnt;	/* of iov */
	} frame[TAP_TX_FRAMES];
	struct iovec iov[TAP_TX_IOV];
};

/* For back-ends: one more frame, of one piece */
static inline void tap_tx_add(struct tap_tx *tx, void *p, size_t len)
{
	tx->frame[tx->count++] = (struct tap_tx_frame){
		.len = (uint32_t)len, .first = (uint16_t)tx->iovs, .cnt = 1,
	};
	tx->iov[tx->iovs++] = (struct iovec){ p, len };
}

/* The first len bytes of frame i's payload space. Valid until tap_cancel(). */
static inline struct bytes tap_tx_payload(const struct tap_tx *tx, unsigned i,
					  size_t len)
{
	const struct tap_tx_frame *f = &tx->frame[i];

	return (struct bytes){ tx->iov + f->first, f->cnt, 0,
			       (uint32_t)MIN(len, f->len) };
}

struct tap_ops {
	/* Lend space for up to `want` bytes, in frames of at most `seg`
	 * bytes of payload each; bytes lent, 0 if the link is full.
	 */
	size_t (*reserve)(struct tap_tx *tx, size_t want, size_t seg,
			  size_t hdr_len);
	/* Send frame i with hdr_len bytes of header and len of payload.
	 * Frames are committed in order, each but the last one full. False:
	 * the link took it not.
	 */
	bool (*commit)(struct tap_tx *tx, unsigned i, const uint8_t *hdr,
		       size_t len, const struct tap_meta *meta);
	/* The end of a reservation: what wasn't committed goes back */
	void (*cancel)(struct tap_tx *tx);
	bool (*send)(const uint8_t *hdr, size_t hdr_len,
		     const struct bytes *payload, const struct tap_meta *meta);
	void (*flush)(void);
	/* Do frames wait that the guest hasn't read? NULL: can't be known */
	bool (*unread)(void);
	/* Memory that was lent, or handed up, isn't there any more. NULL: it's ours */
	void (*lost)(void);
};

/* Counters, for the statistics */
struct tap_counters {
	uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes;
};
extern struct tap_counters tap_counters;

/* Set by whoever parses frames: called with 1 to TAP_RX_BATCH of them */
typedef void (*tap_rx_fn)(const struct tap_frame *frames, unsigned count);

/* What the layers above want to hear */
struct tap_events {
	tap_rx_fn rx;			/* frames arrived */
	void (*up)(void);		/* a guest is there */
	void (*down)(void);		/* it has gone */
};

void tap_init(const struct tap_events *events, const uint8_t our_mac[6]);
/* Called by a back-end when it has become the link, or with NULL when it has
 * stopped being it
 */
void tap_set_link(const struct tap_ops *ops, const struct tap_caps *caps);
bool tap_is_up(void);
const struct tap_caps *tap_caps(void);

/* Back-end → above */
void tap_rx(const struct tap_frame *frames, unsigned count);

/* Above → back-end; see struct tap_ops. Without a link nothing is lent, and
 * what is sent is dropped. There is one reservation at a time, from a
 * tap_reserve() that lent something to tap_cancel(), and no tap_send() in between.
 */
size_t tap_reserve(struct tap_tx *tx, size_t want, size_t seg, size_t hdr_len);
bool tap_commit(struct tap_tx *tx, unsigned i, const uint8_t *hdr, size_t len,
		const struct tap_meta *meta);
void tap_cancel(struct tap_tx *tx);
bool tap_send(const uint8_t *hdr, size_t hdr_len, const struct bytes *payload,
	      const struct tap_meta *meta);
void tap_flush(void);
/* No packet of more than this many bytes, from now on */
void tap_narrow(unsigned mtu);
/* rc, negative, of a system call that was given pieces of the link's. EFAULT says that
 * a guest's memory was taken away. The link ends for it, soon, while for whoever asked
 * it's a fault of the moment: -ENOMEM.
 */
int tap_io_error(int rc);
/* Does the guest leave its link alone, as a virtual machine that is paused? It
 * has said nothing for a second, although there is something to read.
 */
bool tap_is_paused(void);

/* Guest as observed: broadcast MAC until a frame came */
const uint8_t *tap_guest_mac(void);
const uint8_t *tap_our_mac(void);
void tap_learn_mac(const uint8_t mac[6]);
/* Its addresses: as configured, and as seen */
extern struct guest_addrs tap_guest;

#endif /* TAP_H */
