/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Capture of the guest's frames in the classic pcap format (-p) */
#ifndef TAP_PCAP_H
#define TAP_PCAP_H

#include "util/iov.h"

/* Capture to fd (kept) once pcap_begin() was called; until then some frames are kept
 * for it
 */
void pcap_open(int fd);
/* The start has succeeded: what the file had goes. 0, also without a file, or
 * -errno.
 */
int pcap_begin(void);
/* One frame made of up to two parts; nothing without a file. A write error
 * ends the capture with a warning, not the program.
 */
void pcap_frame(const void *hdr, size_t hdr_len, const struct bytes *payload);

#endif /* TAP_PCAP_H */
