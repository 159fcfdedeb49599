// SPDX-License-Identifier: GPL-2.0-or-later
/* passtctl: ask and tell a running passt or pasta
 *
 * Role: the client's end of the control socket, doc/control.md, for people.
 *
 * Flow: the command line is checked first; then a request, a line, and its answer, a
 * line, which is printed: as it is with --json, otherwise by ctl_show.c. A command
 * that isn't known here may be one of the daemon's: it is passed on.
 *
 * Exit status: 0 if the daemon did what was asked for; 1 if not, and a line on stderr
 * says why; 2 if the command line makes no sense.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tools/ctl_show.h"
#include "util.h"
#include "util/json.h"
#include "util/json_write.h"
#include "util/log.h"
#include "util/version.h"

enum {
	EXIT_USAGE	= 2,
	ANSWER_S	= 30,
	REQUEST_MAX	= 4095,		/* of a line, but for a policy */
	POLICY_MAX	= 4 << 20,	/* of its text */
	TEXT_MAX	= 1024,
	TOP_S		= 2,
	TOP_MAX_S	= 3600,
	TOP_ROWS	= 20,		/* without a terminal that says */
	COUNT_COLUMN	= 12,
	EVENT_COLUMN	= 10,		/* the longest name of a flow's */
	ID_LEN		= 24,
};

#define NAME_CHARS							\
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

static struct {
	const char *path;
	int fd;
	FILE *in;
	bool json;

	char *line;			/* the last one that came */
	size_t size;
	ssize_t len;
} ctl;

