/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command line and host facts → struct conf */
#ifndef CONF_H
#define CONF_H

#include "conf_types.h"

/* Parse the command line, ask the host for what it doesn't say, resolve all
 * defaults. Prints and exits for --help and --version; ends the start with one
 * line and status 1 for anything that makes no sense.
 */
void conf_init(struct conf *c, int argc, char **argv);

/* The resolved configuration, as info messages */
void conf_print(const struct conf *c);

/* Descriptor named by -F/--fd on a command line, before anything is parsed,
 * so that it survives closing the others; -1 if none
 */
int conf_early_fd(int argc, char **argv);

#endif /* CONF_H */
