// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the outcome of a change of the rules, in words, see listen_report.h */
#include "host/listen_report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util.h"
#include "util/wire.h"

enum { MISSED_ITEM = 128 };

static const char *proto_name(const struct fwd_rule *r)
{
	return r->proto == PROTO_TCP ? "TCP" : "UDP";
}

static const char *reason(int rc)
{
	return rc == -ESHUTDOWN ? "no port is opened any more, we are draining" :
				  strerror(-rc);
}

static void end_range(struct listen_report *r)
{
	const struct listen_failed *f = &r->last;
	char item[MISSED_ITEM], range[16];
	bool told = r->proto == f->rule.proto;
	int len;

	if (!r->from)
		return;
	snprintf(range, sizeof(range), r->from == f->port ? "%u" : "%u-%u",
		 r->from, f->port);
	len = snprintf(item, sizeof(item), "%s%s%s%s (%s)",
		       r->len ? ", " : "", told ? "" : proto_name(&f->rule),
		       told ? "" : " ", range, reason(f->rc));
	r->more |= r->len + (size_t)len >= sizeof(r->text);
	if (!r->more) {
		memcpy(r->text + r->len, item, (size_t)len + 1);
		r->len += (size_t)len;
		r->proto = f->rule.proto;
	}
	r->from = 0;
}

void listen_report_tell(void *arg, const struct fwd_slot *s, uint16_t port,
			int rc)
{
	struct listen_report *r = arg;
	struct listen_failed *f = &r->last;

	if (s->rule.flags & FWD_AUTO)
		return;
	if (rc >= 0) {
		r->opened += rc > 0;
		r->closed += !rc;
		return;
	}
	if (f->rule.proto != s->rule.proto || f->rc != rc ||
	    f->port + 1 != port)
		end_range(r);
	if (!r->from)
		r->from = port;
	*f = (struct listen_failed){ .rule = s->rule, .side = s->side,
				     .port = port, .rc = rc };
	if (!r->missed++)
		r->first = *f;
}

const char *listen_report_failure(const struct listen_report *r, char *buf,
				  const char **ret_hint)
{
	bool fatal = !(r->last.rule.flags & FWD_WEAK) ||
		     is_out_of_files(r->last.rc);
	const struct listen_failed *f = fatal ? &r->last : &r->first;
	const struct fwd_rule *rule = &f->rule;

	snprintf(buf, LISTEN_REPORT_LEN,
		 "Listen failed for %s %s port %s%s%s/%u: %s",
		 f->side == HOST ? "HOST" : "SPLICE", proto_name(rule),
		 rule->flags & FWD_DUAL ? "*" : ADDR_STR(&rule->listen),
		 *rule->ifname ? "%" : "", rule->ifname, f->port,
		 reason(f->rc));
	*ret_hint = NULL;
	if (f->rc == -EACCES)
		*ret_hint = "Ports below net.ipv4.ip_unprivileged_port_start "
			    "need CAP_NET_BIND_SERVICE";
	else if (f->rc == -EPERM && *rule->ifname)
		*ret_hint = "Binding to a device needs kernel 5.7 or newer";
	else if (is_out_of_files(f->rc))
		*ret_hint = "Too many ports for the limit of open files: raise "
			    "it (ulimit -Hn) or forward fewer ports";
	return buf;
}

const char *listen_report_missed(struct listen_report *r, char *buf)
{
	if (!r->missed)
		return NULL;
	end_range(r);
	snprintf(buf, LISTEN_REPORT_LEN,
		 "Couldn't listen on %u of %u ports: %s%s", r->missed,
		 r->missed + r->opened, r->text, r->more ? " and others" : "");
	return buf;
}
