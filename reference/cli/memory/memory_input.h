#pragma once

#include <string>
#include <vector>

#include "reference/definition/input/owned_problem.h"
#include "reference/files/text.h"

namespace ringattn::cli {

inline constexpr double needle_depths[] = {0, 0.1, 0.25, 0.5, 0.75, 0.9, 1};

// A token that is asked for after the last one. _depth_: the part of the sequence before it, 0 to 1.
struct Needle {
  double depth;
  Index token;
};

// The input of an experiment: causal self-attention of one head, and questions after the last token. The query of
// question n is close to the key of needles[n], so that exact attention answers with the value of that token.
struct MemoryInput {
  std::string name, description;
  OwnedProblem<float> inputs;  // Q, K, V: (1, tokens, 1, D)
  std::vector<Needle> needles;
  Tensor<float> questions;  // (1, needles, 1, D)

  Index tokens() const { return inputs.K.shape().S; }
};

// The names of generated inputs. They differ in where attention goes, and thus in which memory does well
std::vector<std::string> generated_inputs();

// One of these. Its head dimension is 64
MemoryInput generate_input(const std::string& name, Index tokens, std::uint64_t seed);

// The words of a text, with the keys and values of the induction head of `ringattn recall`. The query of each word asks
// for the next one. Needles are words that occur once, after a context that occurs once. Throws BadInput if there are
// none.
MemoryInput text_input(const Text& text);

}  // namespace ringattn::cli
