/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Assertions of the unit tests, told as TAP on stdout
 *
 *	int main(void)
 *	{
 *		is_int(f(1), 2, "f() of %d", 1);
 *		is_str(g(), "text", "g()");
 *		return done();
 *	}
 *
 * Every assertion returns whether it held. A test program is one file, so the
 * counters are its own.
 */
#ifndef TAP_TEST_H
#define TAP_TEST_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
	unsigned run, failed;
} tap_count;

/* What the tested code says on stderr comes between lines */
__attribute__((constructor)) static void tap_lines(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
}

static inline bool tap_result(bool held, const char *file, int line,
			      const char *fmt, va_list ap)
{
	printf("%s %u - ", held ? "ok" : "not ok", ++tap_count.run);
	vprintf(fmt, ap);
	putchar('\n');
	if (!held) {
		tap_count.failed++;
		printf("# failed at %s:%d\n", file, line);
	}
	return held;
}

/* How many times slower than usual the machine is, for limits of time: TEST_SLOW */
static inline long slowness(void)
{
	const char *s = getenv("TEST_SLOW");

	return s ? atol(s) : 1;
}

/* Of a test with random values, so many rounds: fewer where each takes longer */
static inline unsigned rounds_of(unsigned usual)
{
	return usual / (unsigned)slowness();
}

__attribute__((format(printf, 4, 5)))
static inline bool tap_ok(bool held, const char *file, int line,
			  const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_result(held, file, line, fmt, ap);
	va_end(ap);
	return held;
}

__attribute__((format(printf, 5, 6)))
static inline bool tap_is_int(intmax_t got, intmax_t want, const char *file,
			      int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_result(got == want, file, line, fmt, ap);
	va_end(ap);
	if (got != want)
		printf("# got %" PRIdMAX ", want %" PRIdMAX "\n", got, want);
	return got == want;
}

__attribute__((format(printf, 5, 6)))
static inline bool tap_is_str(const char *got, const char *want,
			      const char *file, int line, const char *fmt, ...)
{
	bool same = got && want ? !strcmp(got, want) : got == want;
	va_list ap;

	va_start(ap, fmt);
	tap_result(same, file, line, fmt, ap);
	va_end(ap);
	if (!same)
		printf("# got  '%s'\n# want '%s'\n", got ? got : "(null)",
		       want ? want : "(null)");
	return same;
}

#define ok(held, ...)	tap_ok((held), __FILE__, __LINE__, __VA_ARGS__)
#define is_int(got, want, ...) \
	tap_is_int((intmax_t)(got), (intmax_t)(want), __FILE__, __LINE__, \
		   __VA_ARGS__)
#define is_str(got, want, ...) \
	tap_is_str((got), (want), __FILE__, __LINE__, __VA_ARGS__)

/* The plan; returns the exit status of the program */
static inline int done(void)
{
	printf("1..%u\n", tap_count.run);
	return tap_count.failed ? 1 : 0;
}

#endif /* TAP_TEST_H */
