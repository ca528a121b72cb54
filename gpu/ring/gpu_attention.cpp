#include "gpu/ring/gpu_attention.h"

#include <algorithm>

#include "gpu/ring/forward_work.h"
#include "gpu/ring/stream_link.h"
#include "gpu/ring/transfer.h"
#include "reference/definition/bad_input.h"
#include "reference/ring/device.h"
#include "reference/ring/loop.h"
#include "reference/ring/shard.h"

namespace ringattn::gpu {

namespace {

// ---- What the GPU does ------------------------------------------------------------------

// Kernels find the keys that a tile of queries sees by their positions, and know no documents
void check_tokens(const char* whose, const Tokens& tokens, std::int64_t segment) {
  require(tokens.sequences() == 1, "[gpu] all sequences of a batch must stand at the same positions; found ",
          tokens.sequences(), " kinds of ", whose, "; use the CPU");
  const auto all = tokens.of(0);
  for (std::size_t i = 0; i < all.size(); ++i) {
    require(all[i].segment == segment, "[gpu] documents side by side are not masked; found segment ",
            all[i].segment, " among the ", whose, "; use the CPU");
    require(i == 0 || all[i - 1].position <= all[i].position, "[gpu] positions must not descend; found ",
            all[i - 1].position, " before ", all[i].position, " among the ", whose, "; use the CPU");
    require(std::abs(all[i].position) <= Reach::furthest_position, "[gpu] positions must lie within +-",
            int{Reach::furthest_position}, "; found ", all[i].position, "; use the CPU");
  }
}

void check_extents(const Problem<float>& problem, const RingOptions& options) {
  require(options.devices <= AttentionStep::most_devices, "[gpu] a ring has at most ",
          int{AttentionStep::most_devices}, " virtual devices; found ", options.devices);
  const Shape& q = problem.Q.shape;
  require(q.B * q.H <= 65535, "[gpu] sequences x heads must be at most 65535; found ", q.B * q.H);
  for (const Index rows : {q.S, problem.K.shape.S})
    require(rows <= 1 << 30, "[gpu] a sequence has at most 2^30 rows; found ", rows);
}

void check(const Problem<float>& problem, Dtype dtype, const RingOptions& options) {
  ringattn::check(problem);
  require(options.devices >= 1, "[gpu] devices must be at least 1; found ", options.devices);
  require(dtype != Dtype::f64, "[gpu] numbers are stored as bf16, f16 or f32; found f64; use the CPU");
  require(!problem.bias && !problem.allowed,
          "[gpu] a bias or boolean mask names pairs of rows, which do not travel with a block; use causal or "
          "window, or the full attention of the definition");
  require(problem.scoring.softcap == 0, "[gpu] scores are not capped; found softcap ",
          problem.scoring.softcap, "; use the CPU");
  require(options.rotate == Rotation::kv, "[gpu] K and V rotate; found Q rotating; use the CPU");
  require(options.watched.none(), "[gpu] rows cannot be watched one by one; use the CPU");
  check_extents(problem, options);
  const std::int64_t segment = problem.Q.shape.S > 0 ? problem.q_tokens.of(0)[0].segment : 0;
  check_tokens("queries", problem.q_tokens, segment);
  check_tokens("keys", problem.kv_tokens, segment);
}

Reach reach_of(const Mask& mask) {
  const auto reach = [](std::int64_t distance) {
    return distance < 0 ? int{Reach::unlimited}
                        : static_cast<int>(std::min<std::int64_t>(distance, Reach::unlimited));
  };
  return {reach(mask.window_left), mask.causal ? 0 : reach(mask.window_right)};
}

AttentionStep common_step(const Problem<float>& problem, Dtype dtype, int devices) {
  const Shape &q = problem.Q.shape, &k = problem.K.shape, &v = problem.V.shape;
  AttentionStep step;
  step.element = dtype == Dtype::f32 ? Element::f32 : dtype == Dtype::bf16 ? Element::bf16 : Element::f16;
  step.B = static_cast<int>(q.B), step.H = static_cast<int>(q.H), step.Hkv = static_cast<int>(k.H);
  step.d = static_cast<int>(q.D), step.dv = static_cast<int>(v.D);
  step.scale = static_cast<float>(problem.scoring.scale(q.D));
  step.reach = reach_of(problem.scoring.mask);
  step.devices = devices;
  return step;
}

// ---- Blocks of the devices ----------------------------------------------------------------

GpuShard shard_of(const Problem<float>& problem, Dtype dtype, const Agreement& agreement, int device,
                  Stream& stream) {
  const QueryShard<float> queries(problem, agreement.layout, device, agreement.devices);
  const KvShard<float> kv(problem, agreement.layout, device, agreement.devices);
  const Index q_rows = agreement.q_rows, kv_rows = agreement.kv_rows;
  const Index storage = bytes_per_element(dtype), state = sizeof(float);
  const Shape q = queries.Q->shape(), row{q.B, q.S, q.H, 1}, out{q.B, q.S, q.H, problem.V.shape.D};
  return {queries.rows,
          kv.rows,
          queries.tokens,
          kv.tokens,
          to_gpu(*queries.Q, q_rows, dtype, stream),
          to_gpu(*kv.K, kv_rows, dtype, stream),
          to_gpu(*kv.V, kv_rows, dtype, stream),
          positions_to_gpu(*queries.tokens, q_rows, stream),
          positions_to_gpu(*kv.tokens, kv_rows, stream),
          unwritten(row, state, stream),
          unwritten(row, state, stream),
          unwritten(out, state, stream),
          unwritten(out, storage, stream),
          unwritten(row, state, stream)};
}

// Room for the largest block that travels
GpuBlock spare_block(const Agreement& agreement, Dtype dtype, Stream& stream) {
  const auto rows_of = [&](Shape shape) { return shape.S = agreement.kv_rows, shape; };
  const Index bytes = bytes_per_element(dtype);
  return {-1,
          nullptr,
          {unwritten(rows_of(agreement.k), bytes, stream), unwritten(rows_of(agreement.v), bytes, stream),
           unwritten({1, agreement.kv_rows, 1, 1}, sizeof(int), stream)}};
}

Index bytes_of(const GpuShard& shard) {
  return shard.K->bytes() + shard.V->bytes() + shard.kv_positions->bytes();
}

Agreement agree(const Problem<float>& problem, const RingOptions& options) {
  Agreement agreement;
  agreement.scoring = problem.scoring;
  agreement.layout = options.layout;
  agreement.devices = options.devices;
  agreement.q = problem.Q.shape, agreement.k = problem.K.shape, agreement.v = problem.V.shape;
  agreement.q_rows = largest_shard(options.layout, options.devices, problem.Q.shape.S);
  agreement.kv_rows = largest_shard(options.layout, options.devices, problem.K.shape.S);
  return agreement;
}

}  // namespace

const Rung& rung_for(const Problem<float>& problem, Dtype dtype, const RingOptions& options,
                     int at_most_rung) {
  return highest_rung(common_step(problem, dtype, options.devices), at_most_rung);
}

Attended<float> ring_attention(const Problem<float>& problem, Dtype dtype, const RingOptions& options,
                               int at_most_rung) {
  check(problem, dtype, options);
  Agreement agreement = agree(problem, options);
  Stream compute, copies;
  Wave wave(common_step(problem, dtype, options.devices), at_most_rung, compute);

  std::vector<ForwardWork> works;
  std::vector<GpuBlock> spare;
  for (int d = 0; d < options.devices; ++d) {
    works.emplace_back(d, shard_of(problem, dtype, agreement, d, compute), agreement, wave);
    agreement.slot_bytes = std::max(agreement.slot_bytes, bytes_of(works.back().shard()));
    if (options.devices > 1) spare.push_back(spare_block(agreement, dtype, compute));
  }
  compute.finish();

  StreamLink link(std::move(spare), options.exchange, compute, copies);
  Recorders silent(static_cast<std::size_t>(options.devices));
  Recorders& facts = options.facts ? *options.facts : silent;
  std::vector<Device<OnGpu>> devices;
  for (int d = 0; d < options.devices; ++d)
    devices.emplace_back(d, options.devices, works[static_cast<std::size_t>(d)], link,
                         facts[static_cast<std::size_t>(d)]);
  run_ring(std::span<Device<OnGpu>>(devices), options.devices, options.overlap);
  compute.finish();

  const Shape out = problem.out_shape();
  Attended<float> result{Tensor<float>(out), row_tensor<float>(out.B, out.S, out.H)};
  for (const ForwardWork& work : works) {
    scatter_rows(from_gpu(*work.shard().out, dtype, compute), work.shard().q_rows, result.out);
    scatter_rows(from_gpu(*work.shard().lse, Dtype::f32, compute), work.shard().q_rows, result.lse);
  }
  return result;
}

}  // namespace ringattn::gpu
