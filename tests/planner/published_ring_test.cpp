#include <doctest/doctest.h>

#include "reference/planner/machine/hardware.h"
#include "reference/planner/model/flops.h"
#include "reference/planner/strategy/balance.h"
#include "reference/planner/strategy/hiding.h"
#include "reference/planner/strategy/planned_pass.h"
#include "tests/planner/printed.h"

using namespace ringattn;
using namespace ringattn::planner;

namespace {

AttentionShape square(Index heads, Index dim, Index seq) { return {1, seq, seq, heads, heads, dim, dim, {}}; }

HidingBlock hiding(const std::string& chip, const std::string& link) {
  return {chip_named(chip).peak_flops, link_named(link).rate.bytes_per_second(), 2, {}};
}

// The model whose operations for a token are 4h (6h + s) in each layer, as the paper counts: four projections, a
// feed-forward network of two matrices of 4h, no vocabulary
double fig5_ratio(Index h, Index seq) {
  Model model;
  model.width = model.heads = h, model.kv_heads = h, model.dim = 1, model.ffn = 4 * h, model.ffn_matrices = 2;
  const auto per_token = [&](Index s) {
    return model_flops(model, model.attention(1, s, s, false), true) / static_cast<double>(s);
  };
  return per_token(seq) / per_token(4096);
}

// Bytes that a device of a ring holds forward
double held_in_ring(const AttentionShape& shape, const ElementBytes& bytes, int devices) {
  const LayerAttention layer{.shape = shape, .bytes = bytes, .group = {1, devices, 1}};
  return static_cast<double>(PlannedPass(Strategy::ring, false, layer).peak_bytes());
}

}  // namespace

// Ring Attention, arXiv:2310.01889, table 2. c is F/B; the paper requires 6 c tokens, one for each block in memory
TEST_CASE(
    "the minimal blocks of Ring Attention reproduce, but for InfiniBand, where the paper prints 24.5 for "
    "24.96") {
  struct Row {
    const char *chip, *link;
    double c, six_c;  // thousands of tokens, as printed
  };
  const Row rows[] = {{"a100", "nvlink3", 1.0, 6.2},
                      {"tpu-v3", "ici-v3", 1.1, 6.6},
                      {"tpu-v4", "ici-v4", 1.0, 6.2},
                      {"tpu-v5e", "ici-v5e", 1.1, 6.3}};
  for (const Row& row : rows) {
    CAPTURE(row.chip);
    const double c = hiding(row.chip, row.link).forward(square(32, 128, 1)) / 1000;
    CHECK(rounded_to(c, 1) == row.c);
    CHECK(rounded_to(6 * c, 1) == row.six_c);
  }
  const double infiniband = hiding("a100", "ib100").forward(square(32, 128, 1)) / 1000;
  CHECK(rounded_to(infiniband, 2) == 24.96);
  CHECK(rounded_to(6 * infiniband, 1) == 149.8);
}

TEST_CASE("grouped heads, a causal mask and two levels of links change the minimal block as derived") {
  const HidingBlock node = hiding("h100", "nvlink4"), network = hiding("h100", "ib400");
  const AttentionShape mha = square(32, 128, 1);
  AttentionShape grouped = mha;
  grouped.kv_heads = 8;
  CHECK(std::round(node.forward(mha)) == 2198);
  CHECK(std::round(network.forward(mha)) == 19780);
  CHECK(std::round(network.forward(grouped) / 8) == 618);
  HidingBlock causal = network;
  causal.causal = true;
  CHECK(causal.forward(mha) == 2 * network.forward(mha));
  // Backward: 10 d c^2 operations; dK, dV in float32 and K, V in bfloat16 are 3 times the bytes of K, V: 1.2 F/B
  CHECK(node.backward(mha, 4) == doctest::Approx(1.2 * node.forward(mha)));
  CHECK(node.backward(mha, 2) == doctest::Approx(0.8 * node.forward(mha)));
}

