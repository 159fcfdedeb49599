/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line's options: one table for parsing, mode checks and --help
 *
 * Handlers check each value on its own and store it. What depends on several
 * options, or on the host, is settled afterwards by conf.c.
 */
#ifndef CONF_CONF_OPTS_H
#define CONF_CONF_OPTS_H

#include "engine/conf_types.h"

enum conf_dir { DIR_IN, DIR_OUT, DIRS };	/* fwd_in, fwd_out */
enum conf_proto { FWD_TCP, FWD_UDP, FWD_PROTOS };

/* What was said on the command line that struct conf has no place for */
struct conf_given {
	bool only[FAMILIES];		/* -4 or -6: the last one */
	bool have_netmask;		/* -n */
	unsigned netmask;
	bool have_v4_len;		/* IPv4 -a with /LENGTH */
	unsigned v4_len;

	bool no_copy_addrs, no_copy_routes;

	bool fwd[DIRS][FWD_PROTOS];	/* option given: no default for it */
};

/* Mode selected by --vhost-user, the descriptor of -F/--fd (-1: none), and whether
 * --doctor is wanted (not if there's help or the version to be told), on a line that
 * nobody has checked yet. No message, no effect.
 */
struct conf_early {
	bool vhost_user, doctor, tell;
	int fd;
};
struct conf_early conf_opts_early(int argc, char **argv);

/* Parse the options into *c and *g; c->mode and the inputs in *g are set.
 * Returns the index of the first word that is none. Ends the program for
 * --help and --version, and with one line for a bad value.
 */
int conf_opts_parse(struct conf *c, struct conf_given *g, int argc,
		    char **argv);

/* One forwarding spec of -t, -u (DIR_IN), -T, -U (DIR_OUT), but "none", into
 * the rules of *c. Dies if it can't; `name` is the option's name for that.
 */
void conf_opts_add_fwd(struct conf *c, enum conf_dir dir,
		       enum conf_proto proto, const char *name,
		       const char *spec);

#endif /* CONF_CONF_OPTS_H */
