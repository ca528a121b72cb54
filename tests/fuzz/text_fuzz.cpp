#include <cstdint>
#include <string>

#include "reference/definition/input/bad_input.h"
#include "reference/files/text.h"

using namespace ringattn;

// The input is two files, split where its first byte says: the location of every byte equals a plain count.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  const std::size_t split = size == 0 ? 0 : data[0] % size;
  Text text;
  try {
    text.append("a", input.substr(0, split));
    text.append("b", input.substr(split));
  } catch (const BadInput&) {
    return 0;
  }

  SourceLocation expected{"a", 1, 1};
  for (std::size_t offset = 0; offset < size; ++offset) {
    if (offset == split) expected = {"b", 1, 1};
    if (!(text.location(offset) == expected)) __builtin_trap();
    ++expected.column;
    if (input[offset] == '\n') expected = {expected.file, expected.line + 1, 1};
  }
  if (text.bytes() != input) __builtin_trap();
  return 0;
}
