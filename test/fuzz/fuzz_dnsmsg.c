// SPDX-License-Identifier: GPL-2.0-or-later
/* Links: util/dnsmsg.o util/dnsname.o util/rdwr.o util/addr.o
 *
 * DNS messages: make fuzz, then build/fuzz/fuzz_dnsmsg [CORPUS]
 */
#include "util/dnsmsg.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct dnsmsg_addr addrs[DNSMSG_ADDRS];
	uint8_t reply[DNSMSG_REPLY_MAX];
	struct dnsmsg m;
	bool ok = dnsmsg_read(p, len, &m);

	dnsmsg_reply(p, len, ok ? &m : NULL, DNS_REFUSED, reply);
	if (!ok)
		return 0;
	assert(strlen(m.name) < sizeof(m.name) && m.question_end <= len);
	dnsmsg_is_plain_query(p, len, &m);
	dnsmsg_has_answers(p, len);
	assert(dnsmsg_addrs(p, len, &m, addrs) <= DNSMSG_ADDRS);
	return 0;
}
