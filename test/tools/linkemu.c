// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: a link with faults, between two ends: taps or stream sockets
 *
 * Flow: a frame is read from one end; chance decides whether it is lost,
 * repeated, or held back so that later ones overtake it; rate and delay say when
 * it is due at the other end. What is due at once, and finds nothing before it,
 * is written from where it was read. The rest waits in a heap, ordered by time
 * and then by arrival.
 *
 * Chance comes from one generator per direction, asked the same number of times
 * for each frame: the same seed makes the same decisions for the n-th frame.
 *
 * Pressure: a stream that doesn't take more blocks its direction, nothing is
 * lost by that; so does a heap above its limit. Only `rate` with `queue` drops.
 *
 * Invariant: times are nanoseconds of CLOCK_MONOTONIC.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	FRAME_MAX	= 65535 + 18,
	BATCH		= 64,		/* frames from one end per turn */
	IN_SIZE		= 512 * 1024,	/* of a stream's input */
	OUT_IOV		= 2 * BATCH,
	HELD_MAX	= 512 << 20,	/* bytes under way in a direction */
	MS		= 1000000,	/* in ns */
};

struct frame {
	uint64_t due, order;
	uint32_t len;
	uint8_t data[];
};

struct end {
	const char *spec;
	int fd;
	bool stream;
	uint32_t events;		/* that are watched */
	/* Of a stream */
	uint8_t *in;
	size_t in_start, in_end;
	uint8_t *rest;			/* of a frame, length in front */
	size_t rest_at, rest_len;
};

/* Chances are of 2^32 */
struct faults {
	uint64_t delay, jitter, reorder_delay, ns_per_byte_q20, queue;
	uint32_t loss, dup, reorder;
};

struct direction {
	const char *name;
	struct faults is;
	struct end *from, *to;
	uint64_t chance;		/* state of the generator */
	uint64_t line_free;		/* when the rate allows the next frame */
	uint64_t last_due;
	/* Under way: heap of frames */
	struct frame **heap;
	size_t n, size, held;
	uint64_t order;
	/* Counted */
	uint64_t frames, bytes, lost, repeated, late, dropped, out;
};

static struct {
	struct end end[2];
	struct direction dir[2];
	int epfd, timer_fd, signal_fd;
	uint64_t armed;			/* what the timer is set to; 0: not */
	unsigned mtu, txqueue;
	uint64_t seed;
	bool stats;
} emu = { .mtu = 1500, .txqueue = 10000, .seed = 1 };

static const char usage[] =
"Usage: linkemu [OPTION]... END END\n"
"A link between two ends, with faults. It runs until an end is closed, or until\n"
"SIGINT or SIGTERM. \"ready\" is printed once both ends are there.\n"
"\n"
"An END is one of\n"
"  tap=NAME[@PATH]  tap device, created in the network namespace PATH (default:\n"
"                   this one), and set up\n"
"  unix=PATH        UNIX stream socket, connected to; frames have a length of\n"
"                   four bytes in front, big-endian\n"
"  fd=N             the same, on an open descriptor\n"
"\n"
"  --ab, --ba, --both     faults that follow are for frames from the first END\n"
"                         to the second, for the others, for all (default)\n"
"  --delay MS             one way\n"
"  --jitter MS            up to that much more; keeps the order\n"
"  --loss PERCENT         of frames\n"
"  --dup PERCENT          delivered twice\n"
"  --reorder PERCENT      held back, others overtake them ...\n"
"  --reorder-delay MS     ... for up to that long (2)\n"
"  --rate MBIT            bits per second, 0: no limit (0)\n"
"  --queue KIB            in front of that rate, more is dropped (1024)\n"
"  --seed N               of the decisions: the same for the same number (1);\n"
"                         SIGUSR2 begins them again, SIGHUP those of the next N\n"
"\n"
"  --mtu N                of taps (1500)\n"
"  --txqueue N            of taps, frames (10000)\n"
"  --stats                print what happened, at the end and at SIGUSR1\n"
"\n"
"Times have a precision of about 0.1 ms, and may be fractions, like percentages.\n";

