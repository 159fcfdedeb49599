/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small helpers around descriptors and files; no type of the project */
#ifndef UTIL_H
#define UTIL_H

#include <errno.h>
#include <limits.h>
#include <sys/types.h>

#include "util/types.h"

/* write() all of it, through EINTR and short writes; 0 or -errno */
int write_all(int fd, const void *buf, size_t len);

/* Whole file into buf, always terminated; bytes read or -errno (-EFBIG if it
 * doesn't fit in size - 1)
 */
ssize_t read_file(const char *path, char *buf, size_t size);
/* The same of a file that may be something else, like a FIFO to which nobody writes */
ssize_t read_file_nowait(const char *path, char *buf, size_t size);
/* The same of what open() has just returned, -1 and errno included; it is closed */
ssize_t read_file_fd(int fd, char *buf, size_t size);
/* The first number in a file, or fallback if there is none */
long long read_file_number(const char *path, long long fallback);
/* Write text to an existing file; 0 or -errno */
int write_file(const char *path, const char *text);

/* Is this error, negative, a lack of descriptors: the process's or the host's? */
static inline bool is_out_of_files(int rc)
{
	return rc == -EMFILE || rc == -ENFILE;
}

/* Is this error, negative, no word about the descriptor it is for, and may be over in
 * a moment: no memory, no descriptors, an interruption, a filter's refusal? EAGAIN,
 * too: of calls for which it means that an event will come, look at that first.
 */
static inline bool is_momentary(int rc)
{
	return rc == -EINTR || rc == -EAGAIN || rc == -ENOMEM ||
	       rc == -ENOBUFS || rc == -EPERM || is_out_of_files(rc);
}

/* Root in the first user namespace of the machine: of all that it has? */
bool is_machine_root(void);

/* Open or make a file to write to, mode 0600. In a directory that is everybody's,
 * a symbolic link could have been put there to have the machine's root overwrite
 * something: root follows its own alone. Or -errno, -ELOOP for such a link.
 */
int open_output(const char *path, int flags);

/* The directory of a path, and the name in it */
void path_split(const char *path, char ret_dir[PATH_MAX],
		char ret_name[NAME_MAX + 1]);

/* A file to be removed if the start fails, whatever our root is by then */
struct leftover {
	int dir_fd;			/* -1: none */
	char name[NAME_MAX + 1];
	dev_t dev;
	ino_t ino;
};
void leftover_note(struct leftover *l, const char *path);
/* Remove it, unless something else has its name now; safe in signal handlers */
void leftover_remove(struct leftover *l);
/* It stays */
void leftover_keep(struct leftover *l);

/* Decimal (or, with base 0, C syntax) number that takes up all of s, within
 * [min, max]; false otherwise
 */
bool parse_number(const char *s, int base, long long min, long long max,
		  long long *ret);

/* close() that keeps errno, and sets *fd to -1; nothing if it is -1 */
void close_fd(int *fd);

/* n random bytes from the kernel; dies at start-up if there are none */
void random_bytes(void *buf, size_t n);

/* Make a socketaddr_un path; false if it is too long (108 bytes) */
struct sockaddr_un;
bool sun_path_set(struct sockaddr_un *sun, const char *path);

#endif /* UTIL_H */
