#include "gpu/ring/limits.h"

#include "gpu/primitives/attention_step.h"
#include "reference/comm/mpi/mpi_transport.h"
#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/device_count.h"

namespace ringattn::gpu {

namespace {

// Kernels find the visible keys of a tile of queries by binary search over positions, and have no document mask
void check_positions(const char* whose, const RowPositions& positions, std::int64_t segment) {
  require(positions.sequences() == 1, "[gpu] all sequences of a batch must have the same positions; found ",
          positions.sequences(), " kinds of ", whose, "; use the CPU");
  const auto all = positions.of(0);
  for (std::size_t i = 0; i < all.size(); ++i) {
    require(all[i].segment == segment, "[gpu] document masks are not supported; found segment ",
            all[i].segment, " among the ", whose, "; use the CPU");
    require(i == 0 || all[i - 1].position <= all[i].position, "[gpu] positions must not descend; found ",
            all[i - 1].position, " before ", all[i].position, " among the ", whose, "; use the CPU");
    require(std::abs(all[i].position) <= Window::max_position, "[gpu] positions must lie within +-",
            int{Window::max_position}, "; found ", all[i].position, "; use the CPU");
  }
}

void check_extents(const Problem<float>& problem, const GpuOptions& options) {
  require(options.local_devices().count() <= AttentionStep::max_devices, "[gpu] a ring has at most ",
          int{AttentionStep::max_devices}, " virtual devices; found ", options.devices);
  const Shape& q = problem.Q.shape;
  require(q.B * q.H <= 65535, "[gpu] sequences x heads must be at most 65535; found ", q.B * q.H);
  for (const Index rows : {q.S, problem.K.shape.S})
    require(rows <= 1 << 30, "[gpu] a sequence has at most 2^30 rows; found ", rows);
}

}  // namespace

void check(const Problem<float>& problem, Dtype dtype, const GpuOptions& options) {
  ringattn::check(problem);
  require_device_count("gpu", options.devices);
  if (options.peers) require_one_process_per_device(options.peers->mpi, options.devices);
  require(dtype != Dtype::f64, "[gpu] numbers are stored as bf16, f16 or f32; found f64; use the CPU");
  require(!problem.bias && !problem.allowed,
          "[gpu] a bias or boolean mask belongs to pairs of rows, which do not travel with a block; use "
          "causal or window, or the full attention of the definition");
  require(problem.scoring.softcap == 0, "[gpu] softcap is not supported; found softcap ",
          problem.scoring.softcap, "; use the CPU");
  require(problem.scoring.sinks.empty(), "[gpu] attention sinks are not supported; found ",
          problem.scoring.sinks.size(), " sinks; use the CPU");
  require(problem.scoring.alibi_slopes.empty(), "[gpu] ALiBi is not supported; found ",
          problem.scoring.alibi_slopes.size(), " slopes; use the CPU");
  require(!options.recorders,
          "[gpu] trace events take their times from the streams; found recorders that use another clock; "
          "give a sink to gpu::ring_attention instead");
  require(options.traced_rows.none(), "[gpu] rows cannot be traced; leave traced_rows empty, or use the CPU");
  check_extents(problem, options);
  const std::int64_t segment = problem.Q.shape.S > 0 ? problem.q_positions.of(0)[0].segment : 0;
  check_positions("queries", problem.q_positions, segment);
  check_positions("keys", problem.kv_positions, segment);
}

}  // namespace ringattn::gpu
