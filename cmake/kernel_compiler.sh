#!/usr/bin/env bash
# kernel_compiler.sh FOLDER NVCC ARGUMENTS...
#
# Compiles kernels, and fails where one of them keeps in memory what belongs in registers, or its products on the tensor
# cores are made to wait for one another: ptxas mentions both in passing. What it says of each kernel goes to
# FOLDER/<folder of the source>/<source>.log, a table first.
set -uo pipefail

folder=$1
shift
object=
for ((n = 1; n < $#; ++n)); do
  if [ "${!n}" = -o ]; then ((++n)) && object=${!n}; fi
done
folder+=/$(basename "$(dirname "$object")")
log=$folder/$(basename "$object" .o).log
mkdir -p "$folder"

said=$("$@" 2>&1 | c++filt)
status=$?

# Functions without the rooms they are in and without their arguments
kernels=$(sed -E 's/ringattn::gpu:://g; s/\(anonymous namespace\):://g; s/\([A-Z][A-Za-z]*\)//g' <<< "$said" | awk '
  /Compiling entry function/ { split($0, part, "\047"); kernel = part[2]; machine = part[4]; sub("void ", "", kernel) }
  /bytes spill stores/ { spilled = $5 }
  /Used [0-9]+ registers/ { match($0, /Used [0-9]+/); printf "%-8s %9d %7d  %s\n", machine, substr($0, RSTART + 5, RLENGTH - 5), spilled, kernel }')
printf '%-8s %9s %7s  %s\n%s\n\n%s\n' machine registers spilled kernel "$kernels" "$said" > "$log"

slow=$(grep -E '[1-9][0-9]* bytes (stack frame|spill stores)|Potential Performance Loss|is injected' <<< "$said")
if [ $status = 0 ] && [ -z "$slow" ]; then
  grep -vE '^ptxas info|bytes stack frame|^ *$' <<< "$said" >&2
  exit 0
fi
printf '%s\n' "$said" >&2
[ $status = 0 ] || exit $status
rm -f "$object"
printf '%s: a kernel must need no stack and spill no registers, nor let its products wait for one another; found\n%s\n' "$log" "$slow" >&2
exit 1