__attribute__((noreturn, format(printf, 1, 2)))
static void misuse(const char *fmt, ...)
{
	va_list ap;

	fputs("passtctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("\nTry 'passtctl --help'.\n", stderr);
	exit(EXIT_USAGE);
}

/* ---- The connection ---- */

/* In seconds; 0: for ever */
static void set_patience(time_t s)
{
	const struct timeval limit = { .tv_sec = s };

	if (setsockopt(ctl.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
	    setsockopt(ctl.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)))
		die("setsockopt: %s", strerror(errno));
}

/* 0, or what connect() says */
static int try_socket(time_t patience)
{
	struct sockaddr_un sun;

	if (!sun_path_set(&sun, ctl.path))
		die("Socket path is too long: %s", ctl.path);
	ctl.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (ctl.fd < 0)
		die("socket: %s", strerror(errno));
	set_patience(patience);
	if (connect(ctl.fd, (const struct sockaddr *)&sun, sizeof(sun))) {
		int err = errno;

		close_fd(&ctl.fd);
		return err;
	}
	ctl.in = fdopen(ctl.fd, "r");
	if (!ctl.in)
		die("fdopen: %s", strerror(errno));
	return 0;
}

__attribute__((noreturn))
static void connect_failed(int err)
{
	die("Couldn't connect to %s: %s%s", ctl.path,
	    err == EAGAIN ? "no answer" : strerror(err),
	    err == ECONNREFUSED ? " (is the daemon still there?)" :
	    err == ENOENT ? " (was the daemon started with --control?)" : "");
}

static void open_socket(void)
{
	int err = ctl.in ? 0 : try_socket(ANSWER_S);

	if (err)
		connect_failed(err);
}

/* A line, without its end; false: there won't be any more */
static bool read_line(void)
{
	errno = 0;
	ctl.len = getline(&ctl.line, &ctl.size, ctl.in);
	if (ctl.len < 0 && (errno == EAGAIN || errno == EINTR))
		die("%s gives no answer", ctl.path);
	if (ctl.len <= 0)
		return false;
	if (ctl.line[ctl.len - 1] == '\n')
		ctl.line[--ctl.len] = '\0';
	if (ctl.json) {
		puts(ctl.line);
		fflush(stdout);
	}
	return true;
}

static struct json parse_line(void)
{
	struct json v;

	if (!json_parse(ctl.line, (size_t)ctl.len, &v) || v.kind != JSON_OBJECT)
		die("%s isn't the control socket (--control) of passt or pasta",
		    ctl.path);
	return v;
}

/* What is in the answer; dies if that is an error */
static struct json read_answer(void)
{
	char class[64], desc[TEXT_MAX];
	struct json v, error, r;

	if (!read_line())
		die("%s was closed before it gave an answer", ctl.path);
	v = parse_line();
	error = json_member(&v, "error");
	if (error.kind == JSON_OBJECT)
		die("%s (%s)", show_text(&error, "desc", desc, sizeof(desc)),
		    show_text(&error, "class", class, sizeof(class)));
	r = json_member(&v, "return");
	if (r.kind == JSON_NONE)
		die("%s isn't the control socket (--control) of passt or pasta",
		    ctl.path);
	return r;
}

/* ---- Requests ---- */

struct request {
	char text[REQUEST_MAX];
	struct jsonw w;
};

static void request_begin(struct request *r, const char *name)
{
	r->w = jsonw_init(r->text, sizeof(r->text));
	jsonw_open(&r->w, NULL, '{');
	jsonw_str(&r->w, "execute", name);
	jsonw_open(&r->w, "arguments", '{');
}

static void send_text(const char *text, size_t len)
{
	int rc;

	open_socket();
	rc = write_all(ctl.fd, text, len);
	if (rc)
		die("Couldn't write to %s: %s", ctl.path, strerror(-rc));
}

static void request_send(const struct request *r)
{
	struct jsonw w = r->w;		/* so that it can be sent again */

	jsonw_close(&w, '}');
	jsonw_close(&w, '}');
	jsonw_raw(&w, "\n", 1);
	if (w.bad)
		misuse("The request is longer than %d bytes", REQUEST_MAX);
	send_text(w.buf, w.len);
}

static struct json ask_this(const struct request *r)
{
	request_send(r);
	return read_answer();
}

static struct json ask(const char *name)
{
	struct request r;

	request_begin(&r, name);
	return ask_this(&r);
}

/* ---- Flows ---- */

/* What is asked for, as words: tcp state established port 443 */
static void flow_filter(struct jsonw *w, char **arg, bool *ret_all)
{
	static const char *const protos[] = { "tcp", "udp", "icmp", "icmpv6" };
	bool is_proto;

	*ret_all = false;
	for (; *arg; arg++) {
		is_proto = false;
		for (unsigned i = 0; i < ARRAY_SIZE(protos); i++)
			is_proto |= !strcmp(*arg, protos[i]);
		if (is_proto) {
			jsonw_str(w, "proto", *arg);
		} else if (!strcmp(*arg, "all")) {
			*ret_all = true;
		} else if (strcmp(*arg, "state") && strcmp(*arg, "port") &&
			   strcmp(*arg, "address")) {
			misuse("flows: unknown word '%s'", *arg);
		} else if (!arg[1]) {
			misuse("flows: %s needs a value", *arg);
		} else if (!strcmp(*arg, "port")) {
			long long port;

			if (!parse_number(*++arg, 10, 1, UINT16_MAX, &port))
				misuse("flows: '%s' is no port", *arg);
			jsonw_uint(w, "port", (uint64_t)port);
		} else {
			jsonw_str(w, *arg, arg[1]);
			arg++;
		}
	}
}

static void run_flows(char **arg)
{
	struct json r, list, f = { .kind = JSON_NONE };
	char age[SHOW_LEN], idle[SHOW_LEN];
	struct request q;
	bool all;

	request_begin(&q, "flows");
	flow_filter(&q.w, arg, &all);
	r = ask_this(&q);
	if (ctl.json)
		return;
	list = json_member(&r, "flows");
	show_flow_head("AGE", "IDLE");
	while (json_next(&list, &f))
		show_flow(&f, show_time(show_number(&f, "age"), age),
			  show_time(show_number(&f, "idle"), idle), all);
}

static void run_reset(char **arg)
{
	struct request q;

	if (!*arg)
		misuse("reset: which flow? 'flows' tells their ids");
	for (; *arg; arg++) {
		request_begin(&q, "reset");
		jsonw_str(&q.w, "id", *arg);
		ask_this(&q);
	}
}

/* ---- Rates ---- */

/* A flow in top's list */
struct mover {
	char id[ID_LEN];
	double sent, received;		/* so far */
	double sent_s, received_s;	/* per second */
	struct json flow;		/* valid until the next line is read */
};

struct movers {
	struct mover *m;
	size_t count, size;
};

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct mover *)a)->id,
		      ((const struct mover *)b)->id);
}

