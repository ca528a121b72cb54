#pragma once

#include <vector>

#include "reference/definition/random.h"
#include "reference/oracle/probes/probes.h"

namespace ringattn {

// The building blocks of probes. All numbers are exact in every storage type.

// The smallest power of two that is at least x, and at least 1/256
double power_of_two_from(double x);

// Normal numbers rounded to multiples of 1/16, at most 4 in magnitude
Tensor<double> sixteenths(Shape shape, Random& random);

// Sets row s of every head of every sequence to numbers(s, d)
template <class Numbers>
void set_rows(Tensor<double>& tensor, const Numbers& numbers) {
  const Shape& shape = tensor.shape();
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h)
      for (Index s = 0; s < shape.S; ++s)
        for (Index d = 0; d < shape.D; ++d) tensor(b, s, h, d) = numbers(s, d);
}

// Sets row s of every head to the unit vector e_n, n = place(s) modulo the width of a row
template <class Place>
void set_one_hot(Tensor<double>& tensor, const Place& place) {
  const Index width = tensor.shape().D;
  set_rows(tensor, [&](Index s, Index d) { return d == place(s) % width ? 1.0 : 0.0; });
}

// Sets Q and K so that the score of key j is logit[j] for every query, to the nearest value that multiples of 1/16
// allow
void set_logits(Probe& probe, const std::vector<double>& logit);

// Sets Q and K so that every query scores the key at its own position higher than any other key, by at least _gap_.
// Queries before the first key or after the last key prefer that key. If a head has fewer addresses than there are
// keys, addresses repeat.
void set_addresses(Probe& probe, double gap);

}  // namespace ringattn
