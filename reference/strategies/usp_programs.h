#pragma once

#include "reference/ring/backward_pass.h"
#include "reference/ring/forward_pass.h"
#include "reference/strategies/usp_device.h"

namespace ringattn {

// A device of USP in a forward pass.
template <class T>
class UspForward : public UspDevice<T> {
 public:
  UspForward(RingConfig config, Rotation rotate, const QueryShard<T>& queries, const KvShard<T>& kv,
             HeadExchange<T> exchange, Recorder& recorder)
      : UspDevice<T>(usp_forward_names, {queries.device, queries.positions, {queries.Q}},
                     {kv.device, kv.positions, {kv.K, kv.V}}, std::move(exchange), recorder),
        config_(std::move(config)),
        rotate_(rotate) {}

 protected:
  DeviceProgram<T>& make_program(Block<T> queries, Block<T> kv) override {
    program_ =
        forward_program<T>(rotate_)(config_, {queries.owner, {}, queries.positions, queries.tensors[0]},
                                    {kv.owner, {}, kv.positions, kv.tensors[0], kv.tensors[1]});
    return *program_;
  }
  Block<T> program_query_results() override {
    AttentionOutput<T> rows = program_->state().finish();
    return {this->device(), nullptr, {shared(std::move(rows.out)), shared(std::move(rows.lse))}};
  }

 private:
  RingConfig config_;
  Rotation rotate_;
  std::unique_ptr<ForwardProgram<T>> program_;
};

// A device of USP in a backward pass.
template <class T>
class UspBackward : public UspDevice<T> {
 public:
  UspBackward(RingConfig config, Rotation rotate, const QueryShard<T>& queries, const KvShard<T>& kv,
              const CotangentShard<T>& rows, HeadExchange<T> exchange, Recorder& recorder)
      : UspDevice<T>(usp_backward_names,
                     {queries.device, queries.positions, {queries.Q, rows.dO, rows.lse, rows.row_term}},
                     {kv.device, kv.positions, {kv.K, kv.V}}, std::move(exchange), recorder),
        config_(std::move(config)),
        rotate_(rotate) {}

 protected:
  DeviceProgram<T>& make_program(Block<T> queries, Block<T> kv) override {
    program_ =
        backward_program<T>(rotate_)(config_, {queries.owner, {}, queries.positions, queries.tensors[0]},
                                     {kv.owner, {}, kv.positions, kv.tensors[0], kv.tensors[1]},
                                     {queries.tensors[1], queries.tensors[2], queries.tensors[3]});
    return *program_;
  }
  Block<T> program_query_results() override {
    return {this->device(), nullptr, {shared(program_->gradients().dq)}};
  }
  Block<T> program_kv_results() override {
    return {this->device(), nullptr, {shared(program_->gradients().dk), shared(program_->gradients().dv)}};
  }

 private:
  RingConfig config_;
  Rotation rotate_;
  std::unique_ptr<BackwardProgram<T>> program_;
};

}  // namespace ringattn