static int by_rate(const void *a, const void *b)
{
	const struct mover *p = a, *q = b;
	double d = q->sent_s + q->received_s - p->sent_s - p->received_s;

	if (d)
		return d > 0 ? 1 : -1;
	d = q->sent + q->received - p->sent - p->received;
	return d ? d > 0 ? 1 : -1 : by_id(a, b);
}

static struct mover *mover_new(struct movers *all)
{
	if (all->count == all->size) {
		all->size = all->size * 2 + 64;
		all->m = realloc(all->m, all->size * sizeof(*all->m));
		if (!all->m)
			die("No memory for %zu flows", all->size);
	}
	return &all->m[all->count++];
}

/* All flows as they are now; their rates from what they were `seconds` ago */
static void top_read(struct movers *now, const struct movers *before,
		     double seconds, const struct request *q)
{
	struct json r = ask_this(q), f = { .kind = JSON_NONE };
	struct json list = json_member(&r, "flows");

	now->count = 0;
	while (json_next(&list, &f)) {
		struct json guest = json_member(&f, "guest");
		struct json host = json_member(&f, "host");
		struct mover *m = mover_new(now), *old = NULL;

		*m = (struct mover){ .flow = f };
		show_text(&f, "id", m->id, sizeof(m->id));
		m->sent = show_number(&guest, "bytes");
		m->received = show_number(&host, "bytes");
		if (before->count)
			old = bsearch(m, before->m, before->count, sizeof(*m),
				      by_id);
		m->sent_s = (m->sent - (old ? old->sent : 0)) / seconds;
		m->received_s = (m->received - (old ? old->received : 0)) /
				seconds;
	}
}

static void top_show(const struct movers *now)
{
	unsigned rows = show_height() ? show_height() / 2 - 1 : TOP_ROWS;
	double sent = 0, received = 0;
	char a[SHOW_LEN], b[SHOW_LEN];

	for (size_t i = 0; i < now->count; i++) {
		sent += now->m[i].sent_s;
		received += now->m[i].received_s;
	}
	if (isatty(STDOUT_FILENO))
		fputs("\033[H\033[J", stdout);
	printf("%zu flows, bytes per second: %s sent, %s received\n",
	       now->count, show_bytes(sent, a), show_bytes(received, b));
	show_flow_head("SENT/s", "RCVD/s");
	for (size_t i = 0; i < now->count && i < rows; i++)
		show_flow(&now->m[i].flow, show_bytes(now->m[i].sent_s, a),
			  show_bytes(now->m[i].received_s, b), false);
	fflush(stdout);
}

static double seconds_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Twice the flows: those of now, by rate; and of before, by id */
static void run_top(char **arg)
{
	struct movers all[2] = { 0 };
	long long every = TOP_S, times = 0;
	struct request q;
	double then;

	if (*arg && !parse_number(*arg++, 10, 1, TOP_MAX_S, &every))
		misuse("top: '%s' are no seconds from 1 to %d", arg[-1],
		       TOP_MAX_S);
	if (*arg && !parse_number(*arg++, 10, 1, INT_MAX, &times))
		misuse("top: '%s' is no number of times", arg[-1]);
	request_begin(&q, "flows");
	then = seconds_now();
	top_read(&all[0], &all[1], 1, &q);
	for (long long n = 0; !times || n < times; n++) {
		struct movers *before = &all[n % 2], *now = &all[!(n % 2)];
		double at;

		qsort(before->m, before->count, sizeof(*before->m), by_id);
		sleep((unsigned)every);
		show_init();
		at = seconds_now();
		top_read(now, before, at - then, &q);
		then = at;
		if (ctl.json)
			continue;
		qsort(now->m, now->count, sizeof(*now->m), by_rate);
		top_show(now);
	}
	free(all[0].m);
	free(all[1].m);
}

