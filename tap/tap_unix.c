// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the guest's UNIX socket, see tap_unix.h
 *
 * Flow: listener readable → accept all that wait: the first one is the guest, any
 * other is told by closing. Somebody who comes while the guest that was there has
 * hung up waits in the backlog: whoever speaks on the connection reads it to its
 * end, calls tap_unix_disconnect(), and that looks at the listener again.
 *
 * Some descriptors are kept, so that a guest can connect when there are no more, and
 * what it then sends along has a place. Nobody else gets in between: what is given up
 * is used in the same turn.
 */
#include "tap/tap_unix.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/loop.h"
#include "engine/news.h"
#include "engine/retry.h"
#include "util.h"
#include "util/log.h"
#include "util/unix_sock.h"

enum {
	UNIX_ACCEPTS	= 16,		/* a turn */
	UNIX_PROBE_MAX	= 64,		/* /tmp/passt_N.socket */
};

/* What is tried again */
enum { UNIX_GUEST, UNIX_LISTENER };

static struct {
	int listen_fd, fd;
	int spare_fd[TAP_UNIX_SPARES];	/* given up for the guest: these */
	unsigned spares, spares_want;
	bool one_off;
	bool readable, writable;	/* it is told of that */
	struct retry retry;
	uint64_t retry_marks[RETRY_LEVELS];
	void (*connected)(int fd);
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct leftover leftover;	/* that path */
} guest = { .listen_fd = -1, .fd = -1, .leftover = { .dir_fd = -1 } };

static pid_t tap_unix_peer_pid(int fd)
{
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) ?
	       0 : cred.pid;
}

void tap_unix_spare(void)
{
	while (guest.listen_fd >= 0 && guest.spares < guest.spares_want) {
		int fd = dup(guest.listen_fd);

		if (fd < 0)
			return;
		guest.spare_fd[guest.spares++] = fd;
	}
}

bool tap_unix_make_room(int rc)
{
	if (!is_out_of_files(rc) || !guest.spares)
		return false;
	while (guest.spares)
		close_fd(&guest.spare_fd[--guest.spares]);
	return true;
}

/* Edge-triggered, so that nothing spins where accept4() lacks a descriptor */
static void tap_unix_watch_listener(void)
{
	struct loop_ref ref = { .kind = LOOP_TAP_LISTEN };

	if (guest.listen_fd >= 0)
		loop_mod(guest.listen_fd, EPOLLIN | EPOLLET, ref);
}

static void tap_unix_connected(int fd)
{
	struct loop_ref ref = { .kind = LOOP_TAP };
	int rc = loop_add(fd, EPOLLIN | EPOLLRDHUP, ref);

	if (rc) {
		err_limited("Couldn't watch the guest's socket: %s",
			    strerror(-rc));
		close(fd);
		return;
	}
	guest.fd = fd;
	guest.readable = true;
	guest.writable = false;
	news_tell(NEWS_GUEST_HERE, NULL);
	guest.connected(fd);
}

static void tap_unix_accepted(int fd)
{
	info_limited("%s connection from PID %d",
		     guest.fd >= 0 ? "discarding" : "accepted",
		     (int)tap_unix_peer_pid(fd));
	if (guest.fd >= 0)
		close(fd);
	else
		tap_unix_connected(fd);
}

/* Does somebody wait who can be a second guest? In that order: one who left before
 * he came has closed his end by the time he is seen. A guest that is back already
 * waits until what it left has been read, and tap_unix_disconnect() looks again.
 */
static bool tap_unix_is_second(void)
{
	struct pollfd listener = { .fd = guest.listen_fd, .events = POLLIN };
	struct pollfd first = { .fd = guest.fd };

	return poll(&listener, 1, 0) > 0 && poll(&first, 1, 0) >= 0 &&
	       !(first.revents & (POLLHUP | POLLERR));
}