__attribute__((format(printf, 1, 2), noreturn))
static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "linkemu: ");
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* splitmix64 */
static uint32_t draw(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (uint32_t)((z ^ z >> 31) >> 32);
}

static bool heap_before(const struct frame *a, const struct frame *b)
{
	return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void heap_push(struct direction *d, struct frame *f)
{
	size_t i = d->n++;

	if (i == d->size) {
		d->size = d->size ? 2 * d->size : 1024;
		d->heap = realloc(d->heap, d->size * sizeof(d->heap[0]));
		if (!d->heap)
			die("out of memory");
	}
	for (; i && heap_before(f, d->heap[(i - 1) / 2]); i = (i - 1) / 2)
		d->heap[i] = d->heap[(i - 1) / 2];
	d->heap[i] = f;
}

static struct frame *heap_pop(struct direction *d)
{
	struct frame *top = d->heap[0], *f = d->heap[--d->n];
	size_t i = 0, c;

	while ((c = 2 * i + 1) < d->n) {
		if (c + 1 < d->n && heap_before(d->heap[c + 1], d->heap[c]))
			c++;
		if (!heap_before(d->heap[c], f))
			break;
		d->heap[i] = d->heap[c];
		i = c;
	}
	d->heap[i] = f;
	return top;
}

static void print_stats(void)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct direction *d = &emu.dir[i];

		fprintf(stderr, "%s: %" PRIu64 " frames, %" PRIu64 " bytes, %"
			PRIu64 " lost, %" PRIu64 " repeated, %" PRIu64
			" late, %" PRIu64 " dropped, %" PRIu64
			" delivered, %zu under way\n", d->name, d->frames,
			d->bytes, d->lost, d->repeated, d->late, d->dropped,
			d->out, d->n);
	}
}

/* An end is gone, or can't be used: that's the end of the link */
__attribute__((noreturn))
static void gone(const struct end *e, const char *what, int error)
{
	if (error && error != ECONNRESET && error != EPIPE)
		die("%s: %s: %s", e->spec, what, strerror(error));
	if (emu.stats)
		print_stats();
	exit(0);
}

static bool is_blocked(const struct end *e)
{
	return e->stream && e->rest_at != e->rest_len;
}

static void watch(struct end *e)
{
	const struct direction *d = &emu.dir[e == &emu.end[1]];
	bool full = d->held >= HELD_MAX || (is_blocked(d->to) && d->n >= BATCH);
	uint32_t events = (full ? 0 : EPOLLIN) |
			  (is_blocked(e) ? EPOLLOUT : 0);
	struct epoll_event ev = { .events = events, .data.ptr = e };

	if (events == e->events)
		return;
	e->events = events;
	epoll_ctl(emu.epfd, EPOLL_CTL_MOD, e->fd, &ev);
}

/* What of iov wasn't written has to be kept: at most one frame is cut, those
 * behind it go back to the heap, by the caller. Returns frames that are done,
 * including a cut one.
 */
static unsigned stream_write(struct end *e, struct iovec *iov, unsigned frames)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 * frames };
	ssize_t n = sendmsg(e->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	unsigned i;

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		gone(e, "send", errno);
	for (i = 0; i < frames && n > 0; i++) {
		size_t hdr = iov[2 * i].iov_len, len = iov[2 * i + 1].iov_len;

		if ((size_t)n < hdr + len) {
			memcpy(e->rest, iov[2 * i].iov_base, hdr);
			memcpy(e->rest + hdr, iov[2 * i + 1].iov_base, len);
			e->rest_at = (size_t)n;
			e->rest_len = hdr + len;
		}
		n -= (ssize_t)(hdr + len);
	}
	if (!i && frames) {
		/* Nothing went: let the first be the rest, to be woken */
		memcpy(e->rest, iov[0].iov_base, iov[0].iov_len);
		memcpy(e->rest + iov[0].iov_len, iov[1].iov_base,
		       iov[1].iov_len);
		e->rest_at = 0;
		e->rest_len = iov[0].iov_len + iov[1].iov_len;
		i = 1;
	}
	return i;
}

