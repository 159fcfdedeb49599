/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages of the vhost-user protocol, as they come and go
 *
 * Format: host byte order; request 4, flags 4 (version 1, reply, need_reply), size of
 * the payload 4, payload. Descriptors come with the header.
 *
 * Private to vhost_user.c, which knows what they mean.
 */
#ifndef TAP_VU_MSG_H
#define TAP_VU_MSG_H

#include "util/types.h"

enum {
	VU_MSG_FDS	= 8,
	VU_MSG_PAYLOAD	= 8 + 8 * 32,	/* a table of 8 regions */
	VU_TABLE_REGIONS = 8,

	VU_NEED_REPLY	= 8,		/* in its flags */
};

enum vu_request {
	GET_FEATURES		= 1,
	SET_FEATURES		= 2,
	SET_OWNER		= 3,
	RESET_OWNER		= 4,
	SET_MEM_TABLE		= 5,
	SET_LOG_BASE		= 6,
	SET_LOG_FD		= 7,
	SET_VRING_NUM		= 8,
	SET_VRING_ADDR		= 9,
	SET_VRING_BASE		= 10,
	GET_VRING_BASE		= 11,
	SET_VRING_KICK		= 12,
	SET_VRING_CALL		= 13,
	SET_VRING_ERR		= 14,
	GET_PROTOCOL_FEATURES	= 15,
	SET_PROTOCOL_FEATURES	= 16,
	GET_QUEUE_NUM		= 17,
	SET_VRING_ENABLE	= 18,
	SEND_RARP		= 19,
	NET_SET_MTU		= 20,
	RESET_DEVICE		= 34,
	GET_MAX_MEM_SLOTS	= 36,
	ADD_MEM_REG		= 37,
	REM_MEM_REG		= 38,
	SET_STATUS		= 39,
	GET_STATUS		= 40,
	VU_REQUESTS,
};

struct vu_header {
	uint32_t request, flags, size;
};

struct vu_state {			/* of a ring */
	uint32_t index, num;
};

struct vu_addr {
	uint32_t index, flags;
	uint64_t desc, used, avail, log;
};

struct vu_region {
	uint64_t gpa, size, user, offset;
};

struct vu_table {
	uint32_t count, padding;
	struct vu_region region[VU_TABLE_REGIONS];
};

struct vu_one_region {
	uint64_t padding;
	struct vu_region region;
};

struct vu_log {
	uint64_t size, offset;
};

struct vu_msg {				/* there is room between the two */
	struct vu_header h;
	union {
		uint64_t u64;
		struct vu_state state;
		struct vu_addr addr;
		struct vu_table table;
		struct vu_one_region one;
		struct vu_log log;
		uint8_t bytes[VU_MSG_PAYLOAD];
	} p;
};

/* A connection, with a message as far as it was read */
struct vu_conn {
	int fd;				/* -1: nobody is there */
	struct vu_msg msg;
	size_t got;			/* of header and payload together */
	int fds[VU_MSG_FDS];
	unsigned fd_count;
	struct vu_msg reply;		/* an answer, as far as it was sent */
	size_t reply_len, reply_sent;
};

/* Read on, up to the end of a message: 1 if it is whole, 0 if nothing more is there,
 * -ENOTCONN at the end of the connection, or with *ret_why. Other -errno: a fault of the
 * moment (is_momentary()), nothing is lost; so with descriptors that we have no place
 * for, -EMFILE.
 */
int vu_msg_read(struct vu_conn *c, const char **ret_why);
/* It is done with: the next one can be read. Closes what nobody took. */
void vu_msg_done(struct vu_conn *c);
/* Descriptor i that came along, to be closed by whoever takes it; or -1 */
int vu_msg_take_fd(struct vu_conn *c, unsigned i);
/* Send the answer, of m->h.size bytes. There is one at a time: what isn't taken at once
 * is kept, until vu_msg_push() has sent it.
 */
void vu_msg_send(struct vu_conn *c, const struct vu_msg *m);
/* Send what is left: 0 if there is nothing more, -EAGAIN if it has to wait until the
 * other end reads; other -errno
 */
int vu_msg_push(struct vu_conn *c);

#endif /* TAP_VU_MSG_H */
