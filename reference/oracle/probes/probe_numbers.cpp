#include "reference/oracle/probes/probe_numbers.h"

#include <algorithm>
#include <cmath>

#include "reference/definition/parallel/cancellation.h"

namespace ringattn {

namespace {

constexpr double largest = 4;  // magnitude of an element of a key

// floor(n / d), also for negative n
Index floor_of(Index n, Index d) { return n >= 0 ? n / d : -((-n + d - 1) / d); }

}  // namespace

double power_of_two_from(double x) {
  double power = 0x1p-8;
  while (power < x) power *= 2;
  return power;
}

Tensor<double> sixteenths(Shape shape, Random& random) {
  Tensor<double> tensor(shape);
  for (Index i = 0; i < tensor.size(); ++i) {
    if (i % (1 << 16) == 0) throw_if_cancelled();
    tensor.data()[i] = std::clamp(std::round(16 * random.normal()) / 16, -largest, largest);
  }
  return tensor;
}

void set_logits(Probe& probe, const std::vector<double>& logit) {
  const Index D = probe.K.shape().D;
  const double root = std::sqrt(static_cast<double>(D));

  // Queries of equal elements q, just large enough for the largest logit
  double highest = 0;
  for (const double x : logit) highest = std::max(highest, std::abs(x));
  const double q = power_of_two_from(highest / (largest * root));
  set_rows(probe.Q, [&](Index, Index) { return q; });

  // Keys whose elements sum to n / 16 and differ by at most 1/16, by Hermite's identity: sum_d floor((n + d) / D) = n
  set_rows(probe.K, [&](Index j, Index d) {
    const auto n = static_cast<Index>(std::llround(16 * root * logit[static_cast<std::size_t>(j)] / q));
    return static_cast<double>(floor_of(n + d, D)) / 16;
  });
}

namespace {

// The address of a key: its number, written in _digits_ digits to the base _base_, each digit as a unit vector. The dot
// product of two addresses is the number of equal digits.
struct Addresses {
  Index digits = 1, base = 1;

  // The number of different addresses, but at most _enough_
  Index count(Index enough) const {
    Index number = 1;
    for (Index n = 0; n < digits && number < enough && base > 1; ++n) number *= base;
    return std::min(number, enough);
  }

  // Element d of the address of j
  bool operator()(Index j, Index d) const {
    const Index digit = d / base;
    if (digit >= digits) return false;
    for (Index n = 0; n < digit; ++n) j /= base;
    return j % base == d % base;
  }
};

// The fewest digits that give _keys_ keys different addresses in D elements
Addresses addresses(Index D, Index keys) {
  Addresses best;
  for (Index digits = 1; digits <= D; ++digits)
    if (const Addresses more{digits, D / digits}; more.count(keys) > best.count(keys)) best = more;
  return best;
}

}  // namespace

void set_addresses(Probe& probe, double gap) {
  const Index D = probe.K.shape().D, Skv = probe.K.shape().S;
  const Addresses address = addresses(D, Skv);
  const double q = power_of_two_from(gap * std::sqrt(static_cast<double>(D)) / largest);
  set_rows(probe.K, [&](Index j, Index d) { return address(j, d) ? largest : 0.0; });
  set_rows(probe.Q, [&](Index i, Index d) {
    const std::int64_t position = probe.q_positions.of(0)[static_cast<std::size_t>(i)].position;
    return address(std::clamp<Index>(position, 0, Skv - 1), d) ? q : 0.0;
  });
}

}  // namespace ringattn
