// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the name in the first bytes of TLS and HTTP, see server_name.h
 *
 * TLS (RFC 8446 4.1.2, 5.1): records of handshake, each with five bytes in front;
 * the ClientHello may be spread over several of them. It is put together in a
 * place of its own, and read when it is whole.
 *
 * HTTP (RFC 9112): the request line, then lines up to an empty one. All of them
 * are needed: a second Host would make the first one worthless.
 */
#include "util/server_name.h"

#include <string.h>
#include <strings.h>

enum {
	TLS_HANDSHAKE	= 22,
	TLS_RECORD_HDR	= 5,
	TLS_RECORD_MAX	= 16384,
	TLS_CLIENT_HELLO = 1,
	TLS_HELLO_HDR	= 4,
	TLS_RANDOM	= 32,
	EXT_SERVER_NAME	= 0,
	NAME_HOST	= 0,
	METHOD_MAX	= 32,
};

/* A name as it stands there: ASCII only */
static bool take_name(const uint8_t *p, size_t len,
		      char ret_name[DNSNAME_TEXT_LEN])
{
	for (size_t i = 0; i < len; i++)
		if (p[i] >= 0x7f)
			return false;
	return dnsname_fold((const char *)p, len, ret_name);
}

/* ---- TLS ---- */

/* Bytes of the ClientHello that begins there, with its own header; 0: not known */
static size_t hello_len(const struct wr *wr)
{
	const uint8_t *p = wr->buf;

	return wr->len < TLS_HELLO_HDR ? 0 : TLS_HELLO_HDR +
	       ((size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3]);
}

static bool hello_is_whole(const struct wr *wr)
{
	return hello_len(wr) && wr->len >= hello_len(wr);
}

/* What the first records hold of handshake, up to the end of the ClientHello: what
 * comes after it isn't looked at. False: there is something else among them.
 */
static bool tls_handshake(const uint8_t *p, size_t len, struct wr *wr)
{
	struct rd rd = rd_init(p, len);

	while (rd.left >= TLS_RECORD_HDR && wr->len < wr->size &&
	       !hello_is_whole(wr)) {
		uint8_t type = rd_u8(&rd), major = rd_u8(&rd);
		size_t n;

		rd_u8(&rd);
		n = rd_u16(&rd);
		if (type != TLS_HANDSHAKE || major != 3 || !n ||
		    n > TLS_RECORD_MAX)
			return false;
		n = MIN(n, rd.left);
		n = MIN(n, wr->size - wr->len);
		if (n)
			wr_bytes(wr, rd_bytes(&rd, n), n);
	}
	return true;
}

/* The server_name extension: a list with one name in it */
static bool sni_name(struct rd rd, char ret_name[DNSNAME_TEXT_LEN])
{
	struct rd list = rd_sub(&rd, rd_u16(&rd)), name;
	uint8_t type = rd_u8(&list);

	name = rd_sub(&list, rd_u16(&list));
	return !rd.bad && !rd.left && !list.bad && !list.left &&
	       type == NAME_HOST && take_name(name.p, name.left, ret_name);
}

static enum server_name hello_name(struct rd rd,
				   char ret_name[DNSNAME_TEXT_LEN])
{
	bool found = false;
	struct rd exts;

	rd_bytes(&rd, 2 + TLS_RANDOM);
	rd_bytes(&rd, rd_u8(&rd));	/* session */
	rd_bytes(&rd, rd_u16(&rd));	/* cipher suites */
	rd_bytes(&rd, rd_u8(&rd));	/* compression */
	exts = rd_sub(&rd, rd_u16(&rd));
	while (exts.left && !exts.bad) {
		uint16_t type = rd_u16(&exts);
		struct rd data = rd_sub(&exts, rd_u16(&exts));

		if (type != EXT_SERVER_NAME)
			continue;
		if (found || !sni_name(data, ret_name))
			return SERVER_NAME_NONE;
		found = true;
	}
	return found && !rd.bad && !rd.left && !exts.bad ?
	       SERVER_NAME_FOUND : SERVER_NAME_NONE;
}

static enum server_name tls_name(const uint8_t *p, size_t len,
				 char ret_name[DNSNAME_TEXT_LEN])
{
	static uint8_t hello[SERVER_NAME_BYTES];
	struct wr wr = wr_init(hello, sizeof(hello));

	if (!tls_handshake(p, len, &wr) ||
	    (wr.len && *hello != TLS_CLIENT_HELLO) ||
	    hello_len(&wr) > sizeof(hello))
		return SERVER_NAME_NONE;
	if (!hello_is_whole(&wr))
		return SERVER_NAME_MORE;
	return hello_name(rd_init(hello + TLS_HELLO_HDR,
				  hello_len(&wr) - TLS_HELLO_HDR), ret_name);
}

/* ---- HTTP ---- */

struct text { const char *p; size_t len; };

/* RFC 9110 5.6.2 */
static bool is_token(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] <= ' ' || p[i] >= 0x7f ||
		    strchr("\"(),/:;<=>?@[\\]{}", p[i]))
			return false;
	return len;
}

