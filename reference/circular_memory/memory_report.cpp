#include "reference/circular_memory/memory_report.h"

#include <algorithm>
#include <sstream>

#include "reference/definition/attention.h"
#include "reference/definition/error/chunked.h"
#include "reference/definition/error/comparison.h"

namespace ringattn {

ExactRows::ExactRows(const Problem<double>& problem, std::vector<Index> query_rows)
    : rows(std::move(query_rows)) {
  Tensor<double> Q;
  const Problem<double> of_rows = with_queries(problem, rows, Q);
  AttentionOutput<double> attended = in_chunks_of_queries(ringattn::attention<double>, problem, rows);
  for (Index b = 0; b < Q.shape().B; ++b)
    for (Index h = 0; h < Q.shape().H; ++h) P.push_back(probabilities(of_rows, attended.lse, b, h));
  out = std::move(attended.out);
}

std::string MemoryReport::sentence() const {
  std::ostringstream line;
  line.precision(2);
  if (is_exact()) {
    line << "exact up to rounding: it keeps all " << tokens.seen() << " tokens";
    return line.str();
  }
  line << "approximate: of " << tokens.seen() << " tokens it keeps " << tokens.kept();
  if (tokens.pooled > 0) line << ", " << tokens.pooled << " pooled";
  if (tokens.linear > 0) line << ", " << tokens.linear << " in the linear memory";
  if (tokens.dropped > 0) line << ", and drops " << tokens.dropped;
  line << "; attention mass kept " << mass_kept;
  if (tokens.pooled > 0) line << ", pooled " << mass_pooled;
  line << "; error against exact attention " << error;
  return line.str();
}

namespace {

// Adds the probabilities, of row _row_ of P, of the tokens in the slots
template <class T>
void add_mass(const Slots<T>& slots, const Matrix<double>& P, Index row, MemoryReport& report) {
  for (Index slot = 0; slot < slots.tokens.rows(); ++slot) {
    const Index count = slots.token_count(slot);
    double& mass = count > 1 ? report.mass_pooled : report.mass_kept;
    for (Index n = 0; n < count; ++n) mass += P(row, slots.tokens(slot, n));
  }
}

}  // namespace

template <class T>
MemoryReport report_memory(const Problem<T>& problem, const MemoryOptions& options, const ExactRows& exact,
                           const AfterToken<T>& after_token) {
  MemoryReport report;
  const Index heads = problem.Q.shape.H, heads_of_group = problem.query_heads_per_kv_head(),
              last = problem.K.shape.S - 1;
  const Tensor<T> out = circular_attention<T>(
      problem, options, [&](Index b, Index g, Index token, const StreamingAttention<T>& attention) {
        // The mass, if the row is compared
        const auto row = std::lower_bound(exact.rows.begin(), exact.rows.end(), token);
        if (row != exact.rows.end() && *row == token)
          for (Index h = g * heads_of_group; h < (g + 1) * heads_of_group; ++h)
            add_mass(attention.memory().slots(), exact.P[static_cast<std::size_t>(b * heads + h)],
                     row - exact.rows.begin(), report);

        // The counts, after the last token
        if (token == last) {
          report.tokens = attention.memory().token_counts();
          report.bytes += attention.memory().bytes();
          report.multiply_adds += attention.multiply_adds();
        }
        if (after_token) after_token(b, g, token, attention);
      });

  // Rounding errors are in proportion to the terms of a sum; the error of an approximation is compared with the sum
  report.error = compare<T>(select_rows<const T>(out, exact.rows), exact.out, exact.out).relative_error;
  const auto masses = static_cast<double>(exact.P.size() * exact.rows.size());
  report.mass_kept /= masses, report.mass_pooled /= masses;
  return report;
}

template MemoryReport report_memory(const Problem<float>&, const MemoryOptions&, const ExactRows&,
                                    const AfterToken<float>&);
template MemoryReport report_memory(const Problem<double>&, const MemoryOptions&, const ExactRows&,
                                    const AfterToken<double>&);

}  // namespace ringattn
