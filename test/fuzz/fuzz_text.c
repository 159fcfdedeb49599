// SPDX-License-Identifier: GPL-2.0-or-later
/* Links: fwd/fwd_rule.o fwd/pesto_wire.o fwd/policy_spec.o fwd/policy_set.o
 * Links: host/resolv.o host/procnet.o util/json.o util/json_write.o util/dnsname.o
 * Links: util/parse.o util/rdwr.o util/addr.o util.o util/log.o util/ringfile.o
 * Links: util/writer.o
 *
 * Texts, whose reader the first byte chooses: make fuzz, then build/fuzz/fuzz_text
 * -dict=test/fuzz/text.dict [CORPUS]. What was read keeps what its reader promises, and
 * what can be written again is read as the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fwd/pesto_wire.h"
#include "fwd/policy_set.h"
#include "host/procnet.h"
#include "host/resolv.h"
#include "util.h"
#include "util/dnsname.h"
#include "util/json.h"
#include "util/json_write.h"
#include "util/parse.h"
#include "util/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

/* ---- Rules of ports ---- */

static void check_rule(const struct fwd_rule *r)
{
	char text[FWD_RULE_STRLEN];
	uint8_t buf[PESTO_RULE_LEN];
	struct wr wr = wr_init(buf, sizeof(buf));
	struct fwd_rule again;
	struct rd rd;

	assert(r->first <= r->last && r->first);
	assert(r->to + (r->last - r->first) <= UINT16_MAX);
	assert(strlen(fwd_rule_print(r, text)) < sizeof(text));
	pesto_put_rule(&wr, r);
	assert(!wr.bad && wr.len == sizeof(buf));
	rd = rd_init(buf, sizeof(buf));
	again = pesto_get_rule(&rd);
	assert(!rd.bad && fwd_rule_eq(r, &again));
}

static void check_rules(const struct fwd_rules *rules)
{
	assert(rules->count <= FWD_RULES_MAX);
	for (unsigned i = 0; i < rules->count; i++) {
		check_rule(&rules->rule[i]);
		for (unsigned j = 0; j < i; j++)
			fwd_rule_overlaps(&rules->rule[j], &rules->rule[i]);
	}
}

static void read_ports(char *text)
{
	static struct fwd_rules rules, here;
	struct fwd_rule_ctx ctx = {
		.proto = strlen(text) & 1 ? PROTO_TCP : PROTO_UDP,
		.addr_allowed = true, .auto_allowed = strlen(text) & 2,
	};
	const bool enabled[FAMILIES] = { true, true };
	char why[FWD_ERR_LEN];

	rules.count = 0;
	fwd_ephemeral("", &ctx.eph);
	if (fwd_rule_parse(text, &ctx, &rules, why))
		assert(strlen(why) && strlen(why) < sizeof(why));
	else
		check_rules(&rules);
	if (fwd_rules_on_loopback(&rules, enabled, &here))
		check_rules(&here);
}

static void read_port_option(char *text)
{
	static struct fwd_rules rules;
	struct fwd_ephemeral eph;
	char why[FWD_ERR_LEN];

	rules.count = 0;
	fwd_ephemeral(text, &eph);
	assert(eph.first <= eph.last);
	if (!*text)
		return;
	if (fwd_rule_parse_option("tuTU"[*text & 3], text + 1, FWD_CAN_ALL, &eph,
				  &rules, why))
		assert(strlen(why) && strlen(why) < sizeof(why));
	else
		check_rules(&rules);
}

/* A rule as a client of pesto's sends it, and as it is judged before it's used */
static void read_rule(char *text, size_t len)
{
	struct rd rd = rd_init(text, len);
	struct fwd_rule r = pesto_get_rule(&rd);
	char why[FWD_ERR_LEN];

	if (!rd.bad && !fwd_rule_check(&r, FWD_CAN_ALL, why))
		check_rule(&r);
}

/* ---- The policy ---- */

static void read_policy(char *text)
{
	static struct policy_set set;
	char why[POLICY_ERR_LEN], *line, *rest = text;
	bool allow = true;

	policy_set_clear(&set);
	while ((line = strsep(&rest, "\n"))) {
		allow = !allow;
		if (policy_set_add(&set, allow, line, why))
			assert(strlen(why) && strlen(why) < sizeof(why));
	}
	if (!policy_set_compile(&set))
		return;
	for (uint32_t i = set.addr_first; i < set.addr_end; i++)
		assert(policy_set_contains(&set, i,
					   &policy_set_model(&set, i)->addr));
	assert(!set.any_name == (set.name_first == set.name_end));
	policy_set_name(&set, "www.example.org");
}

/* ---- Files of the host's ---- */

static void read_resolv(char *text)
{
	static struct resolv r;

	memset(&r, 0xff, sizeof(r));
	resolv_parse(text, strlen(text), &r);
	for (enum family f = V4; f < FAMILIES; f++) {
		assert(r.count[f] <= CONF_DNS_MAX);
		for (unsigned i = 0; i < r.count[f]; i++) {
			assert(addr_family(&r.ns[f][i]) == f);
			assert(strnlen(r.ifname[f][i], IFNAMSIZ) < IFNAMSIZ);
		}
	}
	assert(r.search.count <= CONF_SEARCH_MAX);
	for (unsigned i = 0; i < r.search.count; i++)
		assert(strnlen(r.search.name[i], CONF_NAME_MAX + 1) <=
		       CONF_NAME_MAX);
}