/* ---- Rules ---- */

static void run_rules(char **arg)
{
	struct json r, list, v = { .kind = JSON_NONE };
	char text[TEXT_MAX], option[8];

	(void)arg;
	r = ask("rules");
	if (ctl.json)
		return;
	list = json_member(&r, "rules");
	puts("    ID  OPT   OPEN  RULE");
	while (json_next(&list, &v)) {
		int n = printf("%6.0f  %-3s %6.0f  ", show_number(&v, "id"),
			       show_text(&v, "option", option, sizeof(option)),
			       show_number(&v, "open"));

		show_wrapped(show_text(&v, "text", text, sizeof(text)),
			     (unsigned)n);
	}
}

static void rule_done(const struct json *answer)
{
	char warning[TEXT_MAX];

	if (*show_text(answer, "warning", warning, sizeof(warning)))
		warn("%s", warning);
}

static bool is_port_option(const char *word)
{
	return word[0] == '-' && word[1] && strchr("tuTU", word[1]);
}

/* -t SPEC, or -tSPEC. How many words that were. */
static unsigned rule_spec(const char *command, char **arg)
{
	char option[3] = { '-', (*arg)[1], '\0' };
	const char *spec = (*arg)[2] ? *arg + 2 : arg[1];
	struct request q;
	struct json r;

	if (!spec)
		misuse("%s needs ports", option);
	request_begin(&q, command);
	jsonw_str(&q.w, "option", option);
	jsonw_str(&q.w, "spec", spec);
	r = ask_this(&q);
	rule_done(&r);
	return (*arg)[2] ? 1 : 2;
}

static void run_add(char **arg)
{
	if (!*arg)
		misuse("add: what? For example: add -t 8080:80");
	for (char **a = arg; *a; a++) {
		if (!is_port_option(*a))
			misuse("add: '%s' isn't -t, -u, -T or -U", *a);
		a += !(*a)[2] && a[1];
	}
	while (*arg)
		arg += rule_spec("rule-add", arg);
}

static void rule_delete_id(const char *text)
{
	struct request q;
	struct json r;
	long long id = 0;

	if (!parse_number(text, 10, 1, UINT32_MAX, &id))
		misuse("delete: '%s' is neither the id of a rule, nor -t, -u, -T or -U",
		       text);
	request_begin(&q, "rule-delete");
	jsonw_uint(&q.w, "id", (uint64_t)id);
	r = ask_this(&q);
	rule_done(&r);
}

static void run_delete(char **arg)
{
	if (!*arg)
		misuse("delete: what? 'rules' tells their ids");
	while (*arg) {
		if (is_port_option(*arg))
			arg += rule_spec("rule-delete", arg);
		else
			rule_delete_id(*arg++);
	}
}

/* ---- Counters ---- */

static const struct {
	const char *reason, *remedy;
} remedies[] = {
#define DROP(NAME, reason, unit, what, remedy)	{ reason, remedy },
#include "engine/drop.def"
#undef DROP
};

static const char *remedy_of(const char *reason)
{
	for (unsigned i = 0; i < ARRAY_SIZE(remedies); i++) {
		if (!strcmp(remedies[i].reason, reason))
			return remedies[i].remedy;
	}
	return NULL;
}

static void show_drop(const struct json *c)
{
	char reason[64], unit[64], help[TEXT_MAX], text[2 * TEXT_MAX];
	const char *remedy;

	show_text(c, "label", reason, sizeof(reason));
	snprintf(text, sizeof(text), "%s: %s %s", reason,
		 show_text(c, "unit", unit, sizeof(unit)),
		 show_text(c, "help", help, sizeof(help)));
	printf("%*.0f  ", COUNT_COLUMN, show_number(c, "value"));
	show_wrapped(text, COUNT_COLUMN + 2);
	remedy = remedy_of(reason);
	if (!remedy)
		return;
	printf("%*s", COUNT_COLUMN + 4, "");
	show_wrapped(remedy, COUNT_COLUMN + 4);
}

