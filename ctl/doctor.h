/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --doctor: would a start with these options work, and how well? One line for each
 * thing that it needs: ok, warn or FAIL, with the cause and what can be done.
 */
#ifndef CTL_DOCTOR_H
#define CTL_DOCTOR_H

#include "util/types.h"

struct conf;

/* The very first thing, if --doctor is among the options: looks at all that a start
 * needs, then rehearses one. Returns in a process of its own for that, which goes on
 * as a start does, up to where doctor_rehearses() tells it to stop. *c is its
 * scratch.
 */
void doctor_begin(struct conf *c, int argc, char **argv);
/* Is this no start, but the rehearsal of one? Nothing of others' may be changed. */
bool doctor_rehearses(void);

#endif /* CTL_DOCTOR_H */
