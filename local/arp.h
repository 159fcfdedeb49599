/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ARP (RFC 826): answers for everybody but the guest itself */
#ifndef LOCAL_ARP_H
#define LOCAL_ARP_H

struct conf;
struct pkt;

void arp_init(const struct conf *c);
/* An ARP packet from the guest, in pkt->l3 */
void arp_input(const struct pkt *pkt);
/* Ask for the guest's configured address, to learn its MAC */
void arp_solicit(void);

#endif /* LOCAL_ARP_H */
