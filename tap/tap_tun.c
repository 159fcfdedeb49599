// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the link by a tap device
 *
 * Data: one receive area that a batch of frames is read into back to back, and
 * one transmit buffer: a frame is written the moment it is committed, so the
 * same 64 KiB are filled from a socket and written again and again while they
 * are warm in the cache. There is no queue of ours: the kernel takes a frame or
 * doesn't.
 *
 * Flow in: readable → up to TUN_BATCH reads, as long as a frame of the largest
 * size still fits in the area → tap_rx(); again, as long as that many small ones
 * come. Level-triggered: what is left makes another event.
 *
 * Offloads: a virtio-net header of 10 bytes precedes every frame. With
 * TUNSETOFFLOAD the guest's kernel hands us TCP and UDP segments of up to 64 KiB
 * and leaves checksums undone; unknown bits are refused, so sets are tried from
 * rich to poor (USO4 and USO6 only together: Linux 6.2). What we write may use
 * all of it anyway. A kernel that refuses the header itself gets none.
 */
#include "tap/tap_tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "engine/drop.h"
#include "engine/loop.h"
#include "engine/retry.h"
#include "tap/vnet.h"
#include "util.h"
#include "util/log.h"
#include "util/wire.h"

enum {
	TUN_PACKET_MAX	= 65535,
	TUN_FRAME_MAX	= TUN_PACKET_MAX + ETH_HLEN_ + VNET_MAX,
	TUN_TX_HEAD	= VNET_MAX + TAP_HDR_MAX,
	TUN_SEND_IOV	= TAP_TX_FRAMES,	/* more is copied together */
	TUN_RX_AREA	= 512 * 1024,
	TUN_BATCH	= 128,
	TUN_TURNS	= 8,		/* batches, of small frames */
	TUN_LIGHT_PROBE	= 8,		/* see tun_is_light() */
	TUN_LIGHT_FRAME	= 4096,
	TUN_ALIGN	= 64,
	/* Offload bits by value: headers of build hosts may lack the last */
	TUN_OFF_CSUM	= 0x01,
	TUN_OFF_TSO	= 0x02 | 0x04,
	TUN_OFF_USO	= 0x20 | 0x40,
};

static struct {
	int fd;
	struct vnet_format vnet;	/* size 0: no such header */
	bool gone;			/* deleted */
	bool light;			/* frames come one at a time */
	uint8_t light_turns;
	uint8_t faults;			/* of reading, in succession */
	struct retry retry;
	uint64_t retry_marks[RETRY_LEVELS];
} tun = { .fd = -1 };

/* Apart, since what isn't zero at the start takes room in the binary */
static struct {
	uint8_t tx[TUN_TX_HEAD + TUN_PACKET_MAX + 1]
		__attribute__((aligned(TUN_ALIGN)));
	uint8_t rx[TUN_RX_AREA] __attribute__((aligned(TUN_ALIGN)));
	struct iovec rx_iov[TUN_BATCH];
	struct tap_frame rx_frame[TUN_BATCH];
} tun_buf;

/* Payload space: behind room for the headers, in the one buffer */
static size_t tun_reserve(struct tap_tx *tx, size_t want, size_t seg,
			  size_t hdr_len)
{
	size_t room = MIN(seg, TUN_PACKET_MAX - (hdr_len - ETH_HLEN_));

	room = MIN(want, room);
	tap_tx_add(tx, tun_buf.tx + TUN_TX_HEAD, room);
	return room;
}

/* Deleted inside: the namespace lasts as long as we do. No link, no service. */
static void tun_gone(void)
{
	if (tun.gone)
		return;
	tun.gone = true;
	loop_del(tun.fd);
	err("The namespace's interface is gone, exiting");
	loop_exit(EXIT_FAILURE);
}

