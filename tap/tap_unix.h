/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's UNIX socket, whatever is spoken on it: bound, one guest at a time
 * accepted, others refused
 *
 * The connection's events are the link's (LOOP_TAP, index 0); their handler is
 * whoever speaks on it.
 */
#ifndef TAP_TAP_UNIX_H
#define TAP_TAP_UNIX_H

#include "util/types.h"

/* Bind and listen on path, or, if it is "", on the first free of
 * /tmp/passt_N.socket, which is written back to path (PATH of at least 108
 * bytes). Dies if that can't be done.
 */
void tap_unix_listen(char *path);

/* The guest's end comes as a connected socket */
void tap_unix_use_fd(int fd);

/* Descriptors that can be kept for a guest */
enum { TAP_UNIX_SPARES = 16 };

/* Register with the loop. connected(fd): a guest has come, whose connection fd is
 * watched for input from now on. one_off: exit when the first guest has gone. spares:
 * how many descriptors are kept for one that comes when there are no more, up to
 * TAP_UNIX_SPARES; its connection takes one.
 */
void tap_unix_start(bool one_off, unsigned spares, void (*connected)(int fd));

/* A call for the guest has failed, with -errno: was it for want of descriptors, and are
 * there some now, for what is tried again at once?
 */
bool tap_unix_make_room(int rc);
/* Keep as many descriptors as there should be, if they can be had */
void tap_unix_spare(void);

/* Is it to be told when the connection can be read from, and when it can be written to?
 * Its end is told in any case.
 */
void tap_unix_watch(bool readable, bool writable);

/* A call for the connection has failed for a reason that may be over in a moment:
 * nothing is told of it until then. tries: how often it has already, in succession.
 */
void tap_unix_rest(unsigned tries);

/* The guest has gone, or has to: close its connection, and exit (one_off) or wait
 * for the next one. Nothing if there is none.
 */
void tap_unix_disconnect(void);

/* Remove the socket file of a start that failed; safe to call at any time, and
 * in signal handlers. Or keep it, when the start has succeeded.
 */
void tap_unix_undo(void);
void tap_unix_keep(void);

#endif /* TAP_TAP_UNIX_H */
