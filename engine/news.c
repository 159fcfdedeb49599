// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: whom news go to, see news.h */
#include "engine/news.h"

news_listener news_to;
