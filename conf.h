/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command line and host facts → struct conf */
#ifndef CONF_H
#define CONF_H

#include "engine/conf_types.h"
#include "engine/flow_types.h"

/* Parse the command line, ask the host for what it doesn't say, resolve all
 * defaults. Prints and exits for --help and --version; ends the start with one
 * line and status 1 for anything that makes no sense.
 */
void conf_init(struct conf *c, int argc, char **argv);

/* The resolved configuration, as info messages; the network only */
void conf_print(const struct conf *c);
void conf_print_net(void);

/* What forwarding rules of a side may ask for: enum fwd_can, but for what the
 * kernel lacks. 0: there are none on that side.
 */
unsigned conf_fwd_can(const struct conf *c, enum flow_side_name side);

/* What we are called: "passt", "pasta" or "slirp4netns"; "passt", too, if that is
 * none of these
 */
const char *conf_name(const char *argv0);

/* Is it --doctor that a command line asks for, before anything is parsed? */
bool conf_wants_doctor(int argc, char **argv);

/* Descriptors that a command line names (--fd; --ready-fd and others), before
 * anything is parsed, so that they survive closing all others. How many.
 */
enum { CONF_FDS_MAX = 3 };
unsigned conf_early_fds(int argc, char **argv, int ret_fds[CONF_FDS_MAX]);

#endif /* CONF_H */
