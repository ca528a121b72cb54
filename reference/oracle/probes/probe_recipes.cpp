#include "reference/oracle/probes/probe_recipes.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "reference/definition/input/bad_input.h"
#include "reference/oracle/probes/probe_numbers.h"
#include "reference/ring/sharding.h"

namespace ringattn::recipes {

namespace {

// A gap of scores that leaves other keys e^-24 of the weight: less than the unit roundoff of f32
constexpr double decisive = 24;

// Wider one-hot values would be slow, and their counts would not be exact in bf16
constexpr Index widest_one_hot = 1024;

// Sets the logit of key j to logit(j)
template <class Logit>
void set_logits_by_key(Probe& probe, const Logit& logit) {
  std::vector<double> logits;
  for (Index j = 0; j < probe.K.shape().S; ++j) logits.push_back(logit(j));
  set_logits(probe, logits);
}

}  // namespace

// ---- What a shape leaves open ------------------------------------------------

void one_value_element_for_each_key(ProbeShape& shape) {
  if (!shape.v_dim) shape.v_dim = std::min(*shape.Skv, widest_one_hot);
}

void one_value_element_for_each_query(ProbeShape& shape) {
  if (!shape.v_dim) shape.v_dim = std::min(shape.Sq, widest_one_hot);
}

void room_for_two_values(ProbeShape& shape) {
  if (!shape.v_dim) shape.v_dim = std::max<Index>(shape.dim, 2);
  require(*shape.v_dim >= 2,
          "[probe two-key] the values of the two keys must differ; found v_dim 1; choose 2 or more");
}

void room_for_two_needles(ProbeShape& shape) {
  require(shape.dim >= 2,
          "[probe needle] the keys of the two needles must differ; found dim 1; choose 2 or more");
}

namespace {

// The longest length up to S that neither 2 nor the number of devices divides
Index odd_length(Index S, int devices) {
  while (S > 1 && (S % 2 == 0 || (devices > 1 && S % devices == 0))) --S;
  return S;
}

}  // namespace

void odd_lengths(ProbeShape& shape) {
  shape.Sq = odd_length(shape.Sq, shape.devices);
  shape.Skv = odd_length(*shape.Skv, shape.devices);
}

void always_causal(ProbeShape& shape) { shape.causal = true; }

// ---- Equal weights -----------------------------------------------------------

void uniform_one_hot(Probe& probe, const ProbeShape&, Random&) {
  set_rows(probe.Q, [](Index, Index) { return 0.0; });
  set_one_hot(probe.V, [](Index j) { return j; });
}

// A window that reaches to the left beyond a whole block of the ring, and to the right into the next block
void window(Probe& probe, const ProbeShape& shape, Random& random) {
  uniform_one_hot(probe, shape, random);
  probe.scoring.mask.window_left = 3 * *shape.Skv / (2 * (shape.devices + 1)) + 1;
  probe.scoring.mask.window_right = probe.scoring.mask.window_left / 4;
}

void cold(Probe& probe, const ProbeShape&, Random&) {
  set_logits_by_key(probe, [](Index) { return -16.0; });
}

void frozen(Probe& probe, const ProbeShape&, Random&) {
  set_logits_by_key(probe, [](Index) { return -10240.0; });
}

void ones(Probe& probe, const ProbeShape&, Random&) {
  set_rows(probe.V, [](Index, Index) { return 1.0; });
}

// Even keys have logit 2 and value e_0, odd keys logit 0 and value e_1
void two_key(Probe& probe, const ProbeShape&, Random&) {
  set_logits_by_key(probe, [](Index j) { return j % 2 == 0 ? 2.0 : 0.0; });
  set_one_hot(probe.V, [](Index j) { return j % 2; });
}

// ---- Unequal weights ---------------------------------------------------------

void staircase_up(Probe& probe, const ProbeShape& shape, Random&) {
  const double step = 16.0 / static_cast<double>(*shape.Skv);
  set_logits_by_key(probe, [&](Index j) { return step * static_cast<double>(j); });
}

void staircase_down(Probe& probe, const ProbeShape& shape, Random&) {
  const double step = 16.0 / static_cast<double>(*shape.Skv);
  set_logits_by_key(probe, [&](Index j) { return -step * static_cast<double>(j); });
}

// Logit 20 for one random key of each device, 0 for the others
void spike(Probe& probe, const ProbeShape& shape, Random& random) {
  const RowSharding keys(shape.layout, shape.devices, *shape.Skv);
  std::vector<double> logits(static_cast<std::size_t>(*shape.Skv), 0.0);
  for (int device = 0; device < shape.devices; ++device)
    if (const std::vector<Index>& rows = keys.rows_of(device); !rows.empty()) {
      const auto place = static_cast<std::size_t>(random.below(static_cast<std::int64_t>(rows.size())));
      logits[static_cast<std::size_t>(rows[place])] = 20;
    }
  set_logits(probe, logits);
  set_one_hot(probe.V, [&](Index j) { return Index{keys.device_of(j)}; });
}

// The logits of each block are near one of P levels from -1000 to 1000, in random order, so that the running maximum
// makes large steps
void big_logits(Probe& probe, const ProbeShape& shape, Random& random) {
  const RowSharding keys(shape.layout, shape.devices, *shape.Skv);
  std::vector<double> level;
  for (int n = 0; n < shape.devices; ++n)
    level.push_back(shape.devices == 1 ? 1000.0 : 2000.0 * n / (shape.devices - 1) - 1000);
  for (std::size_t n = level.size(); n > 1; --n)
    std::swap(level[n - 1], level[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(n)))]);
  set_logits_by_key(probe, [&](Index j) {
    return level[static_cast<std::size_t>(keys.device_of(j))] + 4 * random.uniform() - 2;
  });
}

