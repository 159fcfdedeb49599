/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TCP from loopback to loopback: socket to socket, never seeing a frame */
#ifndef SPLICE_H
#define SPLICE_H

#include "engine/flow_types.h"

void splice_init(void);

/* Connection fd was accepted on side `ini`, whose addresses are *from; connect
 * it to to->peer on the other side or, if that is refused, to `other`, unless
 * that is none. Takes the descriptor; what fails is a reset to the client.
 */
void splice_accepted(int fd, enum flow_side_name ini,
		     const struct flow_side *from, const struct flow_side *to,
		     const struct addr *other);

/* End-of-turn hook: go on with connections that had more than their share */
void splice_run_queue(void);

struct splice_counters {
	uint64_t opened, refused, resets, bytes;
};
extern struct splice_counters splice_counters;

#endif /* SPLICE_H */
