#include "reference/planner/strategy/counted_program.h"

#include <algorithm>
#include <set>

namespace ringattn::planner {

// ---- Memory ------------------------------------------------------------------------------

PassDescription CountedPass::described(std::size_t device, const BufferCounts& counts) const {
  RingConfig own = config;
  own.buffers = counts;
  const Index queries = query_rows[device], keys = key_rows[device];
  if (rotate == Rotation::kv)
    return backward ? describe_backward_kv(own, bytes, queries, keys)
                    : describe_forward_kv(own, bytes, queries, keys);
  return backward ? describe_backward_q(own, bytes, queries, keys)
                  : describe_forward_q(own, bytes, queries, keys);
}

PassDescription CountedPass::description(int device) const {
  const auto d = static_cast<std::size_t>(device);
  return described(d, buffers[std::min(d, buffers.size() - 1)]);
}

Index CountedPass::peak_bytes() const {
  // Devices with the same rows and buffers hold the same
  std::set<std::array<Index, 4>> seen;
  Index peak = 0;
  for (std::size_t d = 0; d < query_rows.size(); ++d) {
    const BufferCounts& counts = buffers[std::min(d, buffers.size() - 1)];
    if (!seen.insert({query_rows[d], key_rows[d], counts.blocks, counts.results}).second) continue;
    Index held = 0;
    for (const auto& [name, size] : described(d, counts).allocations) held += size;
    peak = std::max(peak, held);
  }
  return peak;
}

// ---- Blocks ------------------------------------------------------------------------------

Index CountedPass::query_bytes() const {
  const Index cotangents = backward ? config.v.D * bytes.input + 2 * bytes.state : 0;
  return config.q.B * (config.q.D * bytes.input + cotangents);
}

Block<NoNumbers> CountedPass::block_of(int owner) const {
  const auto o = static_cast<std::size_t>(owner);
  if (rotate == Rotation::kv) return {owner, key_rows[o], config.k.H, key_bytes(), config.kv_position_bytes};
  return {owner, query_rows[o], config.q.H, query_bytes(), config.q_position_bytes};
}

Block<NoNumbers> CountedPass::results_of(int owner) const {
  const auto o = static_cast<std::size_t>(owner);
  if (rotate == Rotation::kv && !backward) return {};
  if (rotate == Rotation::kv) return {owner, key_rows[o], config.k.H, key_gradient_bytes(), 0};
  if (backward) return {owner, query_rows[o], config.q.H, query_gradient_bytes(), 0};
  return {owner, query_rows[o], config.q.H, config.q.B * (config.v.D + 2) * bytes.state, 0};
}

// ---- Arithmetic --------------------------------------------------------------------------

BlockWork CountedProgram::work_with(const Block<NoNumbers>& resident) const {
  const bool keys_travel = pass_.rotate == Rotation::kv;
  const int query_device = keys_travel ? device_ : resident.owner,
            key_device = keys_travel ? resident.owner : device_;
  const Index pairs = pairs_.of(query_device, key_device),
              all = pass_.query_rows[static_cast<std::size_t>(query_device)] *
                    pass_.key_rows[static_cast<std::size_t>(key_device)];
  const MaskClass mask_class = pairs == 0     ? MaskClass::skipped
                               : pairs == all ? MaskClass::full
                                              : MaskClass::partial;
  return {mask_class, pairs * pass_.config.q.B * pass_.config.q.H};
}

}  // namespace ringattn::planner
