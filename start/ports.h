/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ports that the command line forwards: listened at, or the start fails */
#ifndef START_PORTS_H
#define START_PORTS_H

#include "engine/conf_types.h"
#include "engine/flow_types.h"

/* Is the limit of open files enough for them? Dies if it isn't. False, with a warning:
 * for them it is, but not for much more.
 */
bool ports_check_limit(const struct conf *c);

/* Open the ports of a side: HOST first, while a capability for ports below 1024
 * may be there; GUEST once netns_setup() is done. Dies if one of a plain rule
 * can't be had, or none at all.
 */
void ports_open(const struct conf *c, enum flow_side_name side);

#endif /* START_PORTS_H */
