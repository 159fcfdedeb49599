/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Socket options and control data that headers of the C library may lack */
#ifndef UTIL_SOCKOPT_H
#define UTIL_SOCKOPT_H

#include <linux/tcp.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#ifndef SO_PEEK_OFF
#define SO_PEEK_OFF	42
#endif
#ifndef SO_MEMINFO
#define SO_MEMINFO	55		/* Linux 4.12 */
#endif
#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK	72		/* Linux 5.14 */
#endif
#ifndef TCP_INQ
#define TCP_INQ		36		/* Linux 4.18 */
#endif
#ifndef TCP_CM_INQ
#define TCP_CM_INQ	TCP_INQ
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT	103		/* Linux 4.18 */
#endif
#ifndef UDP_GRO
#define UDP_GRO		104		/* Linux 5.0 */
#endif
#ifndef ICMP_FILTER
#define ICMP_FILTER	1		/* <linux/icmp.h> doesn't go with <net/if.h> */
#endif

#endif /* UTIL_SOCKOPT_H */
