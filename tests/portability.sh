#!/usr/bin/env bash
# The rooms that will also run in a browser compile with clang and libc++, which lack parts of C++20.
set -euo pipefail
cd "$(dirname "$0")/.."

compile="clang++ -std=c++20 -stdlib=libc++ -fsyntax-only -Wall -Wextra -Werror
         -I. -isystem ${EIGEN3_INCLUDE_DIR:-/usr/include/eigen3} -isystem /usr/include/imgui
         -DEIGEN_MAX_ALIGN_BYTES=64 -DRINGATTN_VERSION=\"portable\" -x c++"
rooms=()
for room in definition blockwise ring transport trace scenarios; do
  if [ -d reference/$room ]; then rooms+=(reference/$room); fi
done

rooms+=(visualizer/model visualizer/layout visualizer/run visualizer/view)

# A browser has no processes
no_mpi=(-not -path '*/transport/mpi/*')
find "${rooms[@]}" -name '*.cpp' "${no_mpi[@]}" -print0 | xargs -0 -n 1 -P "$(nproc)" $compile
# Headers without a source too, as a user of all of them includes them
find "${rooms[@]}" -name '*.h' "${no_mpi[@]}" | sort | sed 's/.*/#include "&"/' | $compile -
echo "All of ${rooms[*]} compiles with clang and libc++."
