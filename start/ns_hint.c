// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: why there are no namespaces here, see ns_hint.h */
#include "start/ns_hint.h"

#include <errno.h>
#include <string.h>

#include "util.h"
#include "util/log.h"

const char *ns_hint(int errnum)
{
	return errnum == EACCES ? " (by AppArmor or SELinux? See the kernel's"
				  " log)" : "";
}

void ns_die(const char *what, int errnum)
{
	err("%s: %s%s", what, strerror(errnum), ns_hint(errnum));
	if (!read_file_number("/proc/sys/user/max_user_namespaces", 1))
		die("User namespaces are turned off: see sysctl"
		    " user.max_user_namespaces");
	if (errnum == ENOSPC)
		die("There are too many namespaces: see sysctl"
		    " user.max_user_namespaces, user.max_net_namespaces,"
		    " user.max_pid_namespaces");
	if (!read_file_number("/proc/sys/kernel/unprivileged_userns_clone", 1))
		die("User namespaces are turned off for users: see sysctl"
		    " kernel.unprivileged_userns_clone");
	if (read_file_number("/proc/sys/kernel/"
			     "apparmor_restrict_unprivileged_userns", 0))
		die("AppArmor restricts user namespaces: a profile has to allow"
		    " userns, or see sysctl"
		    " kernel.apparmor_restrict_unprivileged_userns");
	if (errnum == EPERM)
		die("Namespaces need CAP_SYS_ADMIN, or a user namespace, which"
		    " this system, a container or chroot may forbid");
	die_told();
}
