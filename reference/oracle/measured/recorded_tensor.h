#pragma once

#include <string>
#include <vector>

#include "reference/oracle/verdict/boxes.h"

namespace ringattn {

// A head of one sequence of a tensor.
struct HeadPlace {
  Index b = 0, h = 0;
  auto operator<=>(const HeadPlace&) const = default;
};

// One submitted tensor beside the truth, on the judged rows.
struct RecordedTensor {
  std::string name;                        // "out", "lse", "dq", "dk", "dv"
  Tensor<double> found, truth, tolerance;  // (B, judged rows, H, D)
  double limit = largest_note;             // the largest error of a right element, in tolerances
  BoxSpace space;                          // space.rows: the global rows
  Vector<double> spread;  // (D) width of the middle half of the truth, as a standard deviation
  Matrix<double>
      freedom;  // (B, rows) independent numbers of a row: keys of out beyond the first; empty: all channels
  double usual_tolerance = 0;  // the median over the rows of their largest tolerance

  const Shape& shape() const { return truth.shape(); }
  Index global_row(const ElementIndex& place) const { return space.rows[static_cast<std::size_t>(place.s)]; }
};

RecordedTensor record(std::string name, Tensor<double> found, const Tensor<double>& truth,
                      const Tensor<double>& tolerance, double limit, const BoxSpace& space);

// Wrong rows that are wrong in the same channels: all others are right in each of these rows.
struct WrongPart {
  std::vector<ElementIndex> rows;  // places in the judged rows (d is unused)
  std::vector<Index> channels;     // ascending
};

// The wrong rows of a tensor, by channels: rows that are wrong in most channels, and, for each sequence and head, rows
// that are wrong in few of them
std::vector<WrongPart> wrong_parts(const RecordedTensor& tensor);

// The largest |found - candidate| of some channels of a row, in tolerances of the row. They are those of the truth,
// multiplied by max(1, |candidate| / |truth|), as in measure_distance(); NaN and infinities give infinity.
double row_distance(const RecordedTensor& tensor, const ElementIndex& row, const Vector<double>& candidate,
                    const std::vector<Index>& channels);

// The largest such distance of a right explanation of a row
inline constexpr double largest_explained_error = 2;

// The same if a number was fitted to the rows, which brings an explanation nearer
inline constexpr double largest_fitted_error = 0.5;

// The evidence that agreement of a row with an independent right row is no chance: minus the decimal logarithm of the
// probability. A channel agrees by chance in the share 2 x 2 tolerances of its spread over all rows; channels may
// depend on each other, so that half of them count, and no more than a row has independent numbers.
double evidence_of_agreement(const RecordedTensor& tensor, const ElementIndex& row,
                             const std::vector<Index>& channels);

// The same for a row that is explained by a sum over a number of keys of its own
double evidence_of_agreement(const RecordedTensor& tensor, const ElementIndex& row,
                             const std::vector<Index>& channels, Index keys);

}  // namespace ringattn
