// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: map a guest's memory, and find addresses in it: see guest_mem.h
 *
 * Data: a table of mappings, sorted by nothing; there are two or three, with
 * hot-plugged memory some more. What was found last is looked at first.
 *
 * Mapping: from the file's start, since an offset would have to suit the page size,
 * which may be 2 MiB or 1 GiB; and with a length that does (fstat() tells it), or it
 * couldn't be unmapped. A region that reaches beyond its file is refused.
 *
 * SIGBUS: a front-end may truncate its file while we use it. The handler puts
 * private zeros in the place of the whole mapping and notes that; the access is
 * repeated and succeeds, and whoever drives the link ends it soon after. mmap() is a
 * system call without a lock or state in libc. Where the kernel copies for us, there
 * is EFAULT instead.
 */
#include "tap/guest_mem.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

enum {
	GMEM_LOG	= GMEM_REGIONS,	/* place of the dirty log */
	GMEM_MAPS,
	GMEM_PAGE_SHIFT	= 12,		/* of the log, whatever the machine's */
	GMEM_LOG_SPAN	= 8,		/* pages in a byte */
};

struct gmem_map {
	struct gmem_region r;
	uint8_t *base;			/* of the region; NULL: free */
	uint8_t *map;			/* what mmap() gave */
	size_t map_len;
};

static struct {
	struct gmem_map map[GMEM_MAPS];
	unsigned last;			/* found there */
	volatile sig_atomic_t lost;
	bool marked;			/* something was, in the log */
} gmem;

static void gmem_sigbus(int sig, siginfo_t *si, void *context)
{
	const uint8_t *p = si->si_addr;
	int was = errno;

	(void)context;
	for (unsigned i = 0; i < GMEM_MAPS; i++) {
		const struct gmem_map *m = &gmem.map[i];

		if (!m->base || p < m->map || p >= m->map + m->map_len)
			continue;
		gmem.lost = 1;
		if (mmap(m->map, m->map_len, GMEM_PROT, GMEM_MAP_ZEROS, -1,
			 0) == m->map) {
			errno = was;
			return;
		}
	}
	/* It comes again, and ends us */
	signal(sig, SIG_DFL);
}

void gmem_init(void)
{
	struct sigaction act = { .sa_sigaction = gmem_sigbus,
				 .sa_flags = SA_SIGINFO };

	sigaction(SIGBUS, &act, NULL);
}

static int gmem_map(struct gmem_map *m, int fd, const char **ret_why)
{
	uint64_t end = m->r.offset + m->r.size, page;
	struct stat st;
	void *p;

	if (!m->r.size || end < m->r.size || end > SIZE_MAX / 2) {
		*ret_why = "no such size";
		return -EINVAL;
	}
	if (fstat(fd, &st)) {
		*ret_why = strerror(errno);
		return -errno;
	}
	if ((uint64_t)st.st_size < end) {
		*ret_why = "it is larger than its file";
		return -EINVAL;
	}
	page = MAX((uint64_t)st.st_blksize, 1);
	end = (end + page - 1) / page * page;
	p = mmap(NULL, end, GMEM_PROT, GMEM_MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		*ret_why = strerror(errno);
		return -errno;
	}
	m->map = p;
	m->map_len = end;
	m->base = m->map + m->r.offset;
	return 0;
}

static void gmem_unmap(struct gmem_map *m)
{
	if (m->base)
		munmap(m->map, m->map_len);
	m->base = NULL;
}

static bool gmem_overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a < b + b_len && b < a + a_len;
}

int gmem_add(const struct gmem_region *r, int fd, const char **ret_why)
{
	struct gmem_map *free = NULL;

	if (r->gpa + r->size < r->gpa || r->user + r->size < r->user) {
		*ret_why = "its addresses wrap around";
		return -EINVAL;
	}
	for (unsigned i = 0; i < GMEM_REGIONS; i++) {
		struct gmem_map *m = &gmem.map[i];

		if (!m->base) {
			free = free ? free : m;
		} else if (gmem_overlap(m->r.gpa, m->r.size, r->gpa, r->size)) {
			*ret_why = "it overlaps another one";
			return -EEXIST;
		}
	}
	if (!free) {
		*ret_why = "there are too many";
		return -ENOSPC;
	}
	free->r = *r;
	return gmem_map(free, fd, ret_why);
}

