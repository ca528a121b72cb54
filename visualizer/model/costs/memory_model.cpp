#include "visualizer/model/costs/memory_model.h"

#include <algorithm>

#include "reference/blockwise/block_plan.h"

namespace ringattn::viz {

namespace {

void remove_allocation(DeviceMemory& device, const Event& event) {
  const auto same = [&](const Allocation& allocation) {
    return allocation.what == event.what && allocation.bytes == event.bytes;
  };
  const auto found = std::find_if(device.held.begin(), device.held.end(), same);
  if (found == device.held.end()) return;
  device.bytes -= found->bytes;
  device.held.erase(found);
}

// The first slot holds the resident block, the second slot the block that has arrived
void fill_slots(DeviceMemory& device, const DeviceMoment& now, const TraceHeader& header) {
  std::string_view resident = header.queries_rotate() ? "Q" : "K V";
  if (header.queries_rotate() && std::any_of(device.held.begin(), device.held.end(),
                                             [](const Allocation& each) { return each.what == "dK"; }))
    resident = "Q dO lse row_term";
  // Of the allocations with this name, the slots are the last ones
  std::vector<Allocation*> slots;
  for (Allocation& allocation : device.held)
    if (allocation.what == resident) slots.push_back(&allocation);
  const std::size_t wanted = header.devices > 1 ? 2 : 1;
  if (slots.size() > wanted) slots.erase(slots.begin(), slots.end() - static_cast<std::ptrdiff_t>(wanted));
  if (!slots.empty()) slots[0]->block = now.holds.owner;
  if (slots.size() > 1) slots[1]->block = now.incoming.owner;
}

}  // namespace

std::vector<DeviceMemory> memory(const Recording& recording, const Moment& moment) {
  std::vector<DeviceMemory> devices(static_cast<std::size_t>(recording.devices()));
  for (std::size_t d = 0; d < devices.size(); ++d) {
    DeviceMemory& device = devices[d];
    for (const Span& span : recording.spans().of(static_cast<int>(d))) {
      const Event& event = *span.begin;
      if (recording.began(span, moment.clock) > moment.t) continue;
      if (event.kind == EventKind::free) remove_allocation(device, event);
      if (event.kind != EventKind::alloc) continue;
      device.held.push_back({event.what, event.bytes, event.id});
      device.bytes += event.bytes;
      if (device.bytes > device.peak) device.peak = device.bytes, device.peak_since = event.id;
    }
    fill_slots(device, moment.devices[d], recording.header());
  }
  return devices;
}

ComputedMemory naive_memory(const TraceHeader& header) {
  const double number = header.dtype == "f64" ? 8 : 4;
  const auto of = [](std::int64_t count) { return static_cast<double>(count); };
  const double queries = of(header.batch) * of(header.Sq) * of(header.heads),
               keys = of(header.batch) * of(header.Skv) * of(header.kv_heads),
               wide = of(header.head_dim) + of(header.v_dim);
  return {number * (queries + keys) * wide, number * queries * of(header.Skv)};
}

double long_ring_memory(int devices) {
  const double rows = long_tokens / devices, block = rows * long_head_dim;
  const double tile = 4 * static_cast<double>(query_tile_rows * key_tile_rows);
  return 2 * block + 2 * 2 * 2 * block + 4 * (block + 2 * rows) + tile;
}

double long_flash_memory() {
  const double all = long_tokens * long_head_dim;
  const double tile = 4 * static_cast<double>(query_tile_rows * key_tile_rows);
  return 3 * 2 * all + 4 * (all + 2 * long_tokens) + tile;
}

double long_naive_memory() { return 4 * 2 * long_tokens * long_head_dim + 4 * long_tokens * long_tokens; }

}  // namespace ringattn::viz
