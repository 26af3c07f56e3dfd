// SPDX-License-Identifier: GPL-2.0

#include "bad_site.h"

/* The words of a site, where no instructions are */
asm(".data\n"
    ".balign 4\n"
    SITE("ftrace_bad_data")
    ".text");
RECORD("ftrace_bad_data");
