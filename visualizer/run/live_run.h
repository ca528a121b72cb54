#pragma once

#include <atomic>
#include <thread>

#include "reference/trace/trace_store.h"
#include "visualizer/model/recording.h"
#include "visualizer/run/link_controller.h"
#include "visualizer/run/run_problem.h"

namespace ringattn::viz {

// A run of the engine in progress, with one thread for each device, under outside control. Each device stops before
// every link operation until it is released; one hop of a block takes three: reserve, send and receive. All member
// functions are called from one thread.
class LiveRun {
 public:
  // Throws BadInput if the configuration is invalid
  explicit LiveRun(const RunConfig& config);

  // Stops the run at once, even if its devices are waiting
  ~LiveRun();

  LiveRun(const LiveRun&) = delete;
  LiveRun& operator=(const LiveRun&) = delete;

  // The events so far. Returns the same recording as before if there are no new events
  std::shared_ptr<Recording> snapshot();

  // Releases one operation of each device, or of one device. A stalled device stays where it is
  void step();
  void step(int device);

  // Releases all operations of all devices. A stalled device stays where it is
  void open();

  // Whether a device waits to be released
  bool holds(int device) { return controller_.holds(device); }

  // Stalls a device, or lets it continue
  void stall(int device, bool stalled);

  // Multiplies the transfer time of messages from a device, real and modelled, by _factor_ >= 1 from now on. A link
  // without costs remains infinitely fast
  void slow_link(int device, double factor);

  bool running() const { return running_; }

  // The error that ended the run early; empty: none, or still running
  std::string failure() const { return running_ ? "" : failure_; }

 private:
  template <class T>
  void start();
  template <class T>
  void run(const OwnedProblem<T>& problem);

  const RunConfig config_;
  TraceStore store_;
  LinkController controller_;
  Tensor<double> dense_;

  std::atomic<bool> running_ = true;
  std::string failure_;  // written before running_ becomes false, read afterwards

  std::shared_ptr<Recording> last_;
  bool last_was_running_ = true;

  std::thread thread_;
};

}  // namespace ringattn::viz
