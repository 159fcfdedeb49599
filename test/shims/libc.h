/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where C libraries differ in the functions that the shims stand before */
#ifndef TEST_SHIMS_LIBC_H
#define TEST_SHIMS_LIBC_H

#include <features.h>

#ifdef __GLIBC__
typedef unsigned long request_t;	/* ioctl()'s */
typedef int mmsg_flags_t;		/* sendmmsg()'s, recvmmsg()'s */
#else
typedef int request_t;
typedef unsigned int mmsg_flags_t;
#endif

#endif /* TEST_SHIMS_LIBC_H */
