/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What to say when the kernel refuses a namespace or a mount */
#ifndef START_NS_HINT_H
#define START_NS_HINT_H

/* Dies: `what`, the error, and which of the kernel's knobs is the reason, if one is */
void ns_die(const char *what, int errnum) __attribute__((noreturn));
/* What may be behind an error where no file permission could be the reason: ""
 * or a remark, to be put after it
 */
const char *ns_hint(int errnum);

#endif /* START_NS_HINT_H */
