// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the configuration's rules become the table's, and their ports are opened
 *
 * From there on nothing looks at the configuration's rules any more.
 */
#include "start/ports.h"

#include <errno.h>
#include <sys/resource.h>

#include "conf.h"
#include "fwd/fwd_table.h"
#include "host/listen_report.h"
#include "host/sock.h"
#include "util/log.h"

enum {
	PORTS_MANY	= 100,		/* fewer fail soon enough by themselves */
	PORTS_SPARE	= 64,		/* descriptors beside those of many */
	PORTS_FEW_FILES	= 1024,		/* worth a warning */
};

static unsigned count_plain(const struct fwd_rules *rules)
{
	unsigned n = 0;

	for (unsigned i = 0; i < rules->count; i++) {
		if (!(rules->rule[i].flags & FWD_AUTO))
			n += fwd_rule_ports(&rules->rule[i]);
	}
	return n;
}

/* Said at once: rather than after some ten thousand ports, or when connections are
 * refused later
 */
bool ports_check_limit(const struct conf *c)
{
	unsigned n = count_plain(&c->fwd_in) + count_plain(&c->fwd_out);
	unsigned long long files;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return true;
	files = limit.rlim_cur;
	if (n >= PORTS_MANY && files <= n + PORTS_SPARE)
		die("%u ports to forward need as many descriptors, and the limit is %llu open files: raise it (ulimit -Hn) or forward fewer ports",
		    n, files);
	if (files >= PORTS_FEW_FILES)
		return true;
	warn("The limit of %llu open files leaves room for few connections at a time: raise it (ulimit -Hn) for more",
	     files);
	return false;
}

/* Before Linux 5.7: by address, as an interface can't be named */
static const struct fwd_rules *at_loopback(const struct conf *c,
					   const struct fwd_rules *rules,
					   const char *options)
{
	static struct fwd_rules by_addr;
	const bool enabled[FAMILIES] = { c->net.fam[V4].enabled,
					 c->net.fam[V6].enabled };

	if (!rules->count || sock_has_bindtodevice())
		return rules;
	warn("This kernel can't bind to interfaces: %s listen at "
	     "127.0.0.1 and ::1 only", options);
	if (!fwd_rules_on_loopback(rules, enabled, &by_addr))
		die("Too many rules for %s (maximum %u)", options,
		    FWD_RULES_MAX / 2);
	return &by_addr;
}

static const struct fwd_rules *rules_of(const struct conf *c,
					enum flow_side_name side)
{
	if (side == GUEST)
		return at_loopback(c, &c->fwd_out, "-T and -U");
	return c->splice_only ? at_loopback(c, &c->fwd_in, "-t and -u") :
				&c->fwd_in;
}

__attribute__((noreturn))
static void refused(const struct listen_report *report)
{
	char text[LISTEN_REPORT_LEN];
	const char *hint;

	err("%s", listen_report_failure(report, text, &hint));
	if (hint)
		err("%s", hint);
	die("Couldn't listen on requested ports");
}

void ports_open(const struct conf *c, enum flow_side_name side)
{
	const struct fwd_rules *rules = rules_of(c, side);
	struct listen_report report = { .opened = 0 };
	unsigned can = conf_fwd_can(c, side);
	char text[LISTEN_REPORT_LEN];
	const char *missed;

	if (side == HOST)
		ports_check_limit(c);

	if (!sock_has_bindtodevice())
		can &= ~(unsigned)FWD_CAN_IFNAME;
	fwd_table_allow(side, can);
	for (unsigned i = 0; i < rules->count; i++) {
		char why[FWD_ERR_LEN];
		int rc = fwd_table_add(side, &rules->rule[i], NULL, why);

		if (rc && rc != -EEXIST)
			die("%s", why);
	}
	if (listen_sync(listen_report_tell, &report))
		refused(&report);
	missed = listen_report_missed(&report, text);
	if (missed)
		warn("%s", missed);
}
