// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: passtctl's output, see ctl_show.h */
#include "tools/ctl_show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "util/addr.h"

enum {
	WIDE		= 130,		/* from here on, a flow is one line */
	INDENT		= 7,		/* its second line, below the protocol */
	NAME_COLUMN	= 20,		/* values of members, at most */
	TEXT_MAX	= 1024,
	ENDS		= 3,		/* places that a flow has to name */
};

static struct {
	unsigned width, height;		/* 0: no limit */
} show;

static unsigned from_env(const char *name)
{
	const char *text = getenv(name);
	long n = text ? strtol(text, NULL, 10) : 0;

	return n > 0 && n < UINT16_MAX ? (unsigned)n : 0;
}

void show_init(void)
{
	struct winsize ws = { 0 };

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws);
	show.width = ws.ws_col ? ws.ws_col : from_env("COLUMNS");
	show.height = ws.ws_row ? ws.ws_row : from_env("LINES");
}

unsigned show_height(void)
{
	return show.height;
}

/* ---- Values ---- */

double show_number(const struct json *object, const char *name)
{
	struct json v = json_member(object, name);

	return v.kind == JSON_NUMBER ? strtod(v.at, NULL) : -1;
}

/* Nothing of it does something to a terminal: control characters, of C1 (RFC 3629:
 * 0xc2 0x80…0x9f), too
 */
static void tame(char *text)
{
	uint8_t before = 0;

	for (; *text; text++) {
		uint8_t c = (uint8_t)*text;

		if (c < ' ' || c == 0x7f || (before == 0xc2 && c < 0xa0))
			*text = '?';
		before = c;
	}
}

static const char *value_text(const struct json *v, char *buf, size_t size)
{
	buf[0] = '\0';
	if (v->kind == JSON_NULL)
		snprintf(buf, size, "-");
	else if (v->kind == JSON_STRING && !json_string(v, buf, size))
		snprintf(buf, size, "?");
	else if (v->kind == JSON_NUMBER || v->kind == JSON_BOOL)
		snprintf(buf, size, "%.*s", (int)(v->end - v->at), v->at);
	tame(buf);
	return buf;
}

const char *show_text(const struct json *object, const char *name, char *buf,
		      size_t size)
{
	struct json v = json_member(object, name);

	buf[0] = '\0';
	if (v.kind == JSON_STRING)
		value_text(&v, buf, size);
	return buf;
}

const char *show_bytes(double n, char buf[SHOW_LEN])
{
	static const char units[] = "KMGTPE";
	const char *unit = units;

	if (n < 0)
		return strcpy(buf, "-");
	if (n < 1000) {
		snprintf(buf, SHOW_LEN, "%.0f", n);
		return buf;
	}
	for (n /= 1000; n >= 999.5 && unit[1]; n /= 1000)
		unit++;
	snprintf(buf, SHOW_LEN, "%.*f%c", n < 99.95, n, *unit);
	return buf;
}

const char *show_time(double s, char buf[SHOW_LEN])
{
	unsigned long long n = (unsigned long long)(s < 0 ? 0 : s);

	if (s < 0)
		strcpy(buf, "-");
	else if (n < 60)
		snprintf(buf, SHOW_LEN, "%.*fs", s < 9.95, s);
	else if (n < 3600)
		snprintf(buf, SHOW_LEN, "%llum%02llus", n / 60, n % 60);
	else if (n < 86400)
		snprintf(buf, SHOW_LEN, "%lluh%02llum", n / 3600, n / 60 % 60);
	else
		snprintf(buf, SHOW_LEN, "%llud%02lluh", n / 86400,
			 n / 3600 % 24);
	return buf;
}

/* ---- Lines ---- */

/* Words that belong together: behind those in the line, or in the next one from this
 * column on, if they fit there. Where the line ends now.
 */
static unsigned put(const char *text, unsigned at, unsigned column)
{
	unsigned len = (unsigned)strlen(text);

	if (show.width && at > column && at + 1 + len > show.width) {
		if (column + len > show.width)
			column = MIN(column, INDENT);
		printf("\n%*s%s", (int)column, "", text);
		return column + len;
	}
	printf("%s%s", at > column ? " " : "", text);
	return at + (at > column) + len;
}

void show_wrapped(const char *text, unsigned column)
{
	unsigned at = column;
	char word[TEXT_MAX];

	while (*text) {
		size_t n = strcspn(text, " ");

		snprintf(word, sizeof(word), "%.*s", (int)n, text);
		if (n)
			at = put(word, at, column);
		text += n + (text[n] == ' ');
	}
	putchar('\n');
}

/* ---- Flows ---- */

/* One end of a flow: "[2001:db8::1]:80" */
static void endpoint(const struct json *side, const char *which, char *buf,
		     size_t size)
{
	double port = show_number(side, *which == 'o' ? "our_port" : "peer_port");
	char addr[ADDR_STRLEN];

	show_text(side, which, addr, sizeof(addr));
	if (!*addr)
		strcpy(addr, "*");
	snprintf(buf, size, strchr(addr, ':') ? "[%s]:%.0f" : "%s:%.0f", addr,
		 port < 0 ? 0 : port);
}

/* Who began it, whom that is talking to and, unless it is the same, where it leads:
 * returns how many
 */
