// SPDX-License-Identifier: GPL-2.0
/* A module with a thousand call sites, to measure what loading them takes. */

#include <linux/module.h>

#define SITE(n)		void ftrace_sites_##n(void); \
			noinline void ftrace_sites_##n(void) { barrier(); }
#define SITES_10(n)	SITE(n##0) SITE(n##1) SITE(n##2) SITE(n##3) SITE(n##4) \
			SITE(n##5) SITE(n##6) SITE(n##7) SITE(n##8) SITE(n##9)
#define SITES_100(n)	SITES_10(n##0) SITES_10(n##1) SITES_10(n##2) SITES_10(n##3) \
			SITES_10(n##4) SITES_10(n##5) SITES_10(n##6) SITES_10(n##7) \
			SITES_10(n##8) SITES_10(n##9)

SITES_100(0)
SITES_100(1)
SITES_100(2)
SITES_100(3)
SITES_100(4)
SITES_100(5)
SITES_100(6)
SITES_100(7)
SITES_100(8)
SITES_100(9)

MODULE_DESCRIPTION("A thousand call sites");
MODULE_LICENSE("GPL");
