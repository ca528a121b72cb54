#pragma once

#include "reference/oracle/examine/weights/visible_rules.h"

namespace ringattn {

// The pattern of the keys that rows read, as a whole and block by block.

using MaybeFindings = std::vector<Finding>;  // empty: a rule does not hold

// A pattern given by a function of row and key
template <class Rule>
bool follows(const Matrix<bool>& read, const Rule& rule) {
  for (Index i = 0; i < read.rows(); ++i)
    for (Index j = 0; j < read.cols(); ++j)
      if (read(i, j) != rule(i, j)) return false;
  return true;
}

// The elements of a pattern in a block
Matrix<bool> part(const Matrix<bool>& pairs, const BlockRows& block);

bool equal(const Matrix<bool>& x, const Matrix<bool>& y);

struct ShapedBlock {
  BlockRows block;
  std::string
      shape;  // "right", "none", "all", "lower", "strictly lower", "upper", "diagonal"; empty: none of these
};

// _chunks_: also what is right in one of the two chunks of the rows or keys of a block, as in zigzag layouts: "first
// keys", "second keys", "first rows", "second rows"
std::vector<ShapedBlock> shapes_of(const ReadKeys& keys, std::vector<BlockRows> blocks, bool chunks = false);

// Rules of tiles: whole tiles, and visible ranges whose ends are rounded to tiles
MaybeFindings tiles(const ReadKeys& keys);
MaybeFindings band_of_tiles(const ReadKeys& keys);
MaybeFindings rounded_ends(const ReadKeys& keys);

// Rules of groups of rows: of documents, and of devices
MaybeFindings documents_compared(const ReadKeys& keys);
MaybeFindings keys_up_to_one_of_device(const ReadKeys& keys);

}  // namespace ringattn