/* Authority without its port: a name. False for user information and brackets. */
static bool authority_name(struct text a, char ret_name[DNSNAME_TEXT_LEN])
{
	const char *colon = memchr(a.p, ':', a.len);
	size_t len = colon ? (size_t)(colon - a.p) : a.len;

	for (size_t i = len + 1; i < a.len; i++)
		if (a.p[i] < '0' || a.p[i] > '9')
			return false;
	return !memchr(a.p, '@', a.len) && !memchr(a.p, '/', a.len) &&
	       take_name((const uint8_t *)a.p, len, ret_name);
}

/* May it be read in different ways? The ends of lines and of strings are where readers
 * differ.
 */
static bool is_ambiguous(struct text line)
{
	return memchr(line.p, '\0', line.len) || memchr(line.p, '\r', line.len);
}

/* "METHOD TARGET HTTP/1.x": the target's authority, if it has one. False: it is
 * something else.
 */
static bool request_line(struct text line, struct text *ret_authority)
{
	const char *sp = memchr(line.p, ' ', line.len), *end, *scheme;
	size_t method = sp ? (size_t)(sp - line.p) : 0;
	struct text t;

	if (!sp || method > METHOD_MAX || !is_token(line.p, method) ||
	    is_ambiguous(line))
		return false;
	t = (struct text){ sp + 1, line.len - method - 1 };
	end = memchr(t.p, ' ', t.len);
	if (!end || end == t.p || t.p + t.len - end != 9 ||
	    memcmp(end, " HTTP/1.", 8))
		return false;
	t.len = (size_t)(end - t.p);
	*ret_authority = (struct text){ NULL, 0 };
	if (*t.p == '/' || (t.len == 1 && *t.p == '*'))
		return true;
	scheme = memmem(t.p, t.len, "://", 3);
	if (scheme) {
		t.len -= (size_t)(scheme + 3 - t.p);
		t.p = scheme + 3;
		for (size_t i = 0; i < t.len; i++)
			if (strchr("/?#", t.p[i]))
				t.len = i;
	} else if (method != 7 || memcmp(line.p, "CONNECT", 7)) {
		return false;
	}
	*ret_authority = t;
	return true;
}

/* The next line, without its end; false: it isn't whole yet */
static bool next_line(struct text *rest, struct text *ret)
{
	const char *lf = memchr(rest->p, '\n', rest->len);

	if (!lf)
		return false;
	*ret = (struct text){ rest->p, (size_t)(lf - rest->p) };
	rest->p += ret->len + 1;
	rest->len -= ret->len + 1;
	if (ret->len && ret->p[ret->len - 1] == '\r')
		ret->len--;
	return true;
}

/* The value of a field line if it is a Host. False: there is no telling. */
static bool field_host(struct text line, struct text *ret_host)
{
	const char *colon = memchr(line.p, ':', line.len);
	size_t name = colon ? (size_t)(colon - line.p) : 0;
	struct text v;

	if (!is_token(line.p, name) || is_ambiguous(line))
		return false;
	if (name != 4 || strncasecmp(line.p, "host", 4))
		return true;
	if (ret_host->p)
		return false;
	v = (struct text){ colon + 1, line.len - 5 };
	while (v.len && (*v.p == ' ' || *v.p == '\t')) {
		v.p++;
		v.len--;
	}
	while (v.len && (v.p[v.len - 1] == ' ' || v.p[v.len - 1] == '\t'))
		v.len--;
	*ret_host = v;
	return true;
}

static enum server_name http_name(const uint8_t *p, size_t len,
				  char ret_name[DNSNAME_TEXT_LEN])
{
	struct text rest = { (const char *)p, len }, line, target, host;
	char other[DNSNAME_TEXT_LEN];

	/* What can't become a method is found out without a whole line */
	for (size_t i = 0; i < MIN(len, METHOD_MAX + 1U); i++) {
		if (p[i] == ' ' && i)
			break;
		if (i == METHOD_MAX || !is_token((const char *)p + i, 1))
			return SERVER_NAME_NONE;
	}
	if (!next_line(&rest, &line))
		return SERVER_NAME_MORE;
	if (!request_line(line, &target))
		return SERVER_NAME_NONE;
	host = (struct text){ NULL, 0 };
	do {
		if (!next_line(&rest, &line))
			return SERVER_NAME_MORE;
		if (line.len && !field_host(line, &host))
			return SERVER_NAME_NONE;
	} while (line.len);
	if (!host.p || !authority_name(host, ret_name))
		return SERVER_NAME_NONE;
	if (target.p && (!authority_name(target, other) ||
			 strcmp(other, ret_name)))
		return SERVER_NAME_NONE;
	return SERVER_NAME_FOUND;
}

enum server_name server_name(const uint8_t *p, size_t len,
			     char ret_name[DNSNAME_TEXT_LEN])
{
	if (!len)
		return SERVER_NAME_MORE;
	return *p == TLS_HANDSHAKE ? tls_name(p, len, ret_name) :
				     http_name(p, len, ret_name);
}
