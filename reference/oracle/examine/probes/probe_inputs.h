#pragma once

#include "reference/definition/random.h"
#include "reference/oracle/examine/examined_attention.h"

namespace ringattn {

// The inputs of the probes. All numbers have four significant bits, so that every type holds them, and no rounding of
// inputs enters a measurement.

// x rounded to four significant bits; 0 below 2^-6
double four_bits(double x);

struct QueriesAndKeys {
  Tensor<double> Q, K;
};

// Normal numbers in Q, K and V
QueriesAndKeys ordinary_scores(const ExaminedAttention& attention, Random& random);
Tensor<double> ordinary_values(const ExaminedAttention& attention, Random& random);

// All scores 0: every visible key has the same weight
QueriesAndKeys even_scores(const ExaminedAttention& attention);

// Scores of a few units that drift along the sequence, so that the blocks of a ring differ; _size_ multiplies Q
QueriesAndKeys varied_scores(const ExaminedAttention& attention, Random& random, double size = 1);

// All scores about -(log Skv + 3): a term of the denominator that does not come from a key outweighs all keys
QueriesAndKeys low_scores(const ExaminedAttention& attention);

}  // namespace ringattn
