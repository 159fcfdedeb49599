/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The link by vhost-user: frames lie in the guest's own buffers */
#ifndef TAP_TAP_VU_H
#define TAP_TAP_VU_H

#include "util/types.h"

/* Be the link of whoever comes to the socket of tap_unix.h and speaks vhost-user.
 * one_off: exit when the first front-end has gone.
 */
void tap_vu_start(bool one_off);

#endif /* TAP_TAP_VU_H */
