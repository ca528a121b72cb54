#include "reference/oracle/verdict/impossible_rows.h"

#include <cmath>

#include "reference/definition/error/key_positions.h"
#include "reference/definition/minus_infinity.h"

namespace ringattn {

namespace {

using Result = std::optional<TensorView<const double>>;

// Adds a row s for which impossible(b, s, h, x) holds for an element x to _rows_
template <class Impossible>
void add_rows(const Result& result, const Impossible& impossible, std::vector<char>& rows) {
  if (!result) return;
  const Shape& shape = result->shape;
  for (Index b = 0; b < shape.B; ++b)
    for (Index s = 0; s < shape.S; ++s)
      for (Index h = 0; h < shape.H; ++h)
        for (Index d = 0; d < shape.D; ++d)
          if (impossible(b, s, h, (*result)(b, s, h, d))) rows[static_cast<std::size_t>(s)] = true;
}

std::vector<Index> indices_of(const std::vector<char>& set) {
  std::vector<Index> indices;
  for (std::size_t n = 0; n < set.size(); ++n)
    if (set[n]) indices.push_back(static_cast<Index>(n));
  return indices;
}

}  // namespace

ImpossibleRows find_impossible_rows(const Submission& s) {
  const Problem<double>& p = s.problem;
  const auto not_finite = [](Index, Index, Index, double x) { return !std::isfinite(x); };
  std::vector<KeyPositions> keys;
  if (s.lse)
    for (Index b = 0; b < p.kv_positions.sequences(); ++b) keys.emplace_back(p.kv_positions.of(b));
  const auto wrong_lse = [&](Index b, Index i, Index h, double x) {
    if (x != minus_infinity<double>) return !std::isfinite(x);
    if (p.scoring.sink(h) != minus_infinity<double>) return true;
    return sees_a_key(p, keys[keys.size() == 1 ? 0 : static_cast<std::size_t>(b)], b, h, i);
  };

  std::vector<char> queries(static_cast<std::size_t>(p.Q.shape.S)),
      of_keys(static_cast<std::size_t>(p.K.shape.S));
  add_rows(s.out, not_finite, queries), add_rows(s.dq, not_finite, queries);
  add_rows(s.lse, wrong_lse, queries);
  add_rows(s.dk, not_finite, of_keys), add_rows(s.dv, not_finite, of_keys);
  return {indices_of(queries), indices_of(of_keys)};
}

}  // namespace ringattn
