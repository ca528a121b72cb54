#pragma once

#include <string>

#include "reference/definition/tensor.h"

namespace ringattn {

// Stored numbers of 8 bits stand for these numbers times a factor, which is exact in double: one factor for the tensor,
// for each head, or for each block of rows of a head.
struct Descale {
  // () or all 1, (H), (B, H), (B, H, blocks); B and H may be 1, and H that of a group of heads
  std::vector<Index> extents;
  std::vector<double> factors;  // row-major
  Index block = 0;              // rows of a block; 0: the blocks divide the rows evenly
};

// Multiplies the tensor by its factors. Throws BadInput, in the name of _name_, if their shape does not fit, or if one
// is not finite
void apply(const Descale& descale, const std::string& name, Tensor<double>& tensor);

}  // namespace ringattn
