#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "reference/definition/tensor.h"

namespace ringattn {

// A tensor in the file data.pkl of an archive that torch.save wrote: a part of a storage, whose numbers are another
// file.
struct PickledTensor {
  std::string storage;      // the name of the file in the folder data
  std::string type;         // of the numbers, as torch names its storages: "Float", "BFloat16"
  std::int64_t offset = 0;  // of the first element in the storage, in elements
  std::vector<std::int64_t> shape, strides;  // strides in elements
};

// What data.pkl describes: tensors and the settings beside them, by name. A single tensor has the name "".
struct PickledTensors {
  std::map<std::string, PickledTensor> tensors;
  std::map<std::string, std::string> settings;  // booleans, numbers and texts, as text
};

// Reads the subset of the pickle format (https://docs.python.org/3/library/pickletools.html) in which torch describes a
// tensor, or a dictionary with tensors. Objects of other classes are skipped: nothing in the file is called. Throws
// BadInput, starting with _error_prefix_, for anything else
PickledTensors parse_torch_pickle(std::string_view pickle, const std::string& error_prefix);

}  // namespace ringattn
