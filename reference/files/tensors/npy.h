#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "reference/files/input_file.h"
#include "reference/files/tensors/stored_tensor.h"
#include "reference/files/tensors/tensor_listing.h"

namespace ringattn {

// Reads the array of a .npy file, the format of numpy, versions 1.0 to 3.0
// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html):
//
//   "\x93NUMPY" | version, 2 bytes | header length, 2 or 4 bytes | header, a Python dictionary | numbers
//
// Numbers may be f8, f4, f2, i8, i4, i1 or booleans; narrow_type.h says which of them are widened. Arrays in Fortran
// order are converted to C order.
// All functions throw BadInput for anything else.
StoredTensor read_npy(const std::filesystem::path& path);
StoredTensor parse_npy(std::span<const std::byte> bytes);
// From any source of _size_ bytes; messages start with _error_prefix_
StoredTensor read_npy(std::uint64_t size, const std::string& error_prefix, const ReadBytes& read_bytes);

// What the header says, without the numbers; the array may be of any type
TensorEntry npy_entry(std::uint64_t size, const std::string& error_prefix, const ReadBytes& read_bytes);

}  // namespace ringattn
