// SPDX-License-Identifier: GPL-2.0-or-later
/* What a path leads to, by links and through directories: each way that it may
 * become something else is noticed, and what happens beside it isn't
 *
 * Links: util/path_watch.o util.o util/addr.o util/log.o util/parse.o
 */
#include "util/path_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap_test.h"

enum { NOBODY = 65534 };

static struct path_watch pw = { .fd = -1 };
static char path[PATH_MAX];

/* Below a directory of our own, in which we are: names are relative to it. Nobody's,
 * rather than root's, who reads everything.
 */
static void enter_new_dir(char *dir)
{
	if (!mkdtemp(dir) || chdir(dir))
		exit(1);
	snprintf(path, sizeof(path), "%s/etc/resolv.conf", dir);
	if (!geteuid() && !chown(dir, NOBODY, NOBODY) && seteuid(NOBODY))
		exit(1);
}

static int remove_one(const char *name, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(name);
}

static void put(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		ok(false, "%s can be written: %s", name, strerror(errno));
	close(fd);
}

static void make_link(const char *to, const char *name)
{
	if (symlink(to, name))
		ok(false, "%s can be made: %s", name, strerror(errno));
}

/* As those do who never leave a moment without: made beside it, renamed over it */
static void replace_link(const char *to, const char *name)
{
	make_link(to, "new");
	rename("new", name);
}

static void watch(void)
{
	is_int(path_watch_open(&pw, path), 0, "watched");
}

/* After something has happened: what has, inotify has queued by then */
static void tells(const char *what)
{
	ok(path_watch_read(&pw), "%s", what);
	watch();
}

static void is_quiet(const char *what)
{
	ok(!path_watch_read(&pw), "%s: nothing to tell", what);
}

static void test_file(void)
{
	mkdir("etc", 0700);
	put("etc/resolv.conf", "a");
	watch();
	is_quiet("at first");
	put("etc/resolv.conf", "b");
	tells("written in place");
	put("etc/new", "c");
	is_quiet("another file");
	rename("etc/new", "etc/resolv.conf");
	tells("another one renamed over it");
	put("etc/resolv.conf", "d");
	tells("... and written");
	unlink("etc/resolv.conf");
	tells("gone");
	put("etc/resolv.conf", "e");
	tells("back");
}

static void test_directory(void)
{
	mkdir("etc.new", 0700);
	put("etc.new/resolv.conf", "f");
	watch();
	rename("etc", "etc.old");
	tells("its directory is renamed");
	rename("etc.new", "etc");
	tells("... and another one in its place");
	put("etc.old/resolv.conf", "g");
	is_quiet("what the old one has");
	put("etc/resolv.conf", "h");
	tells("what the other one has");
}

/* /etc/resolv.conf → ../run/a/b/resolv.conf, of which a and b are directories that
 * neither a link nor the file is in: etc/.. and run, too
 */
static void test_way(void)
{
	mkdir("run", 0700);
	mkdir("run/a", 0700);
	mkdir("run/a/b", 0700);
	put("run/a/b/resolv.conf", "i");
	replace_link("../run/a/b/resolv.conf", "etc/resolv.conf");
	tells("a link in its place");
	put("run/a/b/resolv.conf", "j");
	tells("written where it leads");
	put("run/a/other", "");
	put("run/other", "");
	mkdir("run/a/c", 0700);
	is_quiet("names beside its way");

	rename("run/a", "run/z");
	tells("a directory on the way is renamed");
	mkdir("run/a", 0700);
	tells("... another one comes");
	mkdir("run/a/b", 0700);
	tells("... with one in it");
	put("run/a/b/resolv.conf", "k");
	tells("... and the file");
	rename("run", "run.old");
	tells("one further up is renamed");
	rename("run.old", "run");
	tells("... and back");
	unlink("run/a/b/resolv.conf");
	rmdir("run/a/b");
	tells("... removed, with the file");
	rename("run/a", "run/y");
	tells("then the one before it");
	rename("run/z", "run/a");
	tells("the first one is back");
}

/* One directory as several points: that of two links, and on the way */
static void test_shared(void)
{
	make_link("two/b/resolv.conf", "run/one");
	make_link("../run/a", "run/two");
	replace_link("../run/one", "etc/resolv.conf");
	tells("by two links in one directory");
	put("run/a/b/resolv.conf", "l");
	tells("... written");
	replace_link("../run/a", "run/two");
	tells("... the second one replaced");
	replace_link("a/b/resolv.conf", "run/one");
	tells("... the first one");
	rename("run", "run.old");
	tells("... the directory renamed");
	rename("run.old", "run");
	tells("... and back");
}

/* Nothing to see for root, if it's the only user that there is. A directory that may be entered but
 * not read is watched in the one that it is in; a file in it can't be.
 */
static void test_unreadable(void)
{
	chmod("run/a", 0100);
	if (faccessat(AT_FDCWD, "run/a", R_OK, AT_EACCESS)) {
		watch();
		rename("run/a", "run/z");
		tells("one that can't be read is renamed");
		rename("run/z", "run/a");
		tells("... and back");
	}
	chmod("run/a", 0700);
	chmod("run/a/b", 0100);
	if (faccessat(AT_FDCWD, "run/a/b", R_OK, AT_EACCESS))
		is_int(path_watch_open(&pw, path), -EACCES,
		       "what can't be watched is told");
	chmod("run/a/b", 0700);
}

/* More than there is room for: told, rather than watched in part */
static void test_many(void)
{
	char name[16], to[16];
	int fd;

	for (unsigned i = 0; i < PATH_WATCH_MAX; i++) {
		snprintf(name, sizeof(name), "run/l%u", i);
		snprintf(to, sizeof(to), "l%u", i + 1);
		make_link(to, name);
	}
	replace_link("../run/l0", "etc/resolv.conf");
	fd = pw.fd;
	is_int(path_watch_open(&pw, path), -E2BIG, "too many links");
	is_int(pw.count, 0, "... nothing is watched");
	unlink("run/l5");
	ok(!path_watch_read(&pw), "... nor told");
	is_int(pw.fd, fd, "... and the descriptor stays, which is costly to close");
	make_link("loop", "run/loop");
	replace_link("../run/loop", "etc/resolv.conf");
	is_int(path_watch_open(&pw, path), 0, "a link to itself");
	unlink("run/loop");
	tells("... gone");
}

int main(void)
{
	char dir[] = "/tmp/t_path_watch.XXXXXX";

	enter_new_dir(dir);
	test_file();
	test_directory();
	test_way();
	test_shared();
	test_unreadable();
	test_many();
	if (!getuid())
		is_int(seteuid(0), 0, "root again, whose /tmp may be");
	is_int(nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0,
	       "nothing is left");
	return done();
}
