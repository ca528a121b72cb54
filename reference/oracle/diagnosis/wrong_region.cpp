#include "reference/oracle/diagnosis/wrong_region.h"

#include <algorithm>

#include "reference/oracle/verdict/boxes.h"

namespace ringattn {

namespace {

constexpr Index least_rows = 8, least_elements = 64;  // wrong ones, to recognise a mistake by

// "heads 2..3", or which heads of which sequences
std::string heads_text(const Matrix<char>& heads) {
  const bool alike = (heads.array() == heads.row(0).replicate(heads.rows(), 1).array()).all();
  std::string text;
  for (Index b = 0; b < heads.rows(); ++b) {
    std::vector<Index> some;
    for (Index h = 0; h < heads.cols(); ++h)
      if (heads(b, h)) some.push_back(h);
    if (some.empty()) continue;
    text += (text.empty() ? "" : ", ") + numbered_text("head", some);
    if (alike) return text;
    text += " of sequence " + std::to_string(b);
  }
  return text;
}

}  // namespace

std::string WrongRegion::describe(Index Sq) const {
  std::string text;
  const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (!(heads.array() != 0).all()) add(heads_text(heads));
  if (first > 0 || last < Sq - 1) {
    std::vector<Index> rows;
    for (Index row = first; row <= last; ++row) rows.push_back(row);
    add(numbered_text("row", rows));
  }
  std::vector<Index> some;
  for (std::size_t d = 0; d < channels.size(); ++d)
    if (channels[d]) some.push_back(static_cast<Index>(d));
  if (some.size() < channels.size()) add(numbered_text("channel", some));
  return text;
}

std::optional<WrongRegion> wrong_region(const std::vector<TensorVerdict>& verdicts,
                                        const std::vector<Index>& judged_rows) {
  WrongRegion region;
  Index rows = 0, elements = 0;
  for (const TensorVerdict& verdict : verdicts) {
    if (verdict.tensor != "out" && verdict.tensor != "lse") continue;
    const Shape& shape = verdict.row_ratio.shape();
    if (region.heads.size() == 0)
      region.heads.setZero(shape.B, shape.H), region.first = judged_rows.back() + 1;
    for (Index b = 0; b < shape.B; ++b)
      for (Index h = 0; h < shape.H; ++h)
        for (Index n = 0; n < shape.S; ++n) {
          if (!(verdict.row_ratio(b, n, h, 0) > verdict.note_limit)) continue;
          const Index row = judged_rows[static_cast<std::size_t>(n)];
          region.heads(b, h) = true, ++rows;
          region.first = std::min(region.first, row), region.last = std::max(region.last, row);
        }
    elements += verdict.mismatched;
    if (verdict.tensor == "out")
      for (const double ratio : verdict.channel_ratio) region.channels.push_back(ratio > verdict.note_limit);
  }
  if (rows < least_rows || elements < least_elements) return std::nullopt;
  if (std::none_of(region.channels.begin(), region.channels.end(), [](char wrong) { return wrong; }))
    std::fill(region.channels.begin(), region.channels.end(), true);
  return region;
}

Tensor<double> within(const WrongRegion& part, const std::vector<Index>& rows,
                      const Tensor<double>& simulated, const Tensor<double>& found) {
  Tensor<double> result = found;
  const Shape& shape = found.shape();
  const bool of_channels = shape.D == static_cast<Index>(part.channels.size());
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h) {
      if (!part.heads(b, h)) continue;
      for (Index n = 0; n < shape.S; ++n) {
        const Index row = rows[static_cast<std::size_t>(n)];
        if (row < part.first || row > part.last) continue;
        for (Index d = 0; d < shape.D; ++d)
          if (!of_channels || part.channels[static_cast<std::size_t>(d)])
            result(b, n, h, d) = simulated(b, n, h, d);
      }
    }
  return result;
}

}  // namespace ringattn
