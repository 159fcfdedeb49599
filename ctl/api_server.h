/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UNIX sockets that take requests: their clients, whatever is spoken with them
 *
 * A protocol is a struct api_ops. The server reads into api_client.in, and sends
 * what the protocol has put into api_client.out, as fast as the client takes it:
 * a long answer is made piece by piece, by `more`, and no further request is
 * looked at before it is gone.
 *
 * Clients cost a bounded amount of memory, and of time in each turn of the loop.
 * Whoever is slow is dropped: who has begun to say something and doesn't end, or
 * doesn't take what was said. If there are too many, others wait in the socket's
 * queue, as they do where descriptors are lacking.
 */
#ifndef CTL_API_SERVER_H
#define CTL_API_SERVER_H

#include "engine/timer.h"
#include "util/types.h"

enum api_socket { API_SLIRP, API_PESTO, API_CONTROL, API_SOCKETS };

enum {
	API_SLIRP_CLIENTS	= 64,
	API_PESTO_CLIENTS	= 1,
	API_CONTROL_CLIENTS	= 255,
	API_CLIENTS = API_SLIRP_CLIENTS + API_PESTO_CLIENTS +
		      API_CONTROL_CLIENTS,
	API_IN		= 4096,		/* a request is shorter than that */
	API_OUT		= 16384,	/* a piece of an answer, at most */
};

struct api_client {
	int fd;				/* -1: free */
	uint16_t gen;
	uint8_t socket;			/* enum api_socket */
	bool eof;			/* it will say no more */
	bool ending;			/* to be closed once all is sent */
	bool stays;			/* …but not because it says no more */
	bool put_off;			/* work is left for a later turn */
	bool in_queue;			/* of those; its place is kept to the end */
	bool unfinished;		/* the protocol has part of a request */
	uint32_t events;		/* that are watched */
	mono_t active;			/* when it came, or last said (unless it is
					 * to hurry) or took something */
	struct timer timer;

	size_t in_len, out_len, out_sent;
	char in[API_IN];
	char out[API_OUT];
};

struct api_ops {
	unsigned clients;		/* at most, at a time: API_…_CLIENTS */
	unsigned patience_s;		/* until one is dropped that… */
	bool hurry;			/* …has come; no: that is slow */
	unsigned replace_ms;		/* there are too many: who has been idle
					 * for so long makes room; or, with hurry,
					 * who came or took something so long ago.
					 * 0: others wait */

	void (*opened)(struct api_client *c);	/* may be NULL; so may closed */
	void (*closed)(struct api_client *c);
	/* There may be a request in c->in, or c->eof is set; c->out is empty.
	 * False: more bytes are needed.
	 */
	bool (*input)(struct api_client *c);
	/* c->out is empty: is there more to say? May be NULL. */
	void (*more)(struct api_client *c);
};

/* Bind the socket, before isolate_user(): with the caller's rights. Dies if it
 * can't, naming the option. take: in place of whatever has that name, with the
 * mode that the umask leaves; otherwise of a socket that nobody listens at, with
 * mode 0600.
 */
void api_open(enum api_socket which, const char *path, const char *option,
	      bool take);
/* Serve it; after loop_init() and timer_init(). Nothing if it isn't open. */
void api_start(enum api_socket which, const struct api_ops *ops);
/* Go on with those that were put off: at the end of each turn, before what they
 * have brought about is sent
 */
void api_run_queue(void);
/* The sockets' names that are to go with us, until api_keep(). How many. */
struct leftover;
unsigned api_names(const struct leftover *ret_names[API_SOCKETS]);
/* The start has failed: remove the names that are ours. Safe in signal handlers. */
void api_undo(void);
/* The start has succeeded */
void api_keep(void);

/* Number of a client, below API_CLIENTS, for what a protocol knows of it */
unsigned api_index(const struct api_client *c);
struct api_client *api_client(unsigned index);
/* The first n bytes of c->in have been read */
void api_consume(struct api_client *c, size_t n);
/* Bytes that still fit into c->out */
size_t api_room(const struct api_client *c);
/* Append to c->out. False: there is no room for all of it, nothing is appended. */
bool api_write(struct api_client *c, const void *bytes, size_t n);
bool api_print(struct api_client *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Within `more`, without anything to say yet: it is to be called in the next turn */
void api_again(struct api_client *c);
/* There is something new to say to a client that hasn't asked just now: `more`
 * is called in the next turn
 */
void api_wake(struct api_client *c);

#endif /* CTL_API_SERVER_H */
