#include <cstdint>
#include <string>

#include "reference/definition/input/bad_input.h"
#include "reference/files/tensors/tensor_file.h"
#include "tests/support/zip_archive.h"

using namespace ringattn;

namespace {

// The bytes are refused, or read as tensors whose sizes match their shapes
void use(const std::string& bytes) {
  try {
    const TensorFile file(std::as_bytes(std::span(bytes)));
    for (const TensorEntry& entry : file.listing().tensors) {
      if (!entry.other_type.empty()) continue;
      const StoredTensor tensor = file.read(entry);
      auto expected = static_cast<std::size_t>(bytes_per_element(tensor.dtype));
      for (const Index extent : tensor.shape)
        if (extent == 0) expected = 0;
      for (const Index extent : tensor.shape)
        if (expected != 0) expected *= static_cast<std::size_t>(extent);
      if (tensor.bytes.size() != expected) __builtin_trap();
    }
  } catch (const BadInput&) {
  }
}

}  // namespace

// Reads the input as a file; as the description of tensors in an archive of torch; and as an array in one of numpy
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  use(input);
  use(zip_archive(
      {{"a/data.pkl", input}, {"a/data/0", std::string(64, '\1')}, {"a/data/1", std::string(7, '\2')}}));
  use(zip_archive({{"q.npy", input}, {"k.npy", input}}));
  return 0;
}
