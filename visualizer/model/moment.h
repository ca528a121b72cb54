#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "visualizer/model/recording.h"

namespace ringattn::viz {

// The activity of one device at a moment.
enum class Activity { idle, computing, waiting, finished };

// A block that a device has absorbed, and the compute event that absorbed it.
struct AbsorbedBlock {
  int owner = -1, step = -1;
  const Span* compute = nullptr;
};

// The block in a slot, and the event that put it there.
struct SlotContents {
  int owner = -1;  // -1: empty
  EventId since;
  int range = 0;  // of its heads, in a bidirectional ring
};

struct DeviceMoment {
  Activity activity = Activity::idle;
  const Span* doing = nullptr;        // the compute or wait in progress
  double fraction = 0;                // completed share of _doing_, 0 .. 1
  int step = -1;                      // the last step that the device began; -1: none yet
  SlotContents holds;                 // the resident block
  std::vector<SlotContents> waiting;  // the other blocks on the device: they have arrived but are not in use
  std::vector<AbsorbedBlock> absorbed;  // in step order, without the block in progress
  std::vector<const Event*> merged;     // in a tree: the messages with the states that the device has merged
  int pieces = 0;                       // messages received in the exchange of heads, or of results
  std::int64_t bytes = 0;               // allocated now

  // The block that is in use next; none: it has not arrived
  SlotContents incoming() const { return waiting.empty() ? SlotContents{} : waiting.front(); }
};

// Whether a message with this name carries results, which travel after the blocks, and not a block
bool is_result(std::string_view what);

// A message in flight.
struct Flight {
  const Span* send = nullptr;
  const Span* recv = nullptr;  // null: not received yet
  int from = -1, to = -1, owner = -1;
  std::string_view what;
  bool is_block = true;          // a block; otherwise results, which travel after the blocks
  bool exchanges_heads = false;  // some heads of the rows of a device, or their results
  double fraction = 0;           // completed share of the transfer, 0 .. 1
};

// The pair of one block of queries and one block of keys.
struct TileProgress {
  enum class State { not_yet, now, done };
  State state = State::not_yet;
  double fraction = 0;            // completed share of the work while it is in progress
  const Span* compute = nullptr;  // set for future tiles as well; null: the trace does not contain it (yet)
};

// The state of a run at one moment. It is a function of the trace and the time: any moment can be shown directly, and
// going back costs the same as going forward.
struct Moment {
  double t = 0;
  Clock clock = Clock::modelled;
  int pass = 0;  // the pass around the ring that is shown
  std::vector<DeviceMoment> devices;
  std::vector<Flight> flights;
  TileGrid grid;
  std::vector<TileProgress> tiles;  // by the index in the grid
  bool over = false;

  const TileProgress& tile(int q_owner, int kv_owner, int range = 0) const {
    return tiles[grid.index(q_owner, kv_owner, range)];
  }
  // All ranges of heads of a tile together, with the computation that began last
  TileProgress whole_tile(int q_owner, int kv_owner) const;
};

Moment moment(const Recording& recording, double t, Clock clock);

// The row events of a row until t, in step order (first sequence and head)
struct RowHistory {
  std::vector<const Event*> past;
  const Event* now = nullptr;  // the row event whose block is being absorbed at t
  double fraction = 0;         // completed share of that event, 0 .. 1
};
RowHistory row_history(const Recording& recording, const Moment& moment, Index row);

}  // namespace ringattn::viz
