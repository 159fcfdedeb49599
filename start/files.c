// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: files that are written to, see files.h */
#include "start/files.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/conf_types.h"
#include "fwd/audit.h"
#include "fwd/policy_used.h"
#include "tap/pcap.h"
#include "util.h"
#include "util/log.h"
#include "util/writer.h"

enum file { FILE_PID, FILE_LOG, FILE_AUDIT, FILE_LEARN, FILE_PCAP, FILES };
static struct leftover files_made[FILES] = {	/* by us, not found */
	[0 ... FILES - 1] = { .dir_fd = -1 },
};

/* Descriptor, -1 without a path; dies if it can't be opened */
static int file_open(enum file which, const char *option, const char *path,
		     int flags)
{
	int fd;

	if (!*path)
		return -1;
	fd = open(path, flags | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0)
		leftover_note(&files_made[which], path);
	else
		fd = open_output(path, flags);
	if (fd < 0)
		die("%s: couldn't open %s: %s", option, path, strerror(-fd));
	return fd;
}

/* First line of a log file, with who we are */
static const char *log_title(const struct conf *c, pid_t pid)
{
	static char title[PATH_MAX + 64], exe[PATH_MAX];

	/* While /proc is there */
	if (!*exe && readlink("/proc/self/exe", exe, sizeof(exe) - 1) <= 0)
		strcpy(exe, "?");
	snprintf(title, sizeof(title), "%s " VERSION ": %s (%d)",
		 c->mode == MODE_PASTA ? "pasta" : "passt", exe, (int)pid);
	return title;
}

int files_open(const struct conf *c)
{
	int fd;

	log_title(c, getpid());	/* while /proc is there */
	fd = file_open(FILE_LOG, "--log-file", c->log_file, O_RDWR);

	if (fd >= 0)
		log_to_file(fd, c->log_size);
	else if (!c->debug)
		log_open_syslog();
	/* A pipe that nobody reads mustn't stop us */
	fd = file_open(FILE_AUDIT, "--audit", c->audit_file,
		       O_RDWR | O_NONBLOCK);
	if (fd >= 0)
		audit_open(fd, c->log_size);
	policy_used_open(file_open(FILE_LEARN, "--policy-learn", c->learn_file,
				   O_RDWR));
	pcap_open(file_open(FILE_PCAP, "--pcap", c->pcap_file, O_WRONLY));
	return file_open(FILE_PID, "--pid", c->pid_file, O_WRONLY);
}

void files_begin_capture(const struct conf *c)
{
	int rc = pcap_begin();

	if (rc)
		die("--pcap: couldn't write %s: %s", c->pcap_file,
		    strerror(-rc));
}

void files_writer(const struct conf *c)
{
	int rc = 0;

	if (log_has_file() || *c->pcap_file || *c->audit_file)
		rc = writer_start();
	if (rc)
		warn("Files are written by the loop itself: %s", strerror(-rc));
}

void files_begin(const struct conf *c, pid_t pid)
{
	audit_start();
	log_begin(log_title(c, pid));
}

unsigned files_begun(const struct leftover *ret[FILES_BEGUN_MAX])
{
	unsigned n = 0;

	static_assert((int)FILES <= (int)FILES_BEGUN_MAX, "room for all");
	if (!is_machine_root())
		return 0;
	for (unsigned i = 0; i < FILES; i++)
		if (files_made[i].dir_fd >= 0)
			ret[n++] = &files_made[i];
	return n;
}

void files_undo(void)
{
	for (unsigned i = 0; i < FILES; i++)
		leftover_remove(&files_made[i]);
}

void files_keep(void)
{
	for (unsigned i = 0; i < FILES; i++)
		leftover_keep(&files_made[i]);
}
