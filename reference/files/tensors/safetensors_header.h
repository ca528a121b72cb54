#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "reference/definition/dtype.h"

namespace ringattn {

// The entry of one tensor in the header of a safetensors file.
struct TensorEntry {
  std::string name;
  Dtype dtype = Dtype::f32;
  std::vector<Index> shape;
  std::uint64_t begin = 0, end = 0;  // byte offsets, relative to the end of the header
};

// The header, in the file a JSON object:
//   {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "__metadata__": {"key": "value"}}
struct SafetensorsHeader {
  std::vector<TensorEntry> tensors;  // in the order of their offsets
  std::map<std::string, std::string> metadata;

  bool has(std::string_view name) const { return find(name) != nullptr; }

  // The entry _name_; throws BadInput, with a list of the existing names, if there is none
  const TensorEntry& at(std::string_view name) const;

 private:
  const TensorEntry* find(std::string_view name) const;  // nullptr if there is none
};

// Parses a header. Throws BadInput, with _error_prefix_ at the start of the message, unless the tensors fill the
// _data_bytes_ bytes of data exactly, without gaps or overlaps. So no tensor of the result is larger than the file.
SafetensorsHeader parse_header(std::string_view text, std::uint64_t data_bytes,
                               const std::string& error_prefix);

// Throws BadInput: there is no tensor _name_, but those of the names _existing_
[[noreturn]] void throw_missing_tensor(std::string_view name, const std::vector<std::string_view>& existing);

// The inverse of parse_header(), padded with spaces to a multiple of 8 bytes
std::string header_text(const SafetensorsHeader& header);

}  // namespace ringattn
