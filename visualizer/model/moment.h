#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "visualizer/model/recording.h"

namespace ringattn::viz {

// What one device does at a moment.
enum class Activity { idle, computing, waiting, finished };

// A block that was used, and by which event.
struct AbsorbedBlock {
  int owner = -1, step = -1;
  const Span* compute = nullptr;
};

// A block that stands in a slot since an event.
struct SlotContents {
  int owner = -1;  // -1: empty
  EventId since;
};

struct DeviceMoment {
  Activity activity = Activity::idle;
  const Span* doing = nullptr;     // the compute or wait that goes on
  double fraction = 0;             // of it, 0 .. 1
  int step = -1;                   // the last that it began; -1: none yet
  SlotContents holds;                      // the block that it uses
  SlotContents incoming;                   // the block that has arrived and is not yet used
  std::vector<AbsorbedBlock> absorbed;  // in the order of the steps; the one that goes on is not among them
  std::int64_t bytes = 0;          // that it holds
};

// Whether a message of that name is a result that follows behind the blocks, not a block itself
bool is_result(std::string_view what);

// A message on its way.
struct Flight {
  const Span* send = nullptr;
  const Span* recv = nullptr;  // null: not received so far
  int from = -1, to = -1, owner = -1;
  std::string_view what;
  bool is_block = true;    // a block; else a result that follows behind
  double fraction = 0;  // of its way, 0 .. 1
};

// One pair of a block of queries and a block of keys.
struct TileProgress {
  enum class State { not_yet, now, done };
  State state = State::not_yet;
  double fraction = 0;  // of the work, where it goes on
  const Span* compute =
      nullptr;  // also of a tile that is still to come; null: the trace does not have it (yet)
};

// Everything that is so at one moment of a run: a function of trace and time, so any moment can be shown
// directly and going back costs what going on costs.
struct Moment {
  double t = 0;
  Clock clock = Clock::modelled;
  int pass = 0;  // the pass round the ring that is shown
  std::vector<DeviceMoment> devices;
  std::vector<Flight> flights;
  std::vector<TileProgress> tiles;  // devices x devices, by owner of the queries and owner of the keys
  bool over = false;

  const TileProgress& tile(int q_owner, int kv_owner) const {
    return tiles[static_cast<std::size_t>(q_owner) * devices.size() + static_cast<std::size_t>(kv_owner)];
  }
};

Moment moment(const Recording& recording, double t, Clock clock);

// What a row has been through until t: its row events in the order of the steps, the last one at or before t
// included (first sequence and head)
struct RowHistory {
  std::vector<const Event*> past;
  const Event* now = nullptr;  // the row event whose block is being absorbed at t
  double fraction = 0;         // of that
};
RowHistory row_history(const Recording& recording, const Moment& moment, Index row);

}  // namespace ringattn::viz
