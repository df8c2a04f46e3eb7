# inngest: durable functions server inside PostgreSQL
#
#   make quickstart    from nothing to a finished run, in a private cluster; `make stop` ends it
#   make test          every test, in a private installation; ends with "N passed, M failed, K skipped"
#   make lint          format, layers, exports, versions, static analysis
#   make bench asan    measurements; the tests under AddressSanitizer and UBSan
#   make chaos         200 000 runs while everything is killed all the time; about an hour
#   make, make install, make installcheck, make clean: as every PGXS extension

EXTENSION  = inngest
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" inngest.control)
MODULE_big = inngest
OBJS       = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))
DATA       = $(wildcard sql/$(EXTENSION)--*--*.sql)
DATA_built = sql/$(EXTENSION)--$(EXTVERSION).sql
EXTRA_CLEAN = src/http/openapi_json.h test/c/*.o test/c/*.bc test/c/*.so test/testing/src test/testing/*.o test/testing/*.so results regression.diffs regression.out

PG_CPPFLAGS = -I$(srcdir)/src -DINN_VERSION='"$(EXTVERSION)"'
SHLIB_LINK  = -lcurl -lmicrohttpd -lhiredis -lpcre2-8

# The server's own headers are not clean of what is switched off here.  CFLAGS of a server that was
# built with gcc hold options that clang does not know.
PG_CFLAGS = -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers \
	$(if $(findstring clang,$(CC)),-Wno-unknown-warning-option -Wno-ignored-attributes -Wno-ignored-optimization-argument -Wno-unused-command-line-argument)

REGRESS        = $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS_OPTS   = --inputdir=test --load-extension=$(EXTENSION)
ISOLATION      = $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --outputdir=. --load-extension=$(EXTENSION)

PG_CONFIG ?= pg_config
PGXS      := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))

ifneq ($(PGXS),)

# A server built with LLVM asks for bitcode; without its clang we go without.
SERVER_CLANG := $(shell sed -n 's/^CLANG *= *//p' $(dir $(PGXS))../Makefile.global)
ifeq ($(shell command -v $(SERVER_CLANG) 2>/dev/null),)
override with_llvm = no
endif

include $(PGXS)

# Any changed header rebuilds everything: the whole build takes seconds.  The one that is made on the way
# is left out, or a second make would find everything older than it.
HEADERS = $(filter-out src/http/openapi_json.h,$(wildcard src/*.h src/*/*.h))
$(OBJS) $(OBJS:.o=.bc): $(HEADERS) Makefile inngest.control

# What only tests call: the library once more, but for its entry, with test/c (test/c/module.c).
TEST_OBJS = $(patsubst %.c,%.o,$(sort $(wildcard test/c/*.c)))
$(TEST_OBJS): $(HEADERS) Makefile
test/c/inngest_test.so: $(filter-out src/inngest.o,$(OBJS)) $(TEST_OBJS)
	$(CC) $(CFLAGS) $^ -o $@ $(LDFLAGS) $(LDFLAGS_SL) -shared -Wl,-Bsymbolic $(SHLIB_LINK)

# The library in which tests set the clock and stop processes (src/base/testing.h): what differs is compiled again.
TESTING_SRCS = $(sort $(shell grep -lE 'INN_TESTING|INN_WAIT_POINT' src/*.c src/*/*.c))
TESTING_OBJS = $(patsubst %.c,test/testing/%.o,$(TESTING_SRCS)) test/testing/testing.o
$(TESTING_OBJS): CPPFLAGS += -DINN_TESTING
$(TESTING_OBJS): $(HEADERS) Makefile
test/testing/src/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(CPPFLAGS) -c -o $@ $<
test/testing/inngest.so: $(filter-out $(TESTING_SRCS:.c=.o),$(OBJS)) $(TESTING_OBJS)
	$(CC) $(CFLAGS) $^ -o $@ $(LDFLAGS) $(LDFLAGS_SL) -shared $(SHLIB_LINK)

# What a tool other than the compiler has to know, one argument a line.
cppflags:
	@printf '%s\n' $(CPPFLAGS)

.PHONY: cppflags

else

all install installcheck installdirs uninstall clean:
	@echo "the server's build files were not found: run dev/install-deps, or set PG_CONFIG" >&2
	@exit 1

endif

$(DATA_built): $(sort $(wildcard sql/parts/*.sql)) inngest.control
	cat $(filter %.sql,$^) > $@

# The API description as the lines of one C string.
src/http/openapi_json.h: docs/openapi.json
	sed -e 's/[\\"]/\\&/g' -e 's/^/"/' -e 's/$$/\\n"/' $< > $@

src/http/openapi.o src/http/openapi.bc: src/http/openapi_json.h

quickstart:
	@dev/quickstart

stop:
	@dev/stop

test:
	@dev/install-deps build test sdk
	@test/run

lint:
	@dev/install-deps build lint
	@dev/lint

bench:
	@dev/install-deps build bench
	@bench/run

asan:
	@dev/install-deps build test
	@dev/asan

chaos:
	@dev/install-deps build test
	@INN_CHAOS_SEEDS=100 INN_CHAOS_RUNS=2000 INN_TEST_TIMEOUT=20000 test/run -v -k tap/090_chaos

.PHONY: quickstart stop test lint bench asan chaos
