#include "visualizer/model/costs/long_sequence.h"

#include "reference/ring/programs/pass_description.h"

namespace ringattn::viz {

namespace {

// The buffers of the device with the largest shards, of this number of rows
template <class T>
Allocations allocations(int devices, Index q_rows, Index kv_rows, Shape q, Shape k, Shape v) {
  RingConfig config;
  config.devices = devices, config.buffers = buffer_counts(ring_schedule(0, devices), 0);
  config.q = q, config.k = k, config.v = v;
  config.q_rows = q_rows, config.kv_rows = kv_rows;
  config.q_position_bytes = config.kv_position_bytes = q.B * Index{sizeof(RowPosition)};
  return describe_forward_kv(config, ElementBytes::of<T>(), q_rows, kv_rows).allocations;
}

Allocations allocations_of(const LongSequence& sequence, int devices) {
  const Shape shape{1, sequence.tokens, LongSequence::heads, LongSequence::head_dim};
  const Index rows = (sequence.tokens + devices - 1) / devices;
  return allocations<float>(devices, rows, rows, shape, shape, shape);
}

}  // namespace

double MemoryNeed::bytes() const {
  double sum = 0;
  for (const auto& [buffer, bytes] : buffers) sum += bytes;
  return sum;
}

MemoryNeed memory_need(MemoryWay way, const LongSequence& sequence) {
  const int devices = way == MemoryWay::ring ? sequence.devices : 1;
  MemoryNeed need;
  need.name = way == MemoryWay::all_scores ? "all scores"
              : way == MemoryWay::tiles    ? "FlashAttention"
                                           : "ring of " + std::to_string(devices);
  const auto tokens = static_cast<double>(sequence.tokens);
  for (const auto& [buffer, bytes] : allocations_of(sequence, devices)) {
    const bool whole_matrix = way == MemoryWay::all_scores && buffer == "S tile";
    need.buffers.emplace_back(whole_matrix ? "N \xc3\x97 N scores of one head" : buffer,
                              whole_matrix ? sizeof(float) * tokens * tokens : static_cast<double>(bytes));
  }
  return need;
}

std::int64_t most_tokens(MemoryWay way, int devices) {
  // _fits_ tokens fit, and _too_many_ do not
  std::int64_t fits = 0, too_many = LongSequence::most_tokens;
  while (too_many - fits > 1) {
    const std::int64_t middle = (fits + too_many) / 2;
    (memory_need(way, {middle, devices}).bytes() <= LongSequence::device_bytes ? fits : too_many) = middle;
  }
  return fits;
}

double allocated_bytes(const TraceHeader& header) {
  const Layout layout = parse_layout(header.layout);
  const Index q_rows = largest_shard(layout, header.devices, header.Sq),
              kv_rows = largest_shard(layout, header.devices, header.Skv);
  const Shape q{header.batch, header.Sq, header.heads, header.head_dim},
      k{header.batch, header.Skv, header.kv_heads, header.head_dim},
      v{header.batch, header.Skv, header.kv_heads, header.v_dim};
  double sum = 0;
  for (const auto& [buffer, bytes] : header.dtype == "f64"
                                         ? allocations<double>(header.devices, q_rows, kv_rows, q, k, v)
                                         : allocations<float>(header.devices, q_rows, kv_rows, q, k, v))
    sum += static_cast<double>(bytes);
  return sum;
}

}  // namespace ringattn::viz
