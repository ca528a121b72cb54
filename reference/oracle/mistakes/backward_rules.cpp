#include "reference/oracle/mistakes/backward_rules.h"

#include <algorithm>

namespace ringattn {

int step_of(const Spread& spread, Index i, Index j) {
  return spread.owner_at(spread.queries.device_of(i), spread.keys.device_of(j));
}

Index counterpart(const RowSpread& spread, Index row, int device) {
  const auto place = static_cast<std::size_t>(spread.place_of(row));
  const std::vector<Index>& rows = spread.rows_of(device);
  return place < rows.size() ? rows[place] : -1;
}

bool skipped(const BackwardSimulation& sim, const BackwardHead& head, int device, int owner) {
  for (const Index i : sim.spread().queries.rows_of(device))
    for (const Index j : sim.spread().keys.rows_of(owner))
      if (head.visible(i, j)) return false;
  return true;
}

int last_computed_step(const BackwardSimulation& sim, const BackwardHead& head, int device) {
  int step = sim.devices() - 1;
  while (step >= 0 && skipped(sim, head, device, sim.spread().owner_at(device, step))) --step;
  return step;
}

std::vector<Index> tile_numbers(const RowSpread& keys, Index tile) {
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

Readings each_tile(const Simulation& sim) {
  std::size_t largest = 0;
  for (int device = 0; device < sim.devices(); ++device)
    largest = std::max(largest, sim.spread().keys.rows_of(device).size());
  Readings readings;
  for (const Index tile : {16, 32, 64, 128, 256})
    if (tile < static_cast<Index>(largest))
      readings.push_back(Reading({"tile", tile, std::to_string(tile) + " keys"}));
  return readings;
}

Readings each_touched(std::initializer_list<Touched> touched) {
  static const char* const names[] = {"dq, dk and dv", "dq and dk", "dk and dv", "dq", "dk", "dv"};
  Readings readings;
  for (const Touched each : touched) readings.push_back(Reading({"gradients", each, names[each]}));
  return readings;
}

bool touches_dq(const Reading& reading) {
  const Index touched = reading["gradients"];
  return touched == dq_dk_dv || touched == dq_dk || touched == dq_only;
}

bool touches_dk(const Reading& reading) {
  const Index touched = reading["gradients"];
  return touched == dq_dk_dv || touched == dq_dk || touched == dk_dv || touched == dk_only;
}

bool touches_dv(const Reading& reading) {
  const Index touched = reading["gradients"];
  return touched == dq_dk_dv || touched == dk_dv || touched == dv_only;
}

std::vector<Matrix<double>*> touched_weights(const Reading& reading, PairWeights& weights) {
  std::vector<Matrix<double>*> touched;
  if (touches_dq(reading)) touched.push_back(&weights.for_dq);
  if (touches_dk(reading)) touched.push_back(&weights.for_dk);
  if (touches_dv(reading)) touched.push_back(&weights.for_dv);
  return touched;
}

void take_touched(const Reading& reading, const PairWeights& changed, PairWeights& weights) {
  if (touches_dq(reading)) weights.for_dq = changed.for_dq;
  if (touches_dk(reading)) weights.for_dk = changed.for_dk;
  if (touches_dv(reading)) weights.for_dv = changed.for_dv;
}

Gradients<double> with_touched(const Reading& reading, const Gradients<double>& changed,
                               Gradients<double> gradients) {
  if (touches_dq(reading)) gradients.dq = changed.dq;
  if (touches_dk(reading)) gradients.dk = changed.dk;
  if (touches_dv(reading)) gradients.dv = changed.dv;
  return gradients;
}

}  // namespace ringattn
