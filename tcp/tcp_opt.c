// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: TCP options, RFC 9293 3.1 and 3.2, RFC 7323, RFC 2018 */
#include "tcp/tcp_opt.h"

#include "util/rdwr.h"

enum {
	OPT_END		= 0,
	OPT_NOP		= 1,
	OPT_MSS		= 2,
	OPT_WSCALE	= 3,
	OPT_SACK_OK	= 4,
	OPT_SACK	= 5,
	OPT_TS		= 8,
};

/* Next option's kind and contents; false at the end of the list */
static bool tcp_opt_next(struct rd *rd, uint8_t *ret_kind, struct rd *ret_data)
{
	uint8_t kind, len;

	do {
		kind = rd_u8(rd);
		if (rd->bad || kind == OPT_END)
			return false;
	} while (kind == OPT_NOP);

	len = rd_u8(rd);
	if (rd->bad || len < 2)
		return false;
	*ret_kind = kind;
	*ret_data = rd_sub(rd, len - 2U);
	return !rd->bad;
}

static void tcp_opt_sacks(struct rd *data, struct tcp_opts *o)
{
	while (data->left >= 8 && o->sacks < TCP_SACK_MAX) {
		struct tcp_sack *s = &o->sack[o->sacks++];

		s->left = rd_u32(data);
		s->right = rd_u32(data);
	}
}

void tcp_opt_parse(const uint8_t *opt, size_t len, struct tcp_opts *ret_opts)
{
	struct rd rd = rd_init(opt, len), data;
	struct tcp_opts o = { 0 };
	uint8_t kind;

	while (tcp_opt_next(&rd, &kind, &data)) {
		switch (kind) {
		case OPT_MSS:
			if (data.left != 2)
				break;
			o.has_mss = true;
			o.mss = rd_u16(&data);
			break;
		case OPT_WSCALE:
			if (data.left != 1)
				break;
			o.has_wscale = true;
			o.wscale = rd_u8(&data);
			o.wscale = MIN(o.wscale, TCP_WSCALE_MAX);
			break;
		case OPT_SACK_OK:
			o.sack_ok |= !data.left;
			break;
		case OPT_SACK:
			tcp_opt_sacks(&data, &o);
			break;
		case OPT_TS:
			if (data.left != 8)
				break;
			o.has_ts = true;
			o.ts_val = rd_u32(&data);
			o.ts_ecr = rd_u32(&data);
			break;
		}
	}
	*ret_opts = o;
}

static void tcp_opt_put_ts(struct wr *wr, uint32_t ts_val, uint32_t ts_ecr)
{
	wr_u8(wr, OPT_TS);
	wr_u8(wr, 10);
	wr_u32(wr, ts_val);
	wr_u32(wr, ts_ecr);
}

size_t tcp_opt_syn(uint8_t *buf, uint16_t mss, bool sack, bool ts,
		   uint32_t ts_val, uint32_t ts_ecr, int wscale)
{
	struct wr wr = wr_init(buf, TCP_OPT_MAX);

	wr_u8(&wr, OPT_MSS);
	wr_u8(&wr, 4);
	wr_u16(&wr, mss);
	if (sack && ts) {
		wr_u8(&wr, OPT_SACK_OK);
		wr_u8(&wr, 2);
	} else if (sack || ts) {
		wr_u8(&wr, OPT_NOP);
		wr_u8(&wr, OPT_NOP);
	}
	if (ts) {
		tcp_opt_put_ts(&wr, ts_val, ts_ecr);
	} else if (sack) {
		wr_u8(&wr, OPT_SACK_OK);
		wr_u8(&wr, 2);
	}
	if (wscale >= 0) {
		wr_u8(&wr, OPT_NOP);
		wr_u8(&wr, OPT_WSCALE);
		wr_u8(&wr, 3);
		wr_u8(&wr, (uint8_t)wscale);
	}
	return wr.len;
}

size_t tcp_opt_ts(uint8_t *buf, uint32_t ts_val, uint32_t ts_ecr)
{
	struct wr wr = wr_init(buf, TCP_OPT_MAX);

	wr_u8(&wr, OPT_NOP);
	wr_u8(&wr, OPT_NOP);
	tcp_opt_put_ts(&wr, ts_val, ts_ecr);
	return wr.len;
}
