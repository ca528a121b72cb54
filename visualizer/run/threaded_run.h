#pragma once

#include <atomic>
#include <thread>

#include "reference/trace/trace_store.h"
#include "visualizer/run/link_controller.h"
#include "visualizer/run/live_run.h"

namespace ringattn::viz {

// A live run with one thread for each device. Links really are as slow as their costs say.
class ThreadedRun final : public LiveRun {
 public:
  explicit ThreadedRun(const RunConfig& config);

  // Stops the run at once, even if its devices are waiting
  ~ThreadedRun() override;

  std::shared_ptr<Recording> snapshot() override;
  void step() override;
  void open() override;
  bool holds(int device) override { return controller_.holds(device); }
  void stall(int device, bool stalled) override;
  void slow_link(int device, double factor) override;
  bool running() const override { return running_; }
  std::string failure() const override { return running_ ? "" : failure_; }

  // Releases one operation of one device
  void step(int device);

 private:
  template <class T>
  void start();
  template <class T>
  void run(const OwnedProblem<T>& problem);

  TraceStore store_;
  LinkController controller_;

  std::atomic<bool> running_ = true;
  std::string failure_;  // written before running_ becomes false, read afterwards

  std::shared_ptr<Recording> last_;
  bool last_was_running_ = true;

  std::thread thread_;
};

}  // namespace ringattn::viz
