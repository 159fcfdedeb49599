// SPDX-License-Identifier: GPL-2.0-or-later
/* Links: fwd/fwd_rule.o util/parse.o util/addr.o
 *
 * The grammar of forwarding rules: specs in, rules or the error out, as
 * fwd_rule_print() tells them.
 */
#include "fwd/fwd_rule.h"

#include <errno.h>
#include <stdlib.h>

#include "tap_test.h"
#include "util/wire.h"

enum { EPH_FIRST = 32768, EPH_LAST = 60999 };

static const struct fwd_rule_ctx in_tcp = {
	.proto = PROTO_TCP, .addr_allowed = true, .auto_allowed = true,
	.eph = { EPH_FIRST, EPH_LAST },
};

static struct fwd_rules rules;
static char error[FWD_ERR_LEN];

static const char *print_all(void)
{
	static char all[64 * FWD_RULE_STRLEN];
	char one[FWD_RULE_STRLEN];

	all[0] = '\0';
	for (unsigned i = 0; i < rules.count && i < 64; i++) {
		strcat(all, i ? "; " : "");
		strcat(all, fwd_rule_print(&rules.rule[i], one));
	}
	return all;
}

/* What becomes of these specs, separated by space: the rules or the error */
static const char *result(const char *specs, const struct fwd_rule_ctx *ctx)
{
	char copy[8192], *spec, *rest;

	rules.count = 0;
	strcpy(copy, specs);
	for (spec = strtok_r(copy, " ", &rest); spec;
	     spec = strtok_r(NULL, " ", &rest)) {
		if (fwd_rule_parse(spec, ctx, &rules, error))
			return error;
	}
	return print_all();
}

