#include "reference/definition/problem.h"

#include <algorithm>

#include "reference/definition/input/bad_input.h"

namespace ringattn {

namespace {

// The sum of a position and a window stays below 2^63
constexpr std::int64_t largest_position = std::int64_t{1} << 62;

void check_positions(const char* name, const RowPositions& positions, Index B, Index S) {
  require(positions.length() == S, "[attention] ", name, " must have one entry for each of the ", S,
          " rows; found ", positions.length());
  require(positions.sequences() == 1 || positions.sequences() == B, "[attention] ", name,
          " must be given once or for each of the ", B, " sequences; found ", positions.sequences());
  for (Index b = 0; b < positions.sequences(); ++b)
    for (const RowPosition& row_position : positions.of(b))
      require(-largest_position < row_position.position && row_position.position < largest_position,
              "[attention] positions in ", name, " must lie within +-2^62; found ", row_position.position);
}

void check_dropout(const Dropout& dropout) {
  require(0 <= dropout.p && dropout.p < 1,
          "[attention] dropout_p must be a probability from 0 to less than 1; found ", dropout.p);
  require(dropout || dropout.p == 0,
          "[attention] dropout needs keep, which says for each pair whether it was kept; found dropout_p = ",
          dropout.p, " alone; pass the choice that your implementation made");
}

// Checks scale and soft-cap after conversion to the arithmetic type: 1e300 is infinite in float
template <class T>
void check_scoring(const Scoring& scoring) {
  const double scale = scoring.softmax_scale.value_or(1), cap = scoring.softcap;
  require(std::isfinite(static_cast<T>(scale)),
          "[attention] softmax_scale must be a finite number in the arithmetic type; found ", scale);
  require(
      cap == 0 || (static_cast<T>(cap) > 0 && std::isfinite(static_cast<T>(cap))),
      "[attention] softcap must be a positive finite number in the arithmetic type, or 0 for none; found ",
      cap);
  for (std::int64_t side : {scoring.mask.window_left, scoring.mask.window_right})
    require(side >= -1 && side < largest_position,
            "[attention] window entries must be -1 (unlimited) or from 0 to 2^62; found ", side);
}

// Checks sinks after conversion to the arithmetic type
template <class T>
void check_sinks(const std::vector<double>& sinks, Index heads) {
  require(sinks.empty() || static_cast<Index>(sinks.size()) == heads,
          "[attention] sinks must have one number for each of the ", heads, " query heads; found ",
          sinks.size());
  for (const double sink : sinks)
    require(sink == minus_infinity<double> || std::isfinite(static_cast<T>(sink)),
            "[attention] sinks must be finite numbers in the arithmetic type, or -inf for none; found ",
            sink);
}

// Checks that the product of a slope and any distance stays finite
template <class T>
void check_slopes(const Problem<T>& problem) {
  const std::vector<double>& slopes = problem.scoring.alibi_slopes;
  if (slopes.empty()) return;
  require(static_cast<Index>(slopes.size()) == problem.Q.shape.H,
          "[attention] alibi_slopes must have one number for each of the ", problem.Q.shape.H,
          " query heads; found ", slopes.size());
  double largest = 0;
  for (const RowPositions* positions : {&problem.q_positions, &problem.kv_positions})
    for (Index b = 0; b < positions->sequences(); ++b)
      for (const RowPosition& row_position : positions->of(b))
        largest = std::max(largest, distance(row_position.position, 0));
  for (const double slope : slopes)
    require(slope >= 0 && std::isfinite(static_cast<T>(4 * slope * std::max(1.0, largest))),
            "[attention] alibi_slopes must be at least 0, and their product with a distance finite in the "
            "arithmetic type; found ",
            slope);
}

}  // namespace

Scoring Scoring::of_heads(Index first, Index count) const {
  Scoring selected = *this;
  for (std::vector<double>* numbers : {&selected.sinks, &selected.alibi_slopes})
    if (!numbers->empty()) *numbers = {numbers->begin() + first, numbers->begin() + first + count};
  return selected;
}

std::vector<double> standard_alibi_slopes(Index heads) {
  std::vector<double> slopes;
  for (Index h = 1; h <= heads; ++h)
    slopes.push_back(std::exp2(-8 * static_cast<double>(h) / static_cast<double>(heads)));
  return slopes;
}

template <class T>
void check(const Problem<T>& problem) {
  // Shapes
  const Shape &q = problem.Q.shape, &k = problem.K.shape, &v = problem.V.shape;
  require(q.D >= 1 && q.H >= 1 && v.D >= 1 && k.H >= 1,
          "[attention] heads and head dimensions must be at least 1; found q ", q, ", k ", k, ", v ", v);
  require(q.B == k.B && k.B == v.B, "[attention] q, k and v must have the same batch; found ", q.B, ", ", k.B,
          " and ", v.B);
  require(k.S == v.S, "[attention] k and v must have the same length; found ", k.S, " and ", v.S);
  require(k.H == v.H, "[attention] k and v must have the same number of heads; found ", k.H, " and ", v.H);
  require(q.D == k.D, "[attention] q and k must have the same head dimension; found ", q.D, " and ", k.D);
  require(q.H % k.H == 0, "[attention] the query heads must be a multiple of the K/V heads; found ", q.H,
          " and ", k.H);

  // Positions and scoring
  check_positions("q_positions", problem.q_positions, q.B, q.S);
  check_positions("kv_positions", problem.kv_positions, k.B, k.S);
  check_scoring<T>(problem.scoring);
  check_sinks<T>(problem.scoring.sinks, q.H);
  check_slopes(problem);
  check_dropout(problem.dropout);
}

template <class T>
Problem<T> with_queries(const Problem<T>& problem, const std::vector<Index>& rows, Tensor<T>& Q) {
  Problem<T> selected = problem;
  Q = select_rows(problem.Q, rows);
  selected.Q = Q;
  selected.q_positions = problem.q_positions.select(rows);
  selected.bias = problem.bias.select_queries(rows), selected.allowed = problem.allowed.select_queries(rows);
  selected.dropout.keep = problem.dropout.keep.select_queries(rows);
  return selected;
}

template <class T>
Problem<T> with_keys(const Problem<T>& problem, const std::vector<Index>& keys, Tensor<T>& K, Tensor<T>& V) {
  Problem<T> selected = problem;
  K = select_rows(problem.K, keys), V = select_rows(problem.V, keys);
  selected.K = K, selected.V = V;
  selected.kv_positions = problem.kv_positions.select(keys);
  selected.bias = problem.bias.select_keys(keys), selected.allowed = problem.allowed.select_keys(keys);
  selected.dropout.keep = problem.dropout.keep.select_keys(keys);
  return selected;
}

template void check(const Problem<float>&);
template void check(const Problem<double>&);
template Problem<float> with_queries(const Problem<float>&, const std::vector<Index>&, Tensor<float>&);
template Problem<double> with_queries(const Problem<double>&, const std::vector<Index>&, Tensor<double>&);
template Problem<double> with_keys(const Problem<double>&, const std::vector<Index>&, Tensor<double>&,
                                   Tensor<double>&);

}  // namespace ringattn
