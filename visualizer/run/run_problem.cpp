#include "visualizer/run/run_problem.h"

#include <cctype>
#include <cmath>

#include "reference/cli/recall/induction_head.h"
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
void embed_words(const RunConfig& c, OwnedProblem<T>& p) {
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

// Rounds every element to _decimals_
template <class T>
void round_to(int decimals, Tensor<T>& tensor) {
  const double unit = std::pow(10, decimals);
  for (Index i = 0; i < tensor.size(); ++i)
    tensor.data()[i] = static_cast<T>(std::round(static_cast<double>(tensor.data()[i]) * unit) / unit);
}

// The induction head of `ringattn recall`: a key holds the words before a word, the query those at the end of the
// prompt
template <class T>
void embed_prompt(const RunConfig& c, OwnedProblem<T>& p) {
  Text text;
  text.append("text", c.text);
  const cli::InductionHead head(text);
  p.K = converted<T, const float>(head.keys()), p.V = converted<T, const float>(head.values());
  p.Q = converted<T, const float>(head.query(cli::InductionHead::tokenize(c.prompt)));
}

template <class T>
void set_scores(const RunConfig& c, OwnedProblem<T>& p) {
  p.Q(0, 0, 0, 0) = 1;
  for (Index j = 0; j < c.keys; ++j) {
    p.K(0, j, 0, 0) = static_cast<T>(c.scores[static_cast<std::size_t>(j)]);
    for (Index d = 0; d < c.v_dim && !c.values.empty(); ++d)
      p.V(0, j, 0, d) = static_cast<T>(c.values[static_cast<std::size_t>(j * c.v_dim + d)]);
  }
}

}  // namespace

template <class T>
OwnedProblem<T> make_run_problem(const RunConfig& c) {
  OwnedProblem<T> p;
  // Inputs
  Random random(c.seed);
  p.Q = normal_tensor<T>({1, c.queries, c.heads, c.dim}, random);
  p.K = normal_tensor<T>({1, c.keys, c.kv_heads, c.dim}, random);
  p.V = normal_tensor<T>({1, c.keys, c.kv_heads, c.v_dim}, random);
  if (!c.scores.empty()) set_scores(c, p);
  if (!c.prompt.empty())
    embed_prompt(c, p);
  else if (!c.text.empty())
    embed_words(c, p);

  // Cotangents, from a generator of their own
  Random random_cotangents(c.seed + 1);
  p.dout = normal_tensor<T>({1, c.queries, c.heads, c.v_dim}, random_cotangents);
  p.dlse = normal_tensor<T>({1, c.queries, c.heads, 1}, random_cotangents);

  if (c.decimals >= 0) {
    for (Tensor<T>* tensor : {&p.Q, &p.K, &p.V, &p.dout}) round_to(c.decimals, *tensor);
    p.dlse = {};
  }

  // Scale, mask and positions
  p.scoring.softmax_scale = c.score_scale / std::sqrt(static_cast<double>(c.dim));
  p.scoring.mask.causal = c.causal;
  p.scoring.mask.window_left = c.window_left;
  p.q_positions =
      consecutive_positions(c.queries, causal_offset(CausalAlign::bottom_right, c.queries, c.keys));
  p.kv_positions = consecutive_positions(c.keys);
  return p;
}

template <class T>
OwnedProblem<double> in_float64(const OwnedProblem<T>& p) {
  OwnedProblem<double> wide;
  wide.Q = converted<double, const T>(p.Q), wide.K = converted<double, const T>(p.K);
  wide.V = converted<double, const T>(p.V), wide.dout = converted<double, const T>(p.dout);
  if (p.dlse.size() > 0) wide.dlse = converted<double, const T>(p.dlse, Axes::bhsd);
  wide.q_positions = p.q_positions, wide.kv_positions = p.kv_positions;
  wide.scoring = p.scoring, wide.dtype = p.dtype;
  return wide;
}

template OwnedProblem<float> make_run_problem(const RunConfig&);
template OwnedProblem<double> make_run_problem(const RunConfig&);
template OwnedProblem<double> in_float64(const OwnedProblem<float>&);
template OwnedProblem<double> in_float64(const OwnedProblem<double>&);

}  // namespace ringattn::viz
