// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: signals, before the loop and in it, see signals.h */
#include "start/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "engine/loop.h"
#include "util/log.h"

static struct {
	int fd;
	sigset_t set;
	void (*undo)(void);
	void (*at_usr1)(void);
} signals = { .fd = -1 };

static void signal_event(struct loop_ref ref, uint32_t events)
{
	struct signalfd_siginfo si;

	(void)ref;
	(void)events;
	while (read(signals.fd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGUSR1)
			signals.at_usr1();
		else
			loop_exit(EXIT_SUCCESS);
	}
}

/* Called off before it was ready: as if it had never begun. The second time it
 * ends us, unless we are PID 1, for which default actions don't happen.
 */
static void start_signal(int sig)
{
	signals.undo();
	raise(sig);
	_exit(128 + sig);
}

/* All that would end us, but for faults of our own */
static const int start_signals[] = {
	SIGTERM, SIGQUIT, SIGINT, SIGHUP, SIGALRM, SIGUSR1, SIGUSR2, SIGVTALRM,
	SIGPROF, SIGXCPU, SIGXFSZ, SIGIO,
};

void signals_start(void (*undo)(void))
{
	const struct sigaction act = { .sa_handler = start_signal,
				       .sa_flags = SA_RESETHAND | SA_NODEFER };
	struct sigaction old;

	signals.undo = undo;
	signal(SIGPIPE, SIG_IGN);
	for (unsigned i = 0; i < ARRAY_SIZE(start_signals); i++) {
		int sig = start_signals[i];

		if (!sigaction(sig, NULL, &old) && old.sa_handler == SIG_DFL)
			sigaction(sig, &act, NULL);
	}
}

void signals_end_start(void)
{
	struct sigaction old;

	for (unsigned i = 0; i < ARRAY_SIZE(start_signals); i++) {
		int sig = start_signals[i];

		if (!sigaction(sig, NULL, &old) &&
		    old.sa_handler == start_signal)
			signal(sig, SIG_DFL);
	}
}

/* From a terminal: unless somebody wants us not to hear it (nohup, a shell's
 * background), or it is blocked, as pasta_spawn() does with a command's SIGINT
 */
static void signals_add_tty(int sig)
{
	struct sigaction old;
	sigset_t blocked;

	if (!sigprocmask(SIG_BLOCK, NULL, &blocked) &&
	    !sigismember(&blocked, sig) && !sigaction(sig, NULL, &old) &&
	    old.sa_handler != SIG_IGN)
		sigaddset(&signals.set, sig);
}

void signals_watch(void (*at_usr1)(void), bool foreground)
{
	struct loop_ref ref = { .kind = LOOP_SIGNAL };

	signals.at_usr1 = at_usr1;
	sigemptyset(&signals.set);
	sigaddset(&signals.set, SIGTERM);
	sigaddset(&signals.set, SIGQUIT);
	sigaddset(&signals.set, SIGUSR1);
	/* In the background, PID 1 of its namespace doesn't hear them */
	if (foreground) {
		signals_add_tty(SIGINT);
		signals_add_tty(SIGHUP);
	}
	sigprocmask(SIG_BLOCK, &signals.set, NULL);
	signals_end_start();
	signals.fd = signalfd(-1, &signals.set, SFD_NONBLOCK | SFD_CLOEXEC);
	loop_set_handler(LOOP_SIGNAL, signal_event);
	if (signals.fd < 0 || loop_add(signals.fd, EPOLLIN, ref))
		die("Couldn't watch signals: %s", strerror(errno));
}

void signals_called_off(void)
{
	sigset_t pending;

	sigemptyset(&pending);
	sigpending(&pending);
	for (unsigned i = 0; i < ARRAY_SIZE(start_signals); i++) {
		int sig = start_signals[i];

		if (sig == SIGUSR1 || !sigismember(&signals.set, sig) ||
		    !sigismember(&pending, sig))
			continue;
		signals.undo();
		sigprocmask(SIG_UNBLOCK, &signals.set, NULL);
		_exit(128 + sig);	/* PID 1 is immune */
	}
}
