/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of slirp4netns, as the same configuration
 *
 *	slirp4netns [OPTION]... PID|PATH|FD [TAPNAME]
 */
#ifndef CONF_SLIRP_OPTS_H
#define CONF_SLIRP_OPTS_H

#include "conf/conf_opts.h"

/* Parse a whole command line into *c and *g, as conf_opts_parse() does with
 * ours: nothing is asked of the host. Ends the program for --help and
 * --version, and with one line for what makes no sense.
 */
void slirp_opts_parse(struct conf *c, struct conf_given *g, int argc,
		      char **argv);

/* Descriptors named by a line that nobody has checked yet: how many. No
 * message, no effect.
 */
enum slirp_fd { SLIRP_FD_READY, SLIRP_FD_EXIT, SLIRP_FD_TAP, SLIRP_FDS };
unsigned slirp_opts_early(int argc, char **argv, int ret_fds[SLIRP_FDS]);

#endif /* CONF_SLIRP_OPTS_H */