static void tap_unix_accept(struct loop_ref ref, uint32_t events)
{
	int fd;

	(void)ref;
	(void)events;
	for (int i = 0; i < UNIX_ACCEPTS; i++) {
		if (guest.fd >= 0 && !tap_unix_is_second())
			return;
		fd = accept4(guest.listen_fd, NULL, NULL,
			     SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && tap_unix_make_room(-errno))
			fd = accept4(guest.listen_fd, NULL, NULL,
				     SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && errno != EAGAIN)
			retry_later(&guest.retry, UNIX_LISTENER, RETRY_LEVELS);
		if (fd < 0)
			return;
		tap_unix_accepted(fd);
		tap_unix_spare();
	}
	tap_unix_watch_listener();
}

/* 0, -EADDRINUSE, or other -errno */
static int tap_unix_bind(const char *path)
{
	int fd = unix_listen(path, UNIX_DEAD, 0, UNIX_ACCEPTS);

	if (fd < 0)
		return fd;
	memcpy(guest.path, path, strlen(path) + 1);
	leftover_note(&guest.leftover, path);
	guest.listen_fd = fd;
	return 0;
}

void tap_unix_listen(char *path)
{
	int rc = -EADDRINUSE;

	if (*path) {
		rc = tap_unix_bind(path);
		if (rc == -EADDRINUSE)
			die("Socket path %s already in use", path);
		if (rc == -ENOTSOCK)
			die("Socket path %s exists, and is no socket", path);
		if (rc)
			die("Couldn't bind socket %s: %s", path, strerror(-rc));
	} else {
		for (int n = 1; rc && n <= UNIX_PROBE_MAX; n++) {
			snprintf(path, sizeof(guest.path),
				 "/tmp/passt_%d.socket", n);
			rc = tap_unix_bind(path);
		}
		if (rc)
			die("No free socket path /tmp/passt_N.socket, "
			    "give one by --socket: %s", strerror(-rc));
	}
	info("UNIX domain socket bound at %s", path);
}

void tap_unix_use_fd(int fd)
{
	guest.fd = fd;
}

static void tap_unix_again(uint32_t index)
{
	if (index == UNIX_LISTENER)
		tap_unix_watch_listener();
	else if (guest.fd >= 0)
		tap_unix_watch(guest.readable, guest.writable);
}

void tap_unix_start(bool one_off, unsigned spares, void (*connected)(int fd))
{
	struct loop_ref ref = { .kind = LOOP_TAP_LISTEN };
	int rc, fd = guest.fd;

	guest.one_off = one_off;
	guest.spares_want = MIN(spares, (unsigned)TAP_UNIX_SPARES);
	guest.connected = connected;
	retry_init(&guest.retry, guest.retry_marks, 1, tap_unix_again);
	loop_set_handler(LOOP_TAP_LISTEN, tap_unix_accept);
	if (fd >= 0) {
		guest.fd = -1;
		tap_unix_connected(fd);
		return;
	}
	tap_unix_spare();
	rc = loop_add(guest.listen_fd, EPOLLIN | EPOLLET, ref);
	if (rc)
		die("Couldn't watch socket %s: %s", guest.path, strerror(-rc));
}

void tap_unix_watch(bool readable, bool writable)
{
	struct loop_ref ref = { .kind = LOOP_TAP };

	guest.readable = readable;
	guest.writable = writable;
	if (loop_mod(guest.fd, (readable ? EPOLLIN | EPOLLRDHUP : 0) |
			       (writable ? EPOLLOUT : 0), ref))
		retry_later(&guest.retry, UNIX_GUEST, RETRY_LEVELS);
}

void tap_unix_rest(unsigned tries)
{
	struct loop_ref ref = { .kind = LOOP_TAP };

	loop_mod(guest.fd, 0, ref);
	retry_later(&guest.retry, UNIX_GUEST, tries);
}

void tap_unix_disconnect(void)
{
	if (guest.fd < 0)
		return;
	loop_del(guest.fd);
	close_fd(&guest.fd);
	news_tell(NEWS_GUEST_GONE, NULL);
	if (guest.one_off) {
		info("Client connection closed, exiting");
		loop_exit(EXIT_SUCCESS);
	} else {
		info_limited("Client connection closed");
	}
	/* Somebody may wait whom there was no descriptor for */
	tap_unix_spare();
	tap_unix_watch_listener();
}

void tap_unix_undo(void)
{
	leftover_remove(&guest.leftover);
}

void tap_unix_keep(void)
{
	leftover_keep(&guest.leftover);
}
