#pragma once

#include "visualizer/model/recording.h"
#include "visualizer/run/run_config.h"

namespace ringattn::viz {

// A run of the engine from its begin to its end, and what ended it early: the sentence of its deadlock, say.
struct RecordedRun {
  std::shared_ptr<Recording> recording;
  std::string failure;  // empty: it came to its end
};

// Runs the engine in one thread, so that equal runs have equal recordings; with every row traced_rows, and the
// result of full attention beside it. Throws BadInput where there is no such run
RecordedRun record_run(const RunConfig& config);

}  // namespace ringattn::viz
