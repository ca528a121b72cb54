#pragma once

#include <string>
#include <utility>
#include <vector>

#include "reference/planner/plan.h"

namespace ringattn::planner {

// When one device computes and when messages arrive at it, in seconds since the begin of the pass.
struct PassTimeline {
  using Spans = std::vector<std::pair<double, double>>;  // begin and end of each

  std::string pass;  // "forward" or "backward"
  int device = 0;    // the first of those that end last
  double seconds = 0;
  Spans arithmetic, messages;
};

// The passes of one layer with the chosen strategy; none for a ring that is too long for a trace
std::vector<PassTimeline> timelines(const Plan& plan);

}  // namespace ringattn::planner
