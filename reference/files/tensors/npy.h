#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "reference/files/tensors/stored_tensor.h"

namespace ringattn {

// Reads the array of a .npy file, the format of numpy, versions 1.0 to 3.0
// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html):
//
//   "\x93NUMPY" | version, 2 bytes | header length, 2 or 4 bytes | header, a Python dictionary | numbers
//
// Numbers may be f8, f4, f2, i8 or i4; i4 becomes i64. Arrays in Fortran order are converted to C order.
// Both functions throw BadInput for anything else.
StoredTensor read_npy(const std::filesystem::path& path);
StoredTensor parse_npy(std::span<const std::byte> bytes);

}  // namespace ringattn
