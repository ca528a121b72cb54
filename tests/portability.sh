#!/usr/bin/env bash
# The rooms that will also run in a browser must compile with clang and libc++, which lack parts of C++20.
set -euo pipefail
cd "$(dirname "$0")/.."

rooms=(reference/{definition,blockwise,comm,ring,faults,trace}
       visualizer/{resources,model,layout,draw,run,session,interaction,view})
# A browser has no processes
no_mpi=(-not -path '*/comm/mpi/*')

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
compile="clang++ -std=c++20 -stdlib=libc++ -Wall -Wextra -Werror -I. -isystem ${EIGEN3_INCLUDE_DIR:-/usr/include/eigen3}
         -isystem /usr/include/imgui -DEIGEN_MAX_ALIGN_BYTES=64 -DRINGATTN_VERSION=\"portable\""

# Headers of other projects are parsed once
printf '#include <%s>\n' Eigen/Core algorithm cmath functional map memory optional sstream string vector > "$folder/others.h"
$compile -x c++-header "$folder/others.h" -o "$folder/others.pch"
check="$compile -fsyntax-only -include-pch $folder/others.pch -x c++"

find "${rooms[@]}" -name '*.cpp' "${no_mpi[@]}" -print0 | xargs -0 -n 4 -P "$(nproc)" $check
# All headers in one source, as a user of all of them includes them
find "${rooms[@]}" -name '*.h' "${no_mpi[@]}" | sort | sed 's/.*/#include "&"/' | $check -
echo "All of ${rooms[*]} compiles with clang and libc++."
