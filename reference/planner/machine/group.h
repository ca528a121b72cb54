#pragma once

namespace ringattn::planner {

// The devices among which the sequence is distributed: nodes with the same number of devices each, in ring order.
struct Group {
  int nodes = 1, per_node = 1;
  int ulysses = 1;  // the degree of Ulysses in USP

  int devices() const { return nodes * per_node; }
};

}  // namespace ringattn::planner
