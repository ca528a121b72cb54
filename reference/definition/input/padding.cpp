#include "reference/definition/input/padding.h"

#include "reference/definition/input/bad_input.h"

namespace ringattn {

namespace {

constexpr std::int64_t padding_queries = INT64_MIN, padding_keys = INT64_MIN + 1;

Index rows_used(const UsedRows& used, Index b, Index S) { return used.size() > 0 ? used.row(b).count() : S; }

// Gives the padding the segment id _document_, in a copy of the positions for each of B sequences
RowPositions with_padding(const UsedRows& used, const RowPositions& positions, Index B,
                          std::int64_t document) {
  if (used.size() == 0) return positions;
  RowPositions padded(B, positions.length());
  for (Index b = 0; b < B; ++b)
    for (Index i = 0; i < positions.length(); ++i) {
      RowPosition& row = padded.of(b)[static_cast<std::size_t>(i)];
      row = positions.of(b)[static_cast<std::size_t>(i)];
      require(row.segment > padding_keys,
              "[padding] segment ids must be larger than -2^63 + 1 beside padding; found ", row.segment,
              "; choose other ids");
      if (!used(b, i)) row.segment = document;
    }
  return padded;
}

}  // namespace

UsedRows first_rows_used(const std::string& name, const std::vector<std::int64_t>& seqused, Index B,
                         Index S) {
  require(static_cast<Index>(seqused.size()) == B, "[", name, "] there must be one length for each of the ",
          B, " sequences; found ", seqused.size(), "; pass one per sequence");
  UsedRows used(B, S);
  for (Index b = 0; b < B; ++b) {
    const std::int64_t length = seqused[static_cast<std::size_t>(b)];
    require(0 <= length && length <= S, "[", name, "] a length must be from 0 to the number of rows, ", S,
            "; found ", length, " in sequence ", b, "; correct it");
    for (Index i = 0; i < S; ++i) used(b, i) = i < length;
  }
  return used;
}

bool equal_lengths(const PaddedRows& rows, Index B, Index Sq, Index Skv) {
  for (Index b = 0; b < B; ++b)
    if (rows_used(rows.queries, b, Sq) != rows_used(rows.keys, b, Skv)) return false;
  return true;
}

RowPositions aligned_positions(CausalAlign align, const PaddedRows& rows, Index B, Index Sq, Index Skv) {
  if (!rows.any()) return consecutive_positions(Sq, causal_offset(align, Sq, Skv));
  RowPositions positions(B, Sq);
  for (Index b = 0; b < B; ++b) {
    std::int64_t position =
        causal_offset(align, rows_used(rows.queries, b, Sq), rows_used(rows.keys, b, Skv));
    for (RowPosition& row : positions.of(b)) row.position = position++;
  }
  return positions;
}

void hide_padding(const PaddedRows& rows, Index B, RowPositions& q, RowPositions& kv) {
  q = with_padding(rows.queries, q, B, padding_queries);
  kv = with_padding(rows.keys, kv, B, padding_keys);
}

template <class T>
void fill_padding(const UsedRows& used, T number, Tensor<T>& tensor) {
  for (Index b = 0; b < used.rows(); ++b)
    for (Index s = 0; s < used.cols(); ++s) {
      if (used(b, s)) continue;
      for (Index h = 0; h < tensor.shape().H; ++h) tensor.head(b, h).row(s).setConstant(number);
    }
}

template <class T>
void fill_padding_of_lse(const UsedRows& used, const Scoring& scoring, Tensor<T>& lse) {
  for (Index b = 0; b < used.rows(); ++b)
    for (Index s = 0; s < used.cols(); ++s)
      for (Index h = 0; h < lse.shape().H && !used(b, s); ++h)
        lse(b, s, h, 0) = static_cast<T>(scoring.sink(h));
}

std::string describe(const PaddedRows& rows) {
  const auto count = [](const UsedRows& used) { return std::to_string(used.size() - used.count()); };
  return count(rows.queries) + " queries and " + count(rows.keys) +
         " keys, over all sequences, are padding, which is neither read nor judged";
}

template void fill_padding(const UsedRows&, float, Tensor<float>&);
template void fill_padding(const UsedRows&, double, Tensor<double>&);
template void fill_padding_of_lse(const UsedRows&, const Scoring&, Tensor<double>&);

}  // namespace ringattn
