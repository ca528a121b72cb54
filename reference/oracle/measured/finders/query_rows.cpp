#include "reference/oracle/measured/finders/query_rows.h"

#include <algorithm>
#include <map>

#include "reference/definition/error/chunked.h"
#include "reference/definition/parallel/parallel_for.h"
#include "reference/oracle/measured/head_attention.h"

namespace ringattn {

namespace {

constexpr std::size_t rows_to_shift = 8, least_rows_of_shift = 3;
constexpr double affordable_tries = 1 << 26;  // pairs of query and key, for all rows that are tried

// out of one head at the positions of the rows _at_, with the queries of the rows _of_
Matrix<double> with_queries_of(const Problem<double>& problem, const HeadPlace& head,
                               const std::vector<Index>& at, const std::vector<Index>& of) {
  Tensor<double> Q;
  Problem<double> one = one_head(problem, head.b, right_operands(problem, head.b, head.h), of, Q);
  one.q_positions = problem.q_positions.sequence(head.b).select(at);
  return attention(one).out.head(0, 0);
}

// One head of the wrong rows
class ShiftedHead {
 public:
  ShiftedHead(const Problem<double>& problem, const RecordedTensor& out, const WrongPart& part,
              const HeadPlace& head, const std::vector<std::size_t>& rows)
      : problem_(problem), out_(out), part_(part), head_(head), rows_(rows) {}

  // The shift that explains most of some rows; 0 if none does
  Index best_shift() const {
    std::map<Index, std::size_t> votes;
    const std::vector<Index> sources = all_rows(problem_.Q.shape.S);
    for (const std::size_t n : some_of(rows_, rows_to_shift)) {
      const Index i = out_.global_row(part_.rows[n]);
      const Matrix<double> tried =
          with_queries_of(problem_, head_, std::vector<Index>(sources.size(), i), sources);
      for (const Index source : sources)
        if (source != i && agrees(n, tried.row(source))) ++votes[source - i];
    }
    const auto best = std::max_element(votes.begin(), votes.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    return best != votes.end() && best->second >= least_rows_of_shift ? best->first : 0;
  }

  void explain(Index shift, Explanations& explanations) const {
    std::vector<std::size_t> rows;
    std::vector<Index> at, of;
    for (const std::size_t n : rows_) {
      const Index i = out_.global_row(part_.rows[n]);
      if (i + shift < 0 || i + shift >= problem_.Q.shape.S) continue;
      rows.push_back(n), at.push_back(i), of.push_back(i + shift);
    }
    const Matrix<double> tried = with_queries_of(problem_, head_, at, of);
    for (std::size_t n = 0; n < rows.size(); ++n)
      if (agrees(rows[n], tried.row(static_cast<Index>(n))))
        explanations[rows[n]] = {"query rows",
                                 std::string("read, in place of the query of row i, that of row i ") +
                                     (shift < 0 ? "- " : "+ ") + std::to_string(std::abs(shift)) +
                                     ", with their own mask",
                                 "Check the offset and the stride with which q is read in these rows.",
                                 "",
                                 evidence_of_agreement(out_, part_.rows[rows[n]], part_.channels),
                                 2 * static_cast<double>(problem_.Q.shape.S)};
  }

 private:
  bool agrees(std::size_t n, const Vector<double>& candidate) const {
    return row_distance(out_, part_.rows[n], candidate, part_.channels) <= largest_explained_error;
  }

  const Problem<double>& problem_;
  const RecordedTensor& out_;
  const WrongPart& part_;
  HeadPlace head_;
  const std::vector<std::size_t>& rows_;
};

}  // namespace

void find_query_rows(const Problem<double>& problem, const RecordedTensor& out, const WrongPart& part,
                     Explanations& explanations) {
  const RowsOfHead of_heads = unexplained_rows(part, explanations);
  const double tries = static_cast<double>(of_heads.size() * rows_to_shift) *
                       static_cast<double>(problem.Q.shape.S) * static_cast<double>(problem.K.shape.S);
  if (tries > affordable_tries) return;
  std::vector<const RowsOfHead::value_type*> heads;
  for (const auto& head : of_heads) heads.push_back(&head);
  parallel_for(static_cast<Index>(heads.size()), [&](Index n) {
    const auto& [head, rows] = *heads[static_cast<std::size_t>(n)];
    const ShiftedHead shifted(problem, out, part, head, rows);
    if (const Index shift = shifted.best_shift(); shift != 0) shifted.explain(shift, explanations);
  });
}

}  // namespace ringattn
