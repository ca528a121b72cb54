#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "reference/files/stored_tensor.h"

namespace ringattn {

// The array in a .npy file, numpy's own format, of version 1.0 to 3.0
// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html): a signature, the length of the
// header, the header, which is a Python dictionary, and the numbers. Numbers may be f8, f4, f2, i8 or i4, of
// which the last become i64; arrays in Fortran order are put into C order. Both throw BadInput, with one
// sentence, for anything else.
StoredTensor read_npy(const std::filesystem::path& path);
StoredTensor parse_npy(std::span<const std::byte> bytes);

}  // namespace ringattn
