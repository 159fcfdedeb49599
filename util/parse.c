// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the words that the grammars of the command line are made of */
#include "util/parse.h"

#include <ctype.h>
#include <string.h>

bool parse_literal(const char **cursor, const char *text)
{
	size_t len = strlen(text);

	if (strncmp(*cursor, text, len))
		return false;
	*cursor += len;
	return true;
}

bool parse_uint(const char **cursor, unsigned max, unsigned *ret)
{
	const char *p = *cursor;
	uint64_t v = 0;

	for (; isdigit((unsigned char)*p); p++) {
		v = v * 10 + (unsigned)(*p - '0');
		if (v > max)
			return false;
	}
	if (p == *cursor)
		return false;
	*ret = (unsigned)v;
	*cursor = p;
	return true;
}

bool parse_port_range(const char **cursor, uint16_t *ret_first,
		      uint16_t *ret_last)
{
	const char *p = *cursor;
	unsigned first, last;

	if (!parse_uint(&p, UINT16_MAX, &first))
		return false;
	last = first;
	if (parse_literal(&p, "-") && !parse_uint(&p, UINT16_MAX, &last))
		return false;
	if (last < first)
		return false;
	*ret_first = (uint16_t)first;
	*ret_last = (uint16_t)last;
	*cursor = p;
	return true;
}

bool parse_addr(const char **cursor, struct addr *ret)
{
	size_t len = strspn(*cursor, "0123456789abcdefABCDEF.:");
	char text[ADDR_STRLEN];

	if (len >= sizeof(text))
		return false;
	memcpy(text, *cursor, len);
	text[len] = '\0';
	if (!addr_parse(text, ret))
		return false;
	*cursor += len;
	return true;
}

bool parse_addr_bracketed(const char **cursor, struct addr *ret)
{
	const char *p = *cursor;
	struct addr a;

	if (!parse_literal(&p, "[") || !parse_addr(&p, &a) ||
	    !parse_literal(&p, "]"))
		return false;
	*ret = a;
	*cursor = p;
	return true;
}

bool parse_ifname(const char **cursor, char ret[IFNAMSIZ])
{
	size_t len = strcspn(*cursor, "/ \t\n\v\f\r");

	if (!len || len >= IFNAMSIZ)
		return false;
	if (**cursor == '.' &&
	    (len == 1 || (len == 2 && (*cursor)[1] == '.')))
		return false;
	memset(ret, 0, IFNAMSIZ);
	memcpy(ret, *cursor, len);
	*cursor += len;
	return true;
}

bool parse_end(const char *const *cursor)
{
	return !**cursor;
}
