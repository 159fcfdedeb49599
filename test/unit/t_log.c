// SPDX-License-Identifier: GPL-2.0-or-later
/* Messages: levels, limits, and a log file that doesn't grow for ever
 *
 * Links: util/log.o
 */
#include "util/log.h"

#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "random.h"
#include "tap_test.h"

enum { CONTENTS_MAX = 1 << 20 };

/* What is in a file; valid until the next call */
static char *contents(int fd)
{
	static char buf[CONTENTS_MAX];
	ssize_t n = pread(fd, buf, sizeof(buf) - 1, 0);

	buf[n < 0 ? 0 : n] = '\0';
	return buf;
}

static void allow(void)
{
	mono_t now = { 5000000 };
	struct log_limit l = { 0 };
	unsigned lost = 99;

	ok(log_allow(&l, now, 3, &lost) && !lost, "the first message");
	ok(log_allow(&l, now, 3, NULL) && log_allow(&l, now, 3, &lost),
	   "as many as the burst");
	ok(!log_allow(&l, now, 3, &lost) && !log_allow(&l, now, 3, NULL),
	   "no more");
	is_int(lost, 0, "  nothing to tell then");
	now.us += 999999;
	ok(!log_allow(&l, now, 3, NULL), "nor within the second");
	now.us++;
	ok(log_allow(&l, now, 3, &lost), "but after it");
	is_int(lost, 3, "  with the number of those lost");
	ok(log_allow(&l, now, 3, &lost) && !lost, "  told once");
	now.us += 3600 * 1000000LL;
	ok(log_allow(&l, now, 3, &lost) && !lost, "after an hour");

	l = (struct log_limit){ 0 };
	ok(log_allow(&l, now, 1, NULL) && !log_allow(&l, now, 1, NULL),
	   "a burst of one");
	now.us += 1000000;
	ok(log_allow(&l, now, 1, NULL), "  each second");
	lost = 99;
	now.us += 1000000;
	ok(log_allow(&l, now, 1, &lost) && !lost,
	   "  lost ones are forgotten when nobody asks");
}

/* Any second has at most twice the burst, any long time the burst a second;
 * each message passes or is told as lost
 */
static void allow_property(void)
{
	struct log_limit l = { 0 };
	unsigned tried = 0, passed = 0, told = 0, lost;
	mono_t now = { 1 };

	for (int i = 0; i < 100000; i++) {
		now.us += random_magnitude(17);
		tried++;
		if (log_allow(&l, now, 5, &lost)) {
			passed++;
			told += lost;
		}
	}
	is_int(passed + told + l.lost, tried, "each passes or is counted");
	ok(passed <= 5 * (now.us / 1000000 + 1), "%u in %u seconds", passed,
	   (unsigned)(now.us / 1000000));
}

/* Lines "seconds: prefix""line N xxx": whole, of one run of numbers, up to the
 * last that was written
 */
static bool whole_lines(int fd, int last)
{
	char *text = contents(fd), *line, *rest;
	int want = -1, n = 0, number;

	if (*text && text[strlen(text) - 1] != '\n')
		return false;
	for (line = strtok_r(text, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest), n++) {
		const char *p = strstr(line, "line ");
		char *end;
		double when;

		if (!n && !strcmp(line, "passt 1.0: passt (1)"))
			continue;
		when = strtod(line, &end);
		if (end == line || when < 0 || strncmp(end, ": ", 2) || !p)
			return false;
		number = atoi(p + 5);
		if (want >= 0 && number != want)
			return false;
		want = number + 1;
	}
	return want == last + 1;
}

