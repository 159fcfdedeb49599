/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A split virtqueue in the guest's memory, from the device's side (virtio 1.x 2.7)
 *
 * The driver lends chains of buffers by the available ring, we give them back by the
 * used ring. Everything in those rings is the guest's and may change at any moment:
 * each field is read once, checked, and then used from private memory. What the
 * standard forbids a driver breaks the queue for good; virtq_why() says how.
 */
#ifndef TAP_VIRTQ_H
#define TAP_VIRTQ_H

#include <sys/uio.h>

#include "util/types.h"

enum {
	VIRTQ_NUM_MAX	= 32768,	/* entries, virtio 1.x 2.7 */
	VIRTQ_CHAIN_MAX	= 1024,		/* pieces that one chain may have */
};

struct virtq {
	/* In the guest's memory */
	uint8_t *desc, *avail, *used;
	uint16_t num;			/* entries, a power of two; 0: stopped */

	/* As acknowledged by this driver */
	bool event_idx, indirect;

	uint16_t next_avail;		/* the chain to be taken next */
	uint16_t seen_avail;		/* chains that we know to be there */
	uint16_t next_used;		/* the entry to be filled next */
	uint16_t published;		/* next_used, as the driver sees it */
	uint16_t called;		/* published, when it was asked last
					 * whether it wants a call */
	bool listening;			/* the driver was asked to kick */
	uint64_t log_used;		/* guest address of the used ring, to be
					 * marked as dirty; 0: not asked for */
	const char *why;		/* it is broken; NULL: it isn't */
	bool outside;			/* ... since something isn't in memory */
};

/* A chain that was taken: pieces of iov[0, cnt), of len bytes */
struct virtq_chain {
	uint16_t head;
	unsigned cnt;
	uint32_t len;
};

/* Bytes of the three parts for `num` entries, and how they must be aligned */
size_t virtq_desc_size(unsigned num);
size_t virtq_avail_size(unsigned num);
size_t virtq_used_size(unsigned num);

/* Begin with chain number `base`. desc, avail, used, num and the features are set. The
 * driver is called for what it got before, unless it says that it has seen it.
 */
void virtq_start(struct virtq *q, uint16_t base);

/* Take the next chain: its pieces to iov[0, max), all of them writable (for us) or
 * readable. False: there is none, or none that fits into max (*ret_full), or the
 * queue is broken.
 */
bool virtq_take(struct virtq *q, bool writable, struct iovec *iov, unsigned max,
		struct virtq_chain *ret, bool *ret_full);
/* Put the last n chains that were taken back: as if they hadn't been */
void virtq_untake(struct virtq *q, unsigned n);
/* How many wait, at least `want` if there are so many */
unsigned virtq_waiting(struct virtq *q, unsigned want);

/* Give a chain back, with len bytes written to it. Chains go back in the order in
 * which they came. The driver sees it after virtq_publish().
 */
void virtq_give(struct virtq *q, uint16_t head, uint32_t len);
void virtq_publish(struct virtq *q);
/* Does the driver want to be called for what was published since last asked? */
bool virtq_wants_call(struct virtq *q);

/* Ask the driver to kick when it lends more, or not to. True: it has already, since
 * it was asked not to, and may not kick for that.
 */
bool virtq_listen(struct virtq *q, bool on);

/* Given, but not fetched by the driver? Only told if it has EVENT_IDX. */
bool virtq_unread(const struct virtq *q);

#endif /* TAP_VIRTQ_H */
