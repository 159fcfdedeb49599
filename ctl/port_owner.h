/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who has a port of this host, as far as we may know: for people */
#ifndef CTL_PORT_OWNER_H
#define CTL_PORT_OWNER_H

#include <stddef.h>

#include "util/types.h"

/* " by nginx (PID 17)", " by a process of user 33", or "" if nobody can tell, of who
 * listens at that port of TCP, or is bound to it of UDP. Needs /proc.
 */
const char *port_owner(uint8_t proto, uint16_t port, char *buf, size_t size);

#endif /* CTL_PORT_OWNER_H */
