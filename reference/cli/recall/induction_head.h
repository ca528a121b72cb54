#pragma once

#include <map>
#include <string>
#include <vector>

#include "reference/definition/problem.h"
#include "reference/definition/random.h"
#include "reference/files/text.h"

namespace ringattn::cli {

// Continues a text by exact attention: an induction head with hand-made weights (Olsson et al., arXiv:2209.11895).
//   Each distinct word w has a random vector e(w), which rotate_j rotates by 13 j elements.
//   Key: the context before word i              k_i = sum_j rotate_j(e(w_(i-j))),  j = 1 .. 8
//   Value: word i itself                        v_i = e(w_i)
//   Query: the context of the next, n-th word   q   = sum_j rotate_j(e(w_(n-j)))
// q . k_i is about the number of words in which the two contexts agree, at the same distances. Softmax selects the
// places where most agree, and out is close to the vector of the word there.
class InductionHead {
 public:
  static constexpr Index dim = 128, context = 8;
  static constexpr double softmax_scale = 6;  // one more agreeing word multiplies the weight by e^6

  explicit InductionHead(const Text& text);

  Index size() const { return static_cast<Index>(words_.size()); }
  const Tensor<float>& keys() const { return keys_; }      // (1, words, 1, dim)
  const Tensor<float>& values() const { return values_; }  // (1, words, 1, dim)

  // The words of a prompt, normalized: lower case, without punctuation at the ends
  static std::vector<std::string> tokenize(const std::string& prompt);

  // The query for the word after these, (1, 1, 1, dim)
  Tensor<float> query(const std::vector<std::string>& words_so_far) const;

  // The normalized word whose vector is closest to _out_, (1, 1, 1, dim)
  const std::string& closest_word(const Tensor<float>& out) const;

  // Whether any of the last _context_ words occurs in the text
  bool contains_any(const std::vector<std::string>& words_so_far) const;

  // Word _i_ of the text: normalized, as written, and the offset of its first byte
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
  void add_rotated(int id, Index j, Eigen::Ref<Matrix<float>> row) const;

  std::vector<Word> words_;
  std::map<std::string, int> ids_;
  std::vector<std::string> vocabulary_;
  Matrix<float> vectors_;  // (vocabulary, dim)
  Tensor<float> keys_, values_;
};

}  // namespace ringattn::cli
