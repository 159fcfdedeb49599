# SPDX-License-Identifier: GPL-2.0-or-later
#
# make			build passt (and its other names, pasta and slirp4netns)
# make fuzz		each fuzz target for FUZZ_TIME seconds (30): doc/fuzzing.md
# make mutants		are packet scripts (test/pkt) any good? MUTANTS=names
# make widen		does a filter that allows too much fail? WIDEN=words of its rows
# make check		install what the tests need, build, run all tests
# make demo		install what the demo needs, build, show what works
# make install		to $(DESTDIR)$(prefix)
# make install-slirp4netns	there, too, by the name that a distribution's
#				slirp4netns has: where that isn't installed
#
# make check ARCH=i386	the same for armhf, aarch64, riscv64, s390x and musl, as far
#			as it can be run here: see doc/architectures.md
#
# Knobs: V=1 shows the commands, SAN=address,undefined builds with sanitizers,
# WERROR=1 turns warnings into errors, CC, CFLAGS, LDFLAGS as usual.

VERSION	?= $(shell git log -1 --format=%cd.%h --date=format:%Y_%m_%d \
			--abbrev=7 2>/dev/null || echo unknown)
prefix	?= /usr/local
bindir	?= $(prefix)/bin
libexecdir ?= $(prefix)/libexec
mandir	?= $(prefix)/share/man
docdir	?= $(prefix)/share/doc/passt
compdir	?= $(prefix)/share/bash-completion/completions

CFLAGS	?= -O2 -g
BUILD	= build$(if $(SAN),-san)$(if $(ARCH),-$(ARCH))
ifeq ($(V),)
Q	= @
endif

# Another architecture or C library: see test/arch/cc
ifneq ($(ARCH),)
CC	= test/arch/cc $(ARCH)
endif

# One source per line, layer by layer from the leaves up: see doc/operation.md

SRCS	+= util.c
SRCS	+= util/addr.c
SRCS	+= util/assert.c
SRCS	+= util/csum.c
SRCS	+= util/dnsmsg.c
SRCS	+= util/dnsname.c
SRCS	+= util/iov.c
SRCS	+= util/json.c
SRCS	+= util/json_write.c
SRCS	+= util/log.c
SRCS	+= util/parse.c
SRCS	+= util/path_watch.c
SRCS	+= util/rdwr.c
SRCS	+= util/ringfile.c
SRCS	+= util/server_name.c
SRCS	+= util/socketcall.c
SRCS	+= util/unix_sock.c
SRCS	+= util/writer.c

SRCS	+= engine/counters.c
SRCS	+= engine/drop.c
SRCS	+= engine/flow.c
SRCS	+= engine/guest.c
SRCS	+= engine/idle.c
SRCS	+= engine/loop.c
SRCS	+= engine/news.c
SRCS	+= engine/retry.c
SRCS	+= engine/stats.c
SRCS	+= engine/timer.c

SRCS	+= tap.c
SRCS	+= tap/guest_mem.c
SRCS	+= tap/pcap.c
SRCS	+= tap/tap_stream.c
SRCS	+= tap/tap_tun.c
SRCS	+= tap/tap_unix.c
SRCS	+= tap/tap_vu.c
SRCS	+= tap/vhost_user.c
SRCS	+= tap/virtq.c
SRCS	+= tap/vu_msg.c

SRCS	+= frame/frag.c
SRCS	+= frame/frame_build.c
SRCS	+= frame/frame_parse.c
SRCS	+= frame/icmp_err.c
SRCS	+= frame/opening.c

SRCS	+= fwd/audit.c
SRCS	+= fwd/egress.c
SRCS	+= fwd/fwd.c
SRCS	+= fwd/fwd_rule.c
SRCS	+= fwd/fwd_table.c
SRCS	+= fwd/learned.c
SRCS	+= fwd/pesto_wire.c
SRCS	+= fwd/policy.c
SRCS	+= fwd/policy_set.c
SRCS	+= fwd/policy_spec.c
SRCS	+= fwd/policy_used.c

SRCS	+= local/arp.c
SRCS	+= local/dhcp.c
SRCS	+= local/dhcpv6.c
SRCS	+= local/former.c
SRCS	+= local/ndp.c

SRCS	+= host/accept.c
SRCS	+= host/dgram.c
SRCS	+= host/dns_proxy.c
SRCS	+= host/host_addrs.c
SRCS	+= host/listen.c
SRCS	+= host/listen_report.c
SRCS	+= host/net.c
SRCS	+= host/net_flows.c
SRCS	+= host/net_resolve.c
SRCS	+= host/netlink.c
SRCS	+= host/netns.c
SRCS	+= host/nl_copy.c
SRCS	+= host/nl_watch.c
SRCS	+= host/nlmsg.c
SRCS	+= host/ns_follow.c
SRCS	+= host/portscan.c
SRCS	+= host/procnet.c
SRCS	+= host/resolv.c
SRCS	+= host/sock.c
SRCS	+= host/sock_ns.c

