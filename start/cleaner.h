/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A small process that removes the names of our sockets once we have gone, however
 * that came about, and those of files that a start which failed had begun
 */
#ifndef START_CLEANER_H
#define START_CLEANER_H

struct leftover;

/* Start it; nothing if there are no names. Once they have been made, with our
 * caller's rights: before isolate_user(). Without it, they stay. `begun` are those
 * that stay if the start succeeds.
 */
void cleaner_start(const struct leftover *const names[], unsigned count,
		   const struct leftover *const begun[], unsigned begun_count);
/* The start has succeeded */
void cleaner_keep(void);
/* It has failed: waits until all is removed. Safe in signal handlers. */
void cleaner_undo(void);

#endif /* START_CLEANER_H */
