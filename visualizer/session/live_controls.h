#pragma once

#include <set>

namespace ringattn::viz {

// The devices of a live run that are controlled from outside.
struct LiveControls {
  std::set<int> stalled;
  std::set<int> slowed;   // the link to the next device is slow
  std::set<int> waiting;  // for permission to continue, stalled or not
};

}  // namespace ringattn::viz