/* Those that have occurred, with what can be done */
static void run_drops(char **arg)
{
	struct json r, list, c = { .kind = JSON_NONE };
	bool all = false, any = false;
	char name[64];

	if (*arg && strcmp(*arg, "all"))
		misuse("drops: unknown word '%s'", *arg);
	all = *arg;
	r = ask("counters");
	if (ctl.json)
		return;
	list = json_member(&r, "counters");
	while (json_next(&list, &c)) {
		show_text(&c, "name", name, sizeof(name));
		if (strcmp(name, "dropped") ||
		    (!all && show_number(&c, "value") <= 0))
			continue;
		show_drop(&c);
		any = true;
	}
	if (!any)
		puts("Nothing was dropped, and no flow has failed");
}

static void run_counters(char **arg)
{
	struct json r, list, c = { .kind = JSON_NONE };
	char name[64], label[64], unit[64], help[TEXT_MAX];
	char text[2 * TEXT_MAX];

	(void)arg;
	r = ask("counters");
	if (ctl.json)
		return;
	list = json_member(&r, "counters");
	while (json_next(&list, &c)) {
		snprintf(text, sizeof(text), "%s%s%s: %s %s",
			 show_text(&c, "name", name, sizeof(name)),
			 *show_text(&c, "label", label, sizeof(label)) ? " " : "",
			 label, show_text(&c, "unit", unit, sizeof(unit)),
			 show_text(&c, "help", help, sizeof(help)));
		printf("%*.0f  ", COUNT_COLUMN, show_number(&c, "value"));
		show_wrapped(text, COUNT_COLUMN + 2);
	}
}

/* ---- Events ---- */

static void show_event(const struct json *e)
{
	struct json data = json_member(e, "data"), id;
	char name[32], proto[8], text[ID_LEN];
	int n;

	n = printf("%12.3f  %s", show_number(e, "at"),
		   show_text(e, "event", name, sizeof(name)));
	id = json_member(&data, "id");
	if (id.kind == JSON_STRING) {
		n += printf("%*s  %-6s %-12s ", EVENT_COLUMN - (int)strlen(name),
			    "", show_text(&data, "proto", proto, sizeof(proto)),
			    show_text(&data, "id", text, sizeof(text)));
		show_flow_ends(&data, (unsigned)n);
	} else if (show_number(e, "count") >= 0) {
		printf("  %.0f events\n", show_number(e, "count"));
	} else {
		putchar('\n');
	}
	fflush(stdout);
}

static void run_events(char **arg)
{
	struct request q;
	struct json e;

	request_begin(&q, "subscribe");
	if (*arg) {
		jsonw_open(&q.w, "events", '[');
		for (; *arg; arg++)
			jsonw_str(&q.w, NULL, *arg);
		jsonw_close(&q.w, ']');
	}
	ask_this(&q);
	set_patience(0);
	while (read_line()) {
		e = parse_line();
		if (!ctl.json)
			show_event(&e);
	}
}

/* ---- The daemon itself ---- */

