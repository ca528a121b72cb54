#include "reference/files/tensors/tensor_listing.h"

#include <algorithm>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"

namespace ringattn {

void throw_missing_tensor(std::string_view name, const std::vector<std::string_view>& existing) {
  constexpr std::size_t listed = 12;
  std::string names;
  for (std::size_t n = 0; n < std::min(listed, existing.size()); ++n)
    names += (n == 0 ? "" : ", ") + in_quotes(existing[n]);
  if (existing.size() > listed) names += ", ...";
  throw BadInput("[read_tensors] the file must have a tensor " + in_quotes(name) + "; found " +
                 (names.empty() ? "no tensors" : names) + "; add or rename it");
}

void throw_other_type(std::string_view name, const std::string& type) {
  throw BadInput("[read_tensors] " + in_quotes(name) +
                 " must hold f64, f32, bf16, f16, i64, i32, bool, i8, f8_e4m3 or f8_e5m2; found " +
                 in_quotes(type) + "; convert the tensor");
}

const TensorEntry* TensorListing::find(std::string_view name) const {
  const auto found = std::find_if(tensors.begin(), tensors.end(),
                                  [&](const TensorEntry& entry) { return entry.name == name; });
  return found == tensors.end() ? nullptr : &*found;
}

const TensorEntry& TensorListing::at(std::string_view name) const {
  if (const TensorEntry* entry = find(name)) {
    if (!entry->other_type.empty()) throw_other_type(name, entry->other_type);
    return *entry;
  }
  std::vector<std::string_view> names;
  for (const TensorEntry& entry : tensors) names.push_back(entry.name);
  throw_missing_tensor(name, names);
}

}  // namespace ringattn
