# SPDX-License-Identifier: GPL-2.0
#
# The front door: every user command is a target here. What a command does is
# in tools/testing/rust-ftrace.

COMMANDS := run check shell install status uninstall patch doctor clean check-all bench help

ARCH ?= arm
V ?= 0
export ARCH V KDIR KERNEL KERNEL_SRC TEST

CARGO ?= cargo
harness := $(CARGO) run --quiet --locked --release \
	--manifest-path tools/testing/rust-ftrace/Cargo.toml \
	--target-dir build/cargo --

.DEFAULT_GOAL := help
.PHONY: $(COMMANDS)

$(COMMANDS):
	@$(harness) $@