/* One write; false if the device didn't take it */
static bool tun_write(const struct iovec *iov, int cnt)
{
	ssize_t n;

	do {
		n = cnt == 1 ? write(tun.fd, iov[0].iov_base, iov[0].iov_len) :
			       writev(tun.fd, iov, cnt);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return true;
	if (errno == EBADFD || errno == ENODEV) {
		tun_gone();
	} else if (errno != EAGAIN && errno != EIO && errno != ENOBUFS) {
		log_limited(LOG_LVL_DEBUG, "Writing to tap device: %s",
			    strerror(errno));
	}
	return false;
}

/* Write the frame whose payload lies in the transmit buffer already */
static bool tun_write_buf(const uint8_t *hdr, size_t hdr_len, size_t len,
			  const struct tap_meta *meta)
{
	uint8_t *p = tun_buf.tx + TUN_TX_HEAD - hdr_len;
	struct iovec iov;

	memcpy(p, hdr, hdr_len);
	p -= tun.vnet.size;
	vnet_put(p, tun.vnet, meta, hdr, hdr_len, 1);
	iov.iov_base = p;
	iov.iov_len = tun.vnet.size + hdr_len + len;
	return tun_write(&iov, 1);
}

static bool tun_commit(struct tap_tx *tx, unsigned i, const uint8_t *hdr,
		       size_t len, const struct tap_meta *meta)
{
	(void)i;
	return tun_write_buf(hdr, tx->hdr_len, len, meta);
}

static void tun_cancel(struct tap_tx *tx)
{
	(void)tx;
}

static bool tun_send(const uint8_t *hdr, size_t hdr_len,
		     const struct bytes *payload, const struct tap_meta *meta)
{
	struct iovec iov[2 + TUN_SEND_IOV];
	uint8_t vh[VNET_MAX];

	if (hdr_len + payload->len > TUN_PACKET_MAX + ETH_HLEN_)
		return false;
	if (payload->cnt > TUN_SEND_IOV) {
		bytes_copy(payload, 0, tun_buf.tx + TUN_TX_HEAD, payload->len);
		return tun_write_buf(hdr, hdr_len, payload->len, meta);
	}
	vnet_put(vh, tun.vnet, meta, hdr, hdr_len, 1);
	iov[0] = (struct iovec){ vh, tun.vnet.size };
	iov[1] = iov_const(hdr, hdr_len);
	return tun_write(iov, 2 + (int)bytes_to_iov(payload, iov + 2,
						    TUN_SEND_IOV));
}

static void tun_flush(void)
{
}

static const struct tap_ops tun_ops = {
	.reserve = tun_reserve,
	.commit = tun_commit,
	.cancel = tun_cancel,
	.send = tun_send,
	.flush = tun_flush,
};

/* Describe the bytes of one read as a frame; false if there is none in it */
static bool tun_frame(unsigned i, uint8_t *p, size_t len)
{
	struct tap_frame *f = &tun_buf.rx_frame[i];

	f->meta = (struct tap_meta){ 0 };
	if (len < (size_t)tun.vnet.size + ETH_HLEN_)
		return false;
	if (tun.vnet.size)
		f->meta = vnet_get(p, tun.vnet);
	p += tun.vnet.size;
	len -= tun.vnet.size;
	tun_buf.rx_iov[i] = (struct iovec){ p, len };
	f->data = (struct bytes){ &tun_buf.rx_iov[i], 1, 0, (uint32_t)len };
	return true;
}

/* Frames that come one at a time, as requests do: another read would only find
 * nothing. If there is more after all, there's another event; look now and then
 * whether that has become the rule.
 */
static bool tun_is_light(unsigned n, ssize_t len)
{
	return tun.light && n == 1 && len < TUN_LIGHT_FRAME &&
	       ++tun.light_turns % TUN_LIGHT_PROBE;
}

static void tun_again(uint32_t index)
{
	struct loop_ref ref = { .kind = LOOP_TAP };

	(void)index;
	if (!tun.gone && loop_mod(tun.fd, EPOLLIN, ref))
		retry_later(&tun.retry, 0, RETRY_LEVELS);
}

/* Level-triggered: it would say so again at once, unless nobody listens for a while */
static void tun_read_failed(int rc)
{
	struct loop_ref ref = { .kind = LOOP_TAP };

	if (!is_momentary(rc)) {
		tun_gone();
		return;
	}
	debug("Reading from tap device: %s", strerror(-rc));
	loop_mod(tun.fd, 0, ref);
	retry_later(&tun.retry, 0, tun.faults);
	tun.faults += tun.faults < UINT8_MAX;
}

/* How many frames there were */
static unsigned tun_readable(void)
{
	size_t used = 0;
	unsigned n = 0;

	while (n < TUN_BATCH && used + TUN_FRAME_MAX <= sizeof(tun_buf.rx)) {
		ssize_t len = read(tun.fd, tun_buf.rx + used, TUN_FRAME_MAX);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && errno != EAGAIN)
			tun_read_failed(-errno);
		if (len <= 0) {
			tun.light = n <= 1;
			break;
		}
		if (!tun_frame(n, tun_buf.rx + used, (size_t)len)) {
			drop(DROP_FRAME_SHORT);
			continue;
		}
		n++;
		tun.faults = 0;
		used += ((size_t)len + TUN_ALIGN - 1) &
			~(size_t)(TUN_ALIGN - 1);
		if (tun_is_light(n, len))
			break;
		if (n > 1)
			tun.light = false;
	}
	if (n)
		tap_rx(tun_buf.rx_frame, n);
	return n;
}

