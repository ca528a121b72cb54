#pragma once

#include <string>
#include <vector>

namespace ringattn::planner {

// One term of the memory of a device.
struct MemoryTerm {
  std::string name;  // also its key in JSON, with _ for the space
  double bytes = 0;
  std::string formula;  // in words and symbols
};

// The memory of the device that holds most.
struct MemoryTerms {
  std::vector<MemoryTerm> terms;
  double capacity = 0;

  double total() const;
  double free() const { return capacity - total(); }
  bool fits() const { return total() <= capacity; }
};

}  // namespace ringattn::planner