static void stream_resume(struct end *e)
{
	ssize_t n = send(e->fd, e->rest + e->rest_at, e->rest_len - e->rest_at,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n > 0)
		e->rest_at += (size_t)n;
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		gone(e, "send", errno);
}

static void tap_write(const struct end *e, const uint8_t *data, size_t len)
{
	if (write(e->fd, data, len) < 0 && errno != EIO && errno != EAGAIN &&
	    errno != EINVAL && errno != ENOBUFS && errno != ENOMEM)
		gone(e, "write", errno);
}

/* Deliver what is due, as long as the other end takes it */
static void deliver(struct direction *d, uint64_t now)
{
	while (d->n && d->heap[0]->due <= now && !is_blocked(d->to)) {
		struct frame *due[BATCH];
		struct iovec iov[OUT_IOV];
		uint8_t len[BATCH][4];
		unsigned n = 0, done;

		while (n < BATCH && d->n && d->heap[0]->due <= now) {
			struct frame *f = heap_pop(d);

			len[n][0] = (uint8_t)(f->len >> 24);
			len[n][1] = (uint8_t)(f->len >> 16);
			len[n][2] = (uint8_t)(f->len >> 8);
			len[n][3] = (uint8_t)f->len;
			iov[2 * n] = (struct iovec){ len[n], 4 };
			iov[2 * n + 1] = (struct iovec){ f->data, f->len };
			due[n++] = f;
		}
		if (d->to->stream)
			done = stream_write(d->to, iov, n);
		else
			for (done = 0; done < n; done++)
				tap_write(d->to, due[done]->data,
					  due[done]->len);
		d->out += done;
		for (unsigned i = 0; i < n; i++) {
			if (i >= done) {
				heap_push(d, due[i]);
				continue;
			}
			d->held -= due[i]->len;
			free(due[i]);
		}
	}
}

static void hold(struct direction *d, const uint8_t *data, size_t len,
		 uint64_t due)
{
	struct frame *f = malloc(sizeof(*f) + len);

	if (!f)
		die("out of memory");
	f->due = due;
	f->order = d->order++;
	f->len = (uint32_t)len;
	memcpy(f->data, data, len);
	d->held += len;
	heap_push(d, f);
}

static uint64_t scaled(uint32_t chance, uint64_t range)
{
	return (range >> 32) * chance + ((range & UINT32_MAX) * chance >> 32);
}

/* One frame enters the link */
static void enter(struct direction *d, const uint8_t *data, size_t len,
		  uint64_t now)
{
	const struct faults *is = &d->is;
	uint32_t loss = draw(&d->chance), dup = draw(&d->chance);
	uint32_t reorder = draw(&d->chance), by = draw(&d->chance);
	uint64_t due = now;
	bool late;

	d->frames++;
	d->bytes += len;
	if (loss < is->loss) {
		d->lost++;
		return;
	}
	if (is->ns_per_byte_q20) {
		uint64_t line = d->line_free > now ? d->line_free : now;

		if (line - now > is->queue) {
			d->dropped++;
			return;
		}
		due = line + (len * is->ns_per_byte_q20 >> 20);
		d->line_free = due;
	}
	due += is->delay + scaled(by, is->jitter);
	late = reorder < is->reorder;
	if (late) {
		d->late++;
		due += scaled(by, is->reorder_delay);
	} else {
		due = due > d->last_due ? due : d->last_due;
		d->last_due = due;
	}
	if (dup < is->dup) {
		d->repeated++;
		hold(d, data, len, due);
	}
	if (due <= now && !d->n && !d->to->stream) {
		tap_write(d->to, data, len);
		d->out++;
	} else {
		hold(d, data, len, due);
	}
}

