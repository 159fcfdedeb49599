// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: a command line by a table, see opts.h
 *
 * Flow: rows → struct tables, as getopt_long() wants it → each option's value leads
 * back to its row → check, handler.
 */
#include "conf/opts.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum {
	OPTS_MAX	= 160,		/* rows of a table */
	LONG_OPT	= 256,		/* getopt's value: this + row */
	HELP_COLUMN	= 29,
};

/* getopt's view of a table */
struct tables {
	struct option longs[OPTS_MAX + 1];
	char shorts[2 * OPTS_MAX + 2];
};

/* --help, from the table */

static void usage_option(FILE *f, const struct opts *o, const struct opt *row)
{
	const char *line = row->help;
	int used;

	if (row->letter)
		used = fprintf(f, "  -%c, --%s", row->letter, row->name);
	else
		used = fprintf(f, "      --%s", row->name);
	if (row->arg)
		used += fprintf(f, "%c%s", o->equals, row->arg);
	if (used >= HELP_COLUMN) {
		fputc('\n', f);
		used = 0;
	}

	while (line) {
		const char *end = strchr(line, '\n');
		int len = end ? (int)(end - line) : (int)strlen(line);

		fprintf(f, "%*s%.*s\n", HELP_COLUMN - used, "", len, line);
		used = 0;
		line = end ? end + 1 : NULL;
	}
}

static void usage(FILE *f, const struct opts *o)
{
	fputs(o->head, f);
	for (unsigned i = 0; i < o->count; i++) {
		const struct opt *row = &o->row[i];

		if (!(row->modes & o->modes) || !row->help)
			continue;
		if (row->name)
			usage_option(f, o, row);
		else
			fprintf(f, "\n%s:\n", row->help);
	}
}

/* getopt */

static void tables_init(struct tables *t, const struct opts *o)
{
	struct option *l = t->longs;
	char *s = t->shorts;

	assert(o->count <= OPTS_MAX);
	if (!o->words_anywhere)
		*s++ = '+';
	for (unsigned i = 0; i < o->count; i++) {
		const struct opt *row = &o->row[i];

		if (!row->name)
			continue;
		*l++ = (struct option){
			.name = row->name,
			.has_arg = row->arg ? required_argument : no_argument,
			.val = LONG_OPT + (int)i,
		};
		if (!row->letter)
			continue;
		*s++ = row->letter;
		if (row->arg)
			*s++ = ':';
	}
	*l = (struct option){ 0 };
	*s = '\0';
}

/* Row for getopt's value; NULL if getopt has complained */
static const struct opt *row_from_val(const struct opts *o, int val)
{
	if (val >= LONG_OPT)
		return &o->row[val - LONG_OPT];
	for (unsigned i = 0; i < o->count; i++) {
		if (o->row[i].letter == val)
			return &o->row[i];
	}
	return NULL;
}

/* getopt has complained. Once more after the usage, which has pushed that off
 * the screen, and in getopt's own words, which clients look for.
 */
__attribute__((noreturn))
static void bad_option(const struct opts *o, int argc, char **argv,
		       const struct tables *t)
{
	int val;

	usage(stderr, o);
	if (!o->complain_last)
		exit(EXIT_FAILURE);
	fputc('\n', stderr);
	optind = 0;
	do {
		val = getopt_long(argc, argv, t->shorts, t->longs, NULL);
	} while (val != -1 && row_from_val(o, val));
	exit(EXIT_FAILURE);
}

int opts_parse(const struct opts *o, struct conf *c, struct conf_given *g,
	       int argc, char **argv)
{
	struct tables t;
	int val;

	tables_init(&t, o);
	optind = 0;
	while ((val = getopt_long(argc, argv, t.shorts, t.longs, NULL)) != -1) {
		const struct opt *row = row_from_val(o, val);
		struct call k = { c, g, row, NULL, optarg ? optarg : "" };
		char name[64];

		if (!row)
			bad_option(o, argc, argv, &t);
		if (row->letter == 'h') {
			usage(stdout, o);
			exit(EXIT_SUCCESS);
		}
		if (val >= LONG_OPT)
			snprintf(name, sizeof(name), "--%s", row->name);
		else
			snprintf(name, sizeof(name), "-%c", row->letter);
		k.name = name;
		if (o->check)
			o->check(&k);
		row->handle(&k);
	}
	return optind;
}

int opts_scan(const struct opts *o, int argc, char **argv,
	      void (*seen)(const struct opt *row, const char *arg, void *of),
	      void *of)
{
	struct tables t;
	int val;

	tables_init(&t, o);
	optind = 0;
	opterr = 0;
	while ((val = getopt_long(argc, argv, t.shorts, t.longs, NULL)) != -1) {
		const struct opt *row = row_from_val(o, val);

		if (row)
			seen(row, optarg, of);
	}
	opterr = 1;
	return optind;
}
