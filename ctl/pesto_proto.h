/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socket of -c: pesto's protocol, version 2
 *
 * A client is told the rules, and may send others: what it sends happens as a
 * whole, or not at all. Rules that stay keep their sockets, connections aren't
 * touched. One client at a time, so that none misses what another one changed;
 * rules that came by another way meanwhile stay.
 */
#ifndef CTL_PESTO_PROTO_H
#define CTL_PESTO_PROTO_H

struct conf;

/* Bind the socket: see api_open(). Nothing without --conf-path. */
void pesto_open(const struct conf *c);
/* Serve it, once listen_attach() has been called */
void pesto_start(void);

#endif /* CTL_PESTO_PROTO_H */
