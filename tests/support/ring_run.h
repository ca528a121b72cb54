#pragma once

#include "reference/ring/ring_attention.h"
#include "tests/support/ground_truth.h"

namespace ringattn {

// The results of the ring for a problem, forward and backward.
template <class T>
struct RingRun {
  RingRun(const RandomProblem<T>& drawn, const RingOptions& options, const LinkDecorator<T>& decorate = {})
      : forward(ring_attention(drawn.problem(), options, decorate)),
        gradients(ring_attention_vjp(drawn.problem(), forward, drawn.cotangents(), options, decorate)) {}

  AttentionOutput<T> forward;
  Gradients<T> gradients;
};

template <class T>
double worst_error(const RingRun<T>& found, const GroundTruth& truth) {
  return std::max(worst_error(found.forward, truth), worst_error(found.gradients, truth));
}

template <class T>
bool same_bits(const RingRun<T>& a, const RingRun<T>& b) {
  return same_bits(a.forward, b.forward) && same_bits(a.gradients, b.gradients);
}

constexpr Rotation all_rotations[] = {Rotation::kv, Rotation::q};

// 1 .. most_devices devices with random options
inline RingOptions random_options(Random& random, int most_devices = 9) {
  RingOptions options;
  options.devices = static_cast<int>(1 + random.below(most_devices));
  options.layout = all_layouts[static_cast<std::size_t>(random.below(all_layouts.size()))];
  options.rotate = all_rotations[random.below(2)];
  options.threads = static_cast<int>(random.below(4));
  options.overlap = random.below(2) == 0;
  options.exchange = random.below(2) ? Exchange::copy : Exchange::move;
  return options;
}

inline std::string describe(const RingOptions& o) {
  return std::to_string(o.devices) + " devices, " + name(o.layout) +
         (o.rotate == Rotation::kv ? ", K/V rotates, " : ", Q rotates, ") + std::to_string(o.threads) +
         " threads" + (o.overlap ? "" : ", no overlap") + (o.exchange == Exchange::copy ? "" : ", moved");
}

}  // namespace ringattn
