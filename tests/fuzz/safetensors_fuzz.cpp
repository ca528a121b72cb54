#include <cstdint>
#include <cstring>
#include <sstream>
#include <string>

#include "reference/definition/input/bad_input.h"
#include "reference/files/tensors/safetensors.h"

using namespace ringattn;

namespace {

SafetensorsFile parse(const std::string& bytes) { return parse_safetensors(std::as_bytes(std::span(bytes))); }

// Calls f and ignores BadInput; any other exception ends the fuzzer
template <class F>
void attempt(F&& f) {
  try {
    f();
  } catch (const BadInput&) {
  }
}

template <class T>
void convert(const std::string& name, const StoredTensor& stored) {
  for (const Axes axes : {Axes::bshd, Axes::bhsd, Axes::sbhd})
    attempt([&] { require_finite<T>(name, to_tensor<T>(name, stored, axes)); });
  attempt([&] { require_finite<T>(name, to_row_tensor<T>(name, stored)); });
  attempt([&] { to_integer_rows(name, stored); });
  attempt([&] { to_integers(name, stored); });
}

// Every tensor is converted or refused, and the file is written as it was read
void use(const SafetensorsFile& file) {
  for (const auto& [name, stored] : file.tensors) {
    convert<float>(name, stored);
    convert<double>(name, stored);
  }
  SafetensorsFile readable = file;
  readable.other_types.clear();
  std::ostringstream written;
  write_safetensors(written, readable);
  if (!(parse(written.str()) == readable)) __builtin_trap();
}

}  // namespace

// Reads the input as a file; then again with a correct length of the header in front, so that the header is reached.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  attempt([&] { use(parse(input)); });

  const std::uint64_t header_bytes = input.rfind('}') + 1;  // 0 if there is no brace
  std::string length(sizeof header_bytes, '\0');
  std::memcpy(length.data(), &header_bytes, sizeof header_bytes);
  attempt([&] { use(parse(length + input)); });
  return 0;
}
