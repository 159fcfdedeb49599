/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happened so far, in words: for SIGUSR1 and --stats */
#ifndef ENGINE_STATS_H
#define ENGINE_STATS_H

/* All counters and flows, to the log */
void stats_dump(void);
/* Print the counters every `seconds` (0: never) while there is something new */
void stats_start(unsigned seconds);

#endif /* ENGINE_STATS_H */
