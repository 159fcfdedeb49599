/* SPDX-License-Identifier: GPL-2.0-or-later */
/* assert() for the sandbox: one line where messages go, then abort()
 *
 * The library's allocates, for which the system call filter ends us without a word.
 * This one needs but write() or send(), and is there in every build. Use it for what
 * no input, no peer and no kernel can cause.
 */
#ifndef UTIL_ASSERT_H
#define UTIL_ASSERT_H

#define static_assert	_Static_assert

#define assert(condition)						\
	((condition) ? (void)0 :					\
	 assert_failed(#condition, __FILE__, __LINE__, ""))

/* `about`: what it happened with, or "" */
void assert_failed(const char *condition, const char *file, int line,
		   const char *about)
	__attribute__((noreturn, cold));

/* Who says the line, and sees to it that it gets out; without: write() to stderr */
void assert_set_teller(void (*tell)(const char *line));

#endif /* UTIL_ASSERT_H */