bool gmem_remove(const struct gmem_region *r)
{
	for (unsigned i = 0; i < GMEM_REGIONS; i++) {
		struct gmem_map *m = &gmem.map[i];

		if (m->base && m->r.gpa == r->gpa && m->r.user == r->user &&
		    m->r.size == r->size) {
			gmem_unmap(m);
			return true;
		}
	}
	return false;
}

void gmem_clear(void)
{
	for (unsigned i = 0; i < GMEM_REGIONS; i++)
		gmem_unmap(&gmem.map[i]);
	gmem.lost = 0;
}

/* Offset of address a in [start, start + size); false: outside */
static bool gmem_in(uint64_t a, uint64_t start, uint64_t size, uint64_t *ret)
{
	*ret = a - start;
	return a >= start && *ret < size;
}

uint8_t *gmem_at(uint64_t gpa, uint64_t len, uint64_t *ret_len)
{
	for (unsigned i = 0; i < GMEM_REGIONS; i++) {
		unsigned at = (gmem.last + i) % GMEM_REGIONS;
		const struct gmem_map *m = &gmem.map[at];
		uint64_t off;

		if (m->base && gmem_in(gpa, m->r.gpa, m->r.size, &off)) {
			gmem.last = at;
			*ret_len = MIN(len, m->r.size - off);
			return m->base + off;
		}
	}
	return NULL;
}

void *gmem_at_user(uint64_t user, uint64_t len)
{
	for (unsigned i = 0; i < GMEM_REGIONS; i++) {
		const struct gmem_map *m = &gmem.map[i];
		uint64_t off;

		if (m->base && gmem_in(user, m->r.user, m->r.size, &off))
			return len <= m->r.size - off ? m->base + off : NULL;
	}
	return NULL;
}

int gmem_log_map(int fd, uint64_t size, uint64_t offset, const char **ret_why)
{
	struct gmem_map *m = &gmem.map[GMEM_LOG];

	gmem_log_clear();
	m->r = (struct gmem_region){ .size = size, .offset = offset };
	return gmem_map(m, fd, ret_why);
}

void gmem_log_clear(void)
{
	gmem_unmap(&gmem.map[GMEM_LOG]);
}

void gmem_dirty_gpa(uint64_t gpa, uint64_t len)
{
	const struct gmem_map *log = &gmem.map[GMEM_LOG];
	uint64_t page = gpa >> GMEM_PAGE_SHIFT;

	if (!log->base || !len)
		return;
	for (; page <= (gpa + len - 1) >> GMEM_PAGE_SHIFT; page++) {
		uint64_t at = page / GMEM_LOG_SPAN;

		if (at >= log->r.size)
			return;
		__atomic_fetch_or(&log->base[at],
				  (uint8_t)(1U << page % GMEM_LOG_SPAN),
				  __ATOMIC_RELAXED);
		gmem.marked = true;
	}
}

bool gmem_log_news(void)
{
	bool was = gmem.marked;

	gmem.marked = false;
	return was;
}

void gmem_dirty(const void *p, size_t len)
{
	const uint8_t *b = p;

	if (!gmem.map[GMEM_LOG].base)
		return;
	for (unsigned i = 0; i < GMEM_REGIONS; i++) {
		const struct gmem_map *m = &gmem.map[i];

		if (m->base && b >= m->base && b < m->base + m->r.size)
			gmem_dirty_gpa(m->r.gpa + (uint64_t)(b - m->base), len);
	}
}

bool gmem_is_lost(void)
{
	return gmem.lost;
}

void gmem_set_lost(void)
{
	gmem.lost = 1;
}