static unsigned flow_ends(const struct json *flow,
			  char ret[ENDS][ENDPOINT_STRLEN + 4])
{
	struct json guest = json_member(flow, "guest");
	struct json host = json_member(flow, "host");
	enum { LEN = ENDPOINT_STRLEN };
	char from[LEN], to[LEN], leads[LEN], who[8];
	bool by_guest;

	by_guest = !strcmp(show_text(flow, "begun_by", who, sizeof(who)),
			   "guest");
	endpoint(by_guest ? &guest : &host, "peer", from, sizeof(from));
	endpoint(by_guest ? &guest : &host, "our", to, sizeof(to));
	endpoint(by_guest ? &host : &guest, "peer", leads, sizeof(leads));
	snprintf(ret[0], LEN + 4, "%s", from);
	snprintf(ret[1], LEN + 4, "-> %s", to);
	snprintf(ret[2], LEN + 4, "=> %s", leads);
	return strcmp(to, leads) ? 3 : 2;
}

void show_flow_ends(const struct json *flow, unsigned column)
{
	char ends[ENDS][ENDPOINT_STRLEN + 4];
	unsigned n = flow_ends(flow, ends), at = column;

	for (unsigned i = 0; i < n; i++)
		at = put(ends[i], at, column);
	putchar('\n');
}

static void show_path(const char *name, const struct json *side)
{
	double rtt = show_number(side, "rtt_us");
	char b[4][SHOW_LEN], text[TEXT_MAX], ms[SHOW_LEN] = "-";

	if (show_number(side, "queued") < 0)
		return;
	if (rtt >= 0)
		snprintf(ms, sizeof(ms), "%.3f ms", rtt / 1000);
	snprintf(text, sizeof(text),
		 "%s: rtt %s, window %s (ours %s), queued %s, retransmitted %s",
		 name, ms, show_bytes(show_number(side, "window"), b[0]),
		 show_bytes(show_number(side, "our_window"), b[1]),
		 show_bytes(show_number(side, "queued"), b[2]),
		 show_bytes(show_number(side, "retransmitted"), b[3]));
	printf("%*s", INDENT, "");
	show_wrapped(text, INDENT);
}

static bool is_wide(void)
{
	return !show.width || show.width >= WIDE;
}

/* Up to the flow's ends; widths are those of the longest names */
static int row(const char *const f[8])
{
	return printf("%-6s %-12s %-13s %6s %6s %6s %6s  %-12s", f[0], f[1],
		      f[2], f[3], f[4], f[5], f[6], f[7]);
}

void show_flow_head(const char *first, const char *second)
{
	row((const char *[]){ "PROTO", "STATE", "WAITS FOR", first, second,
			      "SENT", "RCVD", "ID" });
	puts(is_wide() ? "  FROM -> TO" : "");
}

void show_flow(const struct json *flow, const char *first, const char *second,
	       bool all)
{
	struct json guest = json_member(flow, "guest");
	struct json host = json_member(flow, "host");
	char b[2][SHOW_LEN], text[4][32];
	int n;

	n = row((const char *[]){
		show_text(flow, "proto", text[0], sizeof(text[0])),
		show_text(flow, "state", text[1], sizeof(text[1])),
		show_text(flow, "waits_for", text[2], sizeof(text[2])),
		first, second, show_bytes(show_number(&guest, "bytes"), b[0]),
		show_bytes(show_number(&host, "bytes"), b[1]),
		show_text(flow, "id", text[3], sizeof(text[3])) });
	if (is_wide()) {
		printf("  ");
		show_flow_ends(flow, (unsigned)n + 2);
	} else {
		printf("\n%*s", INDENT, "");
		show_flow_ends(flow, INDENT);
	}
	if (all) {
		show_path("guest", &guest);
		show_path("host", &host);
	}
}

/* ---- Anything ---- */

static bool is_scalar(const struct json *v)
{
	return v->kind != JSON_ARRAY && v->kind != JSON_OBJECT;
}

static void show_members(const struct json *object, unsigned indent)
{
	struct json name, value = { .kind = JSON_NONE };
	char text[TEXT_MAX];

	while (json_next_member(object, &name, &value))
		show_value(value_text(&name, text, sizeof(text)), &value,
			   indent);
}

static void show_scalars(const struct json *array, unsigned column)
{
	struct json v = { .kind = JSON_NONE };
	char text[TEXT_MAX];
	unsigned at = column;

	while (json_next(array, &v))
		at = put(value_text(&v, text, sizeof(text)), at, column);
	puts(at == column ? "-" : "");
}

static bool are_scalars(const struct json *array)
{
	struct json v = { .kind = JSON_NONE };

	while (json_next(array, &v)) {
		if (!is_scalar(&v))
			return false;
	}
	return true;
}

void show_value(const char *name, const struct json *v, unsigned indent)
{
	struct json element = { .kind = JSON_NONE };
	char text[TEXT_MAX];

	if (is_scalar(v)) {
		printf("%*s%-*s ", (int)indent, "", NAME_COLUMN, name);
		show_wrapped(value_text(v, text, sizeof(text)),
			     indent + NAME_COLUMN + 1);
	} else if (v->kind == JSON_ARRAY && are_scalars(v)) {
		printf("%*s%-*s ", (int)indent, "", NAME_COLUMN, name);
		show_scalars(v, indent + NAME_COLUMN + 1);
	} else if (v->kind == JSON_ARRAY) {
		while (json_next(v, &element))
			show_value(name, &element, indent);
	} else if (*name) {
		printf("%*s%s\n", (int)indent, "", name);
		show_members(v, indent + 2);
	} else {
		show_members(v, indent);
	}
}
