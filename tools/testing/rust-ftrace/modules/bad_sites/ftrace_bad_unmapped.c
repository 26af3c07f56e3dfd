// SPDX-License-Identifier: GPL-2.0

#include "bad_site.h"

RECORD("0x1000");
