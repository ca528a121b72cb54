#include "visualizer/view/inspector/inspector_page.h"

#include <algorithm>
#include <cmath>

#include "visualizer/model/pictures/softmax_picture.h"
#include "visualizer/model/time_use.h"
#include "visualizer/view/panels/labels.h"
#include "visualizer/view/panels/strategy_text.h"

namespace ringattn::viz {

namespace {

// "4 … 7", "1, 5, 9, 13"
std::string rows_text(const std::vector<Index>& rows) {
  if (rows.empty()) return "none";
  const bool neighbours = rows.back() - rows.front() + 1 == static_cast<Index>(rows.size());
  if (neighbours && rows.size() > 2)
    return std::to_string(rows.front()) + " \xe2\x80\xa6 " + std::to_string(rows.back());
  std::string text;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i == 8 && rows.size() > 9) return text + ", \xe2\x80\xa6 " + std::to_string(rows.back());
    text += (i ? ", " : "") + std::to_string(rows[i]);
  }
  return text;
}

void add_slot(InspectorPage& page, const char* name, const SlotContents& slot) {
  if (slot.owner >= 0)
    page.add_block(name, slot.owner, slot.since);
  else
    page.add(name, "none");
}

InspectorPage device_page(const Frame& frame, int device) {
  const Recording& recording = frame.recording;
  const DeviceMoment& now = frame.moment.devices[static_cast<std::size_t>(device)];
  InspectorPage page;
  page.title = "device " + std::to_string(device);
  if (now.doing)
    page.add_event("activity", *now.doing->begin), page.event = now.doing->begin->id;
  else
    page.add("activity", now.activity == Activity::finished ? "finished" : "none");
  if (now.doing && now.activity == Activity::computing) page.add("progress", percent_text(now.fraction));
  add_slot(page, "uses", now.holds);
  if (now.waiting.empty()) add_slot(page, "received", {});
  for (const SlotContents& slot : now.waiting) add_slot(page, "received", slot);

  // Absorbed blocks, memory, rows, and time use
  std::string absorbed;
  for (const AbsorbedBlock& each : now.absorbed)
    absorbed += (absorbed.empty() ? "" : ", ") + std::to_string(each.owner);
  page.add("absorbed", absorbed.empty() ? "none" : "blocks " + absorbed);
  for (const Event* state : now.merged) page.add_event("merged", *state);
  page.add("holds", std::to_string(now.bytes) + " B");
  page.add("queries", rows_text(recording.query_rows(device)));
  page.add("keys", rows_text(recording.key_rows(device)));
  if (recording.distribution().exchanges_heads() || recording.distribution().strategy() == Strategy::tree) {
    page.add("attends with", "queries " + rows_text(recording.block_query_rows(device)));
    page.add("heads", heads_text(recording, recording.distribution().range_of(device)));
  }
  const TimeUse use = time_use(recording, device, frame.moment.clock, frame.moment.t);
  page.add("so far", "busy " + percent_text(use.busy) + ", waiting " + percent_text(use.waiting));
  return page;
}

InspectorPage block_page(const Frame& frame, int owner) {
  const Recording& recording = frame.recording;
  const bool queries = recording.header().queries_rotate();
  InspectorPage page;
  page.title = "block " + std::to_string(owner) + " \xc2\xb7 " +
               block_labels(recording, traveling_label(recording), owner, true).front();
  page.add_device("owner", owner, {});
  page.add(queries ? "queries" : "keys",
           rows_text(queries ? recording.block_query_rows(owner) : recording.block_key_rows(owner)));
  if (recording.distribution().exchanges_heads())
    page.add("heads", heads_text(recording, recording.distribution().range_of(owner)));

  // Devices that use or have received the block, and messages that carry it
  int used = 0;
  for (std::size_t d = 0; d < frame.moment.devices.size(); ++d) {
    const DeviceMoment& device = frame.moment.devices[d];
    const int id = static_cast<int>(d);
    if (device.holds.owner == owner) page.add_device("used by", id, device.holds.since);
    for (const SlotContents& slot : device.waiting)
      if (slot.owner == owner) page.add_device("received by", id, slot.since);
    for (const AbsorbedBlock& each : device.absorbed) used += each.owner == owner;
  }
  for (const Flight& flight : frame.moment.flights) {
    if (flight.owner != owner) continue;
    page.add_event("in flight", *flight.send->begin);
    page.add("", std::to_string(flight.from) + " \xe2\x86\x92 " + std::to_string(flight.to) + ", " +
                     percent_text(flight.fraction) + ", " + std::to_string(flight.send->begin->bytes) + " B");
    page.event = flight.send->begin->id;
  }
  page.add("used",
           std::to_string(used) + " of " + std::to_string(recording.distribution().blocks()) + " times");
  return page;
}

