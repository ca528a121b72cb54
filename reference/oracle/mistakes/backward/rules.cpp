#include "reference/oracle/mistakes/backward/rules.h"

#include <algorithm>

namespace ringattn {

int step_of(const Sharding& sharding, Index i, Index j) {
  return sharding.owner_at(sharding.queries.device_of(i), sharding.keys.device_of(j));
}

Index counterpart(const RowSharding& sharding, Index row, int device) {
  const auto place = static_cast<std::size_t>(sharding.place_of(row));
  const std::vector<Index>& rows = sharding.rows_of(device);
  return place < rows.size() ? rows[place] : -1;
}

Tensor<double> rows_of_other_devices(const Tensor<double>& source, const RowSharding& sharding,
                                     const std::function<int(int)>& other) {
  Tensor<double> moved(source.shape());
  for (Index i = 0; i < source.shape().S; ++i) {
    const Index from = counterpart(sharding, i, other(sharding.device_of(i)));
    if (from < 0) continue;
    for (Index b = 0; b < source.shape().B; ++b)
      for (Index h = 0; h < source.shape().H; ++h) moved.head(b, h).row(i) = source.head(b, h).row(from);
  }
  return moved;
}

bool skipped(const BackwardSimulation& sim, const BackwardHead& head, int device, int owner) {
  for (const Index i : sim.sharding().queries.rows_of(device))
    for (const Index j : sim.sharding().keys.rows_of(owner))
      if (head.visible(i, j)) return false;
  return true;
}

int last_computed_step(const BackwardSimulation& sim, const BackwardHead& head, int device) {
  int step = sim.devices() - 1;
  while (step >= 0 && skipped(sim, head, device, sim.sharding().owner_at(device, step))) --step;
  return step;
}

std::vector<Index> tile_numbers(const RowSharding& keys, Index tile) {
  Index count = 0;
  for (int device = 0; device < keys.devices(); ++device)
    count += static_cast<Index>(keys.rows_of(device).size());
  std::vector<Index> numbers(static_cast<std::size_t>(count));
  Index first = 0;
  for (int device = 0; device < keys.devices(); ++device) {
    const auto block = static_cast<Index>(keys.rows_of(device).size());
    const Index size = tile == 0 ? std::max<Index>(1, block) : tile;
    for (const Index j : keys.rows_of(device))
      numbers[static_cast<std::size_t>(j)] = first + keys.place_of(j) / size;
    first += (block + size - 1) / size;
  }
  return numbers;
}

Variants each_tile(const Simulation& sim) {
  std::size_t largest = 0;
  for (int device = 0; device < sim.devices(); ++device)
    largest = std::max(largest, sim.sharding().keys.rows_of(device).size());
  Variants variants;
  for (const Index tile : {16, 32, 64, 128, 256})
    if (tile < static_cast<Index>(largest))
      variants.push_back(Variant({"tile", tile, std::to_string(tile) + " keys"}));
  return variants;
}

Variants each_wrong_hop(const Simulation& sim) {
  Variants hops{Variant({"hops", 1, "one too few"}), Variant({"hops", -1, "one too many"})};
  if (sim.devices() == 2) hops.pop_back();  // equivalent on two devices
  return only_if(sim.devices() > 1, hops);
}

Variants each_touched(std::initializer_list<Touched> touched) {
  static const char* const names[] = {"dq, dk and dv", "dq and dk", "dk and dv", "dq", "dk", "dv"};
  Variants variants;
  for (const Touched each : touched) variants.push_back(Variant({"gradients", each, names[each]}));
  return variants;
}

bool touches_dq(const Variant& variant) {
  const Index touched = variant["gradients"];
  return touched == dq_dk_dv || touched == dq_dk || touched == dq_only;
}

bool touches_dk(const Variant& variant) {
  const Index touched = variant["gradients"];
  return touched == dq_dk_dv || touched == dq_dk || touched == dk_dv || touched == dk_only;
}

bool touches_dv(const Variant& variant) {
  const Index touched = variant["gradients"];
  return touched == dq_dk_dv || touched == dk_dv || touched == dv_only;
}

std::vector<Matrix<double>*> touched_weights(const Variant& variant, PairWeights& weights) {
  std::vector<Matrix<double>*> touched;
  if (touches_dq(variant)) touched.push_back(&weights.for_dq);
  if (touches_dk(variant)) touched.push_back(&weights.for_dk);
  if (touches_dv(variant)) touched.push_back(&weights.for_dv);
  return touched;
}

void take_touched(const Variant& variant, const PairWeights& changed, PairWeights& weights) {
  if (touches_dq(variant)) weights.for_dq = changed.for_dq;
  if (touches_dk(variant)) weights.for_dk = changed.for_dk;
  if (touches_dv(variant)) weights.for_dv = changed.for_dv;
}

Gradients<double> with_touched(const Variant& variant, const Gradients<double>& changed,
                               Gradients<double> gradients) {
  if (touches_dq(variant)) gradients.dq = changed.dq;
  if (touches_dk(variant)) gradients.dk = changed.dk;
  if (touches_dv(variant)) gradients.dv = changed.dv;
  return gradients;
}

}  // namespace ringattn
