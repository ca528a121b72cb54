#include "gpu/bench/single_device_forward.h"

#include "gpu/tensor/host_copy.h"

namespace ringattn::gpu {

RingConfig ring_config_of(const BenchCase& c, const RingOptions& options) {
  Scoring scoring;
  scoring.mask.causal = c.causal;
  const Shape shape = c.shape(c.d);
  return make_ring_config(scoring, shape, shape, shape, options);
}

SingleDeviceForward::SingleDeviceForward(const BenchCase& c, Stream& stream)
    : case_(c),
      stream_(stream),
      positions_(positions_to_gpu(consecutive_positions(c.N), c.N, stream)),
      tile_counter_(stream),
      Q_(c.shape(c.d), 2),
      K_(c.shape(c.d), 2),
      V_(c.shape(c.d), 2),
      m_(c.shape(1), 4),
      l_(c.shape(1), 4),
      O_(c.shape(c.d), 4),
      out_(c.shape(c.d), 2),
      lse_(c.shape(1), 4) {
  for (const auto& [name, tensor] : {std::pair{"Q", &Q_}, {"K", &K_}, {"V", &V_}})
    write_normal_numbers(c.numbers_of(name), positions_->as<int>(), c.N, Element::bf16, tensor->data(),
                         stream);
}

AttentionStep SingleDeviceForward::step() {
  auto step = common_step<AttentionStep>(ring_config_of(case_), Dtype::bf16);
  step.tile_counter = tile_counter_.data();
  const int* const positions = positions_->as<int>();
  step.device[0] = {Q_.data(), K_.data(),      V_.data(),      positions,      positions,   case_.N,
                    case_.N,   m_.as<float>(), l_.as<float>(), O_.as<float>(), out_.data(), lse_.as<float>()};
  return step;
}

void SingleDeviceForward::poison() {
  for (GpuTensor* tensor : {&m_, &l_, &O_, &out_, &lse_})
    stream_.fill(tensor->data(), 0xff, static_cast<std::size_t>(tensor->bytes()));
}

ReadRow SingleDeviceForward::reader() {
  return [this](int b, int h, Index row) {
    return row_of_results(out_, lse_, (Index{b} * case_.H + h) * case_.N + row, stream_);
  };
}

AttentionOutput<float> SingleDeviceForward::head(int b, int h) {
  return {head_from_gpu(out_, Dtype::bf16, b, h, stream_), head_from_gpu(lse_, Dtype::f32, b, h, stream_)};
}

}  // namespace ringattn::gpu
