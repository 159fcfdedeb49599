/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses that the guest had from us before the host's network became another
 * one: what uses them goes on, for as long as was promised
 *
 * Not for new uses: told with a preferred lifetime of zero. RFC 4862 5.5.4, RFC 8415
 * 18.3.4.
 */
#ifndef LOCAL_FORMER_H
#define LOCAL_FORMER_H

#include "util/addr.h"
#include "util/mono.h"

enum {
	FORMER_MAX	= 4,		/* of more, the last ones */
	FORMER_VALID_S	= 7200,		/* RFC 4862 5.5.3 e */
};

struct former {
	unsigned prefix_len;		/* what is the same by it is one */
	unsigned next;			/* to be replaced */
	struct addr addr[FORMER_MAX];	/* or none */
	mono_t until[FORMER_MAX];	/* valid */
};

/* It was that address until now, and is another one; or none, either of them */
void former_note(struct former *f, const struct addr *was,
		 const struct addr *is, mono_t now);
/* For how long the one with this index is good: 0, if there is none any more */
uint32_t former_left_s(const struct former *f, unsigned i, mono_t now);

#endif /* LOCAL_FORMER_H */
