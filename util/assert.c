// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the end that must not happen, see assert.h */
#include "util/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ASSERT_LINE_MAX = 512 };

static void (*assert_teller)(const char *line);

void assert_set_teller(void (*tell)(const char *line))
{
	assert_teller = tell;
}

void assert_failed(const char *condition, const char *file, int line,
		   const char *about)
{
	void (*tell)(const char *) = assert_teller;
	char text[ASSERT_LINE_MAX];

	snprintf(text, sizeof(text), "Assertion failed: %s, %s:%d%s%s",
		 condition, file, line, *about ? ", " : "", about);
	/* Should that fail, too, it's not asked again */
	assert_teller = NULL;
	if (tell) {
		tell(text);
	} else {
		(void)!write(STDERR_FILENO, text, strlen(text));
		(void)!write(STDERR_FILENO, "\n", 1);
	}
	abort();
}
