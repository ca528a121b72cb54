#pragma once

#include <string_view>
#include <vector>

#include "reference/definition/dtype.h"

namespace ringattn {

// A type of numbers that files hold and memory does not. Reading widens them, which changes no number.
struct NarrowType {
  // Its names; empty: the format has no such type
  std::string_view in_safetensors, in_npy, in_torch;
  Index bytes;    // per number
  Dtype widened;  // the type in memory
  double (*decode)(const std::byte* number);

  std::vector<std::byte> widen(const std::vector<std::byte>& numbers) const;
};

// i32 and booleans, which become i64, and the 8-bit numbers of q, k and v, which become f32; nullptr if _name_ is not
// the name of such a type
const NarrowType* narrow_type_in_safetensors(std::string_view name);
const NarrowType* narrow_type_in_npy(std::string_view name);
const NarrowType* narrow_type_in_torch(std::string_view name);

// What the formats call it: "BOOL", "F8_E4M3"
inline constexpr std::string_view type_of_masks = "BOOL", type_of_i8 = "I8", type_of_e4m3 = "F8_E4M3",
                                  type_of_e5m2 = "F8_E5M2";

}  // namespace ringattn
