// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the link by a UNIX stream socket
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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/loop.h"
#include "tap.h"
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
	STREAM_ACCEPTS		= 16,		/* a turn */
	STREAM_LOG_RATE		= 5,		/* lines a second */
	STREAM_PROBE_MAX	= 64,		/* /tmp/passt_N.socket */
};

static struct {
	int listen_fd, fd;
	int spare_fd;			/* given up to accept a guest */
	bool one_off;
	bool blocked;			/* waiting for EPOLLOUT */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct leftover leftover;	/* that path */

	size_t rx_len, rx_off;		/* parsed up to rx_off */
	bool rx_more;			/* whole frames lie there still */
	bool fresh;			/* a batch was handed up this turn */
	size_t tx_sent, tx_len;
} stream = { .listen_fd = -1, .fd = -1, .spare_fd = -1,
	     .leftover = { .dir_fd = -1 } };

/* Apart, since what isn't zero at the start takes room in the binary */
static struct {
	struct iovec rx_iov[TAP_RX_BATCH];
	struct tap_frame rx_frame[TAP_RX_BATCH];
	uint8_t rx[STREAM_RX_SIZE];
	uint8_t tx[STREAM_TX_SIZE];
} stream_buf;

static pid_t stream_peer_pid(int fd)
{
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) ?
	       0 : cred.pid;
}

/* Keep a descriptor, so that a guest can always connect */
static void stream_spare(void)
{
	if (stream.spare_fd < 0 && stream.listen_fd >= 0)
		stream.spare_fd = dup(stream.listen_fd);
}

/* Edge-triggered, so that nothing spins where accept4() lacks a descriptor */
static void stream_watch_listener(void)
{
	struct loop_ref ref = { .kind = LOOP_TAP_LISTEN };

	if (stream.listen_fd >= 0)
		loop_mod(stream.listen_fd, EPOLLIN | EPOLLET, ref);
}

static void stream_disconnect(void)
{
	static struct log_limit limit;

	if (stream.fd < 0)
		return;
	tap_set_link(NULL, NULL);
	loop_del(stream.fd);
	close_fd(&stream.fd);
	stream.rx_len = stream.rx_off = stream.tx_len = stream.tx_sent = 0;
	stream.rx_more = false;
	stream.blocked = false;
	if (stream.one_off) {
		info("Client connection closed, exiting");
		loop_exit(EXIT_SUCCESS);
	} else if (log_allow(&limit, loop_now(), STREAM_LOG_RATE, NULL)) {
		info("Client connection closed");
	}
	/* Somebody may wait whom there was no descriptor for */
	stream_spare();
	stream_watch_listener();
}

static void stream_watch(bool writable)
{
	struct loop_ref ref = { .kind = LOOP_TAP };

	loop_mod(stream.fd, EPOLLIN | EPOLLRDHUP | (writable ? EPOLLOUT : 0),
		 ref);
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
				stream_watch(true);
			stream.blocked = true;
			return false;
		}
		if (n < 0) {
			/* The receive side finds the end and tells */
			break;
		}
		stream.tx_sent += (size_t)n;
	}
	stream.tx_sent = stream.tx_len = 0;
	if (stream.blocked)
		stream_watch(false);
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
			tap_counters.rx_bad++;
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

static void stream_parse(void)
{
	if (!stream_frames()) {
		tap_counters.rx_bad++;
		warn("Bad frame size from guest, resetting connection");
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
	if (n <= 0) {
		stream_disconnect();
		return;
	}
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
	struct loop_ref ref = { .kind = LOOP_TAP };
	int snd = STREAM_SNDBUF, rcv = STREAM_RCVBUF;
	int rc;

	/* Clamped to what the host allows: more than the default is enough */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &snd, sizeof(snd));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcv, sizeof(rcv));
	stream.fd = fd;
	rc = loop_add(fd, EPOLLIN | EPOLLRDHUP, ref);
	if (rc) {
		err("Couldn't watch the guest's socket: %s", strerror(-rc));
		close_fd(&stream.fd);
		return;
	}
	tap_set_link(&stream_ops, &caps);
}