SRCS	+= tcp.c
SRCS	+= tcp/tcp_ack.c
SRCS	+= tcp/tcp_facts.c
SRCS	+= tcp/tcp_in.c
SRCS	+= tcp/tcp_keep.c
SRCS	+= tcp/tcp_opt.c
SRCS	+= tcp/tcp_out.c
SRCS	+= tcp/tcp_peek.c
SRCS	+= tcp/tcp_pending.c
SRCS	+= tcp/tcp_sack.c
SRCS	+= tcp/tcp_timer.c
SRCS	+= tcp/tcp_verify.c
SRCS	+= tcp/tcp_window.c

SRCS	+= udp.c
SRCS	+= udp/udp_in.c
SRCS	+= udp/udp_out.c
SRCS	+= udp/udp_sock.c

SRCS	+= icmp.c

SRCS	+= splice.c
SRCS	+= splice/udp_splice.c

SRCS	+= conf.c
SRCS	+= conf/conf_opts.c
SRCS	+= conf/opts.c
SRCS	+= conf/slirp_opts.c

SRCS	+= start/cleaner.c
SRCS	+= start/daemonize.c
SRCS	+= start/files.c
SRCS	+= start/isolate.c
SRCS	+= start/ns_hint.c
SRCS	+= start/ports.c
SRCS	+= start/signals.c
SRCS	+= start/slirp.c
SRCS	+= start/tun.c
SRCS	+= start/watcher.c

SRCS	+= ctl/api_server.c
SRCS	+= ctl/control.c
SRCS	+= ctl/ctl_flows.c
SRCS	+= ctl/ctl_net.c
SRCS	+= ctl/ctl_policy.c
SRCS	+= ctl/ctl_rules.c
SRCS	+= ctl/doctor.c
SRCS	+= ctl/metrics.c
SRCS	+= ctl/pesto_proto.c
SRCS	+= ctl/port_owner.c
SRCS	+= ctl/rules.c
SRCS	+= ctl/slirp_api.c

SRCS	+= input.c
SRCS	+= pasta.c
SRCS	+= passt.c

# Programs of their own

# What they are linked with, and nobody else is
PARTS	+= tools/ctl_show.c

PROGRAMS += tools/passtctl.c
PROGRAMS += tools/pesto.c

LINKS.passtctl = tools/ctl_show.o util.o util/addr.o util/assert.o util/json.o \
	util/json_write.o util/log.o util/rdwr.o util/ringfile.o util/socketcall.o \
	util/writer.o
LINKS.pesto = fwd/fwd_rule.o fwd/pesto_wire.o util.o util/addr.o util/assert.o util/log.o \
	util/parse.o util/rdwr.o util/ringfile.o util/socketcall.o util/writer.o

WARN	= -Wall -Wextra -Wshadow -Wcast-qual -Wwrite-strings \
	  -Wmissing-prototypes -Wvla -Wstrict-prototypes -Wundef \
	  -Wimplicit-fallthrough -Wno-psabi $(if $(WERROR),-Werror)
# What not every compiler, or not each architecture has
knows	= $(shell $(CC) -Werror $(1) -S -o /dev/null -x c /dev/null 2>/dev/null && \
	  echo "$(1)")
KNOWN	:= $(foreach f,-fstack-clash-protection -ftrivial-auto-var-init=zero \
	  -fcf-protection -mbranch-protection=standard,$(call knows,$(f)))
HARDEN	= -fPIE -fstack-protector-strong $(KNOWN) \
	  $(if $(SAN),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
CPPFLAGS += -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 \
	-DVERSION='"$(VERSION)"'
# The same bytes, wherever it is built
ALL_CFLAGS = -std=gnu11 $(WARN) $(HARDEN) '-ffile-prefix-map=$(CURDIR)=.' -MMD -MP $(CFLAGS) \
	     -pthread $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer \
		-DSANITIZE)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now $(LDFLAGS) $(if $(SAN),-fsanitize=$(SAN))
LDLIBS	= -lseccomp -lcap-ng

OBJS	= $(SRCS:%.c=$(BUILD)/%.o)
BINDIR	= $(if $(SAN)$(ARCH),$(BUILD)/,)
PROGS	= $(PROGRAMS:tools/%.c=$(BINDIR)%)

all: $(BINDIR)passt $(BINDIR)pasta $(BINDIR)slirp4netns $(PROGS)

$(BINDIR)passt: $(OBJS)
	@echo "  LINK    $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)

$(BINDIR)pasta $(BINDIR)slirp4netns: $(BINDIR)passt
	$(Q)ln -sf passt $@

$(BUILD)/%.o: %.c Makefile
	@echo "  CC      $<"
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