static void tap_read(struct direction *d, uint64_t now)
{
	static uint8_t buf[FRAME_MAX];

	for (unsigned i = 0; i < BATCH; i++) {
		ssize_t n = read(d->from->fd, buf, sizeof(buf));

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0)
			gone(d->from, "read", n ? errno : 0);
		enter(d, buf, (size_t)n, now);
	}
}

static void stream_read(struct direction *d, uint64_t now)
{
	struct end *e = d->from;
	ssize_t n = recv(e->fd, e->in + e->in_end, IN_SIZE - e->in_end,
			 MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		gone(e, "recv", n ? errno : 0);
	e->in_end += (size_t)n;
	while (e->in_end - e->in_start >= 4) {
		const uint8_t *p = e->in + e->in_start;
		uint32_t len = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
			       (uint32_t)p[2] << 8 | p[3];

		if (!len || len > FRAME_MAX)
			die("%s: a frame of %" PRIu32 " bytes", e->spec, len);
		if (e->in_end - e->in_start < 4 + len)
			break;
		enter(d, p + 4, len, now);
		e->in_start += 4 + len;
	}
	if (e->in_start == e->in_end) {
		e->in_start = e->in_end = 0;
	} else if (IN_SIZE - e->in_end < FRAME_MAX + 4) {
		memmove(e->in, e->in + e->in_start, e->in_end - e->in_start);
		e->in_end -= e->in_start;
		e->in_start = 0;
	}
}

/* The earliest frame that isn't blocked sets the timer */
static void arm(void)
{
	struct itimerspec its = { 0 };
	uint64_t at = 0;

	for (unsigned i = 0; i < 2; i++) {
		const struct direction *d = &emu.dir[i];

		if (d->n && !is_blocked(d->to) && (!at || d->heap[0]->due < at))
			at = d->heap[0]->due;
	}
	if (!at || (emu.armed && emu.armed <= at))
		return;
	emu.armed = at;
	its.it_value.tv_sec = (time_t)(at / 1000000000);
	its.it_value.tv_nsec = (long)(at % 1000000000);
	timerfd_settime(emu.timer_fd, TFD_TIMER_ABSTIME, &its, NULL);
}

/* The decisions of the seed, from the first one on */
static void set_chance(void)
{
	for (unsigned i = 0; i < 2; i++)
		emu.dir[i].chance = emu.seed * 2 + i;
}

/* True: it's time to end */
static bool signalled(void)
{
	struct signalfd_siginfo si;

	if (read(emu.signal_fd, &si, sizeof(si)) != sizeof(si))
		return false;
	switch (si.ssi_signo) {
	case SIGUSR1:
		print_stats();
		return false;
	case SIGHUP:
		emu.seed++;
		set_chance();
		return false;
	case SIGUSR2:
		set_chance();
		return false;
	default:
		return true;
	}
}

static void end_event(struct end *e, uint32_t events, uint64_t now)
{
	struct direction *d = &emu.dir[e == &emu.end[1]];

	if (events & EPOLLOUT && is_blocked(e))
		stream_resume(e);
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	if (e->stream)
		stream_read(d, now);
	else
		tap_read(d, now);
}

static void run(void)
{
	for (;;) {
		struct epoll_event ev[4];
		int n = epoll_wait(emu.epfd, ev, 4, -1);
		uint64_t now = now_ns();

		for (int i = 0; i < n; i++) {
			uint64_t expired;

			if (ev[i].data.ptr == &emu.signal_fd) {
				if (signalled())
					return;
			} else if (ev[i].data.ptr == &emu.timer_fd) {
				emu.armed = 0;
				if (read(emu.timer_fd, &expired,
					 sizeof(expired)) < 0)
					continue;
			} else {
				end_event(ev[i].data.ptr, ev[i].events, now);
			}
		}
		now = now_ns();
		deliver(&emu.dir[0], now);
		deliver(&emu.dir[1], now);
		watch(&emu.end[0]);
		watch(&emu.end[1]);
		arm();
	}
}

static int tap_in_this_ns(const char *name, const char *spec)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || s < 0)
		die("%s: /dev/net/tun: %s", spec, strerror(errno));
	snprintf(ifr.ifr_name, IFNAMSIZ, "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr))
		die("%s: %s", spec, strerror(errno));
	ifr.ifr_mtu = (int)emu.mtu;
	if (ioctl(s, SIOCSIFMTU, &ifr))
		die("%s: MTU %u: %s", spec, emu.mtu, strerror(errno));
	ifr.ifr_ifru.ifru_ivalue = (int)emu.txqueue;
	/* Not for an ordinary user, even in a namespace of his own; the default
	 * will do
	 */
	if (ioctl(s, SIOCSIFTXQLEN, &ifr) && errno != EPERM)
		die("%s: queue of %u: %s", spec, emu.txqueue, strerror(errno));
	if (ioctl(s, SIOCGIFFLAGS, &ifr))
		die("%s: %s", spec, strerror(errno));
	ifr.ifr_flags |= IFF_UP;
	if (ioctl(s, SIOCSIFFLAGS, &ifr))
		die("%s: up: %s", spec, strerror(errno));
	close(s);
	return fd;
}

