/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happened so far, in words: for SIGUSR1 and --stats */
#ifndef ENGINE_STATS_H
#define ENGINE_STATS_H

/* Print the counters every `seconds` (0: never) while something moves */
void stats_init(unsigned seconds);
/* All counters and flows, to the log: now, or when the last time is over */
void stats_dump(void);

#endif /* ENGINE_STATS_H */
