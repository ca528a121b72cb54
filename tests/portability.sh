#!/usr/bin/env bash
# Checks that the folders which also run in a browser compile with clang and libc++, which lack parts of C++20.
set -euo pipefail
cd "$(dirname "$0")/.."

folders=(reference/{definition,blockwise,comm,ring,strategies,faults,trace,circular_memory}
       visualizer/{resources,model,layout,draw,run,session,interaction,view})
# A browser has no processes
no_mpi=(-not -path '*/comm/mpi/*')

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
compile="clang++ -std=c++20 -stdlib=libc++ -Wall -Wextra -Werror -I. -isystem ${EIGEN3_INCLUDE_DIR:-/usr/include/eigen3}
         -isystem /usr/include/imgui -DEIGEN_MAX_ALIGN_BYTES=64 -DRINGATTN_VERSION=\"portable\""

# Parse the headers of other projects once
printf '#include <%s>\n' Eigen/Core algorithm cmath functional map memory optional sstream string vector > "$temporary/others.h"
$compile -x c++-header "$temporary/others.h" -o "$temporary/others.pch"
check="$compile -fsyntax-only -include-pch $temporary/others.pch -x c++"

find "${folders[@]}" -name '*.cpp' "${no_mpi[@]}" -print0 | xargs -0 -n 4 -P "$(nproc)" $check
# Include all headers in one source
find "${folders[@]}" -name '*.h' "${no_mpi[@]}" | sort | sed 's/.*/#include "&"/' | $check -
echo "All of ${folders[*]} compiles with clang and libc++."
