#include "reference/oracle/measured/finders/head_map.h"

#include <algorithm>
#include <string_view>

#include "reference/definition/parallel/parallel_for.h"
#include "reference/oracle/measured/head_attention.h"

namespace ringattn {

namespace {

constexpr std::size_t rows_to_try = 3;          // rows of a head on which each source is tried
constexpr double affordable_operations = 1e10;  // multiplications of all tries

// The other heads of the same sequence, and the same head of the other sequences
std::vector<HeadPlace> other_heads(const HeadPlace& right, const Shape& shape) {
  std::vector<HeadPlace> others;
  for (Index h = 0; h < shape.H; ++h)
    if (h != right.h) others.push_back({right.b, h});
  for (Index b = 0; b < shape.B; ++b)
    if (b != right.b) others.push_back({b, right.h});
  return others;
}

struct Source {
  HeadOperands operands;
  const char* what;  // "q", "k", "v", "k and v"
  HeadPlace from, right;
};

std::vector<Source> sources_of(const Problem<double>& problem, const HeadPlace& head) {
  const HeadOperands right = right_operands(problem, head.b, head.h);
  std::vector<Source> sources;
  for (const HeadPlace& kv : other_heads(right.k, problem.K.shape)) {
    sources.push_back({{right.q, kv, kv}, "k and v", kv, right.k});
    sources.push_back({{right.q, kv, right.v}, "k", kv, right.k});
    sources.push_back({{right.q, right.k, kv}, "v", kv, right.v});
  }
  for (const HeadPlace& q : other_heads(right.q, problem.Q.shape))
    sources.push_back({{q, right.k, right.v}, "q", q, right.q});
  return sources;
}

Explanation explain(const Source& source, const Problem<double>& problem) {
  const bool query = std::string_view(source.what) == "q";
  const std::string from = source.from.b != source.right.b
                               ? "sequence " + std::to_string(source.from.b)
                               : (query ? "query head " : "K/V head ") + std::to_string(source.from.h);
  const std::string fix = query ? "Read q of the same head and sequence as out."
                                : "Query head h reads K/V head h div " +
                                      std::to_string(problem.query_heads_per_kv_head()) +
                                      " of its own sequence.";
  return {"head map", std::string("read ") + source.what + " of " + from, fix, "", 0, 1};
}

// The distances of some rows from the output with these operands
std::vector<double> distances(const Problem<double>& problem, const RecordedTensor& out,
                              const WrongPart& part, const std::vector<std::size_t>& rows, Index b,
                              const HeadOperands& operands) {
  std::vector<Index> global;
  for (const std::size_t n : rows) global.push_back(out.global_row(part.rows[n]));
  const AttentionOutput<double> tried = head_attention(problem, b, operands, global, problem.scoring);
  std::vector<double> result;
  for (std::size_t n = 0; n < rows.size(); ++n)
    result.push_back(row_distance(
        out, part.rows[rows[n]], tried.out.head(0, 0).row(static_cast<Index>(n)).transpose(), part.channels));
  return result;
}

// Explains the rows of one head that agree with a source; sources are tried on a few rows first
void explain_by_source(const Problem<double>& problem, const RecordedTensor& out, const WrongPart& part,
                       const HeadPlace& head, const std::vector<std::size_t>& rows,
                       Explanations& explanations) {
  const std::vector<std::size_t> few = some_of(rows, rows_to_try);
  const std::vector<Source> sources = sources_of(problem, head);
  for (const Source& source : sources) {
    const std::vector<double> tried = distances(problem, out, part, few, head.b, source.operands);
    if (*std::min_element(tried.begin(), tried.end()) > largest_explained_error) continue;
    const std::vector<double> all = distances(problem, out, part, rows, head.b, source.operands);
    for (std::size_t n = 0; n < rows.size(); ++n) {
      if (explanations[rows[n]] || !(all[n] <= largest_explained_error)) continue;
      Explanation e = explain(source, problem);
      e.evidence = evidence_of_agreement(out, part.rows[rows[n]], part.channels);
      e.hypotheses = static_cast<double>(sources.size());
      explanations[rows[n]] = e;
    }
  }
}

}  // namespace

void find_head_map(const Problem<double>& problem, const RecordedTensor& out, const WrongPart& part,
                   Explanations& explanations) {
  // Heads in the order of the batch while the tries are affordable
  const RowsOfHead of_heads = unexplained_rows(part, explanations);
  const double tries = static_cast<double>(4 * (problem.Q.shape.H + problem.Q.shape.B)),
               products = static_cast<double>(rows_to_try) *
                          static_cast<double>(problem.K.shape.S * (problem.Q.shape.D + problem.V.shape.D));
  std::vector<RowsOfHead::const_iterator> heads;
  for (auto head = of_heads.begin(); head != of_heads.end(); ++head)
    if (static_cast<double>(heads.size() + 1) * tries * products <= affordable_operations)
      heads.push_back(head);
  parallel_for(static_cast<Index>(heads.size()), [&](Index n) {
    const auto& [head, rows] = *heads[static_cast<std::size_t>(n)];
    explain_by_source(problem, out, part, head, rows, explanations);
  });
}

}  // namespace ringattn
