#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "reference/definition/tensor.h"

namespace ringattn {

// The header of a .npy file: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
struct NpyHeader {
  std::string descr;  // byte order, kind and size of the numbers
  bool fortran_order = false;
  std::vector<Index> shape;
};

// Throws BadInput, starting with _error_prefix_, unless the text is a dictionary with exactly these keys
NpyHeader parse_npy_header(std::string_view text, const std::string& error_prefix);

}  // namespace ringattn
