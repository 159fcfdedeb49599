/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Signals: while we start, they call it off; then they are events of the loop */
#ifndef START_SIGNALS_H
#define START_SIGNALS_H

#include <stdbool.h>

/* From now on, SIGTERM and its kind end us as if the start had never begun: by
 * undo(), which must be safe in a signal handler. Those that our caller had us
 * ignore do nothing. SIGPIPE is ignored for good.
 */
void signals_start(void (*undo)(void));

/* They do what they do by default: also for a child that isn't to call it off */
void signals_end_start(void);

/* From now on they wait: in the loop, SIGTERM and SIGQUIT end it, in the
 * foreground also SIGINT and SIGHUP unless they are ignored or blocked; SIGUSR1 calls
 * at_usr1(). In a PID namespace of our own we are PID 1, and these must be read.
 * Those that aren't read do what they do by default. Dies if it can't.
 */
void signals_watch(void (*at_usr1)(void), bool foreground);

/* The last moment at which what was begun can be taken back: one that waits does it */
void signals_called_off(void);

#endif /* START_SIGNALS_H */
