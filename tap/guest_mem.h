/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's memory, as a vhost-user front-end shares it
 *
 * Regions by two addresses: the guest's physical ones, which are in descriptors and
 * the dirty log, and the front-end's own, which rings are given by. All that is
 * returned may change at any time, by the guest's hand, and what it points to may
 * be unmapped with the next change of the table: use it within one event.
 *
 * If the file behind a region shrinks, what isn't there any more reads as zeros
 * (SIGBUS is handled), and gmem_is_lost() tells.
 */
#ifndef TAP_GUEST_MEM_H
#define TAP_GUEST_MEM_H

#include <sys/mman.h>

#include "util/types.h"

enum {
	GMEM_REGIONS	= 64,
	/* The only ways in which the loop maps memory, see syscalls.def */
	GMEM_PROT	= PROT_READ | PROT_WRITE,
	GMEM_MAP_SHARED	= MAP_SHARED | MAP_NORESERVE,
	GMEM_MAP_ZEROS	= MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED |
			  MAP_NORESERVE,
};

struct gmem_region {
	uint64_t gpa, size;
	uint64_t user;			/* front-end's address of the same */
	uint64_t offset;		/* in the file */
};

/* Handle SIGBUS: once, at the start */
void gmem_init(void);

/* Map it from fd, which is not closed. 0, or -errno: *ret_why says why
 * not
 */
int gmem_add(const struct gmem_region *r, int fd, const char **ret_why);
/* Forget the region of that guest and front-end address and size: was it there? */
bool gmem_remove(const struct gmem_region *r);
void gmem_clear(void);

/* Memory at a guest-physical address, and how many of len bytes are in one piece
 * (at least 1); NULL if there is none
 */
uint8_t *gmem_at(uint64_t gpa, uint64_t len, uint64_t *ret_len);
/* All of len bytes at a front-end's address; NULL */
void *gmem_at_user(uint64_t user, uint64_t len);

/* The dirty log: a bit for each 4 KiB page of guest-physical addresses. 0, or
 * -errno with *ret_why; fd is not closed.
 */
int gmem_log_map(int fd, uint64_t size, uint64_t offset, const char **ret_why);
void gmem_log_clear(void);
/* Mark what was written, by where it lies in our memory, or by its address. Nothing
 * without a log.
 */
void gmem_dirty(const void *p, size_t len);
void gmem_dirty_gpa(uint64_t gpa, uint64_t len);

/* Has anything been marked since the last call? */
bool gmem_log_news(void);
/* Was memory taken away that is mapped? Since gmem_clear() */
bool gmem_is_lost(void);
/* Yes, as a system call has found that was to copy from there, or to there (EFAULT) */
void gmem_set_lost(void);

#endif /* TAP_GUEST_MEM_H */
