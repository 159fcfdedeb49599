// SPDX-License-Identifier: GPL-2.0-or-later
/* pesto: show and change the ports that a running passt or pasta forwards
 *
 * Role: the client's end of pesto's protocol, see fwd/pesto_wire.h.
 *
 * Flow: the tables are read from the daemon; options are applied to the copy, in
 * their order; tables that differ then are sent back as a whole, and the daemon
 * tells whether it has them. Any error before that is the end, and nothing is
 * sent.
 *
 * Exit status: 0 if all that was asked for is so now, and the new ports are
 * bound; 1 if nothing was changed, and a line on stderr says why.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "fwd/fwd_rule.h"
#include "fwd/pesto_wire.h"
#include "util.h"
#include "util/log.h"
#include "util/version.h"
#include "util/wire.h"

enum {
	ANSWER_S	= 30,		/* others may be in front of us */
	WORDS_MAX	= 512,		/* options of one command line */
};

/* What -t, -u, -T and -U do */
enum change { REPLACE, ADD, DELETE };

struct table {
	bool there;			/* the daemon has such a direction */
	bool cleared;			/* by the first rule of REPLACE */
	bool changed;
	uint8_t pif;
	char name[PESTO_NAME_LEN + 1];
	unsigned can;			/* enum fwd_can */
	uint32_t count;
	struct fwd_rule rule[PESTO_RULES_MAX];
};

enum { HOST_TABLE, SPLICE_TABLE, TABLES };

static struct {
	const char *path;
	int fd;
	bool greeted;			/* the daemon has said who it is */
	bool show;
	enum change mode;
	struct fwd_ephemeral ephemeral;
} pesto;

static struct table tables[TABLES];

/* ---- Reading ---- */

