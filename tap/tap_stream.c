// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the link by a UNIX stream socket: framing. Who is at its other end:
 * tap_unix.c.
 *
 * Format: each frame is preceded by its length, 4 bytes, big-endian, at any
 * alignment; frames and even the length word may be split over reads.
 *
 * Data: a receive area, parsed in place; what is left of an incomplete frame
 * moves to its start. A transmit area, filled from the front, in which frames
 * lie as they go out, so that a whole turn's frames leave in one send().
 *
 * Back-pressure: what send() doesn't take stays in the area and goes on at the
 * byte where it stopped, by EPOLLOUT. Until the area is empty again nothing
 * more is lent (reserve), but short control frames still find room. A frame is
 * taken whole or not at all: a truncated one would spoil the stream for good.
 */
#include "tap/tap_stream.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "engine/drop.h"
#include "engine/loop.h"
#include "tap.h"
#include "tap/tap_unix.h"
#include "util.h"
#include "util/log.h"
#include "util/wire.h"

enum {
	STREAM_LEN_SIZE		= 4,
	STREAM_FRAME_MAX	= 65535,
	STREAM_RX_SIZE		= 512 * 1024,
	STREAM_TX_SIZE		= 1024 * 1024,
	STREAM_TX_CONTROL	= 64 * 1024,	/* kept for what has no
						 * reservation */
	STREAM_RCVBUF		= 4 * 1024 * 1024,
	STREAM_SNDBUF		= 128 * 1024,	/* what waits there, others wait
						 * for */
};

static struct {
	int fd;
	bool blocked;			/* waiting for EPOLLOUT */

	size_t rx_len, rx_off;		/* parsed up to rx_off */
	bool rx_more;			/* whole frames lie there still */
	bool fresh;			/* a batch was handed up this turn */
	size_t tx_sent, tx_len;
	uint8_t faults;			/* in succession */
} stream = { .fd = -1 };

/* Apart, since what isn't zero at the start takes room in the binary */
static struct {
	struct iovec rx_iov[TAP_RX_BATCH];
	struct tap_frame rx_frame[TAP_RX_BATCH];
	uint8_t rx[STREAM_RX_SIZE];
	uint8_t tx[STREAM_TX_SIZE];
} stream_buf;

/* A call has failed for a moment */
static void stream_fault(bool to_write)
{
	debug("The guest's connection: %s", strerror(errno));
	if (to_write && !stream.blocked) {
		tap_unix_watch(true, true);
		stream.blocked = true;
	}
	tap_unix_rest(stream.faults);
	stream.faults += stream.faults < UINT8_MAX;
}

/* Push what is in the transmit area; true if it is empty now */
static bool stream_push(void)
{
	while (stream.tx_sent < stream.tx_len) {
		ssize_t n = send(stream.fd, stream_buf.tx + stream.tx_sent,
				 stream.tx_len - stream.tx_sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (!stream.blocked)
				tap_unix_watch(true, true);
			stream.blocked = true;
			return false;
		}
		/* Part of a frame may be gone already: the rest has to follow */
		if (n < 0 && is_momentary(-errno)) {
			stream_fault(true);
			return false;
		}
		if (n < 0) {
			/* The receive side finds the end and tells */
			break;
		}
		stream.faults = 0;
		stream.tx_sent += (size_t)n;
	}
	stream.tx_sent = stream.tx_len = 0;
	if (stream.blocked)
		tap_unix_watch(true, false);
	stream.blocked = false;
	return true;
}

/* Is there room for `need` more bytes, after pushing if that helps? */
static bool stream_room(size_t need)
{
	if (STREAM_TX_SIZE - stream.tx_len >= need)
		return true;
	return !stream.blocked && stream_push() && STREAM_TX_SIZE >= need;
}

static size_t stream_reserve(struct tap_tx *tx, size_t want, size_t seg,
			     size_t hdr_len)
{
	size_t max = STREAM_FRAME_MAX - hdr_len;
	size_t slot, lent = 0;
	uint8_t *p;

	seg = MIN(seg, max);
	slot = STREAM_LEN_SIZE + MAX(hdr_len + seg, ETH_MIN_FRAME);
	if (stream.blocked ||
	    !stream_room(MIN(want / seg + 1, TAP_TX_FRAMES) * slot +
			 STREAM_TX_CONTROL))
		return 0;
	p = stream_buf.tx + stream.tx_len;
	while (lent < want && tx->count < TAP_TX_FRAMES) {
		size_t n = MIN(seg, want - lent);

		tap_tx_add(tx, p + STREAM_LEN_SIZE + hdr_len, n);
		lent += n;
		p += slot;
	}
	return lent;
}

/* Length word, header and padding around payload that lies in place already at
 * the end of the transmit area
 */
static void stream_finish(const uint8_t *hdr, size_t hdr_len, size_t len)
{
	uint8_t *p = stream_buf.tx + stream.tx_len;
	size_t frame = hdr_len + len;
	be32_t word;

	memcpy(p + STREAM_LEN_SIZE, hdr, hdr_len);
	if (frame < ETH_MIN_FRAME) {
		memset(p + STREAM_LEN_SIZE + frame, 0, ETH_MIN_FRAME - frame);
		frame = ETH_MIN_FRAME;
	}
	word = be32_put((uint32_t)frame);
	memcpy(p, &word, sizeof(word));
	stream.tx_len += STREAM_LEN_SIZE + frame;
}

static bool stream_commit(struct tap_tx *tx, unsigned i, const uint8_t *hdr,
			  size_t len, const struct tap_meta *meta)
{
	(void)meta;
	(void)i;
	stream_finish(hdr, tx->hdr_len, len);
	return true;
}

static void stream_cancel(struct tap_tx *tx)
{
	(void)tx;
}

