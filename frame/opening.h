/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets of the guest's that would begin flows, when there are more of them than
 * there is time for
 *
 * They wait for the next turns of the loop, so that a burst costs nothing but a moment,
 * and a flood nobody else his turn.
 */
#ifndef FRAME_OPENING_H
#define FRAME_OPENING_H

#include "frame/frame_parse.h"

/* input(): takes a packet that has waited, of which there may be a flow by now */
void opening_init(void (*input)(const struct pkt *pkts, unsigned n));
/* May they, of one flow that there isn't yet, begin it now? Then that's what takes
 * time, see loop_opening_starts(). If not, they are taken, and their turn comes; those
 * of which too many wait already are dropped. Segments: without their payload.
 */
bool opening_begin(const struct pkt *pkts, unsigned n);
/* Hook: begin those that wait, as far as time allows */
void opening_run(void);
/* Nobody is there any more who has sent them */
void opening_forget(void);

#endif /* FRAME_OPENING_H */
