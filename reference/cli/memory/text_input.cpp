#include <algorithm>
#include <cmath>
#include <map>

#include "reference/cli/memory/memory_input.h"
#include "reference/cli/recall/induction_head.h"
#include "reference/definition/input/bad_input.h"

namespace ringattn::cli {

namespace {

constexpr Index most_words = Index{1} << 18;

// The words before word _i_, up to the length of a context
std::vector<std::string> context_of(const InductionHead& head, Index i) {
  std::vector<std::string> words;
  for (Index n = std::max<Index>(0, i - InductionHead::context); n < i; ++n)
    words.push_back(head.normalized_word(n));
  return words;
}

// The words that occur once, after a full context that occurs once, in ascending order
std::vector<Index> unique_words(const InductionHead& head) {
  std::map<std::string, Index> words;
  std::map<std::vector<std::string>, Index> contexts;
  for (Index i = 0; i < head.size(); ++i) ++words[head.normalized_word(i)], ++contexts[context_of(head, i)];
  std::vector<Index> unique;
  for (Index i = InductionHead::context; i < head.size(); ++i)
    if (words[head.normalized_word(i)] == 1 && contexts[context_of(head, i)] == 1) unique.push_back(i);
  return unique;
}

// The unique words closest to the depths, each once
std::vector<Needle> find_needles(const InductionHead& head) {
  const std::vector<Index> unique = unique_words(head);
  const double last = static_cast<double>(head.size() - 1);
  std::vector<Needle> needles;
  for (const double depth : needle_depths) {
    const auto closest = std::min_element(unique.begin(), unique.end(), [&](Index a, Index b) {
      return std::abs(static_cast<double>(a) - depth * last) <
             std::abs(static_cast<double>(b) - depth * last);
    });
    if (closest != unique.end() && (needles.empty() || needles.back().token != *closest))
      needles.push_back({static_cast<double>(*closest) / last, *closest});
  }
  return needles;
}

}  // namespace

MemoryInput text_input(const Text& text) {
  const InductionHead head(text);
  const Index N = head.size();
  require(N <= most_words, "[memory] a text must have at most ", most_words, " words; found ", N,
          "; choose fewer files with --text");
  MemoryInput input;
  input.name = "text";
  input.description =
      "words; each query asks for the word that follows, like the induction head of ringattn recall";
  input.needles = find_needles(head);
  require(!input.needles.empty(), "[memory] a text must have a word that occurs once, after ",
          InductionHead::context, " words that occur together once; found none in ", N,
          " words; choose another --text");

  // The query of a word asks for the next one, whose key is the context up to this word
  OwnedProblem<float>& p = input.inputs;
  p.K = head.keys(), p.V = head.values(), p.Q = Tensor<float>(p.K.shape());
  p.Q.head(0, 0).topRows(N - 1) = p.K.head(0, 0).bottomRows(N - 1);
  p.Q.head(0, 0).row(N - 1) = head.query(context_of(head, N)).head(0, 0).row(0);
  p.q_positions = p.kv_positions = consecutive_positions(N);
  p.scoring.mask.causal = true, p.scoring.softmax_scale = InductionHead::softmax_scale;

  // A question is the context of its needle
  std::vector<Index> tokens;
  for (const Needle& needle : input.needles) tokens.push_back(needle.token);
  input.questions = select_rows<const float>(p.K, tokens);
  return input;
}

}  // namespace ringattn::cli
