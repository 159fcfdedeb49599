// SPDX-License-Identifier: GPL-2.0-or-later
/* Links: util/server_name.o util/dnsname.o util/rdwr.o
 *
 * First bytes of TLS and HTTP: make fuzz, then build/fuzz/fuzz_server_name [CORPUS].
 * A name that is found stays, whatever follows, and isn't there before.
 */
#include "util/server_name.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	char name[DNSNAME_TEXT_LEN], part[DNSNAME_TEXT_LEN];
	enum server_name half = server_name(p, len / 2, part);
	enum server_name whole = server_name(p, len, name);

	assert(half != SERVER_NAME_FOUND ||
	       (whole == SERVER_NAME_FOUND && !strcmp(part, name)));
	assert(half != SERVER_NAME_NONE || whole == SERVER_NAME_NONE);
	return 0;
}
