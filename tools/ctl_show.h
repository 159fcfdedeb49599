/* SPDX-License-Identifier: GPL-2.0-or-later */
/* passtctl's: what the control socket answers, for people who look at a terminal
 *
 * Lines are no longer than the terminal is wide: what doesn't fit goes on in the next
 * one, indented. Where there is no terminal and COLUMNS isn't set, each thing has its
 * line, however long that is. Whatever would steer a terminal is a question mark.
 */
#ifndef TOOLS_CTL_SHOW_H
#define TOOLS_CTL_SHOW_H

#include "util/json.h"

enum { SHOW_LEN = 32 };			/* of a number as text */

/* How wide and high is it? To be called again if that may have changed. */
void show_init(void);
/* 0: no limit */
unsigned show_height(void);

/* Members of objects: a number, -1 if it is none; a text, "" if it is none */
double show_number(const struct json *object, const char *name);
const char *show_text(const struct json *object, const char *name, char *buf,
		      size_t size);

/* "40.3M" of bytes, "3h05m" of seconds; "-" of what is less than 0 */
const char *show_bytes(double n, char buf[SHOW_LEN]);
const char *show_time(double s, char buf[SHOW_LEN]);

/* A list of flows: what stands above it, and one of them; first and second are two
 * columns that the caller fills. all: how the ways to both peers are, too.
 */
void show_flow_head(const char *first, const char *second);
void show_flow(const struct json *flow, const char *first, const char *second,
	       bool all);
/* Both its ends, behind what is in the line */
void show_flow_ends(const struct json *flow, unsigned column);

/* Text behind what is in the line, with lines broken at spaces */
void show_wrapped(const char *text, unsigned column);

/* Any value, a member per line */
void show_value(const char *name, const struct json *v, unsigned indent);

#endif /* TOOLS_CTL_SHOW_H */
