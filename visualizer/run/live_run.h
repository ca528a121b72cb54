#pragma once

#include <memory>
#include <string>

#include "visualizer/model/recording.h"
#include "visualizer/run/run_problem.h"

namespace ringattn::viz {

// A run of the engine in progress, under outside control. Each device stops before every link operation until it is
// released; one hop of a block takes three: reserve, send and receive. All member functions are called from one thread.
class LiveRun {
 public:
  // Throws BadInput if the configuration is invalid
  explicit LiveRun(const RunConfig& config);
  virtual ~LiveRun() = default;
  LiveRun(const LiveRun&) = delete;
  LiveRun& operator=(const LiveRun&) = delete;

  // The events so far. Returns the same recording as before if there are no new events
  virtual std::shared_ptr<Recording> snapshot() = 0;

  // Releases one operation of each device. A stalled device stays where it is
  virtual void step() = 0;

  // Releases all operations of all devices. A stalled device stays where it is
  virtual void open() = 0;

  // Whether a device waits to be released
  virtual bool holds(int device) = 0;

  // Stalls a device, or lets it continue
  virtual void stall(int device, bool stalled) = 0;

  // Multiplies the transfer time of messages from a device by _factor_ >= 1 from now on. A link without costs remains
  // infinitely fast
  virtual void slow_link(int device, double factor) = 0;

  virtual bool running() const = 0;

  // The error that ended the run early; empty: none, or still running
  virtual std::string failure() const = 0;

 protected:
  const RunConfig& config() const { return config_; }
  std::shared_ptr<Recording> recording_of(std::vector<Event> events, TraceExtent extent) const;
  // Throws BadInput unless the factor of a slow link is finite and at least 1
  static void check_slow_factor(double factor);

 private:
  const RunConfig config_;
  Tensor<double> dense_;  // the output of full attention
};

}  // namespace ringattn::viz
