/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Limits of messages, faked: there are none. log_msg() is the test's own. */
#ifndef FAKE_LOG_H
#define FAKE_LOG_H

#include "util/log.h"

bool log_allow(struct log_limit *l, mono_t at, unsigned burst,
	       unsigned *ret_lost)
{
	(void)l;
	(void)at;
	(void)burst;
	(void)ret_lost;
	return true;
}

bool log_admit(struct log_limit *l, enum log_level level)
{
	(void)l;
	return level <= log_max;
}

void log_msg_limited(const struct log_limit *l, enum log_level level,
		     const char *fmt, ...)
{
	(void)l;
	log_msg(level, "%s", fmt);
}

#endif /* FAKE_LOG_H */
