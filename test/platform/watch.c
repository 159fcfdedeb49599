// SPDX-License-Identifier: GPL-2.0-or-later
/* What tells of a namespace's end: deletion of the file it is mounted on is an
 * event of the directory, unmounting isn't; nothing in procfs is; a pidfd is
 * readable once its process has ended.
 */
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../unit/tap_test.h"
#include "userns.h"

static int readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms);
}

/* Name in the first event, "" if there is none */
static const char *event_name(int fd)
{
	static _Alignas(struct inotify_event) char buf[4096];
	const struct inotify_event *ev = (const void *)buf;

	if (read(fd, buf, sizeof(buf)) <= 0 || !ev->len)
		return "";
	return ev->name;
}

int main(void)
{
	char dir[] = "/tmp/watch.XXXXXX", file[PATH_MAX], path[64];
	int fd, ns_fd, pid_fd;
	pid_t pid;

	enter_userns(CLONE_NEWNS | CLONE_NEWNET);
	if (!mkdtemp(dir))
		return 1;
	snprintf(file, sizeof(file), "%s/ns", dir);
	close(open(file, O_CREAT | O_WRONLY, 0600));
	ok(!mount("/proc/self/ns/net", file, NULL, MS_BIND, NULL),
	   "a namespace can be mounted on a file");

	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	inotify_add_watch(fd, dir, IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF);

	ns_fd = open(file, O_RDONLY | O_CLOEXEC);
	is_int(umount(file), -1, "an open descriptor keeps the mount busy");
	close(ns_fd);
	is_int(umount(file), 0, "a closed one doesn't");
	is_int(readable(fd, 100), 0, "unmounting is no event");
	unlink(file);
	is_int(readable(fd, 1000), 1, "deletion is");
	is_str(event_name(fd), "ns", "and gives the name");
	close(fd);
	rmdir(dir);

	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/ns", pid);
	inotify_add_watch(fd, path, IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF);
	pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	is_int(readable(pid_fd, 50), 0, "a pidfd is quiet");
	kill(pid, SIGKILL);
	is_int(readable(pid_fd, 1000), 1,
	       "until its process ends, even unreaped");
	waitpid(pid, NULL, 0);
	is_int(readable(fd, 100), 0, "a name leaving procfs is no event");
	return done();
}
