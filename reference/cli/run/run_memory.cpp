#include "reference/cli/run/run_memory.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "reference/blockwise/block_plan.h"
#include "reference/cli/run/definition_check.h"

namespace ringattn::cli {

namespace {

// A slot in its map, without numbers, and the route in lists; 570 were measured
constexpr double bytes_of_route = 768;

// Numbers of elements; lse: one for each row and head
struct Elements {
  double q, kv, out, lse;

  explicit Elements(const InputShapes& shapes)
      : q(element_count(shapes.q)),
        kv(element_count(shapes.k) + element_count(shapes.v)),
        out(element_count(shapes.out())),
        lse(q / static_cast<double>(shapes.q.D)) {}

  double results(bool backward) const { return out + lse + (backward ? q + kv : 0); }
};

// The shards, two slots for what travels, the softmax states, and the results while they are gathered
double ring_elements(const Elements& n, bool backward) {
  const double states = n.out + 2 * n.lse;
  if (!backward) return n.q + 2 * n.kv + states + n.results(false);
  return n.q + n.kv + states + 4 * std::max(n.kv, n.q + n.out) + n.results(true);
}

// What a strategy needs beyond a ring: copies of blocks, pieces of an exchange of heads, states of all queries on all
// devices, and the slots of the routes
double strategy_bytes(const RunOptions& o, const Elements& n, const InputShapes& shapes, double element) {
  const StrategyOptions options = o.strategy_options();
  const double devices = o.parallel.devices, group = group_size(options), results = o.backward ? 2 : 1;
  const double states = n.out + 2 * n.lse;
  switch (options.strategy) {
    case Strategy::all_gather:
      return element * devices * results * n.kv + 2 * devices * devices * bytes_of_route;
    case Strategy::double_ring:
      return element * results * n.kv;
    case Strategy::tree:
      return devices * element * (n.q + (3 + std::log2(devices)) * states);
    case Strategy::ulysses:
    case Strategy::usp: {
      const double replicas = std::max(1.0, group / static_cast<double>(shapes.k.H));
      return 3 * element * results * (n.q + states + n.kv * replicas) + 2 * devices * group * bytes_of_route;
    }
    default:
      return 0;
  }
}

// The events of each device at each step, at most twelve for each of the channels; they are stored, copied and sorted
double trace_bytes(const RunOptions& o) {
  const double devices = o.parallel.devices, events = devices * devices * (o.backward ? 36 : 12);
  return o.trace ? 2.5 * sizeof(Event) * events : 0;
}

// The state of each recorded row before and after each step, with its scores; for --steps also as tensors
double recorded_bytes(const RunOptions& o, const Elements& n, const InputShapes& shapes) {
  const TracedRows traced = o.traced_rows(shapes.q.S);
  const auto share = static_cast<double>(traced.rows.size()) / static_cast<double>(shapes.q.S);
  const double rows = traced.all ? n.lse : share * n.lse, updates = rows * o.parallel.devices;
  const double state = 8 * 2 * static_cast<double>(shapes.v.D) + sizeof(RowUpdate) + 2.5 * sizeof(Event) + 64;
  return updates * (o.steps ? 2 * state : state) +
         (traced.scores ? 8 * rows * static_cast<double>(shapes.k.S) : 0);
}

// The tiles of the rows of a device, over all sequences
std::vector<double> tile_counts(const RowPositions& positions, const RingOptions& ring, Index largest) {
  std::vector<double> counts;
  for (int device = 0; device < ring.devices; ++device) {
    const RowPositions own =
        positions.select(rows_of_device(ring.layout, device, ring.devices, positions.length()));
    counts.push_back(0);
    for (Index b = 0; b < own.sequences(); ++b)
      counts.back() += static_cast<double>(tiles_of(own.of(b), largest).size());
  }
  return counts;
}

}  // namespace

double plan_memory(const RowPositions& q_positions, const RowPositions& kv_positions,
                   const RingOptions& ring) {
  const std::vector<double> queries = tile_counts(q_positions, ring, query_tile_rows),
                            keys = tile_counts(kv_positions, ring, key_tile_rows);
  const bool queries_stay = ring.rotate == Rotation::kv;
  const std::vector<double>&own = queries_stay ? queries : keys, &visiting = queries_stay ? keys : queries;
  const double pairs =
      std::accumulate(own.begin(), own.end(), 0.0) * *std::max_element(visiting.begin(), visiting.end());
  return 1.5 * sizeof(TilePair) * pairs;  // a list that grows holds its old memory, too
}

double run_memory(const RunOptions& o, const InputSource& source) {
  const Elements n(source.shapes);
  const double element = source.dtype == Dtype::f64 ? 8 : 4, program = 0x1p25;
  const double positions = 4 * source.bytes_of_positions(), results = element * n.results(o.backward);

  // The inputs stay to the end, and the results while they are checked and written
  const double ring = element * ring_elements(n, o.backward) + strategy_bytes(o, n, source.shapes, element),
               check = results +
                       definition_check_memory(source.shapes.q, source.shapes.k, source.shapes.v, o.backward),
               written = 2 * results;
  const double most = source.bytes_of_problem(element) + positions + std::max({ring, check, written});
  return program + std::max(source.bytes_to_make(element), most) + trace_bytes(o) +
         recorded_bytes(o, n, source.shapes);
}

}  // namespace ringattn::cli