static void file(void)
{
	int fd = memfd_create("log", 0), wrong = 0, cuts = 0;
	off_t before = 0;
	struct stat st;
	char pad[2000];

	memset(pad, 'x', sizeof(pad));
	log_to_file(fd, 100000);
	log_begin("passt 1.0: passt (1)");
	is_str(contents(fd), "passt 1.0: passt (1)\n", "the first line");
	err("a %s", "message");
	ok(strstr(contents(fd), ": ERROR:   a message\n"), "an error");
	warn("%d", 2);
	ok(strstr(contents(fd), ": WARNING: 2\n"), "a warning");
	info("i");
	ok(strstr(contents(fd), ": info:    i\n"), "information");
	debug("d");
	trace("t");
	log_msg(LOG_LVL_DEBUG, "D");
	ok(!strpbrk(strstr(contents(fd), "info") + 10, "dtD"),
	   "but no debug message");
	log_max = LOG_LVL_TRACE;
	debug("d");
	trace("t");
	ok(strstr(contents(fd), ":          d\n") &&
	   strstr(contents(fd), ":          t\n"), "unless asked for");
	log_max = LOG_LVL_INFO;

	close(fd);
	fd = memfd_create("log", 0);
	dprintf(fd, "another's\nand more\n");
	log_to_file(fd, 100000);
	err("e");
	warn("f");
	is_str(contents(fd), "another's\nand more\n",
	       "the file stays as it is until the start has succeeded");
	log_begin("passt 1.0: passt (1001)");
	err("g");
	ok(!strncmp(contents(fd), "passt 1.0: passt (1001)\n", 24) &&
	   strstr(contents(fd), ": ERROR:   e\n") &&
	   strstr(contents(fd), ": WARNING: f\n") &&
	   strstr(contents(fd), ": ERROR:   g\n"),
	   "  then it has what was said meanwhile");
	ok(!strstr(contents(fd), "another"), "  and nothing else");

	close(fd);
	fd = memfd_create("log", 0);
	log_to_file(fd, 100000);
	for (int i = 0; i < 3000; i++)
		info("line %d %.60s", i, pad);
	log_begin("passt 1.0: passt (1)");
	info("after");
	fstat(fd, &st);
	ok(st.st_size > LOG_START_MAX / 2 && st.st_size < LOG_START_MAX + 1000 &&
	   strstr(contents(fd), "messages lost"),
	   "  what is too much for that is counted");

	close(fd);
	fd = memfd_create("log", 0);
	log_to_file(fd, 16384);
	log_begin("passt 1.0: passt (1)");
	for (int i = 0; i < 3000; i++) {
		info("line %d %.*s", i, (int)random_below(120), pad);
		fstat(fd, &st);
		wrong += st.st_size > 16384;
		cuts += st.st_size < before;
		if (st.st_size < before || !(i % 50))
			wrong += !whole_lines(fd, i);
		wrong += cuts && st.st_size < 16384 / 3;
		before = st.st_size;
	}
	is_int(wrong, 0, "3000 lines in 16 KiB: always whole ones, the latest");
	ok(cuts > 5, "  cut %d times", cuts);
	close(fd);

	/* Larger than what is moved at once */
	fd = memfd_create("log", 0);
	wrong = cuts = 0;
	before = 0;
	log_to_file(fd, 200000);
	log_begin("passt 1.0: passt (1)");
	for (int i = 0; i < 10000; i++) {
		info("line %d %.*s", i, (int)random_below(500), pad);
		fstat(fd, &st);
		wrong += st.st_size > 200000;
		if (st.st_size < before) {
			cuts++;
			wrong += !whole_lines(fd, i) || st.st_size < 99000;
		}
		before = st.st_size;
	}
	wrong += !whole_lines(fd, 9999);
	is_int(wrong, 0, "10000 lines in 200 KB");
	ok(cuts > 5, "  cut %d times", cuts);
	close(fd);

	/* A message longer than a line */
	fd = memfd_create("log", 0);
	log_to_file(fd, 16384);
	log_begin("passt 1.0: passt (1)");
	info("line 0 %.*s", (int)sizeof(pad), pad);
	info("line 1");
	ok(whole_lines(fd, 1), "a very long message is cut, and still a line");
	wrong = 0;
	for (int i = 2; i < 500; i++) {
		info("line %d %.*s", i, (int)sizeof(pad), pad);
		fstat(fd, &st);
		wrong += !whole_lines(fd, i) || st.st_size > 16384;
	}
	is_int(wrong, 0, "500 of these in 16 KiB");
	close(fd);
}

static void limited(void)
{
	int saved = dup(STDERR_FILENO), fd = memfd_create("stderr", 0);
	struct log_limit l = { 0 };

	dup2(fd, STDERR_FILENO);
	for (int i = 0; i < 20; i++) {
		if (log_admit(&l, LOG_LVL_WARN))
			log_msg_limited(&l, LOG_LVL_WARN, "w%d", i);
	}
	is_str(contents(fd), "w0\nw1\nw2\nw3\nw4\n", "20 at once: five");
	l.since.us -= 1000001;
	for (int i = 20; i < 22; i++) {
		if (log_admit(&l, LOG_LVL_WARN))
			log_msg_limited(&l, LOG_LVL_WARN, "w%d", i);
	}
	is_str(contents(fd) + 15, "w20 (and 15 more such messages)\nw21\n",
	       "  a second later, the next one tells of the others");
	ok(!log_admit(&l, LOG_LVL_DEBUG), "  nothing that isn't asked for");
	for (int i = 0; i < 20; i++)
		info_limited("i%d", i);
	ok(strstr(contents(fd), "\ni0\ni1\ni2\ni3\ni4\n") &&
	   !strstr(contents(fd), "i5"), "  each place has a limit of its own");
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fd);
}

/* On stderr, as it is; with time stamps if asked for */
static void to_stderr(void)
{
	int saved = dup(STDERR_FILENO), fd = memfd_create("stderr", 0);
	const char *text;
	double when;
	char *end;

	dup2(fd, STDERR_FILENO);
	err("one %d", 1);
	info("two");
	debug("three");
	is_str(contents(fd), "one 1\ntwo\n", "stderr: without prefix");
	if (ftruncate(fd, 0))
		return;
	lseek(fd, 0, SEEK_SET);
	log_timestamps(true);
	info("stamped");
	text = contents(fd);
	when = strtod(text, &end);
	ok(when >= 0 && when < 60 && !strcmp(end, ": stamped\n") &&
	   strchr(text, '.') && end - strchr(text, '.') == 7,
	   "with time stamps: seconds and microseconds");
	log_timestamps(false);
	if (ftruncate(fd, 0))
		return;
	lseek(fd, 0, SEEK_SET);
	log_drop_stderr();
	info("into the void");
	is_str(contents(fd), "", "and none once stderr is dropped");
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fd);
}

