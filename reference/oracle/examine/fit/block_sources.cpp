#include "reference/oracle/examine/fit/block_sources.h"

#include "reference/oracle/examine/fit/score_fit.h"

namespace ringattn {

namespace {

constexpr std::size_t most_blocks = 8;  // whose sums are tried

struct Part {
  Index block;
  Matrix<double> right, allowed;
};

// The parts of _right_ of one device that are not 0 and have the width of a block
std::vector<Part> parts_of(const Sharding& sharding, const BlockRows& block, const Matrix<double>& right,
                           const Matrix<double>& allowed) {
  std::vector<Part> parts;
  for (int other = 0; other < sharding.devices(); ++other) {
    const std::vector<Index>& keys = sharding.keys.rows_of(other);
    if (keys.size() != block.keys.size()) continue;
    Part part{other, selected(right, block.rows, keys), selected(allowed, block.rows, keys)};
    if ((part.right.array() != 0).any()) parts.push_back(std::move(part));
  }
  return parts;
}

// The subset of the parts whose sum is _found_; the block itself is tried first, with a wider allowance: the allowances
// of a sum add up, so that an error of rounding just above its own may lie within that of a sum
std::optional<std::vector<Index>> subset(const std::vector<Part>& parts, Index own,
                                         const Matrix<double>& found) {
  const auto holds = [&](std::size_t chosen, double allowances) {
    Matrix<double> error = found, slack = Matrix<double>::Constant(found.rows(), found.cols(), 1e-9);
    for (std::size_t n = 0; n < parts.size(); ++n)
      if (chosen >> n & 1) error -= parts[n].right, slack += allowances * parts[n].allowed;
    return (error.cwiseAbs().array() <= slack.array()).all();
  };
  const auto blocks = [&](std::size_t chosen) {
    std::vector<Index> result;
    for (std::size_t n = 0; n < parts.size(); ++n)
      if (chosen >> n & 1) result.push_back(parts[n].block);
    return result;
  };
  for (std::size_t n = 0; n < parts.size(); ++n)
    if (parts[n].block == own && holds(std::size_t{1} << n, 4)) return blocks(std::size_t{1} << n);
  for (std::size_t chosen = 0; chosen < std::size_t{1} << parts.size(); ++chosen)
    if (holds(chosen, 1)) return blocks(chosen);
  return std::nullopt;
}

}  // namespace

std::optional<std::vector<BlockValue>> block_sources(const Sharding& sharding, const Matrix<double>& found,
                                                     const Matrix<double>& right,
                                                     const Matrix<double>& allowed) {
  std::vector<BlockValue> sources;
  bool moved = false;
  for (const BlockRows& block : ring_blocks(sharding)) {
    if (block.rows.empty() || block.keys.empty()) continue;
    const std::vector<Part> parts = parts_of(sharding, block, right, allowed);
    if (parts.size() > most_blocks) return std::nullopt;
    const auto of_block = subset(parts, block.block, selected(found, block.rows, block.keys));
    if (!of_block) return std::nullopt;
    for (const Index source : *of_block) {
      sources.push_back({block.device, block.block, static_cast<double>(source)});
      moved |= source != block.block;
    }
  }
  if (!moved) return std::nullopt;
  return sources;
}

}  // namespace ringattn
