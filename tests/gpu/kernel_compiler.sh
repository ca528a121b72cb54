#!/usr/bin/env bash
# Tests of cmake/kernel_compiler.sh, with a fake compiler that prints messages of ptxas.
set -uo pipefail

compiler=$(realpath "$(dirname "$0")/../../cmake/kernel_compiler.sh")
cd "$(mktemp -d)" || exit
trap 'rm -rf "$PWD"' EXIT
cat > nvcc << 'END'
#!/bin/sh
# nvcc WORDS STATUS -o OBJECT
echo "ptxas info    : Compiling entry function '_Z5naivePf' for 'sm_80'" >&2
echo "$1" >&2
echo 'ptxas info    : Used 30 registers, used 0 barriers' >&2
touch "$4"
exit "$2"
END
chmod +x nvcc

# check TITLE WORDS STATUS EXPECTED: the exit status for these words and status, and whether the object file exists
failed=0
check() {
  "$compiler" logs ./nvcc "$2" "$3" -o 1_naive.cu.o 2> said
  local status=$?
  if [ $status != "$4" ] || { [ $status = 1 ] && [ -e 1_naive.cu.o ]; } || ! grep -q '^sm_80 .* 30 .*naive(float' logs/1_naive.cu.log; then
    echo "failed: $1; found status $status and"
    cat said && failed=1
  fi
}

check 'a kernel that fits its registers compiles' '    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads' 0 0
check 'a kernel that spills is rejected' '    8 bytes stack frame, 16 bytes spill stores, 16 bytes spill loads' 0 1
check 'an array in local memory is rejected' '    64 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads' 0 1
check 'serialized products are rejected' \
  'ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized' 0 1
check 'a wait for products that the compiler injects is rejected' \
  'ptxas info    : (C7517) warpgroup.wait is injected in around line 13239 by compiler' 0 1
check 'a compilation error keeps its exit status' 'error: expected a ";"' 2 2
[ $failed = 0 ] && echo 'All tests of the kernel compiler passed.'
