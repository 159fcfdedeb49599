/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A front-end of vhost-user's in the same process, in place of the loop and the socket:
 * what it says, what is in its memory, and when it kicks is the fuzzer's
 */
#ifndef TEST_FUZZ_FUZZ_VU_H
#define TEST_FUZZ_FUZZ_VU_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/loop.h"
#include "engine/retry.h"
#include "frame/frame_parse.h"
#include "tap.h"
#include "tap/guest_mem.h"
#include "tap/pcap.h"
#include "tap/tap_unix.h"
#include "tap/tap_vu.h"
#include "tap/vhost_user.h"
#include "tap/vu_msg.h"
#include "util/log.h"

enum {
	FRONT_FD	= 1000,		/* its connection, for the daemon */
	FRONT_MEM	= 256 * 1024,
	FRONT_GPA	= 0x100000,
	FRONT_USER	= 0x10000000,
	FRONT_NUM	= 16,		/* entries of a ring */
	/* Where the rings are, in its memory */
	FRONT_RING	= 0x2000,	/* bytes of each */
	FRONT_AVAIL	= 0x1000, FRONT_USED = 0x1800,
	FRONT_BUF	= 2 * FRONT_RING,
};

static struct {
	uint8_t *mem;
	int mem_fd, event_fd;
	bool here;			/* the daemon hasn't ended it */
	uint8_t msg[sizeof(struct vu_header) + VU_MSG_PAYLOAD];
	size_t len, at;			/* of what it says */
	int fds[VU_MSG_FDS];
	unsigned fd_count;
	struct vu_msg reply;		/* the last one, and how many came */
	size_t reply_len;
	unsigned replies;
	/* What a target does with a frame of the guest's, if it is more than to read it */
	void (*received)(const struct tap_frame *frame);
} front;

static loop_handler front_event;
static loop_hook front_hook;
static void (*front_connected)(int fd);

/* ---- What the daemon calls ---- */

enum log_level log_max = LOG_LVL_ERR;

bool log_admit(struct log_limit *l, enum log_level level)
{
	(void)l;
	(void)level;
	return false;			/* what is refused is no news */
}

void log_msg_limited(const struct log_limit *l, enum log_level level,
		     const char *fmt, ...)
{
	(void)l;
	(void)level;
	(void)fmt;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
}

void die(const char *fmt, ...)
{
	(void)fmt;
	abort();
}

void loop_set_handler(enum loop_kind kind, loop_handler fn)
{
	assert(kind == LOOP_TAP);
	front_event = fn;
}

void loop_add_hook(loop_hook fn)
{
	front_hook = fn;
}

int loop_add(int fd, uint32_t events, struct loop_ref ref)
{
	(void)fd;
	(void)events;
	(void)ref;
	return 0;
}

void loop_del(int fd)
{
	(void)fd;
}

void loop_again(void)
{
}

mono_t loop_now(void)
{
	return (mono_t){ .us = 0 };
}

void retry_init(struct retry *r, uint64_t *marks, uint32_t words,
		void (*again)(uint32_t index))
{
	(void)r;
	(void)marks;
	(void)words;
	(void)again;
}

void retry_later(struct retry *r, uint32_t index, unsigned tries)
{
	(void)r;
	(void)index;
	(void)tries;
}

void tap_unix_start(bool one_off, unsigned spares, void (*connected)(int fd))
{
	(void)one_off;
	(void)spares;
	front_connected = connected;
}

bool tap_unix_make_room(int rc)
{
	(void)rc;
	return false;
}

void tap_unix_spare(void)
{
}

void tap_unix_watch(bool readable, bool writable)
{
	(void)readable;
	(void)writable;
}

void tap_unix_rest(unsigned tries)
{
	(void)tries;
}

void tap_unix_disconnect(void)
{
	front.here = false;
}

void pcap_frame(const void *hdr, size_t hdr_len, const struct bytes *payload)
{
	(void)hdr;
	(void)hdr_len;
	(void)payload;
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	size_t n = MIN(front.len - front.at, msg->msg_iov->iov_len);

	assert(fd == FRONT_FD && flags & MSG_PEEK);
	if (!n) {
		errno = EAGAIN;
		return -1;
	}
	memcpy(msg->msg_iov->iov_base, front.msg + front.at, n);
	msg->msg_controllen = 0;
	if (front.at || !front.fd_count)
		return (ssize_t)n;
	msg->msg_controllen = CMSG_SPACE(front.fd_count * sizeof(int));
	*c = (struct cmsghdr){ CMSG_LEN(front.fd_count * sizeof(int)),
			       SOL_SOCKET, SCM_RIGHTS };
	for (unsigned i = 0; i < front.fd_count; i++) {
		int copy = dup(front.fds[i]);

		memcpy(CMSG_DATA(c) + i * sizeof(copy), &copy, sizeof(copy));
	}
	return (ssize_t)n;
}

ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	(void)flags;
	assert(fd == FRONT_FD && len <= front.len - front.at);
	memcpy(buf, front.msg + front.at, len);
	front.at += len;
	return (ssize_t)len;
}

ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	struct vu_msg *m = &front.reply;

	(void)flags;
	assert(fd == FRONT_FD && len);
	/* Header and payload come apart */
	if (!front.reply_len) {
		assert(len == sizeof(m->h));
		memcpy(&m->h, buf, len);
		assert(m->h.flags == 5 && m->h.size <= VU_MSG_PAYLOAD);
		front.reply_len = m->h.size;
	} else {
		assert(len == front.reply_len);
		memcpy(m->p.bytes, buf, len);
		front.reply_len = 0;
	}
	front.replies += !front.reply_len;
	return (ssize_t)len;
}