/* Who listens there: another one's socket may have that name by now */
static pid_t daemon_pid(void)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);

	if (getsockopt(ctl.fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		die("SO_PEERCRED: %s", strerror(errno));
	return peer.pid;
}

/* That the connection ends doesn't mean that the daemon did: who is idle makes room
 * for others
 */
static void wait_end(void)
{
	pid_t first = daemon_pid();
	int err;

	do {
		set_patience(0);
		while (read_line())
			;
		fclose(ctl.in);
		ctl.in = NULL;
		err = try_socket(0);
	} while (!err && daemon_pid() == first);
	if (err && err != ECONNREFUSED && err != ENOENT && err != ECONNRESET)
		connect_failed(err);
}

static void run_drain(char **arg)
{
	struct json r;

	if (*arg && strcmp(*arg, "wait"))
		misuse("drain: unknown word '%s'", *arg);
	r = ask("drain");
	if (!ctl.json)
		printf("Draining: %.0f flows are left\n",
		       show_number(&r, "flows"));
	if (!*arg)
		return;
	fflush(stdout);
	wait_end();
}

static void run_log_level(char **arg)
{
	struct request q;
	struct json r;

	request_begin(&q, "log-level");
	if (*arg)
		jsonw_str(&q.w, "level", *arg);
	r = ask_this(&q);
	if (!ctl.json)
		show_value("", &r, 0);
}

/* NAME=TEXT or NAME:=JSON */
static void pass_argument(struct jsonw *w, const char *word)
{
	size_t len = strspn(word, NAME_CHARS);
	const char *value = word + len;
	char name[64];
	struct json v;

	snprintf(name, sizeof(name), "%.*s", (int)len, word);
	if (!len || len >= sizeof(name) ||
	    (*value != '=' && strncmp(value, ":=", 2)))
		misuse("'%s' is neither NAME=TEXT nor NAME:=JSON", word);
	if (*value == '=')
		jsonw_str(w, name, value + 1);
	else if (json_parse(value + 2, strlen(value + 2), &v))
		jsonw_value(w, name, v.at, (size_t)(v.end - v.at));
	else
		misuse("'%s' isn't JSON", value + 2);
}

/* A command that the daemon may know */
static void run_other(const char *command, char **arg)
{
	struct request q;
	struct json r;

	request_begin(&q, command);
	for (; *arg; arg++)
		pass_argument(&q.w, *arg);
	r = ask_this(&q);
	if (!ctl.json)
		show_value("", &r, 0);
}

/* ---- The egress policy ---- */

static void policy_show(void)
{
	struct json r = ask("policy"), v = { .kind = JSON_NONE };
	struct json rules = json_member(&r, "rules");
	struct json learned = json_member(&r, "learned");
	char text[TEXT_MAX], addr[TEXT_MAX], time[SHOW_LEN];

	if (ctl.json)
		return;
	puts("    HITS  RULE");
	while (json_next(&rules, &v)) {
		int n = printf("%8.0f  ", show_number(&v, "hits"));

		show_text(&v, "rule", text, sizeof(text));
		if (!strcmp(text, "default"))
			snprintf(text, sizeof(text), "%s by default",
				 show_text(&v, "verdict", addr, sizeof(addr)));
		show_wrapped(text, (unsigned)n);
	}
	v.kind = JSON_NONE;
	while (json_next(&learned, &v)) {
		int n;

		if (learned.at) {
			puts("\n    LEFT  NAME AND ADDRESS");
			learned.at = NULL;
		}
		n = printf("%8s  ",
			   show_time(show_number(&v, "seconds"), time));
		show_text(&v, "name", text, sizeof(text));
		strcat(text, " ");
		strncat(text, show_text(&v, "address", addr, sizeof(addr)),
			sizeof(text) - strlen(text) - 1);
		show_wrapped(text, (unsigned)n);
	}
}

static void policy_set(const char *path)
{
	static char text[POLICY_MAX];
	ssize_t n = read_file(strcmp(path, "-") ? path : "/dev/stdin", text,
			      sizeof(text));
	struct jsonw w;
	struct json r;
	char *buf;

	if (n < 0)
		die("Couldn't read %s: %s", path, strerror((int)-n));
	if (strlen(text) != (size_t)n)
		die("%s isn't text", path);
	/* Any byte may become an escape */
	w.size = 6 * (size_t)n + REQUEST_MAX;
	buf = malloc(w.size);
	if (!buf)
		die("No memory for %s", path);
	w = jsonw_init(buf, w.size);
	jsonw_open(&w, NULL, '{');
	jsonw_str(&w, "execute", "policy-set");
	jsonw_open(&w, "arguments", '{');
	jsonw_str(&w, "policy", text);
	jsonw_close(&w, '}');
	jsonw_close(&w, '}');
	jsonw_raw(&w, "\n", 1);
	send_text(w.buf, w.len);
	free(buf);
	r = read_answer();
	if (!ctl.json)
		printf("Rules that are set: %.0f; flows that they ended: %.0f\n",
		       show_number(&r, "rules"), show_number(&r, "ended"));
}

static void run_policy(char **arg)
{
	if (!*arg)
		policy_show();
	else if (!strcmp(*arg, "set") && arg[1] && !arg[2])
		policy_set(arg[1]);
	else
		misuse("policy: 'set FILE', or nothing");
}

/* ---- The command line ---- */

static const struct command {
	const char *name;
	void (*run)(char **arg);	/* NULL: passed on, shown as it is */
	const char *args, *help;
} commands[] = {
	{ "flows",	run_flows,	"[FILTER]... [all]",
	  "connections and the like; all: with windows and so on" },
	{ "top",	run_top,	"[SECONDS [TIMES]]",
	  "those that move most, again and again" },
	{ "reset",	run_reset,	"ID...",
	  "end flows" },
	{ "rules",	run_rules,	"",
	  "forwarding rules" },
	{ "add",	run_add,	"-t|-u|-T|-U PORTS...",
	  "add rules" },
	{ "delete",	run_delete,	"ID|-t|-u|-T|-U PORTS...",
	  "delete rules" },
	{ "drops",	run_drops,	"[all]",
	  "what was dropped or failed, and what can be done" },
	{ "counters",	run_counters,	"",
	  "all that is counted" },
	{ "policy",	run_policy,	"[set FILE]",
	  "whom the guest may talk to; set: from now on" },
	{ "net",	NULL,		"",
	  "what is known of the host's network, and of the guest" },
	{ "status",	NULL,		"",
	  "version, mode, flows" },
	{ "events",	run_events,	"[NAME]...",
	  "what happens, until you stop it" },
	{ "drain",	run_drain,	"[wait]",
	  "no new flows, and the end with the last one" },
	{ "log-level",	run_log_level,	"[LEVEL]",
	  "err, warn, info, debug or trace" },
};

static void usage(FILE *f)
{
	fputs("Usage: passtctl [OPTION]... PATH COMMAND [ARGUMENT]...\n"
	      "\n"
	      "Ask and tell a running passt or pasta. PATH is the socket that it was started\n"
	      "with: passt --control PATH.\n"
	      "\n"
	      "  -j, --json     Print what the socket gives, as it is\n"
	      "  -h, --help     Print this, and exit\n"
	      "      --version  Print the version, and exit\n"
	      "\n"
	      "Commands:\n", f);
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(f, "  %s %s\n        %s\n", commands[i].name,
			commands[i].args, commands[i].help);
	fputs("  any other, with NAME=TEXT or NAME:=JSON...\n"
	      "        what the daemon answers to it: 'commands' tells which it knows\n"
	      "\n"
	      "FILTER is tcp, udp, icmp, icmpv6, state STATE, port PORT or address ADDRESS.\n",
	      f);
}

static void take_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json",	no_argument,	NULL, 'j' },
		{ "help",	no_argument,	NULL, 'h' },
		{ "version",	no_argument,	NULL, 'V' },
		{ NULL,		0,		NULL, 0 },
	};
	int letter;

	/* Options of a command aren't ours */
	while ((letter = getopt_long(argc, argv, "+jh", options, NULL)) != -1) {
		switch (letter) {
		case 'j':
			ctl.json = true;
			break;
		case 'h':
			usage(stdout);
			exit(EXIT_SUCCESS);
		case 'V':
			fputs("passtctl " VERSION_TEXT, stdout);
			exit(EXIT_SUCCESS);
		default:
			fputs("Try 'passtctl --help'.\n", stderr);
			exit(EXIT_USAGE);
		}
	}
}

static void run(const char *name, char **arg)
{
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct command *c = &commands[i];

		if (strcmp(name, c->name) || !c->run)
			continue;
		if (!*c->args && *arg)
			misuse("%s takes no arguments", name);
		c->run(arg);
		return;
	}
	run_other(name, arg);
}

int main(int argc, char **argv)
{
	take_options(argc, argv);
	if (argc - optind < 2)
		misuse("A socket's path and a command are needed");
	ctl.path = argv[optind];
	show_init();
	run(argv[optind + 1], argv + optind + 2);
	if (fflush(stdout) || ferror(stdout))
		die("Couldn't write: %s", strerror(errno));
	return EXIT_SUCCESS;
}
