#include <cstdint>
#include <string>

#include "reference/definition/input/bad_input.h"
#include "reference/files/tensors/npy.h"

using namespace ringattn;

namespace {

// The bytes are refused, or read as a tensor whose size matches its shape
void use(const std::string& bytes) {
  try {
    const StoredTensor tensor = parse_npy(std::as_bytes(std::span(bytes)));
    auto expected = static_cast<std::size_t>(bytes_per_element(tensor.dtype));
    for (const Index extent : tensor.shape)
      if (extent == 0) expected = 0;
    for (const Index extent : tensor.shape)
      if (expected != 0) expected *= static_cast<std::size_t>(extent);
    if (tensor.bytes.size() != expected) __builtin_trap();
    to_tensor<double>("out", tensor, Axes::bshd);
  } catch (const BadInput&) {
  }
}

}  // namespace

// Reads the input as a file; then again with a correct length of the header in front, so that the header is reached.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  use(input);

  const std::size_t header_bytes = (input.rfind('}') + 1) % 65536;  // 0 if there is no brace
  std::string beginning("\x93NUMPY\x01\0", 8);
  for (const std::size_t byte : {header_bytes % 256, header_bytes / 256})
    beginning += static_cast<char>(byte);
  use(beginning + input);
  return 0;
}
