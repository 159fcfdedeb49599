// SPDX-License-Identifier: GPL-2.0-or-later
/* A guest's memory: regions, addresses in them, the dirty log, and files that shrink,
 * huge pages
 *
 * Links: tap/guest_mem.o util.o util/log.o util/assert.o
 */
#include "tap/guest_mem.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap_test.h"

enum { GPA = 0x40000, USER = 0x7000000, SIZE = 0x10000 };

static int file(off_t size)
{
	int fd = memfd_create("guest", 0);

	if (fd < 0 || ftruncate(fd, size))
		printf("Bail out! memory\n");
	return fd;
}

/* 0 or -errno, of a region of a file of `size` bytes */
static int add(uint64_t gpa, uint64_t len, uint64_t offset, off_t size)
{
	struct gmem_region r = { gpa, len, USER + gpa, offset };
	const char *why = NULL;
	int fd = file(size), rc = gmem_add(&r, fd, &why);

	close(fd);
	ok(!rc == !why, "a reason if it's refused: %s", why ? why : "none");
	return rc;
}

static void regions(void)
{
	uint64_t len;
	uint8_t *p;

	is_int(add(GPA, SIZE, 0, SIZE), 0, "a region");
	is_int(add(GPA + SIZE, SIZE, SIZE, 2 * SIZE), 0, "one behind an offset");
	is_int(add(GPA + SIZE - 1, 1, 0, SIZE), -EEXIST, "one over another");
	is_int(add(0, SIZE, 1, SIZE), -EINVAL, "one beyond its file");
	is_int(add(0, 0, 0, SIZE), -EINVAL, "one of nothing");
	is_int(add(UINT64_MAX - 1, SIZE, 0, SIZE), -EINVAL, "one that wraps");
	is_int(add(0, SIZE, UINT64_MAX - 1, SIZE), -EINVAL, "an offset that does");
	p = gmem_at(GPA, SIZE, &len);
	ok(p && len == SIZE, "all of it");
	ok(gmem_at(GPA + SIZE - 1, 2, &len) == p + SIZE - 1 && len == 1,
	   "the end of one");
	ok(gmem_at(GPA + SIZE, 2, &len) && len == 2, "the beginning of the next");
	ok(!gmem_at(GPA - 1, 1, &len) && !gmem_at(GPA + 2 * SIZE, 1, &len),
	   "before and behind both");
	ok(gmem_at_user(USER + GPA + 5, 1) == p + 5, "by the front-end's address");
	ok(!gmem_at_user(USER + GPA + SIZE - 1, 2), "... in one piece, or not");
	ok(gmem_remove(&(struct gmem_region){ GPA, SIZE, USER + GPA, 0 }) &&
	   !gmem_at(GPA, 1, &len), "one is removed");
	ok(!gmem_remove(&(struct gmem_region){ GPA, SIZE, USER + GPA, 0 }),
	   "... once");
	gmem_clear();
	ok(!gmem_at(GPA + SIZE, 1, &len), "and all of them");
}

static void dirty(void)
{
	const char *why = NULL;
	int fd = file(8192);
	uint8_t bits[8192];
	uint64_t len;

	is_int(add(GPA, SIZE, 0, SIZE), 0, "a region");
	gmem_dirty(gmem_at(GPA, 1, &len), 1);
	is_int(gmem_log_map(fd, 4, 4096, &why), 0, "a log of 32 pages");
	is_int(pread(fd, bits, sizeof(bits), 0), sizeof(bits), "... is read");
	is_int(bits[4096 + 8], 0, "what was written before isn't marked");
	/* Page 0x40 is beyond the log: that's of no matter */
	gmem_dirty(gmem_at(GPA, 1, &len), 1);
	gmem_dirty_gpa(0x0ffe, 4);
	gmem_dirty_gpa(0x1f000, 1);
	gmem_dirty_gpa(0x20000, 1);
	gmem_dirty_gpa(0x5000, 0);
	is_int(pread(fd, bits, sizeof(bits), 0), sizeof(bits), "... again");
	is_int(bits[4096], 3, "four bytes over a page's end: both pages");
	is_int(bits[4096 + 3], 0x80, "the last page of the log");
	is_int(bits[4096 + 4] | bits[4096 + 8], 0, "nothing beyond it");
	gmem_log_clear();
	gmem_dirty_gpa(0x3000, 1);
	is_int(pread(fd, bits, sizeof(bits), 0), sizeof(bits), "... again");
	is_int(bits[4096], 3, "nothing without a log");
	close(fd);
	gmem_clear();
}

static void shrinks(void)
{
	struct gmem_region r = { GPA, SIZE, USER, 0 };
	const char *why;
	int fd = file(SIZE);
	volatile uint8_t *p;
	uint64_t len;

	gmem_add(&r, fd, &why);
	p = gmem_at(GPA, SIZE, &len);
	p[0] = 1;
	ok(!gmem_is_lost(), "memory is there");
	if (ftruncate(fd, 0))
		printf("Bail out! ftruncate\n");
	is_int(p[SIZE - 1], 0, "taken away, it reads as zeros");
	ok(gmem_is_lost(), "... and that is told");
	p[0] = 2;
	is_int(p[0], 2, "... and can be written to");
	gmem_clear();
	ok(!gmem_is_lost(), "the next one is another");
	gmem_set_lost();
	ok(gmem_is_lost(), "a system call has found it");
	gmem_clear();
	close(fd);
}

/* A region inside of a file of two huge pages, neither of which it fills */
static void huge(void)
{
	enum { OFFSET = 4096 };
	struct gmem_region r = { .gpa = GPA, .user = USER, .offset = OFFSET };
	int fd = memfd_create("huge", MFD_HUGETLB);
	uint8_t *map = MAP_FAILED, *p;
	const char *why = NULL;
	struct stat st;
	size_t page = 0;
	uint64_t len;

	if (fd >= 0 && !fstat(fd, &st)) {
		r.size = page = (size_t)st.st_blksize;
		if (!ftruncate(fd, 2 * st.st_blksize))
			map = mmap(NULL, 2 * page, GMEM_PROT, MAP_SHARED, fd,
				   0);
	}
	if (map == MAP_FAILED) {
		printf("# no huge pages here: %s\n", strerror(errno));
		return;
	}
	is_int(gmem_add(&r, fd, &why), 0, "a region of huge pages");
	p = gmem_at(GPA + page - 1, 2, &len);
	ok(p && len == 1, "its end");
	*p = 7;
	is_int(map[OFFSET + page - 1], 7, "... is where it is in the file");
	ok(gmem_remove(&r), "it is removed");
	is_int(msync(p - (uintptr_t)p % page, 1, MS_ASYNC), -1,
	       "... and unmapped");
	gmem_add(&r, fd, &why);
	p = gmem_at(GPA, 1, &len);
	if (ftruncate(fd, 0))
		printf("Bail out! ftruncate\n");
	is_int(p[page - 1], 0, "taken away, it reads as zeros");
	ok(gmem_is_lost(), "... and that is told");
	gmem_clear();
	munmap(map, 2 * page);
	close(fd);
}

int main(void)
{
	gmem_init();
	regions();
	dirty();
	shrinks();
	huge();
	return done();
}
