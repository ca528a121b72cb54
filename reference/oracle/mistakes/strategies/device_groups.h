#pragma once

#include "reference/oracle/catalogue/mistake.h"

namespace ringattn {

// The query heads, or the K/V heads, on one device after the all-to-all of Ulysses; 0 if the devices do not divide them
inline Index heads_of_device(const Sharding& sharding, Index heads) {
  return heads % sharding.devices() == 0 ? heads / sharding.devices() : 0;
}

// Whether the devices can exchange heads for rows
inline bool exchanges_heads(const Simulation& sim) {
  return sim.devices() > 1 && heads_of_device(sim.sharding(), sim.problem().Q.shape.H) > 0;
}

// One variant for each size of a group of devices, of which there are at least two that each have at least two devices
inline Variants each_group_size(const std::string& name, const Simulation& sim) {
  Variants sizes;
  for (Index size = 2; 2 * size <= sim.devices(); ++size)
    if (sim.devices() % size == 0) sizes.push_back(Variant({name, size, std::to_string(size)}));
  return sizes;
}

}  // namespace ringattn
