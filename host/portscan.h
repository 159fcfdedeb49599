/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Automatic ports: listeners that follow those of the other side */
#ifndef HOST_PORTSCAN_H
#define HOST_PORTSCAN_H

#include "engine/conf_types.h"

/* Open what tells of the listeners of both namespaces, if a rule is automatic.
 * After netns_setup(), while /proc is there.
 */
void portscan_open(const struct conf *c);

/* First scan, then one after each change. TCP and UDP are attached to listen.c;
 * after timer_init() and loop_init().
 */
void portscan_start(void);
/* The end: nothing is followed any more */
void portscan_stop(void);

#endif /* HOST_PORTSCAN_H */
