/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routes and addresses of the host, copied to the guest's interface */
#ifndef HOST_NL_COPY_H
#define HOST_NL_COPY_H

#include "host/netlink.h"
#include "util/addr.h"

/* An interface to copy from, and one to copy to */
struct nl_copy {
	int from_fd, to_fd;
	unsigned from_ifi, to_ifi;
	enum family family;
	void (*copied)(const struct addr *a);	/* is told each; may be NULL */
	/* ... and each default route by one hop; may be NULL */
	void (*copied_default)(enum family f, const struct nl_default *d);
	bool *torn;			/* set if the host changed while it was
					 * read, again and again; may be NULL */
	bool again;			/* renew what is there: lifetimes; with few
					 * routes, as it comes often */
};

/* Copy all addresses but link-local and deprecated ones, without labels and
 * lifetimes. With keep_noprefix an address whose prefix route is somebody
 * else's business (nl_routes_copy()'s) stays one. Number copied or -errno.
 */
int nl_addrs_copy(const struct nl_copy *cp, bool keep_noprefix);
/* Copy the main table's unicast routes that use the interface, in an order
 * that works; a gateway that no route leads to becomes on-link. A route that
 * the kernel refuses is a warning if others remain, and an error if it is the
 * default route. Of more than fit, some are copied, and that's a warning; `again`:
 * default routes alone. Number copied or -errno. The interface is up.
 */
int nl_routes_copy(const struct nl_copy *cp);

#endif /* HOST_NL_COPY_H */
