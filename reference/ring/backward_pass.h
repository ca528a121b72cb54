#pragma once

#include "reference/comm/transport.h"
#include "reference/definition/attention_vjp.h"
#include "reference/ring/programs/backward_program.h"
#include "reference/ring/programs/shard.h"
#include "reference/ring/run_programs.h"

namespace ringattn {

// A function that makes the program of one device in a backward pass from the shards of that device.
template <class T>
using BackwardFactory = std::function<std::unique_ptr<BackwardProgram<T>>(
    const RingConfig& config, QueryShard<T> queries, KvShard<T> kv, CotangentShard<T> cotangents)>;

// The factory for the tensors that rotate
template <class T>
BackwardFactory<T> backward_program(Rotation rotate);

// The programs of the local devices in a backward pass, and their results.
template <class T>
class BackwardPrograms {
 public:
  // Shards Q, K, V, the cotangents and the lse of _forward_. Each local device gets a program that holds its rows; a
  // recorded run calls it through a decorator. Throws BadInput if shapes or options are invalid
  BackwardPrograms(const Problem<T>& problem, const AttentionOutput<T>& forward,
                   const Cotangents<T>& cotangents, const RingOptions& options, const DeviceRange& local,
                   const BackwardFactory<T>& make_program, const ScheduleFactory& schedules);

  // By device
  const std::vector<ScheduledProgram<T>>& scheduled() const { return scheduled_; }

  // After the run: dQ, dK and dV, with the shapes of Q, K and V, of the rows of the local devices
  Gradients<T> gather() const;

 private:
  RingConfig config_;
  Tensor<T> dsinks_;  // sums over query rows, which stay on their device
  std::vector<std::unique_ptr<BackwardProgram<T>>> programs_;
  Index threads_ = 1;  // to shard and gather
  std::vector<std::unique_ptr<DeviceProgram<T>>> decorators_;
  std::vector<ScheduledProgram<T>> scheduled_;
};

// A backward pass: shards, runs the programs, then gathers the gradients. Throws BadInput if shapes or options are
// invalid.
template <class T>
Gradients<T> backward_pass(const Problem<T>& problem, const AttentionOutput<T>& forward,
                           const Cotangents<T>& cotangents, const RingOptions& options,
                           Transport<T>& transport, const ScheduleFactory& schedules = ring_schedule);

}  // namespace ringattn
