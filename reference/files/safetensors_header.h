#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "reference/definition/dtype.h"

namespace ringattn {

// What the header of a safetensors file says of one tensor.
struct TensorEntry {
  std::string name;
  Dtype dtype = Dtype::f32;
  std::vector<Index> shape;
  std::uint64_t begin = 0, end = 0;  // of its bytes, counted from the first byte after the header
};

// The header: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "__metadata__": {"key":
// "value"}}
struct SafetensorsHeader {
  std::vector<TensorEntry> tensors;  // in the order of their bytes
  std::map<std::string, std::string> metadata;
};

// Throws BadInput, in a sentence that begins with _error_prefix_, unless the tensors fill the _data_bytes_ exactly,
// one after the other. What it returns is safe to allocate: no tensor is larger than the data.
SafetensorsHeader parse_header(std::string_view text, std::uint64_t data_bytes, const std::string& error_prefix);

// The inverse, padded with blanks to a multiple of 8 bytes
std::string header_text(const SafetensorsHeader& header);

}  // namespace ringattn
