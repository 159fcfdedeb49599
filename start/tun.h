/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tap device of namespace mode, when we start */
#ifndef START_TUN_H
#define START_TUN_H

struct conf;

/* Its descriptor: handed to us, or made inside the namespace, after netns_setup().
 * Dies if it can't, with what can be done about it.
 */
int tun_open(const struct conf *c);

#endif /* START_TUN_H */