namespace {

// The first and the last key, and the keys on both sides of every border between devices and between tiles of 64 keys;
// at even distances, if there are more than a head has elements
std::vector<Index> needle_keys(const ProbeShape& shape) {
  const RowSharding keys(shape.layout, shape.devices, *shape.Skv);
  std::set<Index> borders{0, *shape.Skv - 1};
  for (Index j = 1; j < *shape.Skv; ++j)
    if (j % 64 == 0 || keys.device_of(j) != keys.device_of(j - 1)) borders.insert({j - 1, j});
  std::vector<Index> all(borders.begin(), borders.end());
  const auto count = static_cast<Index>(all.size());
  if (count <= shape.dim) return all;
  std::vector<Index> thinned;
  for (Index n = 0; n < shape.dim; ++n)
    thinned.push_back(all[static_cast<std::size_t>(n * (count - 1) / (shape.dim - 1))]);
  return thinned;
}

}  // namespace

// Needle n is the unit vector e_n, and a query is the sum of its two needles
void needle(Probe& probe, const ProbeShape& shape, Random&) {
  const double q = power_of_two_from(decisive * std::sqrt(static_cast<double>(shape.dim)) / 4);
  const std::vector<Index> needles = needle_keys(shape);
  const auto position_of = [&](std::size_t n) {
    return probe.kv_positions.of(0)[static_cast<std::size_t>(needles[n])];
  };

  // Keys: 4 e_n for needle n, 0 for all others
  set_rows(probe.Q, [](Index, Index) { return 0.0; });
  set_rows(probe.K, [&](Index j, Index d) {
    return d < static_cast<Index>(needles.size()) && needles[static_cast<std::size_t>(d)] == j ? 4.0 : 0.0;
  });

  // Queries: the sum of two visible needles
  for (Index i = 0; i < shape.Sq; ++i) {
    const RowPosition query = probe.q_positions.of(0)[static_cast<std::size_t>(i)];
    std::vector<Index> visible_needles;  // the visible needles; the one at the query's own position is last
    for (std::size_t n = 0; n < needles.size(); ++n)
      if (visible(query, position_of(n), probe.scoring.mask))
        visible_needles.push_back(static_cast<Index>(n));
    const auto own = std::find_if(visible_needles.begin(), visible_needles.end(), [&](Index n) {
      return position_of(static_cast<std::size_t>(n)).position == query.position;
    });
    if (own != visible_needles.end()) std::rotate(own, own + 1, visible_needles.end());

    // Its own needle, or one in turn, and a second one that changes from row to row and from head to head
    const auto count = static_cast<Index>(visible_needles.size());
    if (count == 0) continue;
    for (Index h = 0; h < shape.heads; ++h) {
      const Index turn = i + h, first = own != visible_needles.end() || count == 1 ? count - 1 : turn % count,
                  second = count == 1 ? first : (first + 1 + turn % (count - 1)) % count;
      for (Index b = 0; b < shape.batch; ++b)
        for (const Index n : {first, second})
          probe.Q(b, i, h, visible_needles[static_cast<std::size_t>(n)]) = q;
    }
  }
}

// ---- Values that identify their origin ---------------------------------------

