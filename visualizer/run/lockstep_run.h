#pragma once

#include <set>
#include <vector>

#include "reference/trace/trace_store.h"
#include "visualizer/run/live_run.h"

namespace ringattn::viz {

// A live run in one thread, for a browser, which has no threads. Its devices run in lockstep, so a stalled device stops
// the whole ring.
//
// A thread that stops in the middle of the engine could not return to its caller. Instead, each step repeats the run
// from its start and stops it one operation of each device later. Equal runs have equal events, so a repetition only
// adds events to those before. The modelled times, too, are the same: a slow link is slow from the same operation on.
class LockstepRun final : public LiveRun {
 public:
  explicit LockstepRun(const RunConfig& config);

  std::shared_ptr<Recording> snapshot() override { return last_; }
  void step() override;
  void open() override;
  bool holds(int device) override { return running_ && device == stopped_at_; }
  void stall(int device, bool stalled) override;
  void slow_link(int device, double factor) override;
  bool running() const override { return running_; }
  std::string failure() const override { return failure_; }

 private:
  template <class T>
  class PermittedLinks;
  // A link that is slower or faster from an operation of its device on
  struct SpeedChange {
    int device = 0, operation = 0;
    double factor = 1;
  };

  void release(int operations);
  void repeat();
  template <class T>
  void repeat_as();

  std::vector<int> permitted_;   // operations that each device may do
  std::vector<int> operations_;  // operations that each device has done
  std::set<int> stalled_;
  std::vector<SpeedChange> changes_;

  int stopped_at_ = 0;  // the device that waits to be released
  bool running_ = true;
  std::string failure_;
  std::shared_ptr<Recording> last_;
};

}  // namespace ringattn::viz
