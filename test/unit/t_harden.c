// SPDX-License-Identifier: GPL-2.0-or-later
/* What the compiler makes of the options in the Makefile */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap_test.h"

/* The signal that ends fn() */
static int ends_by(void (*fn)(size_t), size_t n)
{
	const struct rlimit none = { 0 };
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		setrlimit(RLIMIT_CORE, &none);
		close(STDERR_FILENO);
		fn(n);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* One byte too many, into memory whose size is known at run time alone: level 3 of
 * _FORTIFY_SOURCE sees it
 */
__attribute__((noinline, unused)) static void overrun_heap(size_t n)
{
	char *p = malloc(n);

	if (!p)
		return;
	memset(p, 1, n + (n > 1));
	__asm__ volatile("" : : "r"(p) : "memory");
	free(p);
}

__attribute__((noinline)) static void overrun_stack(size_t n)
{
	volatile char a[16];

	for (size_t i = 0; i < n; i++)
		((volatile char *)a)[i] = 1;
}

__attribute__((noinline)) static void dirty(uint8_t value)
{
	uint8_t a[512];

	memset(a, value, sizeof(a));
	__asm__ volatile("" : : "r"(a) : "memory");
}

/* Bytes that aren't zero of an array that nobody has set */
__attribute__((noinline)) static unsigned unset(void)
{
	unsigned n = 0;
	uint8_t a[256];

	__asm__ volatile("" : : "r"(a) : "memory");
	for (size_t i = 0; i < sizeof(a); i++)
		n += a[i] != 0;
	return n;
}

int main(void)
{
#ifdef __PIE__
	is_int(__PIE__, 2, "position-independent");
#else
	ok(false, "position-independent");
#endif
#ifdef __SSP_STRONG__
	ok(true, "stack protector, strong");
#else
	ok(false, "stack protector, strong");
#endif
#if defined __x86_64__ && defined __GNUC__
#ifndef __CET__
#define __CET__ 0
#endif
	is_int(__CET__, 3, "branches and returns are marked");
#elif defined __aarch64__ && defined __GNUC__
#ifndef __ARM_FEATURE_BTI_DEFAULT
#define __ARM_FEATURE_BTI_DEFAULT 0
#endif
	is_int(__ARM_FEATURE_BTI_DEFAULT, 1, "branches are marked");
#endif
#ifndef SANITIZE
#ifdef __GLIBC__
	is_int(ends_by(overrun_stack, 64), SIGABRT,
#else
	is_int(ends_by(overrun_stack, 64), SIGSEGV,
#endif
	       "an array on the stack is overrun: it ends");
#if defined __GLIBC__ && (__GNUC__ >= 12 || defined __clang__) && defined __OPTIMIZE__
	is_int(ends_by(overrun_heap, 24), SIGABRT,
	       "allocated memory is overrun: it aborts");
#endif
#if __GNUC__ >= 12
	dirty(0xa5);
	is_int(unset(), 0, "what nobody sets is zero");
#endif
#endif
	return done();
}
