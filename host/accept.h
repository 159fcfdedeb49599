/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections to forwarded TCP ports: accepted, and handed to whoever carries them */
#ifndef HOST_ACCEPT_H
#define HOST_ACCEPT_H

#include "fwd/egress.h"

struct accepted {
	int fd;				/* whose is who takes it, now */
	enum flow_side_name ini;	/* side where it was accepted */
	struct flow_side from;		/* …as that side sees it */
	struct flow_side to;		/* see fwd_map_listener() */
	struct egress egress;		/* FWD_SPLICE from GUEST: why it may */
	struct addr other;		/* FWD_SPLICE: to try if that refuses */
};

/* Watches the TCP listeners of listen.c */
void accept_init(const struct conf *c);

/* Who takes connections that go by this path. Refusing one means to reset it. */
typedef void (*accept_taker)(const struct accepted *a);
void accept_set_taker(enum fwd_path path, accept_taker take);

/* That it isn't possible: reset, with a word for --debug */
void accept_refuse(const struct accepted *a);

#endif /* HOST_ACCEPT_H */
