#include "gpu/bench/single_device_backward.h"

#include <limits>

#include "gpu/backward/row_term.h"
#include "gpu/kernels/ladder.h"
#include "gpu/tensor/host_copy.h"

namespace ringattn::gpu {

SingleDeviceBackward::SingleDeviceBackward(const BenchCase& c, Stream& stream)
    : case_(c),
      stream_(stream),
      forward_(c, stream),
      dO_(c.shape(c.d), 2),
      row_term_(c.shape(1), 4),
      dQ_(c.shape(c.d), 4),
      dK_(c.shape(c.d), 4),
      dV_(c.shape(c.d), 4) {
  const AttentionStep forward = forward_.step();
  const DeviceStep& of = forward.device[0];
  highest_rung(forward, std::numeric_limits<int>::max()).launch(forward, stream);
  write_normal_numbers(c.numbers_of("dO"), of.q_positions, c.N, Element::bf16, dO_.data(), stream);
  RowTermStep step{Element::bf16, c.B, c.H, c.d, 1, {}};
  step.device[0] = {dO_.data(), of.out, of.lse, nullptr, row_term_.as<float>(), c.N};
  launch_row_terms(step, stream);
}

BackwardStep SingleDeviceBackward::step() {
  auto step = common_step<BackwardStep>(ring_config_of(case_), Dtype::bf16);
  const AttentionStep forward = forward_.step();
  const DeviceStep& of = forward.device[0];
  step.device[0] = {of.Q,
                    dO_.data(),
                    of.K,
                    of.V,
                    of.q_positions,
                    of.kv_positions,
                    of.q_rows,
                    of.kv_rows,
                    of.lse,
                    row_term_.as<float>(),
                    dQ_.as<float>(),
                    dK_.as<float>(),
                    dV_.as<float>()};
  return step;
}

void SingleDeviceBackward::poison() {
  for (GpuTensor* tensor : {&dQ_, &dK_, &dV_})
    stream_.fill(tensor->data(), 0xff, static_cast<std::size_t>(tensor->bytes()));
}

ReadHead SingleDeviceBackward::reader() {
  return [this](int b, int h) -> HeadResults {
    const auto head = [&](const GpuTensor& tensor) {
      return head_from_gpu(tensor, Dtype::f32, b, h, stream_);
    };
    return {forward_.head(b, h), {head(dQ_), head(dK_), head(dV_)}};
  };
}

}  // namespace ringattn::gpu
