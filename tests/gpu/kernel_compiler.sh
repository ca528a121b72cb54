#!/usr/bin/env bash
# The laws of cmake/kernel_compiler.sh, told by a compiler that says what ptxas would say.
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

# check TITLE WORDS STATUS EXPECTED: what _words_ make of the status, and whether the object is there to be linked
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
check 'a kernel that spills is refused' '    8 bytes stack frame, 16 bytes spill stores, 16 bytes spill loads' 0 1
check 'an array that no register can hold is refused' '    64 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads' 0 1
check 'products that wait for one another are refused' \
  'ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized' 0 1
check 'a wait for products that the compiler adds is refused' \
  'ptxas info    : (C7517) warpgroup.wait is injected in around line 13239 by compiler' 0 1
check 'what the compiler refuses is refused as it did' 'error: expected a ";"' 2 2
[ $failed = 0 ] && echo 'The compiler of kernels keeps its laws.'