static void test_ranges(void)
{
	static const struct { const char *spec, *want; } t[] = {
		{ "80", "TCP [*]:80  =>  80 " },
		{ "80:8080", "TCP [*]:80  =>  8080 " },
		{ "1-65535", "TCP [*]:1-65535  =>  1-65535 " },
		{ "22-80:32-90", "TCP [*]:22-80  =>  32-90 " },
		{ "8080-8080:80-80", "TCP [*]:8080  =>  80 " },
		{ "80-90:80-90", "TCP [*]:80-90  =>  80-90 " },
		{ "22,80-81,443:1443",
		  "TCP [*]:22  =>  22 ; TCP [*]:80-81  =>  80-81 ; "
		  "TCP [*]:443  =>  1443 " },
		{ "65535", "TCP [*]:65535  =>  65535 " },
		{ "00080", "TCP [*]:80  =>  80 " },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		is_str(result(t[i].spec, &in_tcp), t[i].want, "%s", t[i].spec);
}

static void test_where(void)
{
	static const struct { const char *spec, *want; } t[] = {
		{ "192.0.2.1/5", "TCP [192.0.2.1]:5  =>  5 " },
		{ "0.0.0.0/80", "TCP [0.0.0.0]:80  =>  80 " },
		{ "::/80:80", "TCP [::]:80  =>  80 " },
		{ "[::]/80", "TCP [::]:80  =>  80 " },
		{ "[192.0.2.1]/80", "TCP [192.0.2.1]:80  =>  80 " },
		{ "::1/8080-8080:80-80", "TCP [::1]:8080  =>  80 " },
		{ "*/80", "TCP [*]:80  =>  80 " },
		{ "/80", "TCP [*]:80  =>  80 " },
		{ "%eth0/80", "TCP [*]%eth0:80  =>  80 " },
		{ "*%eth0/80", "TCP [*]%eth0:80  =>  80 " },
		{ "192.0.2.1%eth0.5/80", "TCP [192.0.2.1]%eth0.5:80  =>  80 " },
		{ "[fe80::1]%a,b:c/80", "TCP [fe80::1]%a,b:c:80  =>  80 " },
		{ "%eth0/all,~443",
		  "TCP [*]%eth0:1-442  =>  1-442 (best effort) ; "
		  "TCP [*]%eth0:444-32767  =>  444-32767 (best effort) ; "
		  "TCP [*]%eth0:61000-65535  =>  61000-65535 (best effort) " },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		is_str(result(t[i].spec, &in_tcp), t[i].want, "%s", t[i].spec);
}

static void test_exclusions(void)
{
	static const struct { const char *spec, *want; } t[] = {
		{ "5-25,~10-20",
		  "TCP [*]:5-9  =>  5-9 ; TCP [*]:21-25  =>  21-25 " },
		{ "~10-20,5-25",
		  "TCP [*]:5-9  =>  5-9 ; TCP [*]:21-25  =>  21-25 " },
		{ "5-25:105-125,~10-20",
		  "TCP [*]:5-9  =>  105-109 ; TCP [*]:21-25  =>  121-125 " },
		{ "5-10,~5,~10", "TCP [*]:6-9  =>  6-9 " },
		{ "80,~90", "TCP [*]:80  =>  80 " },
		{ "80,~80", "" },
		{ "0-10,~0", "TCP [*]:1-10  =>  1-10 " },
		{ "5-7,15-17:25-27,~6,~16",
		  "TCP [*]:5  =>  5 ; TCP [*]:7  =>  7 ; "
		  "TCP [*]:15  =>  25 ; TCP [*]:17  =>  27 " },
		{ "5-20,~8-12,~10-15",
		  "TCP [*]:5-7  =>  5-7 ; TCP [*]:16-20  =>  16-20 " },
		{ "40000,~50000", "TCP [*]:40000  =>  40000 " },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		is_str(result(t[i].spec, &in_tcp), t[i].want, "%s", t[i].spec);
}

/* `all`, `auto` and mere exclusions leave the ephemeral ports alone */
static void test_all(void)
{
	static const struct { const char *spec, *want; } t[] = {
		{ "all",
		  "TCP [*]:1-32767  =>  1-32767 (best effort) ; "
		  "TCP [*]:61000-65535  =>  61000-65535 (best effort) " },
		{ "all,all",
		  "TCP [*]:1-32767  =>  1-32767 (best effort) ; "
		  "TCP [*]:61000-65535  =>  61000-65535 (best effort) " },
		{ "~25",
		  "TCP [*]:1-24  =>  1-24 (best effort) ; "
		  "TCP [*]:26-32767  =>  26-32767 (best effort) ; "
		  "TCP [*]:61000-65535  =>  61000-65535 (best effort) " },
		{ "~15000,~15001",
		  "TCP [*]:1-14999  =>  1-14999 (best effort) ; "
		  "TCP [*]:15002-32767  =>  15002-32767 (best effort) ; "
		  "TCP [*]:61000-65535  =>  61000-65535 (best effort) " },
		{ "~1-65535", "" },
		{ "auto",
		  "TCP [*]:1-32767  =>  1-32767 (best effort) (auto-scan) ; "
		  "TCP [*]:61000-65535  =>  61000-65535 (best effort) (auto-scan) " },
		{ "auto,~1-32000",
		  "TCP [*]:32001-32767  =>  32001-32767 (best effort) (auto-scan) ; "
		  "TCP [*]:61000-65535  =>  61000-65535 (best effort) (auto-scan) " },
		{ "80:8080,auto", "TCP [*]:80  =>  8080 (auto-scan) " },
		{ "8000-8001,all", "TCP [*]:8000-8001  =>  8000-8001 " },
		{ "all,8000-8001", "TCP [*]:8000-8001  =>  8000-8001 " },
		{ "0.0.0.0/all:192.0.2.9",
		  "TCP [0.0.0.0]:1-32767  =>  192.0.2.9:1-32767 (best effort) ; "
		  "TCP [0.0.0.0]:61000-65535  =>  192.0.2.9:61000-65535 (best effort) " },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		is_str(result(t[i].spec, &in_tcp), t[i].want, "%s", t[i].spec);
}

static void test_targets(void)
{
	static const struct { const char *spec, *want; } t[] = {
		{ "0.0.0.0/8080:10.88.0.5/80",
		  "TCP [0.0.0.0]:8080  =>  10.88.0.5:80 " },
		{ "[::]/8080:fd00::5/80",
		  "TCP [::]:8080  =>  [fd00::5]:80 " },
		{ "[::]/8080:[fd00::5]/80",
		  "TCP [::]:8080  =>  [fd00::5]:80 " },
		{ "0.0.0.0/8080-8082:10.88.0.5/80-82",
		  "TCP [0.0.0.0]:8080-8082  =>  10.88.0.5:80-82 " },
		{ "192.0.2.1/80:198.51.100.9",
		  "TCP [192.0.2.1]:80  =>  198.51.100.9:80 " },
		{ "::1/80-90:fd00::5,~85",
		  "TCP [::1]:80-84  =>  [fd00::5]:80-84 ; "
		  "TCP [::1]:86-90  =>  [fd00::5]:86-90 " },
		{ "0.0.0.0/80:10.0.0.1/81,90:10.0.0.2/91",
		  "TCP [0.0.0.0]:80  =>  10.0.0.1:81 ; "
		  "TCP [0.0.0.0]:90  =>  10.0.0.2:91 " },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		is_str(result(t[i].spec, &in_tcp), t[i].want, "%s", t[i].spec);
}

static void test_invalid(void)
{
	static const struct { const char *spec, *want; } t[] = {
		{ "80x", "Invalid port specifier '80x': unexpected 'x'" },
		{ "80,", "Invalid port specifier '80,': something is missing at its end" },
		{ ",80", "Invalid port specifier ',80': expected a port, not ',80'" },
		{ "80,,81", "Invalid port specifier '80,,81': expected a port, not ',81'" },
		{ "80:", "Invalid port specifier '80:': something is missing at its end" },
		{ "80:x", "Invalid port specifier '80:x': expected a port, not 'x'" },
		{ "80-", "Invalid port specifier '80-': something is missing at its end" },
		{ "90-80", "Invalid port specifier '90-80': range 90-80 ends before it begins" },
		{ "65536", "Invalid port specifier '65536': port 65536 is above 65535" },
		{ "80-99999999999999999999999", "Invalid port specifier '80-99999999999999999999999': port 99999999999999999999 is above 65535" },
		{ "80-x", "Invalid port specifier '80-x': expected a port, not 'x'" },
		{ "80:70000", "Invalid port specifier '80:70000': port 70000 is above 65535" },
		{ "~90-80", "Invalid port specifier '~90-80': range 90-80 ends before it begins" },
		{ "all:", "Invalid port specifier 'all:': something is missing at its end" },
		{ "0.0.0.0/80:10.0.0.1/70000", "Invalid port specifier '0.0.0.0/80:10.0.0.1/70000': port 70000 is above 65535" },
		{ "80-65536", "Invalid port specifier '80-65536': port 65536 is above 65535" },
		{ "-1", "Invalid port specifier '-1': expected a port, not '-1'" },
		{ "none,80", "Invalid port specifier 'none,80': expected a port, not 'none,80'" },
		{ "80,none", "Invalid port specifier '80,none': expected a port, not 'none'" },
		{ "allx", "Invalid port specifier 'allx': unexpected 'x'" },
		{ "all:80", "Invalid port specifier 'all:80': expected an address, not '80'" },
		{ "autos", "Invalid port specifier 'autos': unexpected 's'" },
		{ "~80:81", "Invalid port specifier '~80:81': unexpected ':81'" },
		{ "~", "Invalid port specifier '~': something is missing at its end" },
		{ "1-3:1-2", "Invalid port specifier '1-3:1-2': ports 1-3 can't map to 1-2" },
		{ "1-2:1", "Invalid port specifier '1-2:1': ports 1-2 can't map to 1-1" },
		{ "1:1-2", "Invalid port specifier '1:1-2': ports 1-1 can't map to 1-2" },
		{ "1.2.3.4", "Invalid port specifier '1.2.3.4': unexpected '.2.3.4'" },
		{ "1.2.3.4/", "Invalid port specifier '1.2.3.4/': something is missing at its end" },
		{ "1.2.3.4%/80", "Invalid port specifier '1.2.3.4%/80': unexpected '.2.3.4%/80'" },
		{ "%/80", "Invalid port specifier '%/80': expected a port, not '%/80'" },
		{ "%../80", "Invalid port specifier '%../80': expected a port, not '%../80'" },
		{ "%sixteen-letters-/80", "Invalid port specifier '%sixteen-letters-/80': expected a port, not '%sixteen-letters-/80'" },
		{ "[::1/80", "Invalid port specifier '[::1/80': expected a port, not '[::1/80'" },
		{ "localhost/80", "Invalid port specifier 'localhost/80': expected a port, not 'localhost/80'" },
		{ "80/tcp", "Invalid port specifier '80/tcp': unexpected '/tcp'" },
		{ "0.0.0.0/80:10.0.0.1/", "Invalid port specifier '0.0.0.0/80:10.0.0.1/': something is missing at its end" },
		{ "0.0.0.0/80:10.0.0.1/80x", "Invalid port specifier '0.0.0.0/80:10.0.0.1/80x': unexpected 'x'" },
		{ "0.0.0.0/80:10.0.0.1:80", "Invalid port specifier '0.0.0.0/80:10.0.0.1:80': unexpected '.0.0.1:80'" },
		{ "0", "Forwarding rule attempts to map from port 0: '0'" },
		{ "0-10", "Forwarding rule attempts to map from port 0: '0-10'" },
		{ "80:0", "Forwarding rule attempts to map to port 0: '80:0'" },
		{ "0.0.0.0/80:224.0.0.1",
		  "Invalid port specifier '0.0.0.0/80:224.0.0.1': can't forward to '224.0.0.1'" },
		{ "0.0.0.0/80:0.0.0.0/80",
		  "Invalid port specifier '0.0.0.0/80:0.0.0.0/80': can't forward to '0.0.0.0'" },
		{ "80:192.0.2.1/80",
		  "Invalid port specifier '80:192.0.2.1/80': a target address needs a listening address of its family, write 0.0.0.0/… in front" },
		{ "*/80:fd00::1/80",
		  "Invalid port specifier '*/80:fd00::1/80': a target address needs a listening address of its family, write [::]/… in front" },
		{ "0.0.0.0/80:fd00::1/80",
		  "Invalid port specifier '0.0.0.0/80:fd00::1/80': can't forward from 0.0.0.0 to fd00::1, which isn't of its family" },
		{ "::1/all:192.0.2.1",
		  "Invalid port specifier '::1/all:192.0.2.1': can't forward from ::1 to 192.0.2.1, which isn't of its family" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		is_str(result(t[i].spec, &in_tcp), t[i].want, "%s", t[i].spec);
		is_int(rules.count, 0, "and no rule");
	}
	is_str(result("80", &in_tcp), "TCP [*]:80  =>  80 ", "80");
	is_int(fwd_rule_parse("", &in_tcp, &rules, error), -EINVAL, "empty");
	is_str(error,
	       "Invalid port specifier '': something is missing at its end",
	       "and its error");
}

static void test_context(void)
{
	struct fwd_rule_ctx ctx = in_tcp;

	ctx.auto_allowed = false;
	is_str(result("80,auto", &ctx),
	       "Invalid port specifier '80,auto': in pasta mode only: 'auto'",
	       "auto where it isn't allowed");
	ctx.addr_allowed = false;
	is_str(result("80", &ctx), "TCP [*]:80  =>  80 ",
	       "-T with a mere port");
	is_str(result("192.0.2.1/80", &ctx),
	       "Listening address not allowed for -T 192.0.2.1/80",
	       "-T with an address");
	is_str(result("%eth0/80", &ctx),
	       "Listening address not allowed for -T %eth0/80",
	       "-T with an interface");
	ctx.proto = PROTO_UDP;
	is_str(result("*/80", &ctx), "Listening address not allowed for -U */80",
	       "-U with a wildcard");
	is_str(result("80", &ctx), "UDP [*]:80  =>  80 ", "-U");
}

static void test_overlap(void)
{
	static const struct { const char *specs, *want; } t[] = {
		{ "80 80", "TCP [*]:80  =>  80 " },
		{ "80,80", "TCP [*]:80  =>  80 " },
		{ "80-90 80-90", "TCP [*]:80-90  =>  80-90 " },
		{ "all all",
		  "TCP [*]:1-32767  =>  1-32767 (best effort) ; "
		  "TCP [*]:61000-65535  =>  61000-65535 (best effort) " },
		{ "80 80:81",
		  "Forwarding configuration conflict: TCP [*]:80  =>  81  versus TCP [*]:80  =>  80 " },
		{ "80-90 85",
		  "Forwarding configuration conflict: TCP [*]:85  =>  85  versus TCP [*]:80-90  =>  80-90 " },
		{ "80-90,85",
		  "Forwarding configuration conflict: TCP [*]:85  =>  85  versus TCP [*]:80-90  =>  80-90 " },
		{ "auto 80",
		  "Forwarding configuration conflict: TCP [*]:80  =>  80  versus TCP [*]:1-32767  =>  1-32767 (best effort) (auto-scan) (both in one: auto,PORT)" },
		{ "80-90 90-95",
		  "Forwarding configuration conflict: TCP [*]:90-95  =>  90-95  versus TCP [*]:80-90  =>  80-90 " },
		{ "80-90 91", "TCP [*]:80-90  =>  80-90 ; TCP [*]:91  =>  91 " },
		{ "0.0.0.0/80 80",
		  "Forwarding configuration conflict: TCP [*]:80  =>  80  versus TCP [0.0.0.0]:80  =>  80 " },
		{ "80 ::1/80",
		  "Forwarding configuration conflict: TCP [::1]:80  =>  80  versus TCP [*]:80  =>  80 " },
		{ "0.0.0.0/80 127.0.0.1/80",
		  "Forwarding configuration conflict: TCP [127.0.0.1]:80  =>  80  versus TCP [0.0.0.0]:80  =>  80 " },
		{ "0.0.0.0/80 ::/80",
		  "TCP [0.0.0.0]:80  =>  80 ; TCP [::]:80  =>  80 " },
		{ "0.0.0.0/80 ::1/80",
		  "TCP [0.0.0.0]:80  =>  80 ; TCP [::1]:80  =>  80 " },
		{ "192.0.2.1/80 192.0.2.2/80",
		  "TCP [192.0.2.1]:80  =>  80 ; TCP [192.0.2.2]:80  =>  80 " },
		{ "192.0.2.1/80 192.0.2.1/80:81",
		  "Forwarding configuration conflict: TCP [192.0.2.1]:80  =>  81  versus TCP [192.0.2.1]:80  =>  80 " },
		{ "%a/80 %b/80",
		  "TCP [*]%a:80  =>  80 ; TCP [*]%b:80  =>  80 " },
		{ "%a/80 80",
		  "Forwarding configuration conflict: TCP [*]:80  =>  80  versus TCP [*]%a:80  =>  80 " },
	};
	struct fwd_rule_ctx udp = in_tcp;

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		is_str(result(t[i].specs, &in_tcp), t[i].want, "%s",
		       t[i].specs);

	udp.proto = PROTO_UDP;
	result("80", &in_tcp);
	is_int(fwd_rule_parse("80", &udp, &rules, error), 0,
	       "the same port of another protocol");
	is_int(rules.count, 2, "is another rule");
}

/* A spec that fails in its middle adds nothing */
static void test_atomic(void)
{
	result("80,81", &in_tcp);
	is_int(fwd_rule_parse("90,91,81:82", &in_tcp, &rules, error), -EINVAL,
	       "a conflict in the third chunk");
	is_str(print_all(), "TCP [*]:80  =>  80 ; TCP [*]:81  =>  81 ",
	       "leaves the rules as they were");
}

static void test_limits(void)
{
	char spec[8192] = "", one[32];

	for (unsigned i = 0; i < FWD_RULES_MAX; i++) {
		snprintf(one, sizeof(one), "%s%u", i ? "," : "", 1000 + 2 * i);
		strcat(spec, one);
	}
	rules.count = 0;
	is_int(fwd_rule_parse(spec, &in_tcp, &rules, error), 0,
	       "as many rules as there may be");
	is_int(rules.count, FWD_RULES_MAX, "are all there");
	is_int(fwd_rule_parse(spec, &in_tcp, &rules, error), 0,
	       "once more the same");
	is_int(fwd_rule_parse("9", &in_tcp, &rules, error), -EINVAL,
	       "one more");
	is_str(error, "Too many forwarding rules (maximum 255) with '9'",
	       "and its error");

	rules.count = 0;
	for (unsigned i = 1; i <= 5; i++) {
		snprintf(one, sizeof(one), "192.0.2.%u/1-65535", i);
		is_int(fwd_rule_parse(one, &in_tcp, &rules, error), 0,
		       "all ports of address %u", i);
	}
	is_int(fwd_rule_parse("192.0.2.6/1-65535", &in_tcp, &rules, error),
	       -EINVAL, "of one address too many");
	is_str(error, "Too many forwarded ports (maximum 327680) with '192.0.2.6/1-65535'",
	       "and its error");
	is_int(rules.count, 5, "five are left");
}

/* Every odd port excluded: as long as a spec gets, in one pass */
static void test_long(void)
{
	static char spec[8 * 65536];
	char *p = spec;

	p += sprintf(p, "1-400");
	for (unsigned i = 1; i < 65536; i += 2)
		p += sprintf(p, ",~%u", i);
	rules.count = 0;
	is_int(fwd_rule_parse(spec, &in_tcp, &rules, error), 0,
	       "32768 exclusions");
	is_int(rules.count, 200, "leave each even port");
	is_int(rules.rule[199].first, 400, "up to the last");

	strcpy(p, ",x");
	is_int(fwd_rule_parse(spec, &in_tcp, &rules, error), -EINVAL,
	       "an error after 300000 characters");
	ok(strlen(error) < FWD_ERR_LEN, "is told in one line");
}

/* Kernels that can't bind to an interface: -T and -U by address */
static void test_loopback(void)
{
	const struct fwd_rule_ctx ctx = { .proto = PROTO_TCP, .ifname = "lo" };
	const bool both[FAMILIES] = { true, true }, v6[FAMILIES] = { [V6] = true };
	static struct fwd_rules named;

	is_str(result("80:81,90", &ctx),
	       "TCP [*]%lo:80  =>  81 ; TCP [*]%lo:90  =>  90 ",
	       "rules of an interface");
	named = rules;
	ok(fwd_rules_on_loopback(&named, both, &rules), "by address");
	is_str(print_all(),
	       "TCP [127.0.0.1]:80  =>  81 ; TCP [::1]:80  =>  81 ; "
	       "TCP [127.0.0.1]:90  =>  90 ; TCP [::1]:90  =>  90 ",
	       "  both families");
	ok(fwd_rules_on_loopback(&named, v6, &rules), "  one");
	is_str(print_all(), "TCP [::1]:80  =>  81 ; TCP [::1]:90  =>  90 ",
	       "  of them");
	named.rule[0].flags = 0;
	named.rule[0].listen = addr_loopback(V4);
	ok(fwd_rules_on_loopback(&named, both, &rules), "  an address given");
	is_str(print_all(),
	       "TCP [127.0.0.1]:80  =>  81 ; "
	       "TCP [127.0.0.1]:90  =>  90 ; TCP [::1]:90  =>  90 ",
	       "  stays");
	named.count = FWD_RULES_MAX / 2 + 1;
	for (unsigned i = 0; i < named.count; i++)
		named.rule[i] = named.rule[1];
	ok(!fwd_rules_on_loopback(&named, both, &rules), "  too many");
}

/* -t, -u, -T, -U, as a client of a daemon's says them */
static void test_option(void)
{
	static const struct { char letter; unsigned can; const char *want; } t[] = {
		{ 't', FWD_CAN_ALL, "TCP [*]:80  =>  80 " },
		{ 'u', FWD_CAN_ALL, "UDP [*]:80  =>  80 " },
		{ 'T', FWD_CAN_ALL, "TCP [*]%lo:80  =>  80 " },
		{ 'U', FWD_CAN_ALL, "UDP [*]%lo:80  =>  80 " },
		{ 'T', FWD_CAN_ALL & ~FWD_CAN_IFNAME,
		  "TCP [127.0.0.1]:80  =>  80 ; TCP [::1]:80  =>  80 " },
		{ 'U', FWD_CAN_ALL & ~FWD_CAN_IFNAME & ~FWD_CAN_V6,
		  "UDP [127.0.0.1]:80  =>  80 " },
		{ 't', FWD_CAN_ALL & ~FWD_CAN_IFNAME, "TCP [*]:80  =>  80 " },
	};
	const struct fwd_ephemeral eph = { EPH_FIRST, EPH_LAST };

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		is_int(fwd_rule_parse_option(t[i].letter, "80", t[i].can, &eph,
					     &rules, error), 0,
		       "-%c 80, %#x", t[i].letter, t[i].can);
		is_str(print_all(), t[i].want, "  is that");
	}
	is_int(fwd_rule_parse_option('T', "192.0.2.1/80", FWD_CAN_ALL, &eph,
				     &rules, error), -EINVAL,
	       "-T has no address");
	is_int(fwd_rule_parse_option('t', "80,auto", FWD_CAN_ALL & ~FWD_CAN_AUTO,
				     &eph, &rules, error), -EINVAL,
	       "auto, where there is none");
}

int main(void)
{
	test_loopback();
	test_ranges();
	test_where();
	test_exclusions();
	test_all();
	test_targets();
	test_invalid();
	test_context();
	test_overlap();
	test_atomic();
	test_limits();
	test_long();
	test_option();
	return done();
}