static void stream_accepted(int fd)
{
	static struct log_limit limit;
	bool tell = log_allow(&limit, loop_now(), STREAM_LOG_RATE, NULL);

	if (tell)
		info("%s connection from PID %d",
		     stream.fd >= 0 ? "discarding" : "accepted",
		     (int)stream_peer_pid(fd));
	if (stream.fd >= 0)
		close(fd);
	else
		stream_connected(fd);
}

/* Has the guest that we have closed its end? */
static bool stream_is_hung_up(void)
{
	struct pollfd p = { .fd = stream.fd };

	return stream.fd >= 0 && poll(&p, 1, 0) > 0 &&
	       p.revents & (POLLHUP | POLLERR);
}

static void stream_accept(struct loop_ref ref, uint32_t events)
{
	int fd;

	(void)ref;
	(void)events;
	/* A guest that is back already: it waits until what it left has been
	 * read, and stream_disconnect() looks here again
	 */
	if (stream_is_hung_up())
		return;
	for (int i = 0; i < STREAM_ACCEPTS; i++) {
		fd = accept4(stream.listen_fd, NULL, NULL,
			     SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && is_out_of_files(-errno) && stream.spare_fd >= 0) {
			close_fd(&stream.spare_fd);
			fd = accept4(stream.listen_fd, NULL, NULL,
				     SOCK_NONBLOCK | SOCK_CLOEXEC);
		}
		if (fd < 0)
			return;
		stream_accepted(fd);
		stream_spare();
	}
	stream_watch_listener();
}

/* Does somebody listen there already? */
static bool stream_path_is_live(const struct sockaddr_un *sun)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool live;

	if (fd < 0)
		return false;
	live = !connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) ||
	       errno == EAGAIN || errno == EINPROGRESS;
	close(fd);
	return live;
}

static bool stream_is_socket(const char *path)
{
	struct stat st;

	if (!lstat(path, &st) && S_ISSOCK(st.st_mode))
		return true;
	errno = ENOTSOCK;
	return false;
}

/* 0, -EADDRINUSE, or other -errno */
static int stream_bind(const char *path)
{
	struct sockaddr_un sun;
	int fd;

	if (!sun_path_set(&sun, path))
		return -ENAMETOOLONG;
	if (stream_path_is_live(&sun))
		return -EADDRINUSE;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* A socket left over may go, but nobody's file */
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) &&
	    (errno != EADDRINUSE || !stream_is_socket(path) || unlink(path) ||
	     bind(fd, (struct sockaddr *)&sun, sizeof(sun)))) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	memcpy(stream.path, path, strlen(path) + 1);
	leftover_note(&stream.leftover, path);
	stream.listen_fd = fd;
	return listen(fd, 0) ? -errno : 0;
}

void tap_stream_listen(char *path)
{
	int rc = -EADDRINUSE;

	if (*path) {
		rc = stream_bind(path);
		if (rc == -EADDRINUSE)
			die("Socket path %s already in use", path);
		if (rc)
			die("Couldn't bind socket %s: %s", path, strerror(-rc));
	} else {
		for (int n = 1; rc && n <= STREAM_PROBE_MAX; n++) {
			snprintf(path, sizeof(stream.path),
				 "/tmp/passt_%d.socket", n);
			rc = stream_bind(path);
		}
		if (rc)
			die("No free socket path /tmp/passt_N.socket, "
			    "give one by --socket: %s", strerror(-rc));
	}
	info("UNIX domain socket bound at %s", path);
}

void tap_stream_use_fd(int fd)
{
	stream.fd = fd;
}

void tap_stream_start(bool one_off)
{
	struct loop_ref ref = { .kind = LOOP_TAP_LISTEN };
	int rc;

	stream.one_off = one_off;
	loop_add_hook(stream_rest);
	loop_set_handler(LOOP_TAP, stream_event);
	loop_set_handler(LOOP_TAP_LISTEN, stream_accept);
	if (stream.fd >= 0) {
		stream_connected(stream.fd);
		return;
	}
	stream_spare();
	rc = loop_add(stream.listen_fd, EPOLLIN | EPOLLET, ref);
	if (rc)
		die("Couldn't watch socket %s: %s", stream.path, strerror(-rc));
}

void tap_stream_undo(void)
{
	leftover_remove(&stream.leftover);
}

void tap_stream_keep(void)
{
	leftover_keep(&stream.leftover);
}
