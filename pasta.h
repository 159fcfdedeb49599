/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command or shell of namespace mode: PID 1 of namespaces of its own */
#ifndef PASTA_H
#define PASTA_H

#include <stdbool.h>
#include <sys/types.h>

struct conf;

/* Start a process in new network, mount, PID, IPC and UTS namespaces, which
 * waits for pasta_start() and ends if we do. From now on SIGCHLD, SIGINT and
 * SIGTTOU are blocked in our process. Dies if it can't.
 */
pid_t pasta_spawn(const struct conf *c);

/* Its end ends our loop, with its exit status: registers with it as LOOP_COMMAND.
 * This and the next do nothing without a command.
 */
void pasta_watch(void);
/* Its PID; 0: there is none, or it has ended */
pid_t pasta_command(void);
/* Has the command ended, and not by an interrupt that we passed on? */
bool pasta_has_ended(void);
/* Network is ready: let it become the command */
void pasta_start(void);

#endif /* PASTA_H */
