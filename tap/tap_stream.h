/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The link by a UNIX stream socket, as QEMU's -netdev stream speaks it */
#ifndef TAP_TAP_STREAM_H
#define TAP_TAP_STREAM_H

#include "util/types.h"

/* Be the link of whoever comes to the socket of tap_unix.h. one_off: exit when the
 * first guest has gone.
 */
void tap_stream_start(bool one_off);

#endif /* TAP_TAP_STREAM_H */
