// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: capture frames to a file, see pcap.h. Format: classic pcap, version
 * 2.4, host byte order, microseconds, Ethernet.
 */
#include "tap/pcap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util.h"
#include "util/log.h"

enum { PCAP_SNAPLEN = 65535, PCAP_IOV = 32 };

static struct { int fd; } pcap = { .fd = -1 };

void pcap_open(const char *path)
{
	const struct {
		uint32_t magic;
		uint16_t major, minor;
		int32_t zone;
		uint32_t sigfigs, snaplen, linktype;
	} head = { 0xa1b2c3d4, 2, 4, 0, 0, PCAP_SNAPLEN, 1 };

	pcap.fd = open_output(path, O_WRONLY | O_TRUNC);
	if (pcap.fd < 0)
		die("--pcap: couldn't open %s: %s", path,
		    strerror(-pcap.fd));
	if (write(pcap.fd, &head, sizeof(head)) != sizeof(head))
		die("--pcap: couldn't write %s: %s", path, strerror(errno));
}

void pcap_frame(const void *hdr, size_t hdr_len, const struct bytes *payload)
{
	struct iovec iov[PCAP_IOV + 2];
	struct { uint32_t sec, usec, caplen, len; } rec;
	struct timespec ts;
	struct bytes cut;
	size_t len = hdr_len + payload->len;
	unsigned n;

	if (pcap.fd < 0)
		return;
	/* Wall clock time stamps: the loop's clock has another origin */
	clock_gettime(CLOCK_REALTIME, &ts);
	rec.sec = (uint32_t)ts.tv_sec;
	rec.usec = (uint32_t)(ts.tv_nsec / 1000);
	rec.len = (uint32_t)len;
	rec.caplen = (uint32_t)MIN(len, PCAP_SNAPLEN);

	cut = bytes_slice(payload, 0,
			  rec.caplen - (uint32_t)MIN(hdr_len, rec.caplen));
	iov[0] = iov_const(&rec, sizeof(rec));
	iov[1] = iov_const(hdr, MIN(hdr_len, rec.caplen));
	n = 2 + bytes_to_iov(&cut, iov + 2, PCAP_IOV);
	if (writev(pcap.fd, iov, (int)n) < 0) {
		warn("Capture ended, write error: %s", strerror(errno));
		close(pcap.fd);
		pcap.fd = -1;
	}
}