# Unit tests: test/unit/t_foo.c, with the objects named in its first lines as
# "Links: foo.o bar.o"
UNITS	= $(patsubst test/unit/%.c,$(BUILD)/unit/%,$(wildcard test/unit/t_*.c))

unit_links = $(addprefix $(BUILD)/,util/assert.o util/socketcall.o engine/counters.o engine/drop.o $(filter %.o,$(shell sed -n \
	's/^.*Links://p' test/unit/$(1).c | sed 's,util/log.o,& util/ringfile.o util/writer.o,')))

.SECONDEXPANSION:
$(BUILD)/unit/%: test/unit/%.c $$(call unit_links,$$*)
	@echo "  UNIT    $@"
	$(Q)mkdir -p $(BUILD)/unit
	$(Q)$(CC) $(CPPFLAGS) -Itest/unit $(ALL_CFLAGS) $(ALL_LDFLAGS) \
		-o $@ $(filter %.c %.o,$^) $(LDLIBS)

$(PROGS): $(BINDIR)%: $(BUILD)/tools/%.o $$(addprefix $(BUILD)/,$$(LINKS.$$*))
	@echo "  LINK    $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^

# Command lines in, resolved configuration out
$(BUILD)/conf/t_conf: test/conf/t_conf.c $(addprefix $(BUILD)/,conf.o \
		conf/conf_opts.o conf/opts.o conf/slirp_opts.o engine/guest.o \
		fwd/fwd.o fwd/fwd_rule.o \
		fwd/learned.o fwd/policy.o fwd/policy_set.o fwd/policy_spec.o host/net.o \
		host/net_resolve.o host/nlmsg.o host/resolv.o util/dnsname.o util/rdwr.o \
		util/parse.o util/addr.o util/assert.o)
	@echo "  UNIT    $@"
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) \
		-o $@ $(filter %.c %.o,$^)