// The computation of a tile, or of one range of its heads
void add_tile(InspectorPage& page, const Recording& recording, const TileProgress& tile, int range) {
  const TileGrid& grid = recording.distribution().grid();
  if (grid.ranges > 1) page.add("heads", heads_text(recording, range));
  const char* const states[] = {"not yet", "now", "done"};
  page.add("state", states[static_cast<int>(tile.state)] +
                        (tile.state == TileProgress::State::now ? ", " + percent_text(tile.fraction) : ""));
  if (!tile.compute) return;
  const Event& event = *tile.compute->begin;
  page.event = event.id;
  page.add_event("by", event);
  page.add_device("on", event.id.device, event.id);
  page.add("step", std::to_string(event.step));
  page.add("mask", std::string(event.mask_class));
  page.add("live pairs", std::to_string(event.live_pairs));
}

InspectorPage tile_page(const Frame& frame, int q_owner, int kv_owner) {
  const Recording& recording = frame.recording;
  const TileGrid& grid = recording.distribution().grid();
  InspectorPage page;
  const std::vector<int> of_queries = recording.distribution().query_owners(q_owner),
                         of_keys = recording.distribution().key_owners(kv_owner);
  page.title = block_label("Q", of_queries.front(), of_queries.back()) + " \xc3\x97 " +
               block_label("K V", of_keys.front(), of_keys.back());
  // The visible share of the tile
  std::int64_t live_pairs = 0;
  for (int range = 0; range < grid.ranges; ++range) {
    const TileProgress& tile = frame.moment.tile(q_owner, kv_owner, range);
    add_tile(page, recording, tile, range);
    if (!tile.compute) return page;
    live_pairs += tile.compute->begin->live_pairs;
  }
  const TraceHeader& header = recording.header();
  const auto queries = static_cast<std::int64_t>(recording.block_query_rows(q_owner).size()),
             keys = static_cast<std::int64_t>(recording.block_key_rows(kv_owner).size());
  if (queries * keys > 0)
    page.formulas.push_back(std::to_string(live_pairs) + " of " + std::to_string(queries) + " \xc3\x97 " +
                            std::to_string(keys) +
                            (header.heads * header.batch > 1
                                 ? " \xc3\x97 " + std::to_string(header.heads * header.batch) + " heads"
                                 : "") +
                            " pairs are visible: " +
                            percent_text(static_cast<double>(live_pairs) /
                                         static_cast<double>(queries * keys * header.heads * header.batch)));
  return page;
}

InspectorPage row_page(const Frame& frame, Index row) {
  const Recording& recording = frame.recording;
  InspectorPage page;
  page.title = "row " + std::to_string(row);
  if (row < static_cast<Index>(recording.words.size()))
    page.add("token", recording.words[static_cast<std::size_t>(row)]);
  for (int owner = 0; owner < recording.devices(); ++owner) {
    const std::vector<Index>& rows = recording.query_rows(owner);
    if (std::find(rows.begin(), rows.end(), row) != rows.end()) page.add_device("query on", owner, {});
  }
  // The state of the row
  const SoftmaxPicture picture = softmax_picture(recording, frame.moment, row);
  using State = SoftmaxPicture::State;
  if (picture.state == State::unrecorded || picture.state == State::neutral) {
    page.add("state", picture.state == State::unrecorded ? "not in the trace" : "no key absorbed yet");
    return page;
  }
  // The values after the block in progress are not known yet
  const RowUpdate& update = picture.row_update();
  const bool absorbing = picture.state == State::absorbing;
  const double m = absorbing ? update.m_before : update.m_after,
               l = absorbing ? update.l_before : update.l_after;
  page.event = picture.shown->id;
  page.add_event(absorbing ? "absorbs now" : "last change", *picture.shown);
  page.add("blocks",
           std::to_string(picture.blocks - absorbing) + " of " + std::to_string(recording.devices()));
  page.add("m", exact_number(m));
  page.add("l", exact_number(l));
  const std::vector<double> now = normalize(l, absorbing ? update.O_before : update.O_after);
  for (std::size_t d = 0; d < now.size(); ++d) {
    const std::string name = "O[" + std::to_string(d) + "] / l";
    page.add(name, exact_number(now[d]) + (d < picture.final_output.size() ? ", finally " : "") +
                       (d < picture.final_output.size() ? exact_number(picture.final_output[d]) : ""));
  }
  page.formulas.push_back("lse = m + ln l = " + exact_number(m + std::log(l)));
  return page;
}

}  // namespace

InspectorPage inspector_page(const Frame& frame, const Target& target) {
  const int devices = frame.recording.devices();
  const auto is_device = [&](int d) { return d >= 0 && d < devices; };
  switch (target.kind) {
    case Target::Kind::device:
      return is_device(target.a) ? device_page(frame, target.a) : InspectorPage{};
    case Target::Kind::block:
      return is_device(target.a) ? block_page(frame, target.a) : InspectorPage{};
    case Target::Kind::tile:
      return is_device(target.a) && is_device(target.b) ? tile_page(frame, target.a, target.b)
                                                        : InspectorPage{};
    case Target::Kind::event:
      return event_page(frame, {target.a, target.b});
    case Target::Kind::row:
      return target.a >= 0 ? row_page(frame, target.a) : InspectorPage{};
    default:
      return {};
  }
}

}  // namespace ringattn::viz
