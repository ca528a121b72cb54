#include "reference/cli/memory/memory_experiment.h"

#include <algorithm>

#include "reference/definition/error/chunked.h"
#include "reference/definition/parallel/parallel_for.h"

namespace ringattn::cli {

namespace {

// As many rows of the last quarter as have at most 64 MiB of probabilities, up to 96
std::vector<Index> compared_rows(Index tokens) {
  const Index first = 3 * tokens / 4, most = std::clamp<Index>((Index{1} << 23) / tokens, 8, 96),
              count = std::min(most, tokens - first);
  std::vector<Index> rows;
  for (Index n = 1; n <= count; ++n) rows.push_back(first + n * (tokens - first) / count - 1);
  return rows;
}

ExactRows exact_rows(const OwnedProblem<float>& p, std::vector<Index> rows) {
  const Tensor<double> Q = converted<double>(p.Q.view()), K = converted<double>(p.K.view()),
                       V = converted<double>(p.V.view());
  return {Problem<double>{Q, K, V, p.q_positions, p.kv_positions, p.scoring, {}, {}}, std::move(rows)};
}

// For each answer, whether the value with the smallest angle to it is that of its needle
std::vector<bool> found_needles(const Matrix<float>& answers, const MemoryInput& input) {
  const auto V = input.inputs.V.head(0, 0);
  const Vector<float> norms = V.rowwise().norm();
  std::vector<bool> found;
  for (std::size_t n = 0; n < input.needles.size(); ++n) {
    Index closest = 0;
    (V * answers.row(static_cast<Index>(n)).transpose()).cwiseQuotient(norms).maxCoeff(&closest);
    found.push_back(closest == input.needles[n].token);
  }
  return found;
}

// The compared rows, then the questions, as queries after the last token
OwnedProblem<float> asked_problem(const MemoryInput& input, const std::vector<Index>& rows) {
  const OwnedProblem<float>& p = input.inputs;
  const auto count = static_cast<Index>(rows.size()), asked = std::ssize(input.needles);
  OwnedProblem<float> problem = p;
  problem.Q = Tensor<float>({1, count + asked, 1, p.Q.shape().D});
  problem.Q.head(0, 0).topRows(count) = select_rows<const float>(p.Q, rows).head(0, 0);
  if (asked > 0) problem.Q.head(0, 0).bottomRows(asked) = input.questions.head(0, 0);
  std::vector<Index> positions = rows;
  positions.insert(positions.end(), static_cast<std::size_t>(asked), input.tokens() - 1);
  problem.q_positions = p.q_positions.select(positions);
  return problem;
}

RingResult run_ring(const MemoryInput& input, const ExactRows& exact, const RingOptions& options) {
  const OwnedProblem<float> asked = asked_problem(input, exact.rows);
  const AttentionOutput<float> found = ring_attention(asked.problem(), options);
  const auto rows = std::ssize(exact.rows), needles = std::ssize(input.needles);
  const auto N = static_cast<double>(input.tokens());
  const Shape &k = asked.K.shape(), &v = asked.V.shape();
  RingResult result;
  result.check = check_against_definition<float>(asked, options, found, nullptr);
  result.error = compare<float>(select_rows<const float>(found.out, all_rows(rows)), exact.out, exact.out)
                     .relative_error;
  result.found = found_needles(found.out.head(0, 0).bottomRows(needles), input);
  result.bytes = asked.K.bytes() + asked.V.bytes() + asked.kv_positions.bytes();
  result.multiply_adds = N * (N + 1) / 2 * static_cast<double>(k.D + v.D);
  return result;
}

MemoryResult run_memory(const MemoryInput& input, const ExactRows& exact, const NamedMemory& memory,
                        ProgressBar& progress) {
  MemoryResult result;
  result.memory = memory;
  const auto after_token = [&](Index, Index, Index token, const StreamingAttention<float>& attention) {
    progress.advance();
    if (token == input.tokens() - 1 && !input.needles.empty())
      result.found = found_needles(attention.attend(input.questions.head(0, 0)), input);
  };
  result.report = report_memory<float>(input.inputs.problem(), memory.options, exact, after_token);
  return result;
}

}  // namespace

InputResult run_experiment(const MemoryInput& input, const std::vector<NamedMemory>& memories,
                           const RingOptions& ring, ProgressBar& progress) {
  const ExactRows exact = exact_rows(input.inputs, compared_rows(input.tokens()));
  InputResult result;
  result.input = input.name, result.description = input.description;
  result.tokens = input.tokens(), result.dim = input.inputs.K.shape().D;
  result.compared_rows = std::ssize(exact.rows);
  result.needles = input.needles;
  result.ring = run_ring(input, exact, ring);
  result.memories.resize(memories.size());
  parallel_for(std::ssize(memories), [&](Index n) {
    const auto i = static_cast<std::size_t>(n);
    result.memories[i] = run_memory(input, exact, memories[i], progress);
  });
  return result;
}

}  // namespace ringattn::cli