/* "NAME@PATH": the device belongs to the namespace in which it is opened */
static int open_tap(const char *arg, const char *spec)
{
	const char *at = strchr(arg, '@');
	char name[IFNAMSIZ];
	int home, ns, fd;

	snprintf(name, sizeof(name), "%.*s",
		 at ? (int)(at - arg) : IFNAMSIZ - 1, arg);
	if (!at)
		return tap_in_this_ns(name, spec);
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ns = open(at + 1, O_RDONLY | O_CLOEXEC);
	if (home < 0 || ns < 0 || setns(ns, CLONE_NEWNET))
		die("%s: %s", spec, strerror(errno));
	fd = tap_in_this_ns(name, spec);
	if (setns(home, CLONE_NEWNET))
		die("back from %s: %s", at + 1, strerror(errno));
	close(ns);
	close(home);
	return fd;
}

static int open_unix(const char *path, const char *spec)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(sa.sun_path))
		die("%s: too long", spec);
	memcpy(sa.sun_path, path, strlen(path));
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		die("%s: %s", spec, strerror(errno));
	return fd;
}

static void open_end(struct end *e, const char *spec)
{
	const char *arg = strchr(spec, '=');
	int size = 4 << 20;

	e->spec = spec;
	if (arg++ && !strncmp(spec, "tap=", 4)) {
		e->fd = open_tap(arg, spec);
		return;
	}
	if (arg && !strncmp(spec, "unix=", 5))
		e->fd = open_unix(arg, spec);
	else if (arg && !strncmp(spec, "fd=", 3))
		e->fd = atoi(arg);
	else
		die("%s: expected tap=, unix= or fd=", spec);
	e->stream = true;
	e->in = malloc(IN_SIZE);
	e->rest = malloc(FRAME_MAX + 4);
	if (!e->in || !e->rest)
		die("out of memory");
	if (setsockopt(e->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)))
		die("%s: %s", spec, strerror(errno));
}

static double number(const char *arg, double max)
{
	char *end;
	double v = strtod(arg, &end);

	if (end == arg || *end || !(v >= 0) || v > max)
		die("expected a number from 0 to %.0f, not %s", max, arg);
	return v;
}

