#pragma once

namespace ringattn::planner {

// The energy of a plan, in joules. Links: their bits at the marginal energy of a bit, and their modules, which are on
// whether bits travel or not. The total counts the modules, not the bits: these would be counted twice.
struct Energy {
  double busy = 0, waiting = 0;  // of all chips
  double link_bits = 0, link_modules = 0;
  double pue = 1;  // power usage effectiveness: the energy of the building / that of its computers
  double tokens = 1;

  double total() const { return pue * (busy + waiting + link_modules); }
  double kilowatt_hours() const { return total() / 3.6e6; }
  double joules_per_token() const { return total() / tokens; }
};

}  // namespace ringattn::planner
