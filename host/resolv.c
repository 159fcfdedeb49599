// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: resolv.conf(5) → resolvers and search domains */
#include "host/resolv.h"

#include <string.h>

#include "util.h"

static void resolv_add_ns(struct resolv *r, char *text)
{
	char *scope = strchr(text, '%');	/* of a link-local one */
	struct addr a;
	enum family f;
	unsigned i;

	if (scope)
		*scope++ = '\0';
	if (!addr_parse(text, &a) || !addr_is_unicast(&a))
		return;
	f = addr_family(&a);
	i = r->count[f];
	if (i == CONF_DNS_MAX)
		return;
	r->ns[f][i] = a;
	if (scope && strlen(scope) < IFNAMSIZ)
		strcpy(r->ifname[f][i], scope);
	r->count[f]++;
}

/* The last "search" or "domain" line holds: resolv.conf(5) */
static void resolv_set_search(struct net_search *s, char **words)
{
	const char *domain;

	s->count = 0;
	while ((domain = strtok_r(NULL, " \t\r", words))) {
		if (s->count == CONF_SEARCH_MAX ||
		    strlen(domain) > CONF_NAME_MAX)
			continue;
		strcpy(s->name[s->count++], domain);
	}
}

static void resolv_line(struct resolv *r, char *line)
{
	char *words, *key = strtok_r(line, " \t\r", &words), *value;

	if (!key)
		return;
	if (!strcmp(key, "nameserver")) {
		value = strtok_r(NULL, " \t\r", &words);
		if (value)
			resolv_add_ns(r, value);
	} else if (!strcmp(key, "search") || !strcmp(key, "domain")) {
		resolv_set_search(&r->search, &words);
	}
}

void resolv_parse(char *text, size_t len, struct resolv *ret)
{
	char *line, *lines, *nul;

	memset(ret, 0, sizeof(*ret));
	while ((nul = memchr(text, '\0', len)))
		*nul = '\n';
	for (line = strtok_r(text, "\n", &lines); line;
	     line = strtok_r(NULL, "\n", &lines))
		resolv_line(ret, line);
}

int resolv_take(char *text, ssize_t n, struct resolv *ret)
{
	resolv_parse(n < 0 ? strcpy(text, "") : text, n < 0 ? 0 : (size_t)n, ret);
	return n < 0 ? (int)n : 0;
}

int resolv_read(struct resolv *ret)
{
	static char text[RESOLV_MAX];

	return resolv_take(text, read_file_nowait(RESOLV_CONF, text,
						  sizeof(text)), ret);
}
