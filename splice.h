/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TCP from loopback to loopback: socket to socket, never seeing a frame. Takes
 * connections from accept.c.
 */
#ifndef SPLICE_H
#define SPLICE_H

#include "engine/conf_types.h"
#include "engine/flow_types.h"

void splice_init(const struct conf *c);

/* End-of-turn hook: go on with connections that had more than their share */
void splice_run_queue(void);

struct splice_counters {
	uint64_t opened, bytes;
};
extern struct splice_counters splice_counters;

#endif /* SPLICE_H */
