#include "reference/oracle/measured/recorded_tensor.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "reference/oracle/error_bound/distance.h"

namespace ringattn {

namespace {

constexpr double few_channels = 0.75;  // largest share of channels that is a part of a row

bool wrong(const RecordedTensor& t, const ElementIndex& row, Index d) {
  const auto [b, s, h, unused] = row;
  return error_in_tolerances(t.found(b, s, h, d), t.truth(b, s, h, d), t.tolerance(b, s, h, d)) > t.limit;
}

double largest(const Vector<double>& x) {
  double size = 0;
  for (const double each : x)
    if (std::isfinite(each)) size = std::max(size, std::abs(each));
  return size;
}

Vector<double> row_of(const Tensor<double>& tensor, const ElementIndex& p) {
  return tensor.head(p.b, p.h).row(p.s).transpose();
}

// The spread of a channel over all rows: the width in which the middle half of its values lies, times 0.74, which is
// the standard deviation of normal numbers
double spread_of(const Tensor<double>& tensor, Index d) {
  const Shape& shape = tensor.shape();
  std::vector<double> values;
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h)
      for (Index s = 0; s < shape.S; ++s)
        if (const double x = tensor(b, s, h, d); std::isfinite(x)) values.push_back(x);
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return 0.74 * (values[3 * values.size() / 4] - values[values.size() / 4]);
}

}  // namespace

RecordedTensor record(std::string name, Tensor<double> found, const Tensor<double>& truth,
                      const Tensor<double>& tolerance, double limit, const BoxSpace& space) {
  RecordedTensor t{std::move(name), std::move(found), truth, tolerance, limit, space, {}, {}, 0};
  t.spread.resize(truth.shape().D);
  for (Index d = 0; d < t.spread.size(); ++d) t.spread(d) = spread_of(truth, d);
  std::vector<double> tolerances;
  for (Index b = 0; b < truth.shape().B; ++b)
    for (Index h = 0; h < truth.shape().H; ++h)
      for (Index s = 0; s < truth.shape().S; ++s)
        tolerances.push_back(tolerance.head(b, h).row(s).maxCoeff());
  if (!tolerances.empty()) {
    const auto middle = tolerances.begin() + static_cast<std::ptrdiff_t>(tolerances.size() / 2);
    std::nth_element(tolerances.begin(), middle, tolerances.end());
    t.usual_tolerance = *middle;
  }
  return t;
}

std::vector<WrongPart> wrong_parts(const RecordedTensor& t) {
  const Shape& shape = t.shape();
  WrongPart whole;
  whole.channels.resize(static_cast<std::size_t>(shape.D));
  std::iota(whole.channels.begin(), whole.channels.end(), Index{0});

  // Rows with few wrong channels, by sequence and head. If most rows of the head are wrong in most channels, the others
  // are so, too, and right by chance in some; so are rows that are wrong in channels of their own
  std::map<std::vector<Index>, WrongPart> narrow;
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h) {
      std::vector<ElementIndex> rows;
      Index wide = 0, elements = 0;  // rows that are wrong in most channels; wrong elements of the others
      std::vector<char> of_head(static_cast<std::size_t>(shape.D));
      const auto few = [&](Index count) {
        return static_cast<double>(count) <= few_channels * static_cast<double>(shape.D);
      };
      for (Index s = 0; s < shape.S; ++s) {
        std::vector<Index> channels;
        for (Index d = 0; d < shape.D; ++d)
          if (wrong(t, {b, s, h, 0}, d)) channels.push_back(d);
        if (channels.empty()) continue;
        if (few(static_cast<Index>(channels.size()))) {
          rows.push_back({b, s, h, 0}), elements += static_cast<Index>(channels.size());
          for (const Index d : channels) of_head[static_cast<std::size_t>(d)] = true;
        } else {
          whole.rows.push_back({b, s, h, 0}), ++wide;
        }
      }
      std::vector<Index> channels;
      for (Index d = 0; d < shape.D; ++d)
        if (of_head[static_cast<std::size_t>(d)]) channels.push_back(d);
      const auto count = static_cast<Index>(rows.size()), width = static_cast<Index>(channels.size());
      std::vector<ElementIndex>& into =
          few(width) && wide < count && 2 * elements >= count * width ? narrow[channels].rows : whole.rows;
      into.insert(into.end(), rows.begin(), rows.end());
    }

  std::vector<WrongPart> parts;
  if (!whole.rows.empty()) parts.push_back(std::move(whole));
  for (auto& [channels, part] : narrow)
    if (!part.rows.empty()) part.channels = channels, parts.push_back(std::move(part));
  return parts;
}

double row_distance(const RecordedTensor& t, const ElementIndex& row, const Vector<double>& candidate,
                    const std::vector<Index>& channels) {
  const auto [b, s, h, unused] = row;
  const double truth = largest(row_of(t.truth, row)), size = largest(candidate);
  const double tolerance = largest(row_of(t.tolerance, row)) * (truth > 0 ? std::max(1.0, size / truth) : 1);
  double worst = 0;
  for (const Index d : channels)
    worst = std::max(worst, error_in_tolerances(t.found(b, s, h, d), candidate(d), tolerance));
  return worst;
}

double evidence_of_agreement(const RecordedTensor& t, const ElementIndex& row,
                             const std::vector<Index>& channels) {
  const auto all = static_cast<Index>(channels.size());
  return evidence_of_agreement(
      t, row, channels, t.freedom.size() > 0 ? static_cast<Index>(t.freedom(row.b, row.s)) + 1 : all + 1);
}

double evidence_of_agreement(const RecordedTensor& t, const ElementIndex& row,
                             const std::vector<Index>& channels, Index keys) {
  const double tolerance = std::max(t.usual_tolerance, largest(row_of(t.tolerance, row)));
  double evidence = 0;
  for (const Index d : channels) {
    const double chance = 4 * tolerance / (2.5 * t.spread(d));
    if (chance < 1) evidence -= std::log10(std::max(chance, 1e-12));
  }
  if (channels.size() == 1) return evidence;
  const double independent =
      std::clamp(static_cast<double>(keys - 1) / static_cast<double>(channels.size()), 0.0, 1.0);
  return independent * evidence / 2;
}

}  // namespace ringattn
