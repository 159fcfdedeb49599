// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: capture frames to a file, see pcap.h
 *
 * Format: classic pcap, version 2.4, host byte order, microseconds, Ethernet.
 *
 * Data: one record at a time, put together in one piece, however scattered its
 * frame is, for the thread that writes (writer.h). What it has no room for is
 * left out of the capture, after a moment of patience: it may lack frames, but is
 * never out of step.
 */
#include "tap/pcap.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util.h"
#include "util/log.h"
#include "util/writer.h"

enum { PCAP_SNAPLEN = 65535 };

struct pcap_rec {
	uint32_t sec, usec, caplen, len;
};

static struct {
	int fd;
	bool begun;
	size_t early_len;
	uint64_t missed;		/* frames, not told yet */
	struct log_limit limit;
	atomic_int error;		/* that ended it, seen by the writer */
} pcap = { .fd = -1 };

static uint8_t pcap_buf[sizeof(struct pcap_rec) + PCAP_SNAPLEN];
/* What was sent during the start, which may still fail */
static uint8_t pcap_early[16 * 1024];

void pcap_open(int fd)
{
	pcap.fd = fd;
}

int pcap_begin(void)
{
	const struct {
		uint32_t magic;
		uint16_t major, minor;
		int32_t zone;
		uint32_t sigfigs, snaplen, linktype;
	} head = { 0xa1b2c3d4, 2, 4, 0, 0, PCAP_SNAPLEN, 1 };
	int rc;

	if (pcap.fd < 0)
		return 0;
	/* A pipe has nothing that could be in the way */
	(void)!ftruncate(pcap.fd, 0);
	pcap.begun = true;
	rc = write_all(pcap.fd, &head, sizeof(head));
	return rc ? rc : write_all(pcap.fd, pcap_early, pcap.early_len);
}

/* Where it may take long */
static void pcap_write(const void *rec, size_t len)
{
	int rc;

	if (atomic_load(&pcap.error))
		return;
	rc = write_all(pcap.fd, rec, len);
	if (rc)
		atomic_store(&pcap.error, -rc);
}

/* False: there's no room for it */
static bool pcap_put(const void *rec, size_t len)
{
	if (pcap.begun)
		return writer_put(pcap_write, rec, len);
	if (len > sizeof(pcap_early) - pcap.early_len)
		return false;
	memcpy(pcap_early + pcap.early_len, rec, len);
	pcap.early_len += len;
	return true;
}

/* Is there still a capture? */
static bool pcap_goes_on(void)
{
	int error = atomic_load(&pcap.error);

	if (pcap.fd < 0 || !error)
		return pcap.fd >= 0;
	warn("Capture ended, write error: %s", strerror(error));
	close_fd(&pcap.fd);
	return false;
}

void pcap_frame(const void *hdr, size_t hdr_len, const struct bytes *payload)
{
	size_t len = hdr_len + payload->len, head = MIN(hdr_len, PCAP_SNAPLEN);
	struct pcap_rec rec = {
		.len = (uint32_t)len,
		.caplen = (uint32_t)MIN(len, PCAP_SNAPLEN),
	};
	uint8_t *p = pcap_buf + sizeof(rec);
	struct timespec ts;

	if (!pcap_goes_on())
		return;
	/* Wall clock time stamps: the loop's clock has another origin */
	clock_gettime(CLOCK_REALTIME, &ts);
	rec.sec = (uint32_t)ts.tv_sec;
	rec.usec = (uint32_t)(ts.tv_nsec / 1000);
	memcpy(pcap_buf, &rec, sizeof(rec));
	if (head)
		memcpy(p, hdr, head);
	bytes_copy(payload, 0, p + head, rec.caplen - head);
	if (!pcap_put(pcap_buf, sizeof(rec) + rec.caplen)) {
		pcap.missed++;
		return;
	}
	if (pcap.missed && log_admit(&pcap.limit, LOG_LVL_WARN)) {
		log_msg_limited(&pcap.limit, LOG_LVL_WARN, "%" PRIu64 " frames "
				"are missing in the capture: its disk or "
				"reader is too slow", pcap.missed);
		pcap.missed = 0;
	}
}
