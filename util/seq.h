/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TCP sequence numbers, compared modulo 2^32 (RFC 9293 3.4) */
#ifndef UTIL_SEQ_H
#define UTIL_SEQ_H

#include "util/types.h"

typedef uint32_t tcp_seq;

static inline bool seq_lt(tcp_seq a, tcp_seq b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool seq_leq(tcp_seq a, tcp_seq b)
{
	return (int32_t)(a - b) <= 0;
}

static inline bool seq_gt(tcp_seq a, tcp_seq b)
{
	return (int32_t)(a - b) > 0;
}

static inline bool seq_geq(tcp_seq a, tcp_seq b)
{
	return (int32_t)(a - b) >= 0;
}

/* lo <= s <= hi */
static inline bool seq_between(tcp_seq s, tcp_seq lo, tcp_seq hi)
{
	return s - lo <= hi - lo;
}

static inline tcp_seq seq_max(tcp_seq a, tcp_seq b)
{
	return seq_gt(a, b) ? a : b;
}

static inline tcp_seq seq_min(tcp_seq a, tcp_seq b)
{
	return seq_lt(a, b) ? a : b;
}

#endif /* UTIL_SEQ_H */
