/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Capture of the guest's frames in the classic pcap format (-p) */
#ifndef TAP_PCAP_H
#define TAP_PCAP_H

#include "util/iov.h"

/* Create (truncate) path and write the file header; dies if it can't */
void pcap_open(const char *path);
/* One frame made of up to two parts; nothing without a file. A write error
 * ends the capture with a warning, not the program.
 */
void pcap_frame(const void *hdr, size_t hdr_len, const struct bytes *payload);

#endif /* TAP_PCAP_H */
