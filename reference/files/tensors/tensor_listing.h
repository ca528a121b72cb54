#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "reference/files/tensors/narrow_type.h"

namespace ringattn {

// One tensor of a file.
struct TensorEntry {
  std::string name = {};
  Dtype dtype = Dtype::f32;
  std::vector<Index> shape = {};
  std::uint64_t begin = 0, end = 0;    // offsets of its bytes
  const NarrowType* narrow = nullptr;  // the type in the file, if reading widens it to _dtype_
  std::string other_type = {};         // not empty: numbers of this type cannot be read

  Index bytes_of_number() const { return narrow ? narrow->bytes : bytes_per_element(dtype); }
};

// What a file says about its tensors. Those of types that cannot be read are listed, too.
struct TensorListing {
  std::vector<TensorEntry> tensors;  // in the order of their offsets
  std::map<std::string, std::string> metadata;

  bool has(std::string_view name) const { return find(name) != nullptr; }

  // The entry _name_; throws BadInput, with a list of the existing names, if there is none, or if it has another type
  const TensorEntry& at(std::string_view name) const;

 private:
  const TensorEntry* find(std::string_view name) const;  // nullptr if there is none
};

// Throws BadInput: there is no tensor _name_, but those of the names _existing_
[[noreturn]] void throw_missing_tensor(std::string_view name, const std::vector<std::string_view>& existing);

// Throws BadInput: the tensor _name_ has a type that cannot be read
[[noreturn]] void throw_other_type(std::string_view name, const std::string& type);

}  // namespace ringattn
