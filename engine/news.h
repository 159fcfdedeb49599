/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens, for who wants to know: one listener, or none, which costs nothing
 *
 * Modules tell; who listens is above them, and looks at the thing right then.
 */
#ifndef ENGINE_NEWS_H
#define ENGINE_NEWS_H

#include "util/types.h"

enum news {
	NEWS_FLOW_BEGIN,		/* struct flow */
	NEWS_FLOW_END,			/* struct flow, as it was */
	NEWS_RULES,			/* NULL: the table has changed */
	NEWS_GUEST,			/* NULL: its MAC or an address is new */
	NEWS_GUEST_HERE,		/* NULL: it has connected */
	NEWS_GUEST_GONE,		/* NULL */
	NEWS_NET,			/* NULL: the host's network has changed */
	NEWS_KINDS,
};

typedef void (*news_listener)(enum news what, const void *about);
extern news_listener news_to;

static inline void news_tell(enum news what, const void *about)
{
	if (news_to)
		news_to(what, about);
}

#endif /* ENGINE_NEWS_H */
