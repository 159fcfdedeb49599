/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A small process that removes the names of our sockets once we have gone,
 * however that came about
 */
#ifndef START_CLEANER_H
#define START_CLEANER_H

struct leftover;

/* Start it; nothing if there are no names. Once they have been made, with our
 * caller's rights: before isolate_user(). Without it, they stay.
 */
void cleaner_start(const struct leftover *const names[], unsigned count);

#endif /* START_CLEANER_H */