static void read_all(void *buf, size_t len)
{
	char *p = buf;

	while (len) {
		ssize_t n = recv(pesto.fd, p, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			die("Couldn't read from %s: %s", pesto.path,
			    errno != EAGAIN ? strerror(errno) :
			    pesto.greeted ? "no answer" :
			    "no answer (is it the socket of --conf-path?)");
		if (!n)
			die("Couldn't read from %s: it was cut off",
			    pesto.path);
		p += n;
		len -= (size_t)n;
	}
}

static void read_hello(void)
{
	uint8_t buf[PESTO_HELLO_LEN];
	struct rd rd = rd_init(buf, sizeof(buf));
	uint32_t version;

	read_all(buf, sizeof(buf));
	if (!pesto_get_hello(&rd, &version))
		die("%s isn't the control socket (--conf-path) of passt or pasta",
		    pesto.path);
	if (version != PESTO_VERSION)
		die("%s speaks version %u of the protocol, not %u", pesto.path,
		    version, PESTO_VERSION);
	pesto.greeted = true;
}

/* t: NULL, to skip them */
static void read_rules(struct table *t, uint32_t count)
{
	uint8_t buf[PESTO_RULE_LEN];

	if (t && count > PESTO_RULES_MAX)
		die("%s has more rules than %u", pesto.path, PESTO_RULES_MAX);
	for (uint32_t n = 0; n < count; n++) {
		struct rd rd = rd_init(buf, sizeof(buf));

		read_all(buf, sizeof(buf));
		if (t)
			t->rule[t->count++] = pesto_get_rule(&rd);
	}
}

static struct table *table_of(uint8_t pif)
{
	if (pif == PESTO_HOST)
		return &tables[HOST_TABLE];
	return pif == PESTO_SPLICE ? &tables[SPLICE_TABLE] : NULL;
}

static void read_table(uint8_t pif)
{
	uint8_t buf[PESTO_TABLE_LEN - 1];
	struct rd rd = rd_init(buf, sizeof(buf));
	struct table *t = table_of(pif);
	char name[PESTO_NAME_LEN];
	unsigned can;

	read_all(buf, sizeof(buf));
	rd_copy(&rd, name, sizeof(name));
	can = rd_u32(&rd) & FWD_CAN_ALL;
	if (t && t->there)
		die("%s has two tables of one direction", pesto.path);
	if (t) {
		t->there = true;
		t->pif = pif;
		t->can = can | (pif == PESTO_SPLICE ? FWD_ONLY_LO : 0);
		memcpy(t->name, name, sizeof(name));
	}
	read_rules(t, rd_u32(&rd));
}

static void read_tables(void)
{
	uint8_t pif;

	read_hello();
	for (;;) {
		read_all(&pif, sizeof(pif));
		if (pif == PESTO_END)
			return;
		read_table(pif);
	}
}

static void open_socket(void)
{
	const struct timeval limit = { .tv_sec = ANSWER_S };
	struct sockaddr_un sun;

	if (!sun_path_set(&sun, pesto.path))
		die("Socket path is too long: %s", pesto.path);
	pesto.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (pesto.fd < 0 ||
	    setsockopt(pesto.fd, SOL_SOCKET, SO_RCVTIMEO, &limit,
		       sizeof(limit)) ||
	    setsockopt(pesto.fd, SOL_SOCKET, SO_SNDTIMEO, &limit,
		       sizeof(limit)) ||
	    connect(pesto.fd, (const struct sockaddr *)&sun, sizeof(sun)))
		die("Couldn't connect to %s: %s", pesto.path,
		    errno == EAGAIN ? "no answer" : strerror(errno));
}

static void show(void)
{
	char text[FWD_RULE_STRLEN];

	printf("passt/pasta configuration (%s)\n", pesto.path);
	for (unsigned i = 0; i < TABLES; i++) {
		const struct table *t = &tables[i];

		if (!t->there)
			continue;
		printf("  %s\n", t->name);
		for (uint32_t n = 0; n < t->count; n++)
			printf("    %s\n", fwd_rule_print(&t->rule[n], text));
	}
}

/* ---- Changing the copy ---- */

static void clear(struct table *t)
{
	t->changed |= t->count > 0;
	t->count = 0;
}

/* The place of a rule that is equal, or of the first one that overlaps; count if
 * there is none
 */
static uint32_t find(const struct table *t, const struct fwd_rule *r)
{
	uint32_t n = 0;

	while (n < t->count && !fwd_rule_overlaps(&t->rule[n], r))
		n++;
	return n;
}

static void rule_add(struct table *t, const struct fwd_rule *r)
{
	uint32_t at = find(t, r);
	char why[FWD_ERR_LEN];

	if (at < t->count && fwd_rule_eq(&t->rule[at], r))
		return;
	if (at < t->count) {
		fwd_rule_conflict(r, &t->rule[at], why);
		die("%s", why);
	}
	if (t->count == PESTO_RULES_MAX)
		die("Too many forwarding rules (maximum %u)", PESTO_RULES_MAX);
	t->rule[t->count++] = *r;
	t->changed = true;
}

static void rule_delete(struct table *t, const struct fwd_rule *r)
{
	char text[FWD_RULE_STRLEN], old[FWD_RULE_STRLEN];
	uint32_t at = find(t, r);

	if (at == t->count)
		die("Can't delete: there is no rule %s",
		    fwd_rule_print(r, text));
	if (!fwd_rule_eq(&t->rule[at], r))
		die("Can't delete: %s conflicts with rule %s, but doesn't match it",
		    fwd_rule_print(r, text),
		    fwd_rule_print(&t->rule[at], old));
	memmove(&t->rule[at], &t->rule[at + 1],
		(t->count - at - 1) * sizeof(t->rule[0]));
	t->count--;
	t->changed = true;
}

static struct table *need_table(unsigned i, const char *option)
{
	if (!tables[i].there)
		die("%s: nothing is forwarded that way by %s", option,
		    pesto.path);
	return &tables[i];
}

static void do_spec(char letter, const char *spec)
{
	char option[3] = { '-', letter, '\0' }, why[FWD_ERR_LEN];
	bool out = letter == 'T' || letter == 'U';
	struct table *t = need_table(out ? SPLICE_TABLE : HOST_TABLE, option);
	static struct fwd_rules rules;

	if (pesto.mode == REPLACE && !t->cleared) {
		clear(t);
		t->cleared = true;
	}
	if (!strcmp(spec, "none")) {
		if (pesto.mode != REPLACE)
			die("-%c none makes no sense with --%s", letter,
			    pesto.mode == ADD ? "add" : "delete");
		return;
	}
	if (fwd_rule_parse_option(letter, spec, t->can, &pesto.ephemeral,
				  &rules, why))
		die("%s (option -%c)", why, letter);
	for (unsigned i = 0; i < rules.count; i++) {
		struct fwd_rule r = rules.rule[i];

		if (pesto.mode == DELETE) {
			rule_delete(t, &r);
			continue;
		}
		if (fwd_rule_check(&r, t->can, why))
			die("%s (option -%c)", why, letter);
		rule_add(t, &r);
	}
}

static void do_clear(const char *name)
{
	for (unsigned i = 0; i < TABLES; i++) {
		struct table *t = &tables[i];

		if (t->there && !strcmp(t->name, name)) {
			clear(t);
			return;
		}
	}
	die("--clear: there is no interface %s", name);
}

/* ---- Sending it ---- */

static void send_all(const struct wr *wr)
{
	size_t sent = 0;

	while (sent < wr->len) {
		ssize_t n = send(pesto.fd, wr->buf + sent, wr->len - sent,
				 MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		/* It may have said why before it stopped to listen */
		if (n < 0)
			return;
		sent += (size_t)n;
	}
}

static void send_tables(void)
{
	static uint8_t buf[TABLES * (PESTO_CHANGE_LEN +
				     PESTO_RULES_MAX * PESTO_RULE_LEN) + 1];
	struct wr wr = wr_init(buf, sizeof(buf));

	for (unsigned i = 0; i < TABLES; i++) {
		const struct table *t = &tables[i];

		if (!t->changed)
			continue;
		wr_u8(&wr, t->pif);
		wr_u32(&wr, t->count);
		for (uint32_t n = 0; n < t->count; n++)
			pesto_put_rule(&wr, &t->rule[n]);
	}
	wr_u8(&wr, PESTO_END);
	send_all(&wr);
	shutdown(pesto.fd, SHUT_WR);
}

/* Dies if what was sent isn't so now */
static void read_outcome(void)
{
	uint8_t buf[PESTO_OUTCOME_LEN];
	struct rd rd = rd_init(buf, sizeof(buf));
	static char text[PESTO_TEXT_MAX];
	uint8_t outcome;
	uint32_t len;
	ssize_t n;

	do {
		n = recv(pesto.fd, buf, sizeof(buf), MSG_WAITALL);
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(buf))
		die("%s doesn't tell whether it has taken the rules: its log may",
		    pesto.path);
	outcome = rd_u8(&rd);
	len = rd_u32(&rd);
	if (len >= sizeof(text))
		die("%s gives an answer that makes no sense", pesto.path);
	read_all(text, len);
	if (outcome != PESTO_DONE)
		die("%s", text);
	if (len)
		warn("%s", text);
}

/* ---- The command line ---- */

static const struct option options[] = {
	{ "tcp-ports",	required_argument,	NULL, 't' },
	{ "udp-ports",	required_argument,	NULL, 'u' },
	{ "tcp-ns",	required_argument,	NULL, 'T' },
	{ "udp-ns",	required_argument,	NULL, 'U' },
	{ "add",	no_argument,		NULL, 'A' },
	{ "delete",	no_argument,		NULL, 'D' },
	{ "clear",	required_argument,	NULL, 'C' },
	{ "show",	no_argument,		NULL, 's' },
	{ "debug",	no_argument,		NULL, 'd' },
	{ "help",	no_argument,		NULL, 'h' },
	{ "version",	no_argument,		NULL, 'V' },
	{ NULL,		0,			NULL, 0 },
};

static void usage(FILE *f)
{
	fputs("Usage: pesto [OPTION]... PATH\n"
	      "\n"
	      "Show or change the ports that a running passt or pasta forwards. PATH is the\n"
	      "socket that it was started with: passt --conf-path PATH.\n"
	      "\n"
	      "Without options, print the rules. -t, -u, -T and -U take the same as there, and\n"
	      "are the new rules of their direction, TCP and UDP together, unless --add or\n"
	      "--delete comes before them. All happens in this order, or nothing at all.\n"
	      "\n"
	      "  -A, --add              Add the rules that follow\n"
	      "  -D, --delete           Delete the rules that follow\n"
	      "  -C, --clear PIF        Delete all rules of HOST (-t, -u) or SPLICE (-T, -U)\n"
	      "  -t, --tcp-ports SPEC   TCP ports of the host, to the guest\n"
	      "  -u, --udp-ports SPEC   UDP ports of the host, to the guest\n"
	      "  -T, --tcp-ns SPEC      TCP ports of the namespace, to the host\n"
	      "  -U, --udp-ns SPEC      UDP ports of the namespace, to the host\n"
	      "  -s, --show             Print the rules before and after a change\n"
	      "  -d, --debug            Tell what happens\n"
	      "  -h, --help             Print this, and exit\n"
	      "      --version          Print the version, and exit\n", f);
}

/* An option that does something to the rules */
struct action {
	char letter;
	const char *arg;
};

static struct action actions[WORDS_MAX];
static unsigned action_count;

static void take_option(int letter)
{
	switch (letter) {
	case 's':
		pesto.show = true;
		break;
	case 'd':
		log_max = LOG_LVL_DEBUG;
		break;
	case 'h':
		usage(stdout);
		exit(EXIT_SUCCESS);
	case 'V':
		fputs("pesto " VERSION_TEXT, stdout);
		exit(EXIT_SUCCESS);
	case '?':
		usage(stderr);
		exit(EXIT_FAILURE);
	default:
		if (action_count == WORDS_MAX)
			die("Too many options (maximum %u)", WORDS_MAX);
		actions[action_count++] = (struct action){ (char)letter,
							   optarg };
		break;
	}
}

static void take_options(int argc, char **argv)
{
	int letter;

	while ((letter = getopt_long(argc, argv, "t:u:T:U:ADC:sdh", options,
				     NULL)) != -1)
		take_option(letter);
	if (argc - optind != 1) {
		usage(stderr);
		exit(EXIT_FAILURE);
	}
	pesto.path = argv[optind];
}

static void act(const struct action *a)
{
	debug("-%c %s", a->letter, a->arg ? a->arg : "");
	switch (a->letter) {
	case 'A':
		pesto.mode = ADD;
		break;
	case 'D':
		pesto.mode = DELETE;
		break;
	case 'C':
		do_clear(a->arg);
		break;
	default:
		do_spec(a->letter, a->arg);
		break;
	}
}

int main(int argc, char **argv)
{
	char range[64] = "";
	bool changed = false;

	take_options(argc, argv);
	read_file(FWD_EPHEMERAL_PATH, range, sizeof(range));
	fwd_ephemeral(range, &pesto.ephemeral);
	open_socket();
	read_tables();
	if (!action_count || pesto.show)
		show();
	if (!action_count)
		return EXIT_SUCCESS;

	for (unsigned i = 0; i < action_count; i++)
		act(&actions[i]);
	for (unsigned i = 0; i < TABLES; i++)
		changed |= tables[i].changed;
	if (changed) {
		send_tables();
		read_outcome();
	} else {
		debug("Nothing is to be changed");
	}
	if (pesto.show)
		show();
	return EXIT_SUCCESS;
}
