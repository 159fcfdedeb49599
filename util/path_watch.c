// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: watch what a path leads to, see path_watch.h
 *
 * Flow: the path is walked name by name. A link is replaced by what it says, and
 * watched in its directory, as is the last name, and one that isn't there, where
 * the walk ends. A directory on the way is watched by itself, for being renamed or
 * removed: what happens in it to other names would wake us up for nothing. One that
 * can't be, as it can't be read, is watched in that which it is in.
 *
 * What is watched is an inode, once, whatever number of points it is: hence
 * IN_MASK_ADD.
 */
#include "util/path_watch.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "util.h"

enum {
	WATCH_LINKS_MAX	= 40,		/* as in the kernel */
	WATCH_DIR	= IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR |
			  IN_DONT_FOLLOW | IN_MASK_ADD,
	WATCH_NAME	= IN_CREATE | IN_DELETE | IN_MOVE | IN_DELETE_SELF |
			  IN_MOVE_SELF | IN_ONLYDIR | IN_MASK_ADD,
	WATCH_FILE	= IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB |
			  IN_DELETE_SELF | IN_MOVE_SELF,
};

/* A walk: where it is, without a slash at its end, and what is left of it */
struct walk {
	char base[PATH_MAX];
	char rest[PATH_MAX];
	unsigned links;
	int error;			/* what couldn't be watched, -errno */
};

/* Is the name in what has this number watched? "": the watched one itself, which
 * names in it tell of as well
 */
static bool point_is(const struct path_watch *pw, int wd, const char *name)
{
	for (unsigned i = 0; i < pw->count; i++) {
		if (pw->point[i].wd == wd &&
		    (!*name || !strcmp(pw->point[i].name, name)))
			return true;
	}
	return false;
}

static int point_add(struct path_watch *pw, const char *path, uint32_t mask,
		     const char *name)
{
	int wd;

	if (pw->count == PATH_WATCH_MAX)
		return -E2BIG;
	wd = inotify_add_watch(pw->fd, *path ? path : "/", mask);
	if (wd < 0)
		return -errno;
	if (point_is(pw, wd, name))
		return 0;
	pw->point[pw->count].wd = wd;
	strcpy(pw->point[pw->count++].name, name);
	return 0;
}

/* At the walk's place. If that is gone by now, another point tells. */
static void walk_watch(struct walk *w, struct path_watch *pw, uint32_t mask,
		       const char *name)
{
	int rc = point_add(pw, w->base, mask, name);

	if (rc && rc != -ENOENT && rc != -ENOTDIR)
		w->error = rc;
}

/* Take the next name off the rest; false at the end, or if it is too long */
static bool walk_next(struct walk *w, char name[NAME_MAX + 1])
{
	size_t skip = strspn(w->rest, "/");
	size_t len = strcspn(w->rest + skip, "/");

	if (!len || len > NAME_MAX)
		return false;
	memcpy(name, w->rest + skip, len);
	name[len] = '\0';
	memmove(w->rest, w->rest + skip + len,
		strlen(w->rest + skip + len) + 1);
	return true;
}

static void walk_up(struct walk *w)
{
	char *slash = strrchr(w->base, '/');

	if (slash)
		*slash = '\0';
}

/* Go on by what a link says, before what is left; false if that's no way */
static bool walk_link(struct walk *w, const char *target, size_t len)
{
	size_t left = strlen(w->rest);

	if (++w->links > WATCH_LINKS_MAX || len + left >= sizeof(w->rest))
		return false;
	memmove(w->rest + len, w->rest, left + 1);
	memcpy(w->rest, target, len);
	if (*target == '/')
		w->base[0] = '\0';
	return true;
}

enum kind { KIND_LINK, KIND_NONE, KIND_OTHER };

/* What is at the walk's place; ret_target is what a link says */
static enum kind walk_look(const struct walk *w, char ret_target[PATH_MAX],
			   size_t *ret_len)
{
	ssize_t n = readlink(w->base, ret_target, PATH_MAX);

	*ret_len = (size_t)n;
	if (n >= 0)
		return n < PATH_MAX ? KIND_LINK : KIND_NONE;
	return errno == EINVAL ? KIND_OTHER : KIND_NONE;
}

/* At the place `name` in base: false at the walk's end */
static bool walk_at(struct walk *w, struct path_watch *pw, const char *name)
{
	bool last = !w->rest[strspn(w->rest, "/")];
	size_t at = strlen(w->base), len;
	char target[PATH_MAX];
	enum kind kind;

	w->base[at] = '/';
	strcpy(w->base + at + 1, name);
	if (!last && !point_add(pw, w->base, WATCH_DIR, ""))
		return true;		/* a directory */

	/* What happens from here on is noticed, so look only then */
	w->base[at] = '\0';
	walk_watch(w, pw, WATCH_NAME, name);
	w->base[at] = '/';
	kind = walk_look(w, target, &len);
	if (kind == KIND_OTHER && last)
		walk_watch(w, pw, WATCH_FILE, "");
	else if (kind == KIND_OTHER)
		return true;
	w->base[at] = '\0';
	return kind == KIND_LINK && walk_link(w, target, len);
}

/* One name on; false at the end */
static bool walk_step(struct walk *w, struct path_watch *pw)
{
	char name[NAME_MAX + 1];

	if (!walk_next(w, name))
		return false;
	if (!strcmp(name, "."))
		return true;
	if (!strcmp(name, "..")) {
		walk_up(w);
		return true;
	}
	return strlen(w->base) + 1 + strlen(name) < sizeof(w->base) &&
	       walk_at(w, pw, name);
}

/* Nothing is watched any more; 0 or -errno. Not by closing it, for which the kernel waits until
 * nobody can be telling it of something: that takes milliseconds, or, with much to do,
 * hundreds of them.
 */
static int watch_nothing(struct path_watch *pw)
{
	if (pw->fd < 0)
		pw->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (pw->fd < 0)
		return -errno;
	for (unsigned i = 0; i < pw->count; i++)
		inotify_rm_watch(pw->fd, pw->point[i].wd);
	pw->count = 0;
	path_watch_read(pw);
	return 0;
}

int path_watch_open(struct path_watch *pw, const char *path)
{
	struct walk w = { .links = 0 };

	w.error = strlen(path) < sizeof(w.rest) ? watch_nothing(pw) :
						  -ENAMETOOLONG;
	if (!w.error) {
		strcpy(w.rest, path);
		while (walk_step(&w, pw))
			;
	}
	if (!w.error && pw->count)
		return 0;
	watch_nothing(pw);
	return w.error ? w.error : -ENOENT;
}

static bool event_matters(const struct path_watch *pw,
			  const struct inotify_event *ev)
{
	return ev->mask & IN_Q_OVERFLOW ||
	       point_is(pw, ev->wd, ev->len ? ev->name : "");
}

bool path_watch_read(struct path_watch *pw)
{
	_Alignas(struct inotify_event) char buf[4096];
	bool matters = false;
	ssize_t n;

	while ((n = read(pw->fd, buf, sizeof(buf))) > 0) {
		const struct inotify_event *ev;

		for (char *p = buf; p < buf + n; p += sizeof(*ev) + ev->len) {
			ev = (const struct inotify_event *)(void *)p;
			matters |= event_matters(pw, ev);
		}
	}
	return matters;
}
