/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The helper process that watches the host's network for us */
#ifndef START_WATCHER_H
#define START_WATCHER_H

struct conf;

/* Start it, if there is anything to follow: after the namespaces are as they will
 * be, while the host's files can be seen. Without it, a warning, and what is so now
 * stays. `argv` is main()'s.
 */
void watcher_open(const struct conf *c, char **argv);
/* Take its news from now on: net_update() */
void watcher_start(void);

#endif /* START_WATCHER_H */
