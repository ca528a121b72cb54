// Inputs of `ringattn memory` that are generated from a seed, with needles whose recall is measured.

#include <cmath>

#include "reference/circular_memory/slots.h"
#include "reference/cli/memory/memory_input.h"
#include "reference/definition/random.h"

namespace ringattn::cli {

namespace {

constexpr Index head_dim = 64;

struct InputKind {
  const char *name, *description;
};
constexpr InputKind kinds[] = {
    {"random", "each query attends to all tokens alike"},
    {"local", "attention goes to recent tokens: keys drift, and each query asks for its own key"},
    {"sink", "each query attends to the first token more than to all others together"},
    {"topics",
     "every fourth query asks for one of the needles so far, the others attend to all tokens alike"},
    {"needle", "as random; the needles are asked for after the last token only"},
};

// A query of norm 3 sqrt(D) in the direction of a key. The score of that key is about 3 sqrt(D) = 24; those of others
// have variance 9, so that N of them weigh about N exp(4.5) together: exp(15.6) for N = 65,536.
RowVector<float> question(const RowVector<float>& key) {
  return static_cast<float>(3 * std::sqrt(static_cast<double>(head_dim))) * key.normalized();
}

// Normal numbers
MemoryInput random_input(Index tokens, Random& random) {
  MemoryInput input;
  OwnedProblem<float>& p = input.inputs;
  for (Tensor<float>* tensor : {&p.Q, &p.K, &p.V})
    *tensor = normal_tensor<float>({1, tokens, 1, head_dim}, random);
  p.q_positions = p.kv_positions = consecutive_positions(tokens);
  p.scoring.mask.causal = true;
  return input;
}

void add_needles(MemoryInput& input) {
  input.questions = Tensor<float>({1, static_cast<Index>(std::size(needle_depths)), 1, head_dim});
  for (const double depth : needle_depths) {
    const Index token = std::llround(depth * static_cast<double>(input.tokens() - 1));
    input.questions.head(0, 0).row(static_cast<Index>(input.needles.size())) =
        question(input.inputs.K.head(0, 0).row(token));
    input.needles.push_back({depth, token});
  }
}

// Keys drift, k_i = rho k_(i-1) + sqrt(1 - rho^2) n_i with normal n_i, and each query asks for its own key
void make_local(MemoryInput& input) {
  const float rho = 1 - 1.0F / 64, noise = std::sqrt(1 - rho * rho);
  auto Q = input.inputs.Q.head(0, 0), K = input.inputs.K.head(0, 0);
  for (Index i = 1; i < K.rows(); ++i) K.row(i) = rho * K.row(i - 1) + noise * K.row(i);
  for (Index i = 0; i < K.rows(); ++i) Q.row(i) = question(K.row(i));
}

// Every query has a component along the first key that raises its score by log N + 3: the first token weighs more than
// all others together
void make_sink(MemoryInput& input) {
  auto Q = input.inputs.Q.head(0, 0);
  const RowVector<float> k = input.inputs.K.head(0, 0).row(0);
  const double raise = std::log(static_cast<double>(Q.rows())) + 3,
               scale = input.inputs.scoring.scale(head_dim);
  Q.rowwise() += static_cast<float>(raise / scale / static_cast<double>(k.squaredNorm())) * k;
}

// Every fourth query asks for one of the needles so far, if there is one
void make_topics(MemoryInput& input, Random& random) {
  auto Q = input.inputs.Q.head(0, 0);
  std::int64_t known = 0;
  for (Index i = 0; i < Q.rows(); ++i) {
    while (known < std::ssize(input.needles) && input.needles[static_cast<std::size_t>(known)].token <= i)
      ++known;
    if (i % 4 == 0 && known > 0) Q.row(i) = input.questions.head(0, 0).row(random.below(known));
  }
}

}  // namespace

std::vector<std::string> generated_inputs() {
  std::vector<std::string> names;
  for (const InputKind& kind : kinds) names.emplace_back(kind.name);
  return names;
}

MemoryInput generate_input(const std::string& name, Index tokens, std::uint64_t seed) {
  Random random(seed);
  MemoryInput input = random_input(tokens, random);
  for (const InputKind& kind : kinds)
    if (kind.name == name) input.name = kind.name, input.description = kind.description;
  if (name == "topics" || name == "needle") add_needles(input);
  if (name == "local") make_local(input);
  if (name == "sink") make_sink(input);
  if (name == "topics") make_topics(input, random);
  return input;
}

}  // namespace ringattn::cli
