#include "reference/oracle/measured/finders/ignored_terms.h"

#include <list>

#include "reference/definition/error/chunked.h"
#include "reference/definition/pair_tensor.h"
#include "reference/oracle/measured/head_attention.h"

namespace ringattn {

namespace {

// The problem of one head with some terms ignored, added or inverted
struct AlteredTerms {
  std::string predicate, fix;
  Problem<double> problem;  // of one head
};

// The opposite of booleans (1, 1, Sq, Skv)
PairTensor<bool> opposite(const PairView<bool>& booleans, Index Sq, Index Skv) {
  PairTensor<bool> result(1, 1, Sq, Skv);
  for (Index i = 0; i < Sq; ++i)
    for (Index j = 0; j < Skv; ++j) result(0, 0, i, j) = !booleans(0, 0, i, j);
  return result;
}

// The alterations of the terms of some rows of a head; _one_ is the right problem. The opposites are kept in
// _opposites_
std::vector<AlteredTerms> alterations_of(const Problem<double>& problem, const Problem<double>& one,
                                         const HeadPlace& head, const std::vector<Index>& rows,
                                         std::list<PairTensor<bool>>& opposites) {
  std::vector<AlteredTerms> alterations;
  const auto add = [&](const char* predicate, const char* fix, const auto& change) {
    alterations.push_back({predicate, fix, one});
    change(alterations.back().problem);
  };
  const auto opposite_of = [&](const PairView<bool>& booleans) -> PairView<bool> {
    return opposites.emplace_back(opposite(booleans, one.Q.shape.S, one.K.shape.S));
  };
  if (one.bias) {
    add("are those without the bias", "Add the bias to the scores before the softmax.",
        [](auto& other) { other.bias = {}; });
    if (head.h > 0)
      add("have the bias of head 0", "Each query head has its own bias unless the extent of its heads is 1.",
          [&](auto& other) { other.bias = problem.bias.head(head.b, 0).select_queries(rows); });
  }
  if (one.scoring.alibi_slope(0) > 0)
    add("are those without ALiBi", "Subtract slope |q_position - kv_position| from the capped scores.",
        [](auto& other) { other.scoring.alibi_slopes.clear(); });
  if (one.allowed) {
    add("are those without the boolean mask", "A pair that is false in the mask has the score -inf.",
        [](auto& other) { other.allowed = {}; });
    add("attend to the keys that the mask hides, and to no others",
        "True means that a query attends to the key.",
        [&](auto& other) { other.allowed = opposite_of(one.allowed); });
    if (head.h > 0)
      add("have the boolean mask of head 0",
          "Each query head has its own mask unless the extent of its heads is 1.",
          [&](auto& other) { other.allowed = problem.allowed.head(head.b, 0).select_queries(rows); });
  }
  if (one.dropout) {
    add("are those without dropout", "Multiply P by keep / (1 - p) after the softmax.",
        [](auto& other) { other.dropout = {}; });
    add("lack the factor 1 / (1 - p) of dropout", "Multiply P by keep / (1 - p) after the softmax.",
        [](auto& other) { other.dropout.p = 0; });
    add("drop the pairs that keep keeps, and keep the others", "True in keep means that the pair is kept.",
        [&](auto& other) { other.dropout.keep = opposite_of(one.dropout.keep); });
  }
  return alterations;
}

void explain_by_altered_terms(const Problem<double>& problem, const RecordedTensor& tensor,
                              const WrongPart& part, const HeadPlace& head,
                              const std::vector<std::size_t>& places, Explanations& explanations) {
  // The right problem of these rows
  std::vector<Index> rows;
  for (const std::size_t n : places) rows.push_back(tensor.global_row(part.rows[n]));
  Tensor<double> Q;
  const Problem<double> one = one_head(problem, head.b, right_operands(problem, head.b, head.h), rows, Q);

  // Each alteration of its terms
  std::list<PairTensor<bool>> opposites;
  const std::vector<AlteredTerms> alterations = alterations_of(problem, one, head, rows, opposites);
  for (const AlteredTerms& altered : alterations) {
    const AttentionOutput<double> tried =
        in_chunks_of_queries(attention<double>, altered.problem, all_rows(one.Q.shape.S));
    const Tensor<double>& numbers = tensor.name == "lse" ? tried.lse : tried.out;
    for (std::size_t n = 0; n < places.size(); ++n) {
      const ElementIndex& row = part.rows[places[n]];
      if (explanations[places[n]] ||
          !(row_distance(tensor, row, numbers.head(0, 0).row(static_cast<Index>(n)).transpose(),
                         part.channels) <= largest_explained_error))
        continue;
      explanations[places[n]] = Explanation{.kind = "pair terms",
                                            .predicate = altered.predicate,
                                            .fix = altered.fix,
                                            .evidence = evidence_of_agreement(tensor, row, part.channels),
                                            .hypotheses = static_cast<double>(alterations.size())};
    }
  }
}

}  // namespace

void find_ignored_terms(const Problem<double>& problem, const RecordedTensor& tensor, const WrongPart& part,
                        Explanations& explanations) {
  if (!problem.has_pair_terms() && problem.scoring.alibi_slopes.empty()) return;
  const RowsOfHead of_heads = unexplained_rows(part, explanations);
  for (const auto& [head, rows] : of_heads)
    explain_by_altered_terms(problem, tensor, part, head, rows, explanations);
}

}  // namespace ringattn