static bool stream_send(const uint8_t *hdr, size_t hdr_len,
			const struct bytes *payload,
			const struct tap_meta *meta)
{
	(void)meta;
	if (hdr_len + payload->len > STREAM_FRAME_MAX ||
	    !stream_room(STREAM_LEN_SIZE + hdr_len +
			 MAX(payload->len, ETH_MIN_FRAME)))
		return false;
	bytes_copy(payload, 0,
		   stream_buf.tx + stream.tx_len + STREAM_LEN_SIZE + hdr_len,
		   payload->len);
	stream_finish(hdr, hdr_len, payload->len);
	return true;
}

static void stream_flush(void)
{
	if (stream.tx_len && !stream.blocked)
		stream_push();
}

static bool stream_unread(void)
{
	int n = 0;

	return stream.tx_len || (!ioctl(stream.fd, TIOCOUTQ, &n) && n);
}

static const struct tap_ops stream_ops = {
	.reserve = stream_reserve,
	.commit = stream_commit,
	.cancel = stream_cancel,
	.send = stream_send,
	.flush = stream_flush,
	.unread = stream_unread,
};

/* Hand up whole frames of the receive area, at most a batch; what is left is for
 * the end of the turn. False if the stream is out of step.
 */
static bool stream_frames(void)
{
	size_t at = stream.rx_off;
	unsigned n = 0;

	stream.rx_more = false;
	while (stream.rx_len - at >= STREAM_LEN_SIZE) {
		uint8_t *p = stream_buf.rx + at;
		uint32_t len;
		be32_t word;

		memcpy(&word, p, sizeof(word));
		len = be32_get(word);
		if (len > STREAM_FRAME_MAX)
			return false;
		if (stream.rx_len - at - STREAM_LEN_SIZE < len)
			break;
		/* No frame, but the next one is where it should be */
		if (len < ETH_HLEN_) {
			drop(DROP_FRAME_SHORT);
			at += STREAM_LEN_SIZE + len;
			continue;
		}
		stream.rx_more = n == TAP_RX_BATCH;
		if (stream.rx_more)
			break;

		stream_buf.rx_iov[n] = (struct iovec){ p + STREAM_LEN_SIZE,
						       len };
		stream_buf.rx_frame[n] = (struct tap_frame){
			.data = { &stream_buf.rx_iov[n], 1, 0, len },
		};
		at += STREAM_LEN_SIZE + len;
		n++;
	}
	stream.rx_off = at;
	if (n)
		tap_rx(stream_buf.rx_frame, n);
	return true;
}

static void stream_disconnect(void)
{
	if (stream.fd < 0)
		return;
	tap_set_link(NULL, NULL);
	stream.fd = -1;
	stream.rx_len = stream.rx_off = stream.tx_len = stream.tx_sent = 0;
	stream.rx_more = false;
	stream.blocked = false;
	tap_unix_disconnect();
}

/* Is it a request of vhost-user's? That begins with its number and flags, both below 256,
 * in the machine's order of bytes: as a length, the number is too large on most.
 */
static bool stream_is_vhost_user(const uint8_t *p, size_t n)
{
	uint32_t word[2];

	if (n < sizeof(word))
		return false;
	memcpy(word, p, sizeof(word));
	return word[0] && word[0] <= UINT8_MAX && word[1] && word[1] <= UINT8_MAX;
}

static void stream_parse(void)
{
	if (!stream_frames()) {
		drop(DROP_FRAME_LENGTH);
		warn_limited("Bad frame size from guest, resetting connection%s",
			     stream_is_vhost_user(stream_buf.rx + stream.rx_off,
						  stream.rx_len - stream.rx_off) ?
			     ": for vhost-user, start passt with --vhost-user" : "");
		stream_disconnect();
		return;
	}
	if (stream.rx_more) {
		loop_again();
		return;
	}
	stream.rx_len -= stream.rx_off;
	memmove(stream_buf.rx, stream_buf.rx + stream.rx_off, stream.rx_len);
	stream.rx_off = 0;
}

/* End-of-turn hook: so many frames that a turn would get too long go on in the
 * next one, between others' events
 */
static void stream_rest(void)
{
	if (!stream.rx_more)
		return;
	loop_again();
	if (stream.fresh)
		stream.fresh = false;
	else
		stream_parse();
}

static void stream_readable(void)
{
	ssize_t n;

	if (stream.rx_more)
		return;
	do {
		n = recv(stream.fd, stream_buf.rx + stream.rx_len,
			 STREAM_RX_SIZE - stream.rx_len, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0 && is_momentary(-errno)) {
		stream_fault(false);
		return;
	}
	if (n <= 0) {
		stream_disconnect();
		return;
	}
	stream.faults = 0;
	stream.rx_len += (size_t)n;
	stream.fresh = true;
	stream_parse();
}

static void stream_event(struct loop_ref ref, uint32_t events)
{
	(void)ref;
	if (stream.fd < 0)
		return;
	/* Whoever found it full waits on a list for the end of the turn */
	if (events & EPOLLOUT)
		stream_push();
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP))
		stream_readable();
}

static void stream_connected(int fd)
{
	static const struct tap_caps caps;	/* no offload exists here */
	int snd = STREAM_SNDBUF, rcv = STREAM_RCVBUF;

	/* Clamped to what the host allows: more than the default is enough */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &snd, sizeof(snd));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcv, sizeof(rcv));
	stream.fd = fd;
	tap_set_link(&stream_ops, &caps);
}

void tap_stream_start(bool one_off)
{
	loop_add_hook(stream_rest);
	loop_set_handler(LOOP_TAP, stream_event);
	tap_unix_start(one_off, 1, stream_connected);
}
