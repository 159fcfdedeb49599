/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socket of --control: what goes on, and what shall
 *
 * A line of JSON is a request, a line of JSON its answer:
 *
 *	{"execute":"rules"}			{"return":{"rules":[…]}}
 *	{"execute":"rule-add","arguments":{…}}	{"error":{"class":…,"desc":…}}
 *
 * Several may come on one connection. Who has subscribed hears of events, too:
 * {"event":…,"at":…,"data":{…}}. doc/control.md has them all.
 */
#ifndef CTL_CONTROL_H
#define CTL_CONTROL_H

struct conf;

/* Bind the socket: see api_open(). Nothing without --control. */
void control_open(const struct conf *c);
/* Serve it, once listen_attach() has been called */
void control_start(const struct conf *c);

#endif /* CTL_CONTROL_H */
