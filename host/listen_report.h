/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What became of a change of the rules, in words: for whoever has asked for it
 *
 *	struct listen_report report = { .opened = 0 };
 *
 *	rc = listen_sync(listen_report_tell, &report);
 *	if (rc)	… listen_report_failure(&report, text) …
 *	else	… listen_report_missed(&report) …
 *
 * Ports of automatic rules don't count: they come and go.
 */
#ifndef HOST_LISTEN_REPORT_H
#define HOST_LISTEN_REPORT_H

#include "host/listen.h"

enum {
	LISTEN_REPORT_LEN	= 640,
	LISTEN_MISSED_LEN	= 512,
};

/* A port that couldn't be had */
struct listen_failed {
	struct fwd_rule rule;
	enum flow_side_name side;
	uint16_t port;
	int rc;				/* 0: none */
};

struct listen_report {
	unsigned opened, closed, missed;	/* ports */
	struct listen_failed first, last;

	/* Ports that are missed, as ranges, in one line */
	char text[LISTEN_MISSED_LEN];
	size_t len;
	bool more;			/* than fit in the text */
	uint8_t proto;			/* of what is in the text */
	unsigned from;			/* range that goes on: from here to last */
};

/* The listen_tell for it */
void listen_report_tell(void *arg, const struct fwd_slot *s, uint16_t port,
			int rc);

/* Why listen_sync() failed. Returns its first line, without a newline, in buf
 * (LISTEN_REPORT_LEN); *ret_hint: what helps, or NULL.
 */
const char *listen_report_failure(const struct listen_report *r, char *buf,
				  const char **ret_hint);

/* One line about what best-effort rules lack, in buf (LISTEN_REPORT_LEN); NULL:
 * nothing
 */
const char *listen_report_missed(struct listen_report *r, char *buf);

#endif /* HOST_LISTEN_REPORT_H */
