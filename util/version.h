/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What --version prints behind the program's name */
#ifndef UTIL_VERSION_H
#define UTIL_VERSION_H

#define VERSION_TEXT							\
	VERSION "\n"							\
	"Copyright: the authors of passt\n"				\
	"GNU GPL, version 2 or later\n"					\
	"  <https://www.gnu.org/licenses/old-licenses/gpl-2.0.html>\n"	\
	"This is free software: you may change and redistribute it.\n"	\
	"There is NO WARRANTY, to the extent permitted by law.\n\n"

#endif /* UTIL_VERSION_H */
