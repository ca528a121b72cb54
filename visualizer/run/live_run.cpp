#include "visualizer/run/live_run.h"

#include <cmath>

#include "reference/definition/attention.h"
#include "reference/definition/input/bad_input.h"

namespace ringattn::viz {

LiveRun::LiveRun(const RunConfig& config)
    : config_(completed(config)),
      dense_(attention((config_.dtype == "f64" ? in_float64(make_run_problem<double>(config_))
                                               : in_float64(make_run_problem<float>(config_)))
                           .problem())
                 .out) {}

std::shared_ptr<Recording> LiveRun::recording_of(std::vector<Event> events, TraceExtent extent) const {
  auto recording = std::make_shared<Recording>(header_of(config_), std::move(events), extent);
  recording->set_dense(dense_);
  recording->words = words_of(config_);
  return recording;
}

void LiveRun::check_slow_factor(double factor) {
  require(factor >= 1 && std::isfinite(factor),
          "[run] the factor of a slow link must be finite and at least 1; found ", factor);
}

}  // namespace ringattn::viz
