// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the counters of drop.def, and what they are called */
#include "engine/drop.h"

#include <errno.h>

uint64_t drop_counts[DROP_REASONS];

const struct counter drop_rows[DROP_REASONS] = {
#define DROP(reason, name, unit, what, remedy) \
	COUNTER_OF("dropped", name, drop_counts[DROP_##reason], unit, what),
#include "engine/drop.def"
#undef DROP
};

enum drop_reason drop_of_socket(int error)
{
	return error == EMFILE || error == ENFILE ? DROP_NO_DESCRIPTOR :
						    DROP_NO_SOCKET;
}

enum drop_reason drop_of_connect(int error)
{
	switch (error) {
	case ECONNREFUSED:
	case ECONNRESET:
		return DROP_REFUSED;
	case EHOSTUNREACH:
	case ENETUNREACH:
		return DROP_NO_ROUTE;
	case ETIMEDOUT:
		return DROP_NO_ANSWER;
	case EMFILE:
	case ENFILE:
		return DROP_NO_DESCRIPTOR;
	default:
		return DROP_CONNECT;
	}
}
