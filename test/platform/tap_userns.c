// SPDX-License-Identifier: GPL-2.0-or-later
/* A tap in a user namespace: can be made there, with a virtio-net header; its
 * descriptor is the device's life, and closing it waits for the device's end,
 * tens of milliseconds; unless it is persistent, when it stays until its
 * namespace ends, and closing is immediate.
 */
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <time.h>

#include "../unit/tap_test.h"
#include "userns.h"

static int tap_open(const char *name, int flags)
{
	struct ifreq ifr = { .ifr_flags = (short)flags };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	return ioctl(fd, TUNSETIFF, &ifr) ? -errno : fd;
}

static long us_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - then->tv_sec) * 1000000 +
	       (now.tv_nsec - then->tv_nsec) / 1000;
}

static long close_us(int fd)
{
	struct timespec begin;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	close(fd);
	return us_since(&begin);
}

int main(void)
{
	int fd;

	enter_userns(CLONE_NEWNET);
	fd = tap_open("t0", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
	if (fd == -ENOENT || fd == -EACCES || fd == -ENODEV) {
		printf("1..0 # SKIP no /dev/net/tun: %s\n", strerror(-fd));
		return 0;
	}
	ok(fd >= 0, "tap with virtio-net header, made without privilege");
	ok(if_nametoindex("t0"), "it is there");
	printf("# closing takes %ld us\n", close_us(fd));
	ok(!if_nametoindex("t0"), "it goes with its descriptor");

	fd = tap_open("t1", IFF_TAP | IFF_NO_PI);
	ok(fd >= 0, "a second tap");
	ok(!ioctl(fd, TUNSETPERSIST, 1), "made persistent");
	printf("# closing takes %ld us\n", close_us(fd));
	ok(if_nametoindex("t1"), "it stays with its namespace");
	fd = tap_open("t1", IFF_TAP | IFF_NO_PI);
	ok(fd >= 0, "can be opened again");
	ok(!ioctl(fd, TUNSETPERSIST, 0), "and made not to persist");
	close(fd);
	ok(!if_nametoindex("t1"), "after which it goes with its descriptor");
	return done();
}