static void found(const struct procnet_sock *s, void *arg)
{
	enum family f = *(enum family *)arg;

	assert(f == V6 || addr_is_v4(&s->addr));
}

static void read_procnet(char *text, size_t len)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("procnet", MFD_CLOEXEC);
	if (ftruncate(fd, 0) || pwrite(fd, text, len, 0) != (ssize_t)len)
		abort();
	for (enum family f = V4; f < FAMILIES; f++)
		procnet_read(fd, f, found, &f);
}

/* ---- JSON ---- */

/* All of it, written again: what the same reader then takes */
static void copy_json(struct jsonw *w, const char *name, const struct json *v)
{
	struct json each = { .kind = JSON_NONE }, key = { .kind = JSON_NONE };
	char text[4096];
	unsigned n;
	bool yes;

	assert(v->at <= v->end);
	switch (v->kind) {
	case JSON_ARRAY:
		jsonw_open(w, name, '[');
		while (json_next(v, &each))
			copy_json(w, NULL, &each);
		jsonw_close(w, ']');
		return;
	case JSON_OBJECT:
		jsonw_open(w, name, '{');
		while (json_next_member(v, &key, &each)) {
			bool ok = json_string(&key, text, sizeof(text));

			if (ok)
				json_member(v, text);
			copy_json(w, "x", &each);
		}
		jsonw_close(w, '}');
		return;
	case JSON_STRING:
		if (json_string(v, text, sizeof(text))) {
			for (size_t at = 0; text[at]; at += n) {
				n = (unsigned)json_utf8(text + at,
							strlen(text + at));
				assert(n);
			}
			jsonw_str(w, name, text);
			return;
		}
		break;
	case JSON_NUMBER:
		if (json_uint(v, UINT32_MAX, &n)) {
			jsonw_uint(w, name, n);
			return;
		}
		break;
	case JSON_BOOL:
		assert(json_bool(v, &yes));
		jsonw_bool(w, name, yes);
		return;
	case JSON_NONE:
	case JSON_NULL:
		break;
	}
	jsonw_value(w, name, v->at, (size_t)(v->end - v->at));
}

static void read_json(char *text, size_t len)
{
	static char out[1 << 20];
	struct jsonw w = jsonw_init(out, sizeof(out));
	struct json v;

	if (!json_parse(text, len, &v))
		return;
	assert(v.kind != JSON_NONE && v.at >= text && v.end <= text + len);
	copy_json(&w, NULL, &v);
	assert(w.bad || json_parse(out, w.len, &v));
}

/* ---- Names, addresses, words ---- */

static void read_name(char *text, size_t len)
{
	char once[DNSNAME_TEXT_LEN], twice[DNSNAME_TEXT_LEN];
	uint8_t wire[2 * DNSNAME_WIRE_MAX];
	struct wr wr = wr_init(wire, sizeof(wire)), all = wr_init(wire, sizeof(wire));

	if (dnsname_fold(text, len, once)) {
		assert(strlen(once) < sizeof(once));
		assert(dnsname_fold(once, strlen(once), twice));
		assert(!strcmp(once, twice));
	}
	if (dnsname_put(&wr, text))
		assert(wr.len <= DNSNAME_WIRE_MAX && wire[wr.len - 1] == 0);
	else
		assert(!wr.len);
	for (char *line = text, *rest = text; line; line = strsep(&rest, "\n"))
		dnsname_put_compressed(&all, line);
	assert(all.len <= sizeof(wire) && !all.bad);
}

static void read_words(char *text)
{
	const char *at = text;
	struct addr a, again;
	uint16_t first, last;
	char name[IFNAMSIZ];
	uint8_t mac[6];
	unsigned n;

	if (addr_parse(text, &a))
		assert(addr_parse(ADDR_STR(&a), &again) && addr_eq(&a, &again));
	if (mac_parse(text, mac))
		assert(!strcasecmp(MAC_STR(mac), text));
	while (!parse_end(&at)) {
		const char *before = at;

		if (!parse_addr_bracketed(&at, &a) && !parse_addr(&at, &a) &&
		    !parse_port_range(&at, &first, &last) &&
		    !parse_ifname(&at, name) && !parse_uint(&at, 99999, &n) &&
		    !parse_literal(&at, "/"))
			at++;
		assert(at > before && at <= text + strlen(text));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	char *text;

	if (!len)
		return 0;
	/* As long as it is, for sanitizers to see what goes beyond */
	text = malloc(len);
	memcpy(text, p + 1, len - 1);
	text[len - 1] = '\0';
	switch (*p % 9) {
	case 0: read_ports(text); break;
	case 1: read_port_option(text); break;
	case 2: read_rule(text, len - 1); break;
	case 3: read_policy(text); break;
	case 4: read_resolv(text); break;
	case 5: read_procnet(text, len - 1); break;
	case 6: read_json(text, len - 1); break;
	case 7: read_name(text, len - 1); break;
	case 8: read_words(text); break;
	}
	free(text);
	return 0;
}