void head_id(Probe& probe, const ProbeShape& shape, Random&) {
  require(shape.kv_heads <= 256, "[probe head-id] values are numbers of K/V heads, exact in bf16 up to 256; ",
          "found ", shape.kv_heads, " K/V heads; choose fewer");
  for (Index b = 0; b < shape.batch; ++b)
    for (Index g = 0; g < shape.kv_heads; ++g) probe.V.head(b, g).setConstant(static_cast<double>(g));
}

// Element d of V belongs to the K/V head d modulo kv_heads
void grouped(Probe& probe, const ProbeShape& shape, Random&) {
  const Index parts = std::min(shape.kv_heads, probe.V.shape().D);
  for (Index b = 0; b < shape.batch; ++b)
    for (Index g = 0; g < shape.kv_heads; ++g)
      for (Index j = 0; j < *shape.Skv; ++j)
        for (Index d = 0; d < probe.V.shape().D; ++d)
          if (d % parts != g % parts) probe.V(b, j, g, d) = 0;
}

// Element d of V is digit d of the position to the base 64, divided by 16
void position_id(Probe& probe, const ProbeShape& shape, Random&) {
  set_addresses(probe, decisive);
  Index digits = 1;
  for (Index rest = (*shape.Skv - 1) / 64; rest > 0; rest /= 64) ++digits;
  set_rows(probe.V, [&](Index j, Index d) {
    for (Index n = 0; n < d % digits; ++n) j /= 64;
    return static_cast<double>(j % 64) / 16;
  });
}

// Keys 2 n and 2 n + 1 are equal
void duplicate(Probe& probe, const ProbeShape& shape, Random&) {
  require(*shape.Skv % 2 == 0, "[probe duplicate] keys come in pairs; found ", *shape.Skv,
          " keys; choose an even number");
  for (Tensor<double>* tensor : {&probe.K, &probe.V})
    for (Index b = 0; b < shape.batch; ++b)
      for (Index g = 0; g < shape.kv_heads; ++g)
        for (Index j = 0; j < *shape.Skv; j += 2) tensor->head(b, g).row(j + 1) = tensor->head(b, g).row(j);
}

// ---- Lengths and documents ---------------------------------------------------

// Every fifth row: 5 has no divisor in common with usual numbers of devices, so most devices have rows of both kinds in
// every layout
void empty_rows(Probe& probe, const ProbeShape& shape, Random&) {
  for (Index i = 0; i < shape.Sq; i += 5) probe.q_positions.of(0)[static_cast<std::size_t>(i)].segment = 1;
}

namespace {

// Cuts S rows into _documents_ documents at random places: 0, ..., S
std::vector<std::int64_t> cuts(Index S, Index documents, Random& random) {
  std::set<std::int64_t> borders{0, S};
  while (static_cast<Index>(borders.size()) <= documents) borders.insert(random.below(S));
  return {borders.begin(), borders.end()};
}

}  // namespace

// Random documents, the same ones for queries and keys if Sq = Skv
void documents(Probe& probe, const ProbeShape& shape, Random& random) {
  const Index count = std::min<Index>({shape.Sq, *shape.Skv, 2 * Index{shape.devices} + 1, 63});
  const std::vector<std::int64_t> cu_kv = cuts(*shape.Skv, count, random),
                                  cu_q = shape.Sq == *shape.Skv ? cu_kv : cuts(shape.Sq, count, random);
  const PackedPositions packed = packed_positions(cu_q, cu_kv, shape.causal_align, shape.Sq, *shape.Skv);
  probe.q_positions = packed.q, probe.kv_positions = packed.kv;
  for (Index b = 0; b < shape.batch; ++b)
    for (Index g = 0; g < shape.kv_heads; ++g)
      for (Index j = 0; j < *shape.Skv; ++j)
        probe.V(b, j, g, 0) = static_cast<double>(packed.kv.of(0)[static_cast<std::size_t>(j)].segment) / 16;
}

// ---- Gradients ---------------------------------------------------------------

// Every query prefers the key at its own position, but the other keys keep some weight
void identity_grad(Probe& probe, const ProbeShape&, Random&) {
  set_addresses(probe, 3);
  set_one_hot(probe.dout, [](Index i) { return i; });
}

void lse_grad(Probe& probe, const ProbeShape& shape, Random&) {
  set_rows(probe.dout, [](Index, Index) { return 0.0; });
  probe.dlse = row_tensor<double>(shape.batch, shape.Sq, shape.heads);
  set_rows(probe.dlse, [](Index, Index) { return 1.0; });
}

}  // namespace ringattn::recipes
