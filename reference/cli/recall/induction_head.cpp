#include "reference/cli/recall/induction_head.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "reference/definition/input/bad_input.h"
#include "reference/files/available_memory.h"

namespace ringattn::cli {

namespace {

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

// Lower case, without punctuation at the ends; a word of punctuation alone is kept
std::string normalized(const std::string& original) {
  const auto is_punctuation = [](char c) { return std::ispunct(static_cast<unsigned char>(c)) != 0; };
  std::size_t begin = 0, end = original.size();
  while (begin < end && is_punctuation(original[begin])) ++begin;
  while (end > begin && is_punctuation(original[end - 1])) --end;
  std::string word = begin == end ? original : original.substr(begin, end - begin);
  for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return word;
}

// Calls visit(word, offset) for each run of characters without white space
template <class Visit>
void for_each_word(const std::string& text, const Visit& visit) {
  for (std::size_t begin = 0; begin < text.size();) {
    if (is_space(text[begin])) {
      ++begin;
      continue;
    }
    std::size_t end = begin;
    while (end < text.size() && !is_space(text[end])) ++end;
    visit(text.substr(begin, end - begin), begin);
    begin = end;
  }
}

}  // namespace

std::vector<std::string> InductionHead::tokenize(const std::string& prompt) {
  std::vector<std::string> words;
  for_each_word(prompt, [&](const std::string& word, std::size_t) { words.push_back(normalized(word)); });
  return words;
}

InductionHead::InductionHead(const Text& text) {
  // A word takes a key and a value, and their copies in the ring and in the check
  constexpr double bytes_per_word = 2 * sizeof(Word) + 2 * sizeof(float) * dim * 6;
  double words = 0;
  for_each_word(text.bytes(), [&](const std::string&, std::size_t) { ++words; });
  require_memory("[recall] ", bytes_per_word * words, "the text",
                 "choose fewer or shorter files with --text");

  for_each_word(text.bytes(), [&](const std::string& word, std::size_t offset) { add_word(word, offset); });
  require(size() > 0, "[recall] the text must have words; found only white space; choose another --text");

  Random random(0);
  vectors_.resize(static_cast<Index>(vocabulary_.size()), dim);
  for (Index i = 0; i < vectors_.size(); ++i)
    vectors_.data()[i] = static_cast<float>(random.normal() / std::sqrt(static_cast<double>(dim)));

  keys_ = values_ = Tensor<float>({1, size(), 1, dim});
  for (Index i = 0; i < size(); ++i) {
    const auto id_before = [&](Index j) { return words_[static_cast<std::size_t>(i - j)].id; };
    for (Index j = 1; j <= std::min(i, context); ++j) add_rotated(id_before(j), j, keys_.head(0, 0).row(i));
    values_.head(0, 0).row(i) = vectors_.row(id_before(0));
  }
}

void InductionHead::add_word(const std::string& original, std::size_t offset) {
  const auto [entry, is_new] = ids_.emplace(normalized(original), static_cast<int>(vocabulary_.size()));
  if (is_new) vocabulary_.push_back(entry->first);
  words_.push_back({original, offset, entry->second});
}

void InductionHead::add_rotated(int id, Index j, Eigen::Ref<Matrix<float>> row) const {
  const Index rotation = 13 * j % dim;
  row.leftCols(rotation) += vectors_.row(id).tail(rotation);
  row.rightCols(dim - rotation) += vectors_.row(id).head(dim - rotation);
}

Tensor<float> InductionHead::query(const std::vector<std::string>& words_so_far) const {
  Tensor<float> q({1, 1, 1, dim});
  const auto count = static_cast<Index>(words_so_far.size());
  for (Index j = 1; j <= std::min(count, context); ++j) {
    const auto known = ids_.find(words_so_far[static_cast<std::size_t>(count - j)]);
    if (known != ids_.end())
      add_rotated(known->second, j, q.head(0, 0));  // a word that is not in the text agrees with none
  }
  return q;
}

bool InductionHead::contains_any(const std::vector<std::string>& words_so_far) const {
  const auto last = words_so_far.rbegin();
  const auto count = std::min(static_cast<Index>(words_so_far.size()), context);
  return std::any_of(last, last + count, [&](const std::string& word) { return ids_.count(word) > 0; });
}

const std::string& InductionHead::closest_word(const Tensor<float>& out) const {
  Index closest = 0;
  (vectors_ * out.head(0, 0).transpose()).col(0).maxCoeff(&closest);
  return vocabulary_[static_cast<std::size_t>(closest)];
}

}  // namespace ringattn::cli
