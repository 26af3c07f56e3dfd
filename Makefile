# SPDX-License-Identifier: GPL-2.0
#
# The front door: every user command is a target here. What a command does is
# in tools/testing/rust-ftrace.

V ?= 0
export ARCH V KDIR KERNEL KERNEL_SRC TEST TOGGLES SEED REPLAY OUT SET SIGNOFF FORMAT

CARGO ?= cargo
workspace = --locked --manifest-path tools/testing/rust-ftrace/Cargo.toml --target-dir build/cargo
host-targets = $(workspace) --workspace --lib --bins --tests
host-tests = $(CARGO) test --quiet $(host-targets) $(TEST)

.DEFAULT_GOAL := help
.PHONY: help run check check-all test-host build boot bench why shell install status uninstall \
	patch series-check doctor clean cargo

run: cargo		## set up all that is missing, build, boot, show a trace (ARCH=)
check: cargo		## set up all that is missing, run every test (TEST= some, ARCH= one machine)
check-all: cargo	## every test on every machine and kernel configuration (TEST= as above)
test-host: cargo	## the tests of the host's programs alone (TEST= some)
build: cargo		## the kernel, its modules and a root file system, no tests (ARCH=)
boot: cargo		## build, then run scripts of guest/tests in a guest (ARCH= TEST=)
bench: cargo		## the C and the Rust backend side by side
why: cargo		## what the C backend gets wrong, beside the Rust backend
shell: cargo		## an interactive guest (ARCH=)
install: cargo		## put the backend into your kernel tree (KDIR=)
status: cargo		## say what is in your kernel tree (KDIR=)
uninstall: cargo	## take the backend out of your kernel tree (KDIR=)
patch: cargo		## the series for `git am`, or a folder a set (OUT= SET= SIGNOFF= FORMAT=)
series-check: cargo	## what becomes of each patch in a tree of any version (KDIR=)
doctor: cargo		## list the tools: yours, minimum, how to get it
run check check-all build boot bench why shell install status uninstall patch series-check doctor:
	@$(CARGO) build $(workspace) --release --package rust-ftrace
	@build/cargo/release/rust-ftrace $@
test-host:
	@start=$$(date +%s); $(CARGO) build $(host-targets) && names=$$($(host-tests) -- --list) && \
		{ echo "$$names" | grep -q ': test$$' || { \
			echo "error: TEST=$(TEST) is no part of the name of a test" >&2; exit 1; } } && \
		$(host-tests) && \
		echo "tested in $$(($$(date +%s) - start)) s"

clean:			## remove build/; downloads stay in the cache folder
	rm -rf build

help:			## show this
	@sed -n 's/^\([a-z-]*\):[a-z\t ]*## /  make \1\t/p' Makefile | expand -t 20
	@echo
	@echo "ARCH= is arm, mips, mips-be, mips-r6 or another machine of kernel/machine.rs."
	@echo "While you work on it: test-host, and build and boot after an edit of the backend, take"
	@echo "less than a minute each."
	@echo "V=1 shows all output. KERNEL= is a kernel series, 7.3 by default, 7.2 or 6.18;"
	@echo "KERNEL_SRC= names a kernel tarball or tree to use, as 6.18 needs."
	@echo "SET= is one set of patches, SIGNOFF=\"Name <address>\" is who sends them. FORMAT= is openwrt,"
	@echo "buildroot or yocto: OUT= then has what that takes."

cargo:
	@command -v $(CARGO) > /dev/null || { \
		echo "cargo is missing: install Rust from https://rustup.rs, then open a new shell" >&2; \
		echo "(or point CARGO= at it: make CARGO=$$HOME/.cargo/bin/cargo ...)" >&2; exit 1; }
	@command -v cc > /dev/null || { \
		echo "installing gcc and libc6-dev: cargo needs a linker" >&2; \
		sudo=$$(test $$(id -u) = 0 || echo sudo); \
		$$sudo apt-get update -q && $$sudo apt-get install -yq gcc libc6-dev; } >&2
