/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The link by a UNIX stream socket, as QEMU's -netdev stream speaks it */
#ifndef TAP_TAP_STREAM_H
#define TAP_TAP_STREAM_H

#include "util/types.h"

/* Bind and listen on path, or, if it is "", on the first free of
 * /tmp/passt_N.socket, which is written back to path (PATH of at least 108
 * bytes). Dies if that can't be done.
 */
void tap_stream_listen(char *path);

/* The guest's end comes as a connected socket */
void tap_stream_use_fd(int fd);

/* Register with the loop. one_off: exit when the first guest has gone. */
void tap_stream_start(bool one_off);

/* Remove the socket file of a start that failed; safe to call at any time, and
 * in signal handlers. Or keep it, when the start has succeeded.
 */
void tap_stream_undo(void);
void tap_stream_keep(void);

#endif /* TAP_TAP_STREAM_H */
