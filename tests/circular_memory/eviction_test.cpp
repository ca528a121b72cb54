// Tests of the parts of a circular memory: in which order tokens move and leave.

#include <doctest/doctest.h>

#include <cmath>

#include "reference/circular_memory/circular_memory.h"
#include "reference/circular_memory/eviction.h"
#include "tests/circular_memory/random_stream.h"

using namespace ringattn;

namespace {

// A memory of tokens whose key and value are their position, and which get the attention that the test chooses
struct Stream {
  CircularMemory<double> memory;

  explicit Stream(const MemoryOptions& options) : memory(options, 1, 1) {}

  void append(Index count) {
    for (; count > 0; --count) {
      const RowVector<double> position = RowVector<double>::Constant(1, static_cast<double>(seen++));
      memory.append(position, position);
    }
  }
  void attend_to(Index token, double weight) {
    Vector<double> weights = Vector<double>::Zero(memory.slots().attention.size());
    for (Index slot = 0; slot < weights.size(); ++slot)
      if (memory.slots().tokens(slot, 0) == token) weights(slot) = weight;
    memory.add_attention(weights);
  }
  std::vector<Index> tokens() const { return tokens_in(memory.slots()); }

  Index seen = 0;
};

using Tokens = std::vector<Index>;

}  // namespace

TEST_CASE("a full ring buffer overwrites its oldest entry") {
  RingBuffer buffer({10, 13});
  CHECK(buffer.capacity() == 3);
  for (const Index slot : {10, 11, 12}) {
    CHECK_FALSE(buffer.is_full());
    CHECK(buffer.push() == slot);
  }
  CHECK(buffer.is_full());
  CHECK(buffer.next() == 10);
  CHECK(buffer.push() == 10);
  CHECK(buffer.push() == 11);
  CHECK(buffer.size() == 3);
  buffer.clear();
  CHECK(buffer.size() == 0);
  CHECK(buffer.next() == 10);
  CHECK(RingBuffer({4, 4}).is_full());
}

TEST_CASE("a window keeps the most recent tokens, and sinks the first") {
  MemoryOptions options;
  options.sinks = 2, options.window = 3;
  Stream stream(options);
  stream.append(4);
  CHECK(stream.tokens() == Tokens{0, 1, 2, 3});
  stream.append(6);
  CHECK(stream.tokens() == Tokens{0, 1, 7, 8, 9});
  CHECK(stream.memory.token_counts() == TokenCounts{.sinks = 2, .window = 3, .dropped = 5});
}

TEST_CASE(
    "of heavy hitters and the token that leaves the window, the one with the least attention is evicted") {
  MemoryOptions options;
  options.window = 1, options.heavy_hitters = 2;
  Stream stream(options);
  stream.append(3);
  stream.attend_to(0, 0.5), stream.attend_to(1, 0.3), stream.attend_to(2, 0.2);
  CHECK(stream.tokens() == Tokens{0, 1, 2});
  stream.append(1);  // 2 leaves the window with the least attention
  CHECK(stream.tokens() == Tokens{0, 1, 3});
  stream.attend_to(3, 0.4);
  stream.append(1);  // 3 has more than 1
  CHECK(stream.tokens() == Tokens{0, 3, 4});
  stream.attend_to(4, 0.1), stream.attend_to(4, 0.1), stream.attend_to(4, 0.25);
  stream.append(1);  // attention accumulates: 4 has 0.45, more than 3
  CHECK(stream.tokens() == Tokens{0, 4, 5});
}

TEST_CASE("of tokens with equal attention the oldest is evicted") {
  MemoryOptions options;
  options.window = 1, options.heavy_hitters = 3;
  Stream stream(options);
  stream.append(10);
  CHECK(stream.tokens() == Tokens{6, 7, 8, 9});
}

TEST_CASE("a token of the window is not evicted, whatever its attention") {
  MemoryOptions options;
  options.window = 2, options.heavy_hitters = 1;
  Stream stream(options);
  stream.append(1);
  stream.attend_to(0, 1);
  stream.append(9);
  CHECK(stream.tokens() == Tokens{0, 8, 9});
}

TEST_CASE("tokens that leave wait until their pool is full, and the oldest pooled slot is dropped") {
  MemoryOptions options;
  options.window = 1, options.pooled_slots = 2, options.kernel = mean_kernel(3);
  Stream stream(options);
  stream.append(3);
  CHECK(stream.memory.token_counts() == TokenCounts{.window = 1, .waiting = 2});
  stream.append(1);
  CHECK(stream.memory.token_counts() == TokenCounts{.window = 1, .pooled = 3});
  stream.append(4);
  CHECK(stream.memory.token_counts() == TokenCounts{.window = 1, .waiting = 1, .pooled = 6});
  CHECK(stream.tokens() == Tokens{0, 1, 2, 3, 4, 5, 6, 7});
  stream.append(2);
  CHECK(stream.memory.token_counts() == TokenCounts{.window = 1, .pooled = 6, .dropped = 3});
  CHECK(stream.tokens() == Tokens{3, 4, 5, 6, 7, 8, 9});
}

TEST_CASE("tokens that leave all slots are added to the linear memory") {
  MemoryOptions options;
  options.window = 1, options.pooled_slots = 1, options.kernel = mean_kernel(2), options.linear = true;
  Stream stream(options);
  stream.append(6);
  CHECK(stream.memory.token_counts() == TokenCounts{.window = 1, .waiting = 1, .pooled = 2, .linear = 2});
}

TEST_CASE("a pooled slot holds the weighted sums of keys and values, and counts as its tokens") {
  Slots<double> slots(4, 2, 1, 3);
  for (Index n = 0; n < 3; ++n) {
    const double x = static_cast<double>(n);
    slots.write(n, RowVector<double>{{x, 1}}, RowVector<double>::Constant(1, 10 * x), 7 + n);
    slots.attention(n) = 1 + x;
  }
  pool(ramp_kernel(3), {0, 3}, 3, slots);  // weights 1/6, 2/6, 3/6
  CHECK(slots.K(3, 0) == doctest::Approx(8.0 / 6).epsilon(1e-15));
  CHECK(slots.K(3, 1) == doctest::Approx(1).epsilon(1e-15));
  CHECK(slots.V(3, 0) == doctest::Approx(80.0 / 6).epsilon(1e-15));
  CHECK(slots.log_tokens(3) == std::log(3.0));
  CHECK(slots.attention(3) == 6);
  CHECK(tokens_in(slots) == Tokens{7, 8, 9});
  for (Index n = 0; n < 3; ++n) CHECK(slots.is_empty(n));
  CHECK(mean_kernel(8).isConstant(0.125));
}