TEST_CASE(
    "a device of 4 nodes of 8 H100 needs the block of its slowest link, divided by the gain of its "
    "strategy") {
  AttentionWork work;
  work.shape = square(32, 128, 1);
  work.shape.kv_heads = 8;
  work.machine.group = {4, 8, 2};
  work.machine.flops = chip_named("h100").peak_flops;
  work.machine.node_link = link_named("nvlink4"), work.machine.network = link_named("ib400");
  const auto needed = [&](const PlannedStrategy& strategy) {
    return std::round(*smallest_hiding_block(strategy, work, false));
  };
  CHECK(needed(Strategy::ring) == 4945);
  CHECK(needed(Strategy::usp) == std::round(4945.0 / 2));
  // Between nodes 618, and half of that at twice the rate; inside a node a quarter of 2198
  CHECK(needed(Strategy::double_ring) == 618);
  work.machine.network.rate = LinkRate::gigabytes_per_second(100);
  CHECK(needed(Strategy::double_ring) == 549);
  CHECK_FALSE(smallest_hiding_block(Strategy::ulysses, work, false).has_value());
  CHECK_FALSE(smallest_hiding_block(burst, work, true).has_value());
}

// Table 1 counts elements and calls them bytes: six blocks of bfloat16 are 12 b c h bytes
TEST_CASE("a device of the ring holds the six blocks of table 1, of 2 bytes each, whatever the length") {
  const double b = 3, c = 70, h = 5 * 16;
  for (const int devices : {2, 8, 32}) {
    AttentionShape shape = square(5, 16, 70 * devices);
    shape.batch = 3;
    // O in bfloat16, as the paper counts, and without m and l
    const ElementBytes bytes{.input = 2, .gradient = 2, .state = 2};
    const double statistics = 2 * b * c * 5 * 2;
    CHECK(held_in_ring(shape, bytes, devices) - statistics == 6 * b * c * h * 2);
  }
}

// Figure 5: operations for a token, relative to 4,096 tokens of context, at 2, 4, 8, 16, 32, 64, 256, 3072 and 32768
// times that context, for 7B, 13B, 33B, 65B, 175B and 1TB. The widths are those of appendix D but for 13B
TEST_CASE(
    "all 54 ratios of FLOPs of Ring Attention reproduce, 13B with width 5120 where the text prints 5140") {
  const Index multiples[] = {2, 4, 8, 16, 32, 64, 256, 3072, 32768};
  struct Row {
    Index h;
    double printed[9];
  };
  const Row rows[] = {{4096, {1.1, 1.4, 2.0, 3.1, 5.4, 10.0, 37.4, 439.7, 4682.0}},
                      {5120, {1.1, 1.4, 1.8, 2.8, 4.6, 8.4, 31.0, 362.3, 3855.9}},
                      {7168, {1.1, 1.3, 1.6, 2.3, 3.7, 6.5, 23.2, 268.0, 2850.3}},
                      {8192, {1.1, 1.2, 1.5, 2.2, 3.4, 5.8, 20.6, 237.2, 2521.5}},
                      {12288, {1.1, 1.2, 1.4, 1.8, 2.6, 4.3, 14.4, 162.6, 1725.6}},
                      {36864, {1.0, 1.1, 1.1, 1.3, 1.6, 2.1, 5.6, 56.8, 596.8}}};
  for (const Row& row : rows)
    for (int i = 0; i < 9; ++i) {
      CAPTURE(row.h);
      CAPTURE(multiples[i]);
      CHECK(rounded_to(fig5_ratio(row.h, 4096 * multiples[i]), 1) == row.printed[i]);
    }
  CHECK(rounded_to(fig5_ratio(5140, 4096 * 32768), 1) != 3855.9);
}

// Table 3: the longest context of the ring, relative to blockwise attention and feed-forward on one device
TEST_CASE(
    "the contexts of Ring Attention grow with the number of devices, exactly on GPUs and at most so on "
    "TPUs") {
  struct Row {
    int devices;
    double blockwise, ring;  // thousands of tokens, as printed
  };
  const Row gpus[] = {{8, 64, 512}, {8, 32, 256}, {8, 16, 128}, {32, 128, 4096}, {32, 64, 2048}};
  const Row tpus[] = {{512, 8, 2048},   {512, 8, 1024},  {1024, 32, 16384}, {1024, 16, 8192},
                      {1024, 16, 4096}, {1024, 8, 2048}, {256, 32, 4096},   {256, 16, 2048}};
  // The attention of one layer in the memory that one device has for it
  const auto context = [](int devices, double bytes) {
    const double per_row = held_in_ring(square(32, 128, 1024 * devices), {}, devices) / 1024 / devices;
    return bytes / per_row;
  };
  for (const Row& row : gpus) {
    CHECK(row.ring / row.blockwise == row.devices);
    CHECK(context(row.devices, 1e9) / context(2, 1e9) == doctest::Approx(row.devices / 2.0));
  }
  for (const Row& row : tpus) CHECK(row.ring / row.blockwise <= row.devices);
}

