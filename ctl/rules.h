/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A change of the rules that a client has asked for: made, and put into words */
#ifndef CTL_RULES_H
#define CTL_RULES_H

#include <stddef.h>

/* Make what fwd_table.c has been told so, as a whole or not at all; `who`, for the
 * log. 0, ret_text: "", or a line of what best-effort rules lack. Or -errno,
 * ret_text: why, without a newline at its end.
 */
int rules_apply(const char *who, char *ret_text, size_t size);

#endif /* CTL_RULES_H */
