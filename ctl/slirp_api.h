/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The API socket of slirp4netns: ports that are forwarded at run time
 *
 * One JSON object for each connection, of less than 4096 bytes; the answer is
 * one, too:
 *
 *	{"execute":"add_hostfwd","arguments":{"proto":"tcp"|"udp",
 *	 "host_addr":…,"host_port":…,"guest_addr":…,"guest_port":…}}
 *					{"return":{"id":1}}
 *	{"execute":"list_hostfwd"}	{"entries":[{"id":1,"proto":…},…]}
 *	{"execute":"remove_hostfwd","arguments":{"id":1}}
 *					{"return":{}}
 *	whatever can't be done		{"error":{"desc":"bad request: …"}}
 */
#ifndef CTL_SLIRP_API_H
#define CTL_SLIRP_API_H

struct conf;

/* Bind the socket, in place of whatever has its name: see api_open(). Nothing
 * without --api-socket.
 */
void slirp_api_open(const struct conf *c);
/* Serve it, once listen_attach() has been called */
void slirp_api_start(void);

#endif /* CTL_SLIRP_API_H */
