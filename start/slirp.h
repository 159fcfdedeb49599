/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What slirp4netns tells its caller, and hears from it; nothing in other modes */
#ifndef START_SLIRP_H
#define START_SLIRP_H

struct conf;

/* Print the addresses on standard output; before it is out of reach */
void slirp_banner(const struct conf *c);

/* End with the first event of --exit-fd: registers with the loop */
void slirp_start(const struct conf *c);

/* All is ready: tell --ready-fd */
void slirp_ready(const struct conf *c);

#endif /* START_SLIRP_H */
