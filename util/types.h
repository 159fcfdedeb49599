/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Types for byte order, and the few macros the program allows itself
 *
 * Wire order is a type: a be16_t can't be mixed up with a uint16_t, every
 * compiler checks it, and it costs no instruction.
 */
#ifndef UTIL_TYPES_H
#define UTIL_TYPES_H

#include <arpa/inet.h>
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/assert.h"

#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)		((a) < (b) ? (a) : (b))
#define MAX(a, b)		((a) > (b) ? (a) : (b))
#define container_of(p, type, member) \
	((type *)(void *)((char *)(p) - offsetof(type, member)))

typedef struct { uint16_t raw; } be16_t;
typedef struct { uint32_t raw; } be32_t;

static inline uint16_t be16_get(be16_t v)
{
	return ntohs(v.raw);
}

static inline be16_t be16_put(uint16_t v)
{
	return (be16_t){ htons(v) };
}

static inline uint32_t be32_get(be32_t v)
{
	return ntohl(v.raw);
}

static inline be32_t be32_put(uint32_t v)
{
	return (be32_t){ htonl(v) };
}

/* Address families as table index: there is one of everything per family */
enum family { V4, V6, FAMILIES };

#endif /* UTIL_TYPES_H */
