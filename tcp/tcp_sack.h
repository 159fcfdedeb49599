/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The scoreboard of RFC 2018: what the guest has received beyond snd_una, as its
 * SACK blocks tell. Pure.
 */
#ifndef TCP_TCP_SACK_H
#define TCP_TCP_SACK_H

#include "engine/tcp_types.h"

/* Add what n blocks report, and what lies between una and nxt: what was sent and
 * isn't acknowledged. Others are old, duplicates (RFC 2883), or nonsense. A block
 * that touches others becomes one with them; one that stays apart is dropped if
 * there is no room for it.
 */
void tcp_sack_add(struct tcp_scoreboard *b, const struct tcp_sack *blocks,
		  unsigned n, tcp_seq una, tcp_seq nxt);
/* snd_una has moved to una: what lies below it goes */
void tcp_sack_acked(struct tcp_scoreboard *b, tcp_seq una);
/* All of it: RFC 2018 8 */
void tcp_sack_forget(struct tcp_scoreboard *b);

/* Has the guest this byte? */
bool tcp_sack_has(const struct tcp_scoreboard *b, tcp_seq seq);
/* Bytes that it has */
uint32_t tcp_sack_bytes(const struct tcp_scoreboard *b);
/* Is anything above seq known to have arrived? Then seq is lost, not late. */
bool tcp_sack_above(const struct tcp_scoreboard *b, tcp_seq seq);
/* First byte at or after seq that the guest doesn't have */
tcp_seq tcp_sack_hole(const struct tcp_scoreboard *b, tcp_seq seq);
/* End of the hole that seq is in: first byte that the guest has, or nxt */
tcp_seq tcp_sack_hole_end(const struct tcp_scoreboard *b, tcp_seq seq,
			  tcp_seq nxt);

#endif /* TCP_TCP_SACK_H */
