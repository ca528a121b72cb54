#include "visualizer/run/threaded_run.h"

#include "visualizer/run/controlled_links.h"
#include "visualizer/run/engine.h"

namespace ringattn::viz {

ThreadedRun::ThreadedRun(const RunConfig& config)
    : LiveRun(config), store_(this->config().devices), controller_(costs_of(this->config())) {
  if (this->config().dtype == "f64")
    start<double>();
  else
    start<float>();
}

ThreadedRun::~ThreadedRun() {
  controller_.stop();
  thread_.join();
}

template <class T>
void ThreadedRun::start() {
  const auto problem = std::make_shared<const OwnedProblem<T>>(make_run_problem<T>(config()));
  thread_ = std::thread([this, problem] { run(*problem); });
}

template <class T>
void ThreadedRun::run(const OwnedProblem<T>& problem) {
  Recorders recorders = make_recorders(store_, costs_of(config()));
  const LinkDecorator<T> controlled = [this, &recorders](Link<T>& inner, RunMonitor& monitor) {
    return std::make_unique<ControlledLinks<T>>(inner, monitor, recorders, controller_);
  };
  try {
    run_engine<T>(config(), problem, recorders, 0, controlled);
  } catch (const std::exception& error) {
    failure_ = error.what();
  }
  running_ = false;
}

std::shared_ptr<Recording> ThreadedRun::snapshot() {
  // Read running_ before the events: a recording marked complete must not miss any
  const bool running = running_;
  if (last_ && last_->events().size() == store_.size() && running == last_was_running_) return last_;
  const bool whole = !running && failure_.empty();
  last_ = recording_of(store_.events(), whole ? TraceExtent::complete : TraceExtent::unfinished);
  last_was_running_ = running;
  return last_;
}

void ThreadedRun::step() {
  for (int device = 0; device < config().devices; ++device) controller_.step(device);
}

void ThreadedRun::step(int device) { controller_.step(device); }

void ThreadedRun::open() { controller_.open(); }

void ThreadedRun::stall(int device, bool stalled) { controller_.stall(device, stalled); }

void ThreadedRun::slow_link(int device, double factor) {
  check_slow_factor(factor);
  controller_.slow_link(device, factor);
}

}  // namespace ringattn::viz
