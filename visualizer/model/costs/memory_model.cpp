#include "visualizer/model/costs/memory_model.h"

#include <algorithm>
#include <array>

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

bool holds(const DeviceMemory& device, std::string_view what) {
  return std::any_of(device.held.begin(), device.held.end(),
                     [&](const Allocation& each) { return each.what == what; });
}

// The first slot holds the resident block, the others the blocks that have arrived
void fill_slots(DeviceMemory& device, const DeviceMoment& now, const Recording& recording) {
  const TraceHeader& header = recording.header();
  if (recording.distribution().strategy() == Strategy::tree) return;
  if (recording.distribution().exchanges_heads() && !attends(device.held)) return;
  std::string_view resident = header.queries_rotate() ? "Q" : "K V";
  if (header.queries_rotate() && holds(device, "dK")) resident = "Q dO lse row_term";
  std::vector<Allocation*> slots;
  for (std::size_t i = 0; i < device.held.size(); ++i) {
    // The rows of queries that stay are allocated after the gradients
    const bool stays = i > 0 && device.held[i - 1].what == "dV";
    if (device.held[i].what == resident && !stays) slots.push_back(&device.held[i]);
  }
  for (Allocation* slot : slots) slot->slot = true;
  // In a bidirectional ring each direction has slots of its own
  const bool two = recording.distribution().strategy() == Strategy::bidirectional;
  const std::size_t per_range = two ? slots.size() / 2 : slots.size();
  std::array<std::size_t, 2> filled = {0, 0};
  const auto fill = [&](const SlotContents& block) {
    const auto range = static_cast<std::size_t>(two ? block.range : 0);
    if (filled[range] < per_range) slots[range * per_range + filled[range]++]->block = block.owner;
  };
  fill(now.holds);
  for (const SlotContents& block : now.waiting) fill(block);
}

// The slots are empty, because each may have held several blocks
std::vector<Allocation> held_after(EventId alloc, const Recording& recording) {
  DeviceMemory device;
  for (const Span& span : recording.spans().of(alloc.device)) {
    if (span.begin->kind == EventKind::free) remove_allocation(device, *span.begin);
    if (span.begin->kind == EventKind::alloc)
      device.held.push_back({span.begin->what, span.begin->bytes, span.begin->id});
    if (span.begin->id == alloc) break;
  }
  fill_slots(device, {}, recording);
  return device.held;
}

}  // namespace

bool attends(const std::vector<Allocation>& held) {
  return std::any_of(held.begin(), held.end(), [](const Allocation& each) {
    return each.what == "S tile" || each.what == "P dS tiles";
  });
}

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
    fill_slots(device, moment.devices[d], recording);
    if (device.held.empty() && device.peak > 0)
      device.held_at_peak = held_after(device.peak_since, recording);
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
