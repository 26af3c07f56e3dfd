// SPDX-License-Identifier: GPL-2.0

#include "bad_site.h"

/* Text, but no call of the profiling function */
asm(".text\n"
    "ftrace_bad_nosite: .long 0, 0");
RECORD("ftrace_bad_nosite + 4");
