/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A command line by a table: getopt_long()'s input, --help, and who handles what
 *
 * A row states an option once. Both command lines have such a table: conf_opts.c ours,
 * slirp_opts.c that of slirp4netns.
 */
#ifndef CONF_OPTS_H
#define CONF_OPTS_H

#include <stdio.h>

#include "util/types.h"

struct conf;
struct conf_given;

/* One option as it was met on the command line */
struct call {
	struct conf *c;
	struct conf_given *g;
	const struct opt *row;
	const char *name;		/* as typed: "-m" or "--mtu" */
	const char *arg;		/* "" for options without argument */
};

struct opt {
	const char *name;		/* long, without dashes; NULL: a heading */
	char letter;			/* or 0 */
	const char *arg;		/* as --help calls it; NULL: none */
	unsigned modes;			/* bits: where it is one, and in --help */
	void (*handle)(const struct call *k);
	size_t at;			/* field that it sets, if it sets one */
	const char *help;		/* lines, without the option; NULL: silent */
};

struct opts {
	const struct opt *row;
	unsigned count;
	const char *head;		/* of --help, in front of the options */
	unsigned modes;			/* rows of these are shown */
	char equals;			/* ' ' or '=': between option and argument */
	bool words_anywhere;		/* else the first word ends the options */
	bool complain_last;		/* a bad option: once more behind the help */
	void (*check)(const struct call *k);	/* before each is handled, or NULL */
};

/* Handle all options. Index of the first word that is none. Ends the program for
 * --help, and for what isn't an option.
 */
int opts_parse(const struct opts *o, struct conf *c, struct conf_given *g,
	       int argc, char **argv);

/* The same of a line that nobody has checked yet, without a message or a check */
int opts_scan(const struct opts *o, int argc, char **argv,
	      void (*seen)(const struct opt *row, const char *arg, void *of),
	      void *of);

#endif /* CONF_OPTS_H */
