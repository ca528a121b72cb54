#pragma once

#include <map>
#include <string>
#include <vector>

#include "reference/definition/problem.h"
#include "reference/definition/random.h"
#include "reference/files/text.h"

namespace ringattn::cli {

// A text as an attention head remembers it: an induction head made by hand (Olsson et al., arXiv:2209.11895).
//   Each word w has a random vector e(w).
//   The key of word i says what came before it:   k_i = sum_j shift_j(e(w_(i-j))),  j = 1 .. 8
//   The value of word i says what it is:          v_i = e(w_i)
//   A query is a key that is still without word:  q   = sum_j shift_j(e(last word but j))
// so q . k_i counts the words of context that agree, softmax picks the places where most do, and out is close
// to the vector of the word that stood there. shift_j turns a vector by a number of places, so that order
// matters.
class InductionHead {
 public:
  static constexpr Index dim = 128, context = 8;
  static constexpr double softmax_scale = 6;  // softmax_scale: one more word of context is e^6 times as likely

  explicit InductionHead(const Text& text);

  Index size() const { return static_cast<Index>(words_.size()); }
  const Tensor<float>& keys() const { return keys_; }      // (1, words, 1, dim)
  const Tensor<float>& values() const { return values_; }  // (1, words, 1, dim)

  // The words of a prompt, as they are compared: lower case, without punctuation at the ends
  static std::vector<std::string> tokenize(const std::string& prompt);

  // (1, 1, 1, dim)
  Tensor<float> query(const std::vector<std::string>& words_so_far) const;

  // The word whose vector is closest to what attention gave, (1, 1, 1, dim), as it is compared
  const std::string& closest_word(const Tensor<float>& out) const;

  // Whether a query with these words would agree with any place of the text
  bool contains_any(const std::vector<std::string>& words_so_far) const;

  // Word _i_ of the text, as it is compared, and as it is written
  const std::string& normalized_word(Index i) const {
    return vocabulary_[static_cast<std::size_t>(words_[static_cast<std::size_t>(i)].id)];
  }
  const std::string& word(Index i) const { return words_[static_cast<std::size_t>(i)].original; }
  std::size_t offset(Index i) const { return words_[static_cast<std::size_t>(i)].offset; }

 private:
  struct Word {
    std::string original;
    std::size_t offset;  // of its first byte in the text
    int id;              // index into vocabulary_
  };
  void add_word(const std::string& original, std::size_t offset);
  void add_shifted(int id, Index j, Eigen::Ref<Matrix<float>> row) const;

  std::vector<Word> words_;
  std::map<std::string, int> ids_;
  std::vector<std::string> vocabulary_;
  Matrix<float> vectors_;  // (vocabulary, dim)
  Tensor<float> keys_, values_;
};

}  // namespace ringattn::cli
