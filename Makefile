# A thin front of CMake. `make` leaves build/farspan; `make demo` and `make test` work on a fresh machine.
WITH_LLAMA ?= auto
JOBS ?= $(shell nproc)
LLAMA := $(if $(filter off,$(WITH_LLAMA)),--no-llama)
CMAKE_FLAGS = -DWITH_LLAMA=$(WITH_LLAMA) $(if $(shell command -v ccache),-DCMAKE_C_COMPILER_LAUNCHER=ccache)

all: setup build

setup:
	@tools/setup.sh $(LLAMA)

# $(1): preset, $(2): build folder, $(3): targets, all when empty. Configured anew only when there is nothing, or when WITH_LLAMA is another.
define preset
	@grep -qs '^WITH_LLAMA:[A-Z]*=$(WITH_LLAMA)$$' $(2)/CMakeCache.txt && [ -f $(2)/build.ninja ] || \
	    cmake --preset $(1) $(CMAKE_FLAGS) >build/$(1).log 2>&1 || { cat build/$(1).log; exit 1; }
	@ninja -C $(2) -j$(JOBS) --quiet $(3)
endef

build: | build/
	$(call preset,release,build)

build/:
	@mkdir -p build

demo: setup build
	@build/farspan demo $(if $(filter off,$(WITH_LLAMA)),--echo)

test: | build/
	@WITH_LLAMA=$(WITH_LLAMA) JOBS=$(JOBS) test/run.sh

test-all: | build/
	@WITH_LLAMA=$(WITH_LLAMA) JOBS=$(JOBS) test/run.sh all

# On the cluster of KUBECONFIG; skipped, and says so, without one.
test-kubernetes: | build/
	$(call preset,release,build)
	@test/kubernetes/run.sh build/farspan

# A small image of farspan (Containerfile), by buildah.
image:
	@command -v buildah >/dev/null || { echo "image: buildah is not here; any builder of a Containerfile does, as in: podman build -t farspan ." >&2; exit 1; }
	@buildah bud --layers -t farspan:$$(awk '/^project/ {print $$3}' CMakeLists.txt) .

fuzz: | build/
	@tools/setup.sh --test $(LLAMA)
	$(call preset,fuzz,build/fuzz,$(patsubst test/fuzz/%.c,%,$(wildcard test/fuzz/*_fuzz.c)))
	@test/fuzz/run.sh build/fuzz $(or $(SECONDS_EACH),60)

soak: setup build
	@test/soak.sh $(or $(MINUTES),10)

bench: | build/
	@tools/setup.sh --bench $(LLAMA)
	$(call preset,release,build)
	@bench/run.sh

# A few seeds of everything, about five minutes; bench-plan-all: the whole table, about an hour.
bench-plan bench-plan-all: | build/
	@tools/setup.sh --bench $(LLAMA)
	$(call preset,release,build)
	@python3 bench/plan.py $(if $(filter bench-plan,$@),--quick)

lint: | build/
	@tools/setup.sh --test $(LLAMA)
	@WITH_LLAMA=$(WITH_LLAMA) JOBS=$(JOBS) tools/lint.sh

format:
	@clang-format -i $$(git ls-files '*.c' '*.h')

install: all
	@cmake --install build

clean:
	rm -rf build

.PHONY: all setup build demo test test-all test-kubernetes image fuzz soak bench bench-plan bench-plan-all lint format install clean
