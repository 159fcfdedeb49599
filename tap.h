/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The link: Ethernet frames from and to the guest, whatever carries them
 *
 * Back-ends (tap_stream.c, tap_tun.c, later vhost-user, and a fake in tests)
 * differ only in where the bytes live. Sending is
 *
 *	tap_reserve() → fill payload → tap_commit() per frame → tap_cancel()
 *
 * which lends space for payload that a socket is read straight into; or, for
 * what already lies somewhere, tap_send(). Both may queue; tap_flush() at the
 * end of a turn pushes. A frame that was accepted is never truncated.
 *
 * What is learned from the guest (its MAC and addresses) is kept here too.
 */
#ifndef TAP_H
#define TAP_H

#include "util/addr.h"
#include "util/iov.h"
#include "util/mono.h"

enum {
	TAP_HDR_MAX	= 160,		/* Ethernet, IP and L4 headers */
	TAP_TX_FRAMES	= 64,		/* frames of one reservation */
	TAP_RX_BATCH	= 512,		/* frames handed up at once */
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
	struct bytes data;		/* from the Ethernet header on */
	struct tap_meta meta;
};

struct tap_caps {
	bool csum;			/* partial checksums accepted */
	bool gso;			/* TCP segments of up to 64 KiB accepted */
	bool uso;			/* likewise UDP */
};

/* A reservation: payload space of frames [0, count), each `seg` bytes but the
 * last one. iov[i] is the space of frame i, contiguous.
 */
struct tap_tx {
	struct iovec iov[TAP_TX_FRAMES];
	unsigned count;
	unsigned hdr_len;
	unsigned seg;
};

struct tap_ops {
	/* Lend space for up to `want` bytes, in frames of at most `seg`
	 * bytes of payload each; bytes lent, 0 if the link is full.
	 */
	size_t (*reserve)(struct tap_tx *tx, size_t want, size_t seg,
			  size_t hdr_len);
	/* Send frame i with hdr_len bytes of header and len of payload.
	 * Frames are committed in order. False: the link took it not.
	 */
	bool (*commit)(struct tap_tx *tx, unsigned i, const uint8_t *hdr,
		       size_t len, const struct tap_meta *meta);
	void (*cancel)(struct tap_tx *tx);
	bool (*send)(const uint8_t *hdr, size_t hdr_len,
		     const struct bytes *payload, const struct tap_meta *meta);
	void (*flush)(void);
	/* Do frames wait that the guest hasn't read? NULL: can't be known */
	bool (*unread)(void);
};

/* Counters, for the statistics */
struct tap_counters {
	uint64_t rx_frames, rx_bytes, rx_bad;
	uint64_t tx_frames, tx_bytes, tx_dropped;
};
extern struct tap_counters tap_counters;

/* Set by whoever parses frames: called with 1 to TAP_RX_BATCH of them */
typedef void (*tap_rx_fn)(const struct tap_frame *frames, unsigned count);

/* What the layers above want to hear */
struct tap_events {
	tap_rx_fn rx;			/* frames arrived */
	void (*up)(void);		/* a guest is there */
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
 * what is sent is dropped. Padding and capture are done here.
 */
size_t tap_reserve(struct tap_tx *tx, size_t want, size_t seg, size_t hdr_len);
bool tap_commit(struct tap_tx *tx, unsigned i, const uint8_t *hdr, size_t len,
		const struct tap_meta *meta);
void tap_cancel(struct tap_tx *tx);
bool tap_send(const uint8_t *hdr, size_t hdr_len, const struct bytes *payload,
	      const struct tap_meta *meta);
void tap_flush(void);
/* Does the guest leave its link alone, as a virtual machine that is paused? It
 * has said nothing for a second, although there is something to read.
 */
bool tap_is_paused(void);

/* Guest as observed: broadcast MAC until a frame came */
const uint8_t *tap_guest_mac(void);
const uint8_t *tap_our_mac(void);
void tap_learn_mac(const uint8_t mac[6]);
/* Seen last, or configured */
extern struct guest_addrs tap_guest;

#endif /* TAP_H */