static void tun_event(struct loop_ref ref, uint32_t events)
{
	(void)ref;
	if (events & EPOLLIN) {
		/* Small ones come fast, and the kernel keeps a thousand of them;
		 * meanwhile, all sockets may have their turn
		 */
		for (unsigned i = 0; i < TUN_TURNS; i++)
			if (tun_readable() < TUN_BATCH)
				break;
	} else if (events & (EPOLLHUP | EPOLLERR)) {
		tun_gone();
	}
}

int tap_tun_open(void *args)
{
	struct tap_tun_args *a = args;
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd, rc;

	a->ret_what = "open /dev/net/tun";
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;

	a->ret_what = "create tap interface";
	memcpy(ifr.ifr_name, a->ifname, IFNAMSIZ);
	rc = ioctl(fd, TUNSETIFF, &ifr) ? -errno : 0;
	if (rc == -EINVAL) {
		ifr.ifr_flags = IFF_TAP | IFF_NO_PI;
		rc = ioctl(fd, TUNSETIFF, &ifr) ? -errno : 0;
	}
	if (!rc && a->persist && ioctl(fd, TUNSETPERSIST, 1))
		rc = -errno;
	if (!rc)
		return fd;
	close(fd);
	return rc;
}

void tap_tun_die(const struct tap_tun_args *a, int rc)
{
	if (rc == -ENOENT || rc == -ENXIO || rc == -ENODEV)
		die("Couldn't %s: %s. Load the tun module (modprobe tun), or "
		    "give the container the device", a->ret_what,
		    strerror(-rc));
	if (rc == -EACCES || rc == -EPERM)
		die("Couldn't %s: %s. The device must be readable and writable "
		    "for this user (usually mode 0666)", a->ret_what,
		    strerror(-rc));
	if (rc == -ENOTTY)
		die("Couldn't %s: /dev/net/tun is another device than it "
		    "should be (character device 10, 200)", a->ret_what);
	if (rc == -EBUSY || rc == -EINVAL)
		die("Couldn't %s '%s': there is one of that name in the "
		    "namespace already, choose another one",
		    a->ret_what, a->ifname);
	die("Couldn't %s '%s': %s", a->ret_what, a->ifname, strerror(-rc));
}

bool tap_tun_has_uso(int fd)
{
	return !ioctl(fd, TUNSETOFFLOAD,
		      TUN_OFF_CSUM | TUN_OFF_TSO | TUN_OFF_USO);
}

static struct tap_offload tun_offload(unsigned bits)
{
	bool tso = bits & TUN_OFF_TSO, uso = bits & TUN_OFF_USO;

	return (struct tap_offload){
		.csum = bits & TUN_OFF_CSUM,
		.tso = { tso, tso },
		.uso = { uso, uso },
	};
}

void tap_tun_start(int fd)
{
	static const unsigned offloads[] = {
		TUN_OFF_CSUM | TUN_OFF_TSO | TUN_OFF_USO,
		TUN_OFF_CSUM | TUN_OFF_TSO,
		TUN_OFF_CSUM,
		0,
	};
	struct tap_caps caps = { 0 };
	struct loop_ref ref = { .kind = LOOP_TAP };
	struct ifreq ifr = { 0 };
	int rc;

	tun.fd = fd;
	/* A descriptor handed to us may have been made without the header */
	if (!ioctl(fd, TUNGETIFF, &ifr) && ifr.ifr_flags & IFF_VNET_HDR)
		tun.vnet = vnet_native;
	if (tun.vnet.size) {
		int hdr_size = (int)tun.vnet.size;
		unsigned i = 0;

		if (ioctl(fd, TUNSETVNETHDRSZ, &hdr_size))
			debug("TUNSETVNETHDRSZ: %s", strerror(errno));
		while (i < ARRAY_SIZE(offloads) &&
		       ioctl(fd, TUNSETOFFLOAD, (unsigned long)offloads[i]))
			i++;
		caps.rx = tun_offload(offloads[MIN(i, ARRAY_SIZE(offloads) - 1)]);
		/* What we write may use all that the kernel knows */
		caps.tx = tun_offload(TUN_OFF_CSUM | TUN_OFF_TSO |
				      (i ? 0 : TUN_OFF_USO));
	}
	debug("Tap device: virtio header %s, TSO %s, USO %s",
	      tun.vnet.size ? "yes" : "no", caps.tx.tso[V4] ? "yes" : "no",
	      caps.tx.uso[V4] ? "yes" : "no");

	retry_init(&tun.retry, tun.retry_marks, 1, tun_again);
	loop_set_handler(LOOP_TAP, tun_event);
	rc = loop_add(fd, EPOLLIN, ref);
	if (rc)
		die("Couldn't watch the tap device: %s", strerror(-rc));
	tap_set_link(&tun_ops, &caps);
}
