#include "visualizer/view/panels/strategy_text.h"

#include <algorithm>

#include "visualizer/view/panels/labels.h"

namespace ringattn::viz {

namespace {

std::string n(std::int64_t number) { return std::to_string(number); }

// "2", "1 … 2"
std::string range_text(int first, int last) {
  return first == last ? n(last) : n(first) + " \xe2\x80\xa6 " + n(last);
}

// The phases of USP: heads are exchanged before the first block and after the last one
std::string exchange_phase(const Recording& recording, const Moment& moment, bool begun) {
  const auto blocks = static_cast<std::size_t>(recording.distribution().blocks());
  const bool ended =
      std::all_of(moment.devices.begin(), moment.devices.end(),
                  [&](const DeviceMoment& device) { return device.absorbed.size() >= blocks; });
  if (!begun) return "exchange of heads";
  if (ended) return "exchange of results";
  return recording.distribution().steps() == 1 ? "arithmetic" : "";
}

std::string tree_phase(const Recording& recording, const Moment& moment) {
  std::size_t merged = 0;
  int all = 0;
  for (int device = 0; device < recording.devices(); ++device) {
    merged += moment.devices[static_cast<std::size_t>(device)].merged.size();
    all += recording.distribution().merges(device);
  }
  const bool ended = std::all_of(moment.devices.begin(), moment.devices.end(),
                                 [](const DeviceMoment& device) { return !device.absorbed.empty(); });
  if (!ended || all == 0) return "own keys";
  return n(static_cast<std::int64_t>(merged)) + " of " + n(all) + " merges";
}

// Rounds between nodes, and steps of the ring inside a node
std::string round_text(int step, int group) {
  return "round " + n(step / (group + 1)) + ", step " + n(step % (group + 1)) + " in the node";
}

}  // namespace

std::string strategy_text(const Recording& recording) {
  const Distribution& distribution = recording.distribution();
  const std::string name(ringattn::name(distribution.strategy()));
  if (distribution.strategy() == Strategy::double_ring) return name + ", nodes of " + n(distribution.group());
  return name + (distribution.strategy() == Strategy::usp ? " in groups of " + n(distribution.group()) : "");
}

std::string heads_text(const Recording& recording, int range) {
  const HeadRange heads = recording.distribution().heads(range);
  if (heads.count == recording.header().heads) return "all heads";
  if (heads.count == 0) return "no heads";
  return (heads.count == 1 ? "head " : "heads ") +
         (heads.count == 1 ? n(heads.first)
                           : n(heads.first) + " \xe2\x80\xa6 " + n(heads.first + heads.count - 1));
}

std::vector<std::string> block_labels(const Recording& recording, std::string_view what, int owner,
                                      bool exchanged) {
  const Distribution& distribution = recording.distribution();
  if (!exchanged || !distribution.exchanges_heads() || distribution.group() == 1)
    return {block_label(what, owner), short_label(owner)};
  const std::string heads = heads_text(recording, distribution.range_of(owner));
  if (distribution.group() == recording.devices()) return {std::string(what) + " of " + heads, heads};
  const std::vector<int> owners = distribution.key_owners(owner);
  const std::string rows = block_label(what, owners.front(), owners.back());
  return {rows + " of " + heads, rows, n(owners.front()) + "\xe2\x80\xa6" + n(owners.back())};
}

std::string phase_text(const Recording& recording, const Moment& moment) {
  const Distribution& distribution = recording.distribution();
  int first = -1, last = -1;
  for (const DeviceMoment& device : moment.devices) {
    if (device.step < 0) continue;
    first = first < 0 ? device.step : std::min(first, device.step);
    last = std::max(last, device.step);
  }
  if (distribution.strategy() == Strategy::tree) return tree_phase(recording, moment);
  if (distribution.exchanges_heads())
    if (std::string phase = exchange_phase(recording, moment, last >= 0); !phase.empty()) return phase;
  if (last < 0) return "before the first step";
  const int group = distribution.group();
  if (distribution.strategy() == Strategy::double_ring && distribution.steps() > recording.devices())
    return first == last ? round_text(last, group) : round_text(first, group) + " and later";
  return (first == last ? "step " : "steps ") + range_text(first, last) + " (0 to " +
         n(distribution.steps() - 1) + ")";
}

RuleText rule_text(const Recording& recording) {
  const Distribution& distribution = recording.distribution();
  const std::string group = n(distribution.group());
  if (recording.devices() == 1) return {"one device has all rows: no message", "no message"};
  switch (distribution.strategy()) {
    case Strategy::all_gather:
      return {"each device sends its block to all others at once, and uses the blocks in turn",
              "blocks go to all devices at once"};
    case Strategy::bidirectional:
      return {"one half of the heads travels from device r to r + 1, the other half to r \xe2\x88\x92 1",
              "half of the heads in each direction"};
    case Strategy::double_ring:
      return {"blocks travel around each node of " + group + ", and once in a round to the next node",
              "rings in nodes of " + group + ", and between nodes"};
    case Strategy::ulysses:
      return {"devices exchange rows for heads: each computes some heads of all rows", "rows for heads"};
    case Strategy::usp:
      return {"groups of " + group + " exchange rows for heads; blocks travel from group to group",
              "rows for heads in groups of " + group};
    case Strategy::tree:
      return {"each device has all queries and its own keys; then states (m, l, O) are merged in pairs",
              "states are merged in pairs"};
    default:
      return {};
  }
}

std::string message_text(const Recording& recording, const Event& send) {
  const Distribution& distribution = recording.distribution();
  const std::string way = " from " + n(send.id.device) + " to " + n(send.peer);
  if (!distribution.exchanges_heads(send))
    return block_labels(recording, send.what, send.owner, true).front() + way;
  // The receiver computes its heads of the rows of the sender, and gets back the results for its own rows
  if (is_result(send.what))
    return std::string(send.what) + " of " + heads_text(recording, distribution.range_of(send.id.device)) +
           way;
  return heads_text(recording, distribution.range_of(send.peer)) + " of " +
         block_label(send.what, send.owner) + way;
}

}  // namespace ringattn::viz