# What the kernel is relied upon to do
PLATFORM = $(patsubst test/%.c,$(BUILD)/%,$(wildcard test/platform/*.c))

$(BUILD)/platform/%: test/platform/%.c
	@echo "  UNIT    $@"
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $<

# Tools of tests and benchmark
TOOLS	= $(patsubst test/tools/%.c,$(BUILD)/tools/%,$(wildcard test/tools/*.c))

$(BUILD)/tools/%: test/tools/%.c
	@echo "  TOOL    $@"
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $<

$(BUILD)/tools/intrude: test/lib/attempts.h

# Kernels that lack something, by LD_PRELOAD
SHIMS	= $(patsubst test/shims/%.c,$(BUILD)/tools/%.so,$(wildcard test/shims/*.c))

$(BUILD)/tools/%.so: test/shims/%.c test/shims/libc.h
	@echo "  SHIM    $@"
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(WARN) -std=gnu11 -O2 -fPIC -shared \
		-Wl,-Bsymbolic -o $@ $<

# Readers of hostile bytes, for libFuzzer, with objects as its instrumentation wants
# them. all.o: every one, but main()'s, and those whose source is included.
# COVERAGE=1: others, which count lines.
FUZZ_DIR = $(BUILD)/fuzz$(if $(COVERAGE),-lines)
FUZZ	= $(patsubst test/fuzz/%.c,$(FUZZ_DIR)/%,$(wildcard test/fuzz/*.c))

FUZZ_FLAGS = -std=gnu11 -g -O1 -fPIE -pthread $(if $(COVERAGE),\
	     -fprofile-instr-generate -fcoverage-mapping)
FUZZ_SAN = $(if $(COVERAGE),,-fsanitize=address,undefined \
	   -fno-sanitize-recover=undefined)
fuzz_names = $(filter %.o,$(shell sed -n 's/^.*Links://p' test/fuzz/$(1).c))
fuzz_included = $(patsubst %.c,%.o,$(shell sed -n \
	's/^\#include "\(.*\.c\)"/\1/p' test/fuzz/$(1).c))
fuzz_links = $(addprefix $(FUZZ_DIR)/obj/,$(filter-out \
	passt.o $(call fuzz_included,$(1)),$(patsubst %.c,%.o,$(if $(filter \
	all.o,$(call fuzz_names,$(1))),$(SRCS),util/assert.o $(call fuzz_names,$(1))))))

$(FUZZ_DIR)/obj/%.o: %.c Makefile
	@echo "  CC      $@"
	$(Q)mkdir -p $(@D)
	$(Q)clang $(CPPFLAGS) $(FUZZ_FLAGS) -MMD -MP \
		-fsanitize=fuzzer-no-link $(FUZZ_SAN) -c -o $@ $<

$(FUZZ_DIR)/%: test/fuzz/%.c $$(wildcard test/fuzz/*.h) $$(call fuzz_links,$$*)
	@echo "  FUZZ    $@"
	$(Q)mkdir -p $(@D)
	$(Q)clang $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer $(FUZZ_SAN) \
		-o $@ $(filter %.c %.o,$^) $(LDLIBS)

fuzzers: $(FUZZ)

fuzz:
	@contrib/setup build check
	@FUZZ_TIME="$(FUZZ_TIME)" FUZZERS="$(FUZZERS)" test/fuzz/run

tools: $(TOOLS) $(SHIMS)

units: $(UNITS) $(PLATFORM) $(BUILD)/conf/t_conf

ifneq ($(ARCH),)
check:
	@contrib/setup check arch
	@ARCH_TESTS="$(TESTS)" test/arch/run $(ARCH)
else
check:
	@contrib/setup build check
	@$(MAKE) --no-print-directory all units tools
	@PASST_TOOLS_DIR=$(abspath $(BUILD)/tools) \
		test/run $(if $(SAN),--bindir $(BUILD)) $(TESTS)
endif

demo:
	@contrib/setup build demo
	@$(MAKE) --no-print-directory all
	@doc/demo.sh $(DEMO)

install: all
	install -D -m 0755 $(BINDIR)passt $(DESTDIR)$(bindir)/passt
	ln -sf passt $(DESTDIR)$(bindir)/pasta
	install -D -m 0644 doc/passt.1 $(DESTDIR)$(mandir)/man1/passt.1
	ln -sf passt.1 $(DESTDIR)$(mandir)/man1/pasta.1
	install -d $(DESTDIR)$(libexecdir)/passt
	ln -sf $(bindir)/passt $(DESTDIR)$(libexecdir)/passt/slirp4netns
	install -m 0755 $(PROGS) $(DESTDIR)$(bindir)
	install -D -m 0644 contrib/completion/passtctl \
		$(DESTDIR)$(compdir)/passtctl
	install -m 0644 $(PROGRAMS:tools/%.c=doc/%.1) $(DESTDIR)$(mandir)/man1
	install -m 0644 doc/slirp4netns.1 \
		$(DESTDIR)$(mandir)/man1/passt-slirp4netns.1
	install -d $(DESTDIR)$(docdir)/doc
	install -m 0644 README.md COPYING $(DESTDIR)$(docdir)
	install -m 0644 doc/*.md doc/bench.svg $(DESTDIR)$(docdir)/doc

# Under the tool's own name, unless something else has it
install-slirp4netns: install
	@f=$(DESTDIR)$(bindir)/slirp4netns; \
	if [ -e "$$f" ] && [ "$$(readlink "$$f")" != passt ]; then \
		echo "$$f is there, and not ours: left alone" >&2; exit 1; \
	fi
	ln -sf passt $(DESTDIR)$(bindir)/slirp4netns
	ln -sf passt-slirp4netns.1 $(DESTDIR)$(mandir)/man1/slirp4netns.1

uninstall:
	rm -f $(DESTDIR)$(bindir)/passt $(DESTDIR)$(bindir)/pasta
	rm -f $(DESTDIR)$(mandir)/man1/passt.1 $(DESTDIR)$(mandir)/man1/pasta.1
	rm -f $(DESTDIR)$(mandir)/man1/passt-slirp4netns.1
	rm -f $(PROGRAMS:tools/%.c=$(DESTDIR)$(bindir)/%)
	rm -f $(PROGRAMS:tools/%.c=$(DESTDIR)$(mandir)/man1/%.1)
	rm -f $(DESTDIR)$(compdir)/passtctl
	rm -rf $(DESTDIR)$(libexecdir)/passt $(DESTDIR)$(docdir)

uninstall-slirp4netns:
	@f=$(DESTDIR)$(bindir)/slirp4netns; \
	if [ "$$(readlink "$$f")" = passt ]; then \
		rm -f "$$f" $(DESTDIR)$(mandir)/man1/slirp4netns.1; \
	fi

clean:
	rm -rf build build-* passt pasta slirp4netns \
		$(PROGRAMS:tools/%.c=%)

-include $(wildcard $(BUILD)/*.d $(BUILD)/*/*.d $(FUZZ_DIR)/obj/*.d \
	$(FUZZ_DIR)/obj/*/*.d)

# Are the packet scripts any good? Minutes
mutants:
	@contrib/setup build check
	@$(MAKE) --no-print-directory tools
	@PASST_TOOLS_DIR=$(abspath $(BUILD)/tools) test/pkt/mutants/run $(MUTANTS)

# Are the tests of the filter any good? Minutes
widen:
	@contrib/setup build check
	@test/unit/widen $(WIDEN)

bench:
	@contrib/setup build check
	@$(MAKE) --no-print-directory all tools
	@test/bench/run $(BENCH)

.PHONY: all bench fuzz fuzzers mutants widen tools units check demo install uninstall clean \
	install-slirp4netns uninstall-slirp4netns