/* ---- What the front-end does ---- */

static void front_end_of_turn(void)
{
	tap_flush();
	front_hook();
}

static void front_say(uint32_t request, uint32_t flags, const void *payload,
		      uint32_t size, int fd, unsigned fds)
{
	struct vu_header h = { request, flags, size };

	memcpy(front.msg, &h, sizeof(h));
	if (size)
		memcpy(front.msg + sizeof(h), payload,
		       MIN(size, (uint32_t)VU_MSG_PAYLOAD));
	front.len = sizeof(h) + MIN(size, (uint32_t)VU_MSG_PAYLOAD);
	front.at = 0;
	front.fd_count = MIN(fds, (unsigned)VU_MSG_FDS);
	for (unsigned i = 0; i < front.fd_count; i++)
		front.fds[i] = fd;
	front_event((struct loop_ref){ .kind = LOOP_TAP }, 0);
	front_end_of_turn();
}

static void front_say_u64(uint32_t request, uint64_t v, int fd)
{
	front_say(request, 1, &v, sizeof(v), fd, fd >= 0);
}

static void front_say_state(uint32_t request, uint32_t index, uint32_t num)
{
	struct vu_state s = { index, num };

	front_say(request, 1, &s, sizeof(s), -1, 0);
}

/* A ring is kicked */
static void front_kick(enum vu_ring_name i)
{
	eventfd_write(front.event_fd, 1);
	front_event((struct loop_ref){ .kind = LOOP_TAP, .index = 1 + i }, 0);
	front_end_of_turn();
}

/* Some bytes for the guest, straight into its buffers, and otherwise */
static inline void front_receive(size_t len, size_t seg)
{
	static const struct tap_meta meta;
	static uint8_t hdr[TAP_HDR_MAX], data[4096];
	struct iovec iov = { data, MIN(len, sizeof(data)) };
	struct bytes b = { &iov, 1, 0, (uint32_t)iov.iov_len };
	static struct tap_tx tx;
	size_t room = tap_reserve(&tx, len, seg, 54);

	assert(room <= len);
	for (unsigned i = 0; room && i < tx.iovs; i++)
		memset(tx.iov[i].iov_base, 0x5a, tx.iov[i].iov_len);
	for (unsigned i = 0; room && i < tx.count && i < 3; i++)
		tap_commit(&tx, i, hdr, i < 2 ? tx.frame[i].len : 1, &meta);
	tap_cancel(&tx);
	tap_send(hdr, 42, &b, &meta);
	front_end_of_turn();
}

static void front_ring_starts(enum vu_ring_name i, uint16_t base, int call)
{
	uint64_t at = FRONT_USER + i * FRONT_RING;
	struct vu_addr a = { .index = i, .desc = at, .avail = at + FRONT_AVAIL,
			     .used = at + FRONT_USED };

	front_say_state(SET_VRING_NUM, i, FRONT_NUM);
	front_say_state(SET_VRING_BASE, i, base);
	front_say(SET_VRING_ADDR, 1, &a, sizeof(a), -1, 0);
	front_say_u64(SET_VRING_CALL, i, call);
	front_say_state(SET_VRING_ENABLE, i, 1);
	front_say_u64(SET_VRING_KICK, i, front.event_fd);
}

/* Up to what is said of the rings */
static void front_comes(uint64_t features)
{
	struct vu_table t = { .count = 1, .region = { {
		FRONT_GPA, FRONT_MEM, FRONT_USER, 0 } } };

	front.here = true;
	front.reply_len = front.replies = 0;
	front_connected(FRONT_FD);
	front_say_u64(SET_PROTOCOL_FEATURES, 1 << 3, -1);
	front_say_u64(SET_FEATURES, features, -1);
	front_say(SET_MEM_TABLE, 1, &t, 8 + sizeof(t.region[0]), front.mem_fd, 1);
}

static inline void front_starts(uint64_t features)
{
	front_comes(features);
	for (enum vu_ring_name i = VU_RX; i < VU_RINGS; i++)
		front_ring_starts(i, 0, front.event_fd);
}

static void front_goes(void)
{
	if (front.here)
		vhost_user_end(NULL);
	assert(!front.here && !tap_is_up());
}

static volatile unsigned front_sum;	/* of what was received */

/* Frames, as far as everybody reads them */
static void front_frames(const struct tap_frame *frames, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint8_t piece[256];
		struct pkt pkt;

		if (front.received)
			front.received(&frames[i]);
		if (frame_parse(&frames[i], &pkt) != PKT_OK)
			continue;
		for (uint32_t at = 0; at < pkt.payload.len; at += sizeof(piece))
			front_sum += (unsigned)bytes_copy(&pkt.payload, at, piece,
							  sizeof(piece));
	}
}

static void front_up_or_down(void)
{
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const struct tap_events events = { front_frames, front_up_or_down,
						   front_up_or_down };
	static const uint8_t mac[6] = { 2 };

	(void)argc;
	(void)argv;
	front.mem_fd = memfd_create("guest", 0);
	front.event_fd = eventfd(0, EFD_NONBLOCK);
	if (ftruncate(front.mem_fd, FRONT_MEM))
		abort();
	front.mem = mmap(NULL, FRONT_MEM, PROT_READ | PROT_WRITE, MAP_SHARED,
			 front.mem_fd, 0);
	assert(front.mem != MAP_FAILED);
	tap_init(&events, mac);
	tap_vu_start(false);
	return 0;
}

#endif /* TEST_FUZZ_FUZZ_VU_H */
