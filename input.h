/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames from the guest: parsed, grouped into runs, handed to their protocol */
#ifndef INPUT_H
#define INPUT_H

#include "engine/conf_types.h"

/* Also makes itself the receiver of the link's events */
void input_init(const struct conf *c);

#endif /* INPUT_H */
