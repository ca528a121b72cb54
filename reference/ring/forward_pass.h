#pragma once

#include <algorithm>
#include <functional>
#include <thread>

#include "reference/comm/transport.h"
#include "reference/ring/programs/forward_program.h"
#include "reference/ring/programs/shard.h"
#include "reference/ring/run_programs.h"

namespace ringattn {

// A function that makes the program of one device from the shards of that device. The program may keep a reference to
// _config_.
template <class T>
using ForwardFactory = std::function<std::unique_ptr<ForwardProgram<T>>(
    const RingConfig& config, QueryShard<T> queries, KvShard<T> kv)>;

// The factory for the tensors that rotate
template <class T>
ForwardFactory<T> forward_program(Rotation rotate);

// The number of threads that shard the tensors of the local devices and gather their results: that of the threads that
// run them, but at most one for each processor
inline Index sharding_threads(const RingOptions& options, const DeviceRange& local) {
  const Index running = options.threads > 0 ? options.threads : local.count();
  return std::min<Index>(running, std::max(1U, std::thread::hardware_concurrency()));
}

// The programs of the local devices in a forward pass, and their results.
template <class T>
class ForwardPrograms {
 public:
  // Shards Q, K and V. Each local device gets a program that holds its rows; a recorded run calls it through a
  // decorator. Throws BadInput if shapes or options are invalid
  ForwardPrograms(const Problem<T>& problem, const RingOptions& options, const DeviceRange& local,
                  const ForwardFactory<T>& make_program, const ScheduleFactory& schedules);

  // By device
  const std::vector<ScheduledProgram<T>>& scheduled() const { return scheduled_; }

  // After the run: out (B, Sq, Hq, Dv) and lse (B, Sq, Hq, 1) of the rows of the local devices
  AttentionOutput<T> gather() const;

 private:
  RingConfig config_;
  std::vector<std::unique_ptr<ForwardProgram<T>>> programs_;
  Index threads_ = 1;  // to shard and gather
  std::vector<std::unique_ptr<DeviceProgram<T>>> decorators_;
  std::vector<ScheduledProgram<T>> scheduled_;
};

// A forward pass: shards, runs the programs, then gathers out and lse. Throws BadInput if shapes or options are invalid.
template <class T>
AttentionOutput<T> forward_pass(const Problem<T>& problem, const RingOptions& options,
                                Transport<T>& transport, const ForwardFactory<T>& make_program,
                                const ScheduleFactory& schedules = ring_schedule);

// Throws BadInput if a ring with these options cannot compute the problem
template <class T>
void check(const Problem<T>& problem, const RingOptions& options);

}  // namespace ringattn