// Appendix C divides 186 GB/s by 0.4 x 196 TFLOP/s and prints 2.4. Decoding moves 2 d e bytes of K, V for 4 d
// operations of one query
TEST_CASE(
    "decoding cannot hide rotating keys and values, because appendix C of Ring Attention is off by 1000") {
  const double ratio =
      link_named("ici-v5e").rate.bytes_per_second() / (0.4 * chip_named("tpu-v5e").peak_flops);
  CHECK(rounded_to(ratio, 4) == 0.0024);
  CHECK(ratio * 1000 == doctest::Approx(2.4).epsilon(0.02));
  CHECK(ratio < 1);
}

// Striped Attention, arXiv:2311.09431, tables 3 to 5, rounded to the printed digits. N devices, c tokens each; a TF32
// operation of A100 attention takes twice the time of another, w = 2; the feed-forward network has two matrices
TEST_CASE("all 49 theoretical speed-ups of Striped Attention reproduce") {
  struct Row {
    const char* model;
    int N;
    double w;
    std::vector<double> thousands, printed;  // of tokens, in all; speed-ups
  };
  const std::vector<double> a100 = {16, 32, 64, 96, 128, 192, 256}, tpu = {32, 128, 256, 384, 512, 640, 768},
                            each2 = {8, 16, 32, 48}, each8 = {32, 64, 128, 192};
  const Row rows[] = {{"1b", 4, 2, a100, {1.46, 1.57, 1.65, 1.68, 1.70, 1.71, 1.72}},
                      {"3b", 4, 2, a100, {1.38, 1.51, 1.61, 1.65, 1.67, 1.69, 1.71}},
                      {"7b", 4, 2, a100, {1.34, 1.47, 1.58, 1.62, 1.65, 1.68, 1.70}},
                      {"1b", 8, 1, tpu, {1.54, 1.76, 1.81, 1.83, 1.84, 1.85, 1.85}},
                      {"3b", 8, 1, tpu, {1.45, 1.71, 1.78, 1.81, 1.83, 1.84, 1.84}},
                      {"7b", 8, 1, {tpu.begin(), tpu.end() - 1}, {1.40, 1.67, 1.76, 1.80, 1.81, 1.83}},
                      {"1b", 2, 2, each2, {1.22, 1.31, 1.38, 1.41}},
                      {"1b", 8, 2, each8, {1.67, 1.76, 1.81, 1.83}}};
  int compared = 0;
  for (const Row& row : rows) {
    Model model = model_named(row.model);
    model.ffn_matrices = 2;
    REQUIRE(row.thousands.size() == row.printed.size());
    for (std::size_t i = 0; i < row.printed.size(); ++i, ++compared) {
      CAPTURE(row.model);
      CAPTURE(row.thousands[i]);
      CHECK(rounded_to(balance_speedup(model, row.N, 1024 * row.thousands[i] / row.N, row.w), 2) ==
            row.printed[i]);
    }
  }
  CHECK(compared == 49);
}

// DistFlashAttn, arXiv:2310.03294, section 3.2
TEST_CASE("the idle shares and speed-ups of DistFlashAttn reproduce") {
  for (int P = 1; P <= 16; ++P) {
    CAPTURE(P);
    double hidden = 0;
    const AttentionShape shape{1, 16 * P, 16 * P, 1, 1, 1, 1, {.causal = true}};
    const VisiblePairs visible(shape, Layout::contiguous, P);
    for (int device = 0; device < P; ++device)
      for (int owner = 0; owner < P; ++owner) hidden += visible.of(device, owner) == 0 ? 1 : 0;
    CHECK(idle_share_of_contiguous(P) == hidden / (P * P));
    CHECK(idle_share_with_helpers(P) == doctest::Approx(P % 2 == 1 ? 0 : 1 / (2.0 * P)));
  }
  // 36 of the 64 blocks of 8 devices are visible, in 8 steps and in 5
  CHECK(36.0 / 8 == 8 * (1 - idle_share_of_contiguous(8)));
  CHECK(36.0 / steps_with_helpers(8) == 7.2);
}

// USP, arXiv:2405.07719, table of 8 A100, 128K tokens: iterations per second of the ring, balanced and contiguous. Its
// text names other winners than its tables
TEST_CASE("the measured gain of balance in USP stays below its limit for 8 devices") {
  CHECK(2.91 / 1.628 < 2 - 1.0 / 8);
  CHECK(balance_speedup(model_named("7b"), 8, 1e12, 1) == doctest::Approx(2 - 1.0 / 8));
}
