// SPDX-License-Identifier: GPL-2.0-or-later
/* Links: conf.o conf/conf_opts.o conf/opts.o conf/slirp_opts.o engine/guest.o fwd/fwd.o
 * Links: fwd/fwd_rule.o fwd/learned.o fwd/policy.o fwd/policy_set.o fwd/policy_spec.o
 * Links: host/net.o host/net_resolve.o host/nlmsg.o host/resolv.o util/dnsname.o
 * Links: util/rdwr.o util/parse.o util/addr.o util.o
 *
 * Command lines: make fuzz, then build/fuzz/fuzz_conf -dict=test/fuzz/conf.dict
 * [CORPUS]. The first byte is the name that we are called by, then words, each on a line
 * of its own. Files that they name contain their own name. Either there is a
 * configuration that keeps what conf.h promises, or a reason why not.
 */
#include <dlfcn.h>
#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf.h"
#include "fwd/policy.h"
#include "host/net.h"
#include "host/netlink.h"
#include "util.h"
#include "util/log.h"
#include "util/parse.h"
#include "util/wire.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

enum { WORDS_MAX = 64 };

static struct {
	jmp_buf over;
	bool running;
	unsigned told;			/* reasons and warnings */
} run;

enum log_level log_max = LOG_LVL_INFO;

/* Every message is made, so that its arguments are looked at */
static void tell(const char *fmt, va_list ap)
{
	char text[16384];

	assert(vsnprintf(text, sizeof(text), fmt, ap) > 0);
	run.told++;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	(void)level;
	va_start(ap, fmt);
	tell(fmt, ap);
	va_end(ap);
}

void log_msg_limited(const struct log_limit *l, enum log_level level,
		     const char *fmt, ...)
{
	va_list ap;

	(void)l;
	(void)level;
	va_start(ap, fmt);
	tell(fmt, ap);
	va_end(ap);
}

bool log_admit(struct log_limit *l, enum log_level level)
{
	(void)l;
	(void)level;
	return true;
}

void log_timestamps(bool on)
{
	(void)on;
}

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell(fmt, ap);
	va_end(ap);
	longjmp(run.over, 1);
}

/* Of --help, and of what isn't an option */
void exit(int status)
{
	void (*real)(int) __attribute__((noreturn));

	if (run.running) {
		run.told++;
		longjmp(run.over, 1);
	}
	*(void **)&real = dlsym(RTLD_NEXT, "exit");
	real(status);
}

/* The host: two interfaces, and no files but by what their names say */

/* Of files, where the start looks into them */
int open(const char *path, int flags, ...)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	(void)flags;
	if (!strcmp(path, "/etc/resolv.conf"))
		path = "nameserver 192.0.2.53\nnameserver fd00::53\nsearch example.org\n";
	if (pwrite(fd, path, strlen(path), 0) != (ssize_t)strlen(path))
		abort();
	return fd;
}

int nl_open(void)
{
	return memfd_create("netlink", MFD_CLOEXEC);
}

int nl_link_get(int fd, const char *ifname, struct nl_link *ret_link)
{
	(void)fd;
	ret_link->ifi = if_nametoindex(ifname);
	return ret_link->ifi ? 0 : -ENODEV;
}

int nl_template_get(int fd, enum family f, const char *ifname,
		    struct nl_template *ret_tmpl)
{
	(void)fd;
	if (*ifname && !if_nametoindex(ifname))
		return -ENODEV;
	*ret_tmpl = (struct nl_template){
		.ifname = "eth0", .ifi = 2, .candidates = 1,
		.prefix_len = f == V4 ? 24 : 64,
	};
	addr_parse(f == V4 ? "192.0.2.15" : "2001:db8::15", &ret_tmpl->addr);
	addr_parse(f == V4 ? "192.0.2.1" : "fe80::1", &ret_tmpl->gw);
	addr_parse(f == V4 ? "0.0.0.0" : "fe80::15", &ret_tmpl->ll);
	return 0;
}

unsigned if_nametoindex(const char *name)
{
	return !strcmp(name, "lo") ? 1 : !strcmp(name, "eth0") ? 2 : 0;
}

int socket(int domain, int type, int protocol)
{
	(void)domain;
	(void)type;
	(void)protocol;
	return -1;			/* nobody uses what is made of it */
}

static void check_rules(const struct conf *c, const struct fwd_rules *rules)
{
	assert(rules->count <= FWD_RULES_MAX);
	for (unsigned i = 0; i < rules->count; i++) {
		const struct fwd_rule *r = &rules->rule[i];

		assert(r->proto == PROTO_TCP ? !c->no_tcp : !c->no_udp);
		assert(r->first && r->first <= r->last);
	}
}

static void check(const struct conf *c)
{
	const struct net *net = net_get();

	check_rules(c, &c->fwd_in);
	check_rules(c, &c->fwd_out);
	for (enum family f = V4; f < FAMILIES; f++) {
		const struct net_family *fam = &net->fam[f];

		assert(addr_is_none(&fam->guest) ||
		       addr_family(&fam->guest) == f);
		assert(fam->prefix_len <= (f == V4 ? 32 : 128));
		assert(fam->dns_count <= CONF_DNS_MAX);
	}
	conf_print(c);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	/* Its --help, a thousand times a second */
	if (!freopen("/dev/null", "w", stdout))
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	static char *const names[] = {
		(char *)"passt", (char *)"pasta", (char *)"slirp4netns",
		(char *)"/usr/bin/pasta.avx2",
	};
	static struct conf conf;
	static char text[8192], *words[WORDS_MAX + 1];
	volatile FILE *saved = stderr;
	int n = 0, fds[CONF_FDS_MAX];
	char *rest = text;

	if (!len || len > sizeof(text))
		return 0;
	memcpy(text, p + 1, len - 1);
	text[len - 1] = '\0';
	words[n++] = names[*p % ARRAY_SIZE(names)];
	while (rest && n < WORDS_MAX)
		words[n++] = strsep(&rest, "\n");
	words[n] = NULL;

	/* Sanitizers speak by its descriptor, not by this */
	stderr = stdout;
	conf_name(words[0]);
	conf_wants_doctor(n, words);
	assert(conf_early_fds(n, words, fds) <= CONF_FDS_MAX);
	policy_begin();
	run.told = 0;
	run.running = true;
	if (!setjmp(run.over)) {
		conf_init(&conf, n, words);
		check(&conf);
	} else {
		assert(run.told);
	}
	run.running = false;
	stderr = (FILE *)saved;
	return 0;
}
