#include "reference/definition/input/descale.h"

#include <algorithm>
#include <cmath>

#include "reference/definition/input/bad_input.h"

namespace ringattn {

namespace {

// Rows of a block, so that _blocks_ blocks hold S rows
Index rows_of_block(const Descale& descale, const std::string& name, Index blocks, Index S) {
  if (descale.block == 0) {
    require(S % blocks == 0, "[", name, "] the number of rows of a block is open; found ", blocks,
            " blocks for ", S, " rows; state descale_block");
    return std::max<Index>(1, S / blocks);
  }
  require(blocks == 1 || (S + descale.block - 1) / descale.block == blocks, "[", name, "] ", S, " rows have ",
          (S + descale.block - 1) / descale.block, " blocks of ", descale.block, "; found factors of ",
          blocks, "; correct descale_block");
  return blocks == 1 ? std::max<Index>(1, S) : descale.block;
}

}  // namespace

void apply(const Descale& descale, const std::string& name, Tensor<double>& tensor) {
  // The extents of the factors, (B, H, blocks)
  const Shape& shape = tensor.shape();
  std::vector<Index> extents = descale.extents;
  const bool single = std::all_of(extents.begin(), extents.end(), [](Index extent) { return extent == 1; });
  if (single) extents.assign(3, 1);
  if (extents.size() == 1) extents.insert(extents.begin(), 1);
  if (extents.size() == 2) extents.push_back(1);
  const bool fits = extents.size() == 3 && (extents[0] == 1 || extents[0] == shape.B) && extents[1] >= 1 &&
                    shape.H % extents[1] == 0 && extents[2] >= 1;
  require(fits, "[", name,
          "] the factors must be one, or (heads), (batch, heads) or (batch, heads, blocks) for the batch ",
          shape.B, " and ", shape.H, " heads; found another shape, with ", descale.factors.size(),
          " numbers; reshape them");
  for (const double factor : descale.factors)
    require(std::isfinite(factor), "[", name, "] a factor must be a finite number; found ", factor,
            "; correct it");

  // The factor of each row and head
  const Index blocks = extents[2], block = rows_of_block(descale, name, blocks, shape.S),
              group = shape.H / extents[1];
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h)
      for (Index s = 0; s < shape.S; ++s) {
        const Index of_head = (extents[0] == 1 ? 0 : b) * extents[1] + h / group;
        tensor.head(b, h).row(s) *= descale.factors[static_cast<std::size_t>(of_head * blocks + s / block)];
      }
}

}  // namespace ringattn