/* Both ends of something that stderr may be; false if there is none here */
static bool stderr_pipe(int p[2])
{
	return !pipe(p);
}

static bool stderr_socket(int p[2])
{
	return !socketpair(AF_UNIX, SOCK_STREAM, 0, p);
}

static bool stderr_terminal(int p[2])
{
	struct termios t;

	p[0] = posix_openpt(O_RDWR | O_NOCTTY);
	if (p[0] < 0 || grantpt(p[0]) || unlockpt(p[0]))
		return false;
	p[1] = open(ptsname(p[0]), O_RDWR | O_NOCTTY);
	if (p[1] < 0 || tcgetattr(p[1], &t))
		return false;
	cfmakeraw(&t);
	return !tcsetattr(p[1], TCSANOW, &t);
}

/* All that is there now, up to that line: true if the last one is it */
static bool read_until(int fd, const char *line, char *buf, size_t size)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t len = 0;

	while (len < size - 1 && poll(&p, 1, 2000) > 0) {
		ssize_t n = read(fd, buf + len, size - 1 - len);

		if (n <= 0)
			break;
		len += (size_t)n;
		buf[len] = '\0';
		if (strstr(buf, line))
			return true;
	}
	return false;
}

/* In a child, whose stderr nobody reads: it says so many lines, then waits to
 * be told to say one more
 */
static void unread_child(int fd, int go, bool own, unsigned lines)
{
	char c;

	dup2(fd, STDERR_FILENO);
	if (own)
		log_open_stderr();
	for (unsigned i = 0; i < lines; i++)
		info("line %u of those that nobody reads", i);
	if (write(go, log_has_room() ? "r" : "f", 1) != 1 ||
	    read(go, &c, 1) != 1)
		_exit(1);
	info("last line, %u lost", (unsigned)log_lost);
	_exit(0);
}

static void unread(const char *what, bool (*make)(int p[2]), bool own)
{
	enum { LINES = 50000 };
	static const char all[] = " messages lost: nobody took them in time\n";
	static char buf[1 << 20];
	unsigned lost = 0, got = 0, told = 0, torn = 0;
	struct pollfd in = { .events = POLLIN };
	int p[2], go[2];
	char room = 0, *at;
	pid_t pid;

	memset(buf, 0, sizeof(buf));
	if (!make(p) || socketpair(AF_UNIX, SOCK_STREAM, 0, go)) {
		ok(false, "%s: can't be had", what);
		return;
	}
	fflush(stdout);
	pid = fork();
	if (!pid)
		unread_child(p[1], go[1], own, LINES);
	close(p[1]);
	in.fd = go[0];
	ok(poll(&in, 1, 5000) == 1 && read(go[0], &room, 1) == 1,
	   "%s that nobody reads: it goes on", what);
	is_int(room, 'f', "  and knows that there is no room");
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	while (read(p[0], buf + got, sizeof(buf) - 1 - got) > 0)
		got = (unsigned)strlen(buf);
	ok(write(go[0], "g", 1) == 1 &&
	   read_until(p[0], "last line, ", buf + got, sizeof(buf) - got),
	   "  read again, it speaks again");
	for (char *s = buf; (s = strchr(s, '\n')); s++)
		told += !strncmp(s + 1, "line ", 5);
	told += !strncmp(buf, "line ", 5);
	/* Several times where room came back meanwhile, as a terminal's does; a line
	 * in front of each may be torn, and is both here and lost
	 */
	for (at = buf; (at = strstr(at, all)); at++) {
		char *number = at;

		while (number > buf && isdigit((unsigned char)number[-1]))
			number--;
		lost += (unsigned)atoi(number);
		torn++;
	}
	ok(told && told < LINES && told + lost >= LINES &&
	   told + lost <= LINES + torn, "  %u lines were lost, and it says so: %u",
	   LINES - told, lost);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(p[0]);
	close(go[0]);
	close(go[1]);
}

static void undo(void)
{
	err("undone");
}

static void dying(void)
{
	int fd = memfd_create("stderr", 0), status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		dup2(fd, STDERR_FILENO);
		log_at_die(undo);
		die("no %s", "way");
	}
	waitpid(pid, &status, 0);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 1,
	   "die() ends with status 1");
	is_str(contents(fd), "no way\nundone\n",
	       "  says why, in one line, and cleans up");
	close(fd);
}

int main(void)
{
	log_init("passt");
	allow();
	allow_property();
	dying();
	limited();
	unread("a pipe", stderr_pipe, true);
	unread("somebody else's pipe", stderr_pipe, false);
	unread("a socket", stderr_socket, true);
	unread("a terminal", stderr_terminal, true);
	to_stderr();
	file();
	return done();
}
