#pragma once

#include <optional>
#include <string>
#include <vector>

#include "visualizer/model/moment.h"

namespace ringattn::viz {

// How a query searches a text that is distributed over the devices, at a moment.
struct RecallPicture {
  int at = -1;                  // the device where the query is
  std::vector<bool> met;        // the words until now
  std::vector<double> weights;  // of each word among those until now, exp(S - m) / l
  double m = 0, l = 0;          // the state after them; l = 0: none yet
  Index best = -1;              // the word with the largest weight; -1: none yet
  std::vector<Index>
      agreeing;  // the words before _best_ that are also in the prompt, at the same distance from its end
  std::string continuation;  // the word whose value is nearest to the output; empty before the end
};

// Empty if the run recalls nothing
std::optional<RecallPicture> recall_picture(const Recording& recording, const Moment& moment);

}  // namespace ringattn::viz
