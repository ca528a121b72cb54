#pragma once

#include <atomic>
#include <thread>

#include "reference/trace/trace_store.h"
#include "visualizer/model/recording.h"
#include "visualizer/run/run_problem.h"
#include "visualizer/run/link_controller.h"

namespace ringattn::viz {

// A run of the engine that is under way, with a thread for each device, and steered from outside. It stands
// still until it is told to go on: before each verb of a link, of which every hop of a block takes three,
// reserve, send and receive. Calls come from one thread.
class LiveRun {
 public:
  // Throws BadInput where there is no such run
  explicit LiveRun(const RunConfig& config);

  // Ends the run at once, wherever its devices wait
  ~LiveRun();

  LiveRun(const LiveRun&) = delete;
  LiveRun& operator=(const LiveRun&) = delete;

  // Everything that has happened so far; the very same as before where nothing more has
  std::shared_ptr<Recording> snapshot();

  // Each device, or one, may take one more verb than it has taken; not those that are stalled
  void step();
  void step(int device);

  // From now on all devices run freely, but for those that are stalled
  void open();

  // A stalled device takes no verb until it is no longer stalled
  void stall(int device, bool stalled);

  // From now on messages from this device take so many times as long as the costs of the run say, in truth
  // and on the virtual clock. A link that costs nothing stays infinitely fast
  void slow_link(int device, double factor);

  bool running() const { return running_; }

  // What ended the run early; empty: nothing, or nothing yet
  std::string failure() const { return running_ ? "" : failure_; }

 private:
  template <class T>
  void start();
  template <class T>
  void run(const RunProblem<T>& problem);

  const RunConfig config_;
  TraceStore store_;
  LinkController controller_;
  Tensor<double> dense_;

  std::atomic<bool> running_ = true;
  std::string failure_;  // written before the run is over, read afterwards

  std::shared_ptr<Recording> last_;
  bool last_was_running_ = true;

  std::thread thread_;
};

}  // namespace ringattn::viz
