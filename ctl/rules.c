// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: rules that change while we run, see rules.h */
#include "ctl/rules.h"

#include <stdio.h>

#include "engine/news.h"
#include "host/listen_report.h"
#include "util/log.h"

int rules_apply(const char *who, char *ret_text, size_t size)
{
	struct listen_report report = { .opened = 0 };
	char text[LISTEN_REPORT_LEN];
	const char *missed, *hint;
	int rc = listen_sync(listen_report_tell, &report);

	if (rc) {
		listen_report_failure(&report, text, &hint);
		snprintf(ret_text, size, "%s%s%s%s", text, hint ? " (" : "",
			 hint ? hint : "", hint ? ")" : "");
		warn_limited("%s: %s", who, ret_text);
		return rc;
	}
	news_tell(NEWS_RULES, NULL);
	missed = listen_report_missed(&report, text);
	snprintf(ret_text, size, "%s", missed ? missed : "");
	if (missed)
		warn_limited("%s: %s", who, missed);
	if (report.opened || report.closed)
		info_limited("%s: %u ports opened, %u closed", who, report.opened,
		     report.closed);
	return 0;
}
