#include "visualizer/run/run_problem.h"

#include <cctype>
#include <cmath>

#include "reference/definition/random.h"

namespace ringattn::viz {

namespace {

// Score of a word against itself
constexpr double sharpness = 4;

bool is_punctuation(char c) { return std::ispunct(static_cast<unsigned char>(c)) != 0; }

// A word without punctuation at its ends and in lower case: words that differ only in these are equal
std::string normalized(std::string word) {
  while (word.size() > 1 && is_punctuation(word.back())) word.pop_back();
  while (word.size() > 1 && is_punctuation(word.front())) word.erase(word.begin());
  for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return word;
}

// A generator seeded by the word alone (FNV-1a hash), so that its numbers do not depend on the other words
Random random_of(const std::string& word, std::uint64_t seed) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : word) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return Random(hash + seed);
}

// Each word has a random unit vector in each K/V head. This is its key; its query is the same vector scaled such that a
// score is _sharpness_ times the cosine between two words
template <class T>
void embed_words(const RunConfig& c, RunProblem<T>& p) {
  const double length = sharpness * std::sqrt(static_cast<double>(c.dim));
  const std::vector<std::string> words = words_of(c);
  for (Index i = 0; i < c.keys; ++i) {
    Random random = random_of(normalized(words[static_cast<std::size_t>(i)]), c.seed);
    for (Index h = 0; h < c.kv_heads; ++h) {
      Eigen::RowVectorXd direction(c.dim);
      for (double& x : direction) x = random.normal();
      direction.normalize();
      p.K.head(0, h).row(i) = direction.template cast<T>();
      for (Index d = 0; d < c.v_dim; ++d) p.V(0, i, h, d) = static_cast<T>(random.normal());

      const Index group = c.heads / c.kv_heads;
      for (Index g = 0; g < group; ++g)
        p.Q.head(0, h * group + g).row(i) = (length * direction).template cast<T>();
    }
  }
}

template <class T>
void set_scores(const RunConfig& c, RunProblem<T>& p) {
  p.Q(0, 0, 0, 0) = 1;
  for (Index j = 0; j < c.keys; ++j) {
    p.K(0, j, 0, 0) = static_cast<T>(c.scores[static_cast<std::size_t>(j)]);
    for (Index d = 0; d < c.v_dim && !c.values.empty(); ++d)
      p.V(0, j, 0, d) = static_cast<T>(c.values[static_cast<std::size_t>(j * c.v_dim + d)]);
  }
}

}  // namespace

template <class T>
RunProblem<T>::RunProblem(const RunConfig& c) {
  Random random(c.seed);
  // Inputs
  Q = normal_tensor<T>({1, c.queries, c.heads, c.dim}, random);
  K = normal_tensor<T>({1, c.keys, c.kv_heads, c.dim}, random);
  V = normal_tensor<T>({1, c.keys, c.kv_heads, c.v_dim}, random);
  if (!c.scores.empty()) set_scores(c, *this);
  if (!c.text.empty()) embed_words(c, *this);

  // Cotangents, from a generator of their own
  Random random_cotangents(c.seed + 1);
  dout = normal_tensor<T>({1, c.queries, c.heads, c.v_dim}, random_cotangents);
  dlse = normal_tensor<T>({1, c.queries, c.heads, 1}, random_cotangents);

  // Scale, mask and positions
  scoring.softmax_scale = c.score_scale / std::sqrt(static_cast<double>(c.dim));
  scoring.mask.causal = c.causal;
  scoring.mask.window_left = c.window_left;
  q_positions_ =
      consecutive_positions(c.queries, causal_offset(CausalAlign::bottom_right, c.queries, c.keys));
  kv_positions_ = consecutive_positions(c.keys);
}

template <class T>
Tensor<double> RunProblem<T>::dense() const {
  const auto q = converted<double, const T>(Q), k = converted<double, const T>(K),
             v = converted<double, const T>(V);
  return attention<double>({q, k, v, q_positions_, kv_positions_, scoring, {}, {}}).out;
}

template struct RunProblem<float>;
template struct RunProblem<double>;

}  // namespace ringattn::viz
