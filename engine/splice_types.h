/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the flow table keeps of a spliced TCP connection: struct only */
#ifndef ENGINE_SPLICE_TYPES_H
#define ENGINE_SPLICE_TYPES_H

#include "util/addr.h"

/* One direction, named by the side that its data comes from */
struct splice_dir {
	int pipe[2];			/* -1: none, as nothing is on its way */
	uint32_t queued;		/* bytes in the pipe */
	bool readable;			/* source: not known to be empty */
	bool writable;			/* sink: not known to be full */
	bool copy;			/* source had urgent data */
	bool eof;			/* source has ended */
	bool shut;			/* so has the sink: SHUT_WR is done */
};

struct splice_conn {
	int fd[2];			/* by side */
	struct splice_dir dir[2];
	bool connected;			/* to the side that didn't begin */
	bool queued;			/* on the list for the next turn */
	bool later;			/* another try is to come */
	uint8_t faults;			/* of the moment, in succession */
	struct addr other;		/* to try if refused; or none */
	uint32_t next_queued;		/* that list: flow index + 1 */
};

#endif /* ENGINE_SPLICE_TYPES_H */
