/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The record: a line of JSON (RFC 8259) for each flow when it begins, and when it
 * ends; for each that is denied, and each query that is refused
 *
 *	{"time":"2026-01-01T00:00:00.000Z","event":"begin","id":7,
 *	 "begun_by":"guest",			or host, by the rule "forwarded"
 *	 "verdict":"allow","rule":"allow example.org:443","proto":"tcp",
 *	 "from":"192.0.2.2:40000","to":"198.51.100.1:443",
 *	 "via":"127.0.0.1:443",			where else it leads on the host
 *	 "name":"example.org"}			where known
 *	{…,"event":"end","id":7,"sent":517,"received":4096,"seconds":0.125,
 *	 "end":"closed"}
 *	{…,"event":"deny",…}			as begin, without an id
 *	{…,"event":"query","verdict":"deny","rule":…,"name":…,"type":16}
 *	{…,"event":"policy","rules":12,"ended":3}	another one was set
 *	{…,"event":"lost","lines":3}		that nobody wrote in time
 *
 * What is denied again and again, by the same ports, is told once in 30 s. Nothing
 * is waited for: what can't be written is counted.
 */
#ifndef FWD_AUDIT_H
#define FWD_AUDIT_H

#include "engine/flow_types.h"

/* Write to fd, which is kept, `max` bytes at most, once audit_start() was called */
void audit_open(int fd, size_t max);
/* The start has succeeded: what the file had goes */
void audit_start(void);

extern bool audit_on;
extern uint64_t audit_lost;

/* A flow has begun, by that rule; name may be NULL */
void audit_begin(const struct flow *f, uint32_t rule, const char *name);
/* One that came in by a rule of forwarding */
void audit_forwarded(const struct flow *f);
/* The name that the guest has given itself */
void audit_named(const struct flow *f, const char *name);
/* It has ended, how: the first call counts. A flow that hasn't begun is none. */
void audit_end(const struct flow *f, const char *how);

/* from->peer wants to talk to from->our, which leads to `to` (or NULL) */
void audit_deny(uint8_t proto, const struct flow_side *from,
		const struct flow_side *to, uint32_t rule, const char *name);
void audit_query(const char *name, uint16_t type, uint32_t rule);
/* There is another policy, which has ended flows */
void audit_policy(unsigned rules, unsigned ended);

#endif /* FWD_AUDIT_H */