static uint32_t chance(const char *arg)
{
	double v = number(arg, 100) / 100 * 4294967296.0;

	return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

static void one_fault(struct faults *is, int opt, const char *arg)
{
	switch (opt) {
	case 'd':
		is->delay = (uint64_t)(number(arg, 1e6) * MS);
		break;
	case 'j':
		is->jitter = (uint64_t)(number(arg, 1e6) * MS);
		break;
	case 'l':
		is->loss = chance(arg);
		break;
	case 'u':
		is->dup = chance(arg);
		break;
	case 'o':
		is->reorder = chance(arg);
		break;
	case 'O':
		is->reorder_delay = (uint64_t)(number(arg, 1e6) * MS);
		break;
	case 'r':
		is->ns_per_byte_q20 = number(arg, 1e6) > 0 ?
			(uint64_t)(8000 / number(arg, 1e6) * (1 << 20)) : 0;
		break;
	case 'q':	/* KiB, until all rates are known */
		is->queue = (uint64_t)number(arg, 1e6);
		break;
	}
}

static const struct option options[] = {
	{ "ab",			no_argument,		NULL, 1 },
	{ "ba",			no_argument,		NULL, 2 },
	{ "both",		no_argument,		NULL, 3 },
	{ "delay",		required_argument,	NULL, 'd' },
	{ "jitter",		required_argument,	NULL, 'j' },
	{ "loss",		required_argument,	NULL, 'l' },
	{ "dup",		required_argument,	NULL, 'u' },
	{ "reorder",		required_argument,	NULL, 'o' },
	{ "reorder-delay",	required_argument,	NULL, 'O' },
	{ "rate",		required_argument,	NULL, 'r' },
	{ "queue",		required_argument,	NULL, 'q' },
	{ "seed",		required_argument,	NULL, 's' },
	{ "mtu",		required_argument,	NULL, 'm' },
	{ "txqueue",		required_argument,	NULL, 't' },
	{ "stats",		no_argument,		NULL, 'S' },
	{ "help",		no_argument,		NULL, 'h' },
	{ 0 },
};

static void parse_options(int argc, char *argv[])
{
	int opt, dirs = 3;

	for (unsigned i = 0; i < 2; i++) {
		emu.dir[i].is.reorder_delay = 2 * MS;
		emu.dir[i].is.queue = 1024;
	}
	while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (opt) {
		case 1:
		case 2:
		case 3:
			dirs = opt;
			break;
		case 's':
			emu.seed = (uint64_t)number(optarg, 1e15);
			break;
		case 'm':
			emu.mtu = (unsigned)number(optarg, 65521);
			break;
		case 't':
			emu.txqueue = (unsigned)number(optarg, 1e6);
			break;
		case 'S':
			emu.stats = true;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		case '?':
			exit(1);
		default:
			for (int i = 0; i < 2; i++)
				if (dirs & 1 << i)
					one_fault(&emu.dir[i].is, opt, optarg);
		}
	}
	if (argc - optind != 2) {
		fputs(usage, stderr);
		exit(1);
	}
	for (unsigned i = 0; i < 2; i++) {
		struct faults *is = &emu.dir[i].is;

		/* what the rate needs for that many bytes */
		is->queue = is->queue * 1024 * is->ns_per_byte_q20 >> 20;
	}
	set_chance();
}

static void add(int fd, void *ptr, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = ptr };

	if (epoll_ctl(emu.epfd, EPOLL_CTL_ADD, fd, &ev))
		die("epoll: %s", strerror(errno));
}

int main(int argc, char *argv[])
{
	sigset_t set;

	parse_options(argc, argv);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);

	emu.epfd = epoll_create1(EPOLL_CLOEXEC);
	emu.timer_fd = timerfd_create(CLOCK_MONOTONIC,
				      TFD_NONBLOCK | TFD_CLOEXEC);
	emu.signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (emu.epfd < 0 || emu.timer_fd < 0 || emu.signal_fd < 0)
		die("%s", strerror(errno));
	add(emu.timer_fd, &emu.timer_fd, EPOLLIN);
	add(emu.signal_fd, &emu.signal_fd, EPOLLIN);
	for (unsigned i = 0; i < 2; i++) {
		struct direction *d = &emu.dir[i];

		open_end(&emu.end[i], argv[optind + (int)i]);
		d->name = i ? "second to first" : "first to second";
		d->from = &emu.end[i];
		d->to = &emu.end[!i];
	}
	for (unsigned i = 0; i < 2; i++) {
		emu.end[i].events = EPOLLIN;
		add(emu.end[i].fd, &emu.end[i], EPOLLIN);
	}
	printf("ready\n");
	fflush(stdout);
	run();
	if (emu.stats)
		print_stats();
	return 0;
}
