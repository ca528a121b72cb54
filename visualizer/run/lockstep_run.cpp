#include "visualizer/run/lockstep_run.h"

#include <algorithm>

#include "reference/comm/decorators/forwarding_link.h"
#include "reference/comm/run_monitor.h"
#include "visualizer/run/engine.h"

namespace ringattn::viz {

namespace {

// More than a run has
constexpr int many_operations = 1 << 20;

}  // namespace

// Links that end the run before the first operation that is not permitted, and set the costs of each message.
template <class T>
class LockstepRun::PermittedLinks final : public ForwardingLink<T> {
 public:
  PermittedLinks(Link<T>& inner, LockstepRun& run, Recorders& recorders)
      : ForwardingLink<T>(inner), run_(run), recorders_(recorders), costs_(costs_of(run.config())) {}

 protected:
  void before_call(int device) override {
    const auto index = static_cast<std::size_t>(device);
    int& operation = run_.operations_[index];
    if (operation >= run_.permitted_[index]) {
      run_.stopped_at_ = device;
      throw RunStopped();
    }
    for (const SpeedChange& change : run_.changes_)
      if (change.device == device && change.operation <= operation)
        recorders_[index].set_cost(slowed(costs_[index], change.factor));
    ++operation;
  }

 private:
  LockstepRun& run_;
  Recorders& recorders_;
  std::vector<CostModel> costs_;
};

LockstepRun::LockstepRun(const RunConfig& config)
    : LiveRun(config), permitted_(static_cast<std::size_t>(this->config().devices), 0) {
  repeat();
}

void LockstepRun::step() { release(1); }

void LockstepRun::open() { release(many_operations); }

void LockstepRun::release(int operations) {
  if (!running_) return;
  for (int device = 0; device < config().devices; ++device) {
    int& permitted = permitted_[static_cast<std::size_t>(device)];
    if (!stalled_.count(device)) permitted = std::min(permitted + operations, many_operations);
  }
  repeat();
}

void LockstepRun::stall(int device, bool stalled) {
  if (stalled)
    stalled_.insert(device);
  else
    stalled_.erase(device);
}

void LockstepRun::slow_link(int device, double factor) {
  check_slow_factor(factor);
  changes_.push_back({device, operations_[static_cast<std::size_t>(device)], factor});
}

void LockstepRun::repeat() {
  if (config().dtype == "f64")
    repeat_as<double>();
  else
    repeat_as<float>();
}

template <class T>
void LockstepRun::repeat_as() {
  operations_.assign(permitted_.size(), 0);
  TraceStore store(config().devices);
  Recorders recorders = make_recorders(store, costs_of(config()));
  const LinkDecorator<T> permitted = [&](Link<T>& inner, RunMonitor&) {
    return std::make_unique<PermittedLinks<T>>(inner, *this, recorders);
  };
  try {
    run_engine<T>(config(), make_run_problem<T>(config()), recorders, 1, permitted);
    running_ = false;
  } catch (const RunStopped&) {
    // The next step goes on
  } catch (const std::exception& error) {
    running_ = false;
    failure_ = error.what();
  }
  const bool whole = !running_ && failure_.empty();
  last_ = recording_of(store.events(), whole ? TraceExtent::complete : TraceExtent::unfinished);
}

}  // namespace ringattn::viz
