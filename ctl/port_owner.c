// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: who has a port, see port_owner.h
 *
 * The kernel's tables of sockets tell the user and an inode; that of processes has
 * that inode among the files of the socket's owner, whom we see if he is us.
 */
#include "ctl/port_owner.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util.h"
#include "util/wire.h"

enum {
	STATE_LISTEN	= 10,		/* the kernel's TCP_LISTEN */
	LINE_MAX_	= 512,
	NAME_LEN	= 32,
	PATH_LEN	= 64 + NAME_MAX,
};

struct owner {
	unsigned uid;
	unsigned long long inode;
};

static bool find_in(const char *path, uint8_t proto, uint16_t port,
		    struct owner *ret)
{
	FILE *f = fopen(path, "re");
	char line[LINE_MAX_];
	bool found = false;

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		unsigned local, state;

		found = sscanf(line, "%*u: %*[0-9A-Fa-f]:%x %*s %x %*s %*s %*s "
			       "%u %*s %llu", &local, &state, &ret->uid,
			       &ret->inode) == 4 && local == port &&
			(proto != PROTO_TCP || state == STATE_LISTEN);
	}
	fclose(f);
	return found;
}

/* Is one of the files of process `pid` that socket? */
static bool has_socket(const char *pid, unsigned long long inode)
{
	char path[PATH_LEN], want[NAME_LEN], link[NAME_LEN];
	const struct dirent *e;
	bool found = false;
	DIR *dir;

	snprintf(want, sizeof(want), "socket:[%llu]", inode);
	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && (e = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, link,
				       sizeof(link) - 1);

		link[MAX(n, 0)] = '\0';
		found = !strcmp(link, want);
	}
	closedir(dir);
	return found;
}

/* Anybody may call himself anything */
static void name_of(const char *pid, char name[NAME_LEN])
{
	char path[PATH_LEN];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	n = read_file(path, name, NAME_LEN);
	if (n <= 0)
		strcpy(name, "?");
	name[strcspn(name, "\n")] = '\0';
	for (; *name; name++) {
		if (!isprint((unsigned char)*name))
			*name = '?';
	}
}

static bool find_process(unsigned long long inode, char *buf, size_t size)
{
	DIR *dir = opendir("/proc");
	const struct dirent *e;
	char name[NAME_LEN];
	bool found = false;

	while (dir && !found && (e = readdir(dir))) {
		if (!isdigit((unsigned char)*e->d_name) ||
		    !has_socket(e->d_name, inode))
			continue;
		name_of(e->d_name, name);
		snprintf(buf, size, " by %s (PID %s)", name, e->d_name);
		found = true;
	}
	if (dir)
		closedir(dir);
	return found;
}

const char *port_owner(uint8_t proto, uint16_t port, char *buf, size_t size)
{
	static const char *const tcp[] = { "/proc/net/tcp", "/proc/net/tcp6" };
	static const char *const udp[] = { "/proc/net/udp", "/proc/net/udp6" };
	const char *const *path = proto == PROTO_TCP ? tcp : udp;
	struct owner o;

	buf[0] = '\0';
	if (!find_in(path[0], proto, port, &o) &&
	    !find_in(path[1], proto, port, &o))
		return buf;
	if (!find_process(o.inode, buf, size))
		snprintf(buf, size, " by a process of user %u", o.uid);
	return buf;
}
