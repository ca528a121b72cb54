#include "visualizer/run/live_run.h"

#include <cmath>

#include "reference/definition/bad_input.h"
#include "visualizer/run/controlled_links.h"
#include "visualizer/run/engine.h"

namespace ringattn::viz {

LiveRun::LiveRun(const RunConfig& config)
    : config_(completed(config)), store_(config_.devices), controller_(costs_of(config_)) {
  if (config_.dtype == "f64")
    start<double>();
  else
    start<float>();
}

LiveRun::~LiveRun() {
  controller_.stop();
  thread_.join();
}

template <class T>
void LiveRun::start() {
  const auto problem = std::make_shared<const OwnedProblem<T>>(make_run_problem<T>(config_));
  dense_ = attention(in_float64(*problem).problem()).out;
  thread_ = std::thread([this, problem] { run(*problem); });
}

template <class T>
void LiveRun::run(const OwnedProblem<T>& problem) {
  Recorders recorders = make_recorders(store_, costs_of(config_));
  const LinkDecorator<T> controlled = [this, &recorders](Link<T>& inner, RunMonitor& monitor) {
    return std::make_unique<ControlledLinks<T>>(inner, monitor, recorders, controller_);
  };
  try {
    run_engine<T>(config_, problem, recorders, 0, controlled);
  } catch (const std::exception& error) {
    failure_ = error.what();
  }
  running_ = false;
}

std::shared_ptr<Recording> LiveRun::snapshot() {
  // Read running_ before the events: a recording marked complete must not miss any
  const bool running = running_;
  if (last_ && last_->events().size() == store_.size() && running == last_was_running_) return last_;
  const bool whole = !running && failure_.empty();
  last_ = std::make_shared<Recording>(header_of(config_), store_.events(),
                                      whole ? TraceExtent::complete : TraceExtent::unfinished);
  last_->set_dense(dense_);
  last_->words = words_of(config_);
  last_was_running_ = running;
  return last_;
}

void LiveRun::step() {
  for (int device = 0; device < config_.devices; ++device) controller_.step(device);
}

void LiveRun::step(int device) { controller_.step(device); }

void LiveRun::open() { controller_.open(); }

void LiveRun::stall(int device, bool stalled) { controller_.stall(device, stalled); }

void LiveRun::slow_link(int device, double factor) {
  require(factor >= 1 && std::isfinite(factor),
          "[run] the factor of a slow link must be finite and at least 1; found ", factor);
  controller_.slow_link(device, factor);
}

}  // namespace ringattn::viz
