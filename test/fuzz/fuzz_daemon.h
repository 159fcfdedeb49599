/* SPDX-License-Identifier: GPL-2.0-or-later */
/* As much of a daemon as its protocols need, and a client that says what it is given */
#ifndef TEST_FUZZ_FUZZ_DAEMON_H
#define TEST_FUZZ_FUZZ_DAEMON_H

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "ctl/api_server.h"
#include "engine/flow.h"
#include "engine/loop.h"
#include "engine/timer.h"
#include "fwd/fwd_table.h"
#include "host/sock.h"
#include "util/log.h"

enum { FUZZ_PIECES = 4096 };

static struct conf fuzz_conf;

/* Once, while there is but one thread: others can't have a user namespace made.
 * Who may do without it does, as libFuzzer may start one of us from another.
 */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET)) {
		perror("A network namespace is needed");
		exit(EXIT_FAILURE);
	}
	conf_init(&fuzz_conf, 3, (char *[]){ (char *)"passt", (char *)"-q",
					     (char *)"-f", NULL });
	log_max = LOG_LVL_ERR;
	loop_init();
	flow_init();
	timer_init(loop_now());
	sock_init(&fuzz_conf);
	fwd_table_allow(HOST, conf_fwd_can(&fuzz_conf, HOST));
	return 0;
}

/* All that was answered; what has no room isn't looked at */
static struct {
	char text[1 << 20];
	size_t len;
} fuzz_said;

/* Take what there is to be said. False: there was nothing. */
static bool fuzz_take(struct api_client *c)
{
	size_t room = sizeof(fuzz_said.text) - fuzz_said.len;
	size_t n = c->out_len < room ? c->out_len : room;
	bool any = c->out_len;

	memcpy(fuzz_said.text + fuzz_said.len, c->out, n);
	fuzz_said.len += n;
	c->out_len = 0;
	return any;
}

/* Connect, say it in pieces, take what is answered, close */
static void fuzz_client(const struct api_ops *ops, const uint8_t *p, size_t len)
{
	struct api_client *c = api_client(0);
	unsigned left = FUZZ_PIECES;
	bool goes_on = true;

	*c = (struct api_client){ .fd = -1 };
	fuzz_said.len = 0;
	if (ops->opened)
		ops->opened(c);
	while (goes_on && !c->ending) {
		size_t n = MIN(1 + len % 509, API_IN - c->in_len);

		assert(left--);
		c->put_off = false;
		if (ops->more)
			ops->more(c);
		if (fuzz_take(c) || c->put_off)
			continue;
		n = MIN(n, len);
		memcpy(c->in + c->in_len, p, n);
		c->in_len += n;
		p += n;
		len -= n;
		c->eof = !len;
		goes_on = ops->input(c) || len;
		fuzz_take(c);
	}
	if (ops->closed)
		ops->closed(c);
}

#endif /* TEST_FUZZ_FUZZ_DAEMON_H */
