// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: addresses of before, see former.h */
#include "local/former.h"

void former_note(struct former *f, const struct addr *was,
		 const struct addr *is, mono_t now)
{
	if (addr_eq(was, is) || addr_same_prefix(was, is, f->prefix_len))
		return;
	for (unsigned i = 0; i < FORMER_MAX; i++) {
		if (addr_same_prefix(&f->addr[i], is, f->prefix_len) ||
		    addr_same_prefix(&f->addr[i], was, f->prefix_len))
			f->addr[i] = (struct addr){ { 0 } };
	}
	if (addr_is_none(was))
		return;
	f->addr[f->next] = *was;
	f->until[f->next] = mono_add(now, DUR_S(FORMER_VALID_S));
	f->next = (f->next + 1) % FORMER_MAX;
}

uint32_t former_left_s(const struct former *f, unsigned i, mono_t now)
{
	int64_t left_us = mono_sub(f->until[i], now).us;

	return !addr_is_none(&f->addr[i]) && left_us > 0 ?
	       (uint32_t)(left_us / 1000000) : 0;
}
