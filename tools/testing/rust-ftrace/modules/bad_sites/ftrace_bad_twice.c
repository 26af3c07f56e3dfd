// SPDX-License-Identifier: GPL-2.0

#include "bad_site.h"

asm(".text\n"
    SITE("ftrace_bad_twice"));
RECORD("ftrace_bad_twice");
RECORD("ftrace_bad_twice");
