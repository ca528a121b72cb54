// The numbers of the charts of the scenes `hide`, `memory` and `recall`, recomputed from runs of the engine.

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <map>
#include <regex>

#include "reference/blockwise/block_plan.h"
#include "tests/visualizer/support/seen_panel.h"
#include "visualizer/run/hop_ratio.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

std::vector<std::string> strong_texts(const Seen& seen, const char* pattern) {
  std::vector<std::string> found;
  for (const DrawnText& each : seen.drawing.texts)
    if (each.face == Face::strong && std::regex_search(each.text, std::regex(pattern)))
      found.push_back(each.text);
  return found;
}

// Two decimals of the unit, or none of nanoseconds
bool is_time(double ns, const std::string& text) {
  const double unit = nanoseconds_in(text) / number_in(text);
  return std::abs(nanoseconds_in(text) - ns) <= (unit > 1 ? 0.005 : 0.5) * unit * (1 + 1e-6);
}

// "1.5 GiB": bytes to a decimal of the unit
bool is_size(double bytes, const std::string& text) {
  double unit = 1;
  for (const char* const name : {" KiB", " MiB", " GiB", " TiB", " PiB"}) {
    unit *= 1024;
    if (text.find(name) != std::string::npos)
      return std::abs(number_in(text) * unit - bytes) <= 0.05 * unit * (1 + 1e-6);
  }
  return false;
}

// "1.25 million": tokens
double tokens_in(const std::string& text) {
  return number_in(text) * (text.find("billion") != std::string::npos   ? 1e9
                            : text.find("million") != std::string::npos ? 1e6
                                                                        : 1e3);
}

}  // namespace

// ---- The scene `hide` ----------------------------------------------------------------------------

TEST_CASE("the times of the chart of a machine are those of the arithmetic and of the transfers of its run") {
  HeadlessScreen screen(1600, 900);
  Random random(1);
  for (int n = 0; n < trials(30); ++n) {
    RunConfig config;
    config.devices = 2 + static_cast<int>(random.below(4));
    config.queries = config.keys = config.devices * (1 + random.below(5));
    config.machine = {50 + 900 * random.uniform(), std::pow(10, 1 + 2 * random.uniform()),
                      static_cast<double>(Index{128} << random.below(8))};
    use_machine(config);
    const auto recording = record_run(config).recording;
    const ReadTrace trace(recording->events());
    const ReadTrace::Work compute = trace.all(EventKind::compute).front();
    const double arithmetic = compute.end->t - compute.begin->t,
                 transfer = trace.all(EventKind::recv).front().begin->transfer_t;
    const Seen seen = seen_panel(screen, *recording, trace, trace.duration() / 2, "hiding");

    const std::vector<std::string> times = strong_texts(seen, "[0-9] (ns|\xc2\xb5s|ms)$");
    REQUIRE(times.size() == 2);
    CHECK(is_time(arithmetic, times[0]));
    CHECK(is_time(transfer, times[1]));
    CHECK(numbers_in(strong_texts(seen, "^c = ").at(0)).at(0) == config.machine.tokens);

    // The arithmetic grows with the square of the tokens, the transfer with the tokens
    const double threshold = config.machine.tokens * transfer / arithmetic;
    const std::vector<std::string> shown = seen.texts("^c = F / B = ");
    CHECK(shown.size() == (threshold >= 64 && threshold <= 65536));
    if (!shown.empty()) CHECK(std::abs(number_in(shown.front()) - threshold) <= 0.5 + 1e-6 * threshold);
    const std::vector<double> speeds = numbers_in(seen.texts("^F = ").at(0));
    CHECK(rounds_to(config.machine.tflops, speeds.at(0), 4));
    CHECK(rounds_to(config.machine.gbytes, speeds.at(1), 4));
  }
}

TEST_CASE("the smallest block of each machine is the quotient of the speeds that the panel names") {
  HeadlessScreen screen(1600, 900);
  RunConfig config;
  config.machine = {312, 300, 1024};
  use_machine(config);
  const auto recording = record_run(config).recording;
  const ReadTrace trace(recording->events());
  const Seen seen = seen_panel(screen, *recording, trace, 0, "machines");
  const std::vector<std::string> blocks = seen.texts("^[0-9]+ tokens$"), speeds = seen.texts("^F = ");
  REQUIRE(blocks.size() == 5);
  REQUIRE(speeds.size() == 5);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const std::vector<double> speed = numbers_in(speeds[i]);
    CHECK(std::abs(number_in(blocks[i]) - 1e3 * speed.at(0) / speed.at(1)) <= 0.5);
  }
}

// ---- The scene `memory` ----------------------------------------------------------------------------

namespace {

// What a device of the engine holds at most, of 32 heads of 128 in float32. Without the tile of scores it is a linear
// function of the tokens of the device, which two short runs determine
class EngineMemory {
 public:
  explicit EngineMemory(int devices) : at_20_(held(devices, 20)), at_30_(held(devices, 30)) {}
  double without_scores(double tokens) const { return at_20_ + (at_30_ - at_20_) / 10 * (tokens - 20); }

 private:
  static double held(int devices, Index tokens) {
    RunConfig config;
    config.devices = devices, config.queries = config.keys = devices * tokens;
    config.heads = config.kv_heads = 32, config.dim = config.v_dim = 128, config.dtype = "f32";
    const auto recording = record_run(config).recording;
    const ReadTrace trace(recording->events());
    double bytes = static_cast<double>(trace.peak_bytes(0, trace.duration()));
    for (const ReadTrace::Work& alloc : trace.of(0, EventKind::alloc))
      if (alloc.begin->what == "S tile") bytes -= static_cast<double>(alloc.begin->bytes);
    return bytes;
  }

  double at_20_, at_30_;
};

}  // namespace

TEST_CASE("the bytes of the bars of a long sequence continue those of short runs of the engine") {
  const EngineMemory one(1), ring(2);
  // Of one head
  const auto tile = 4.0 * static_cast<double>(query_tile_rows * key_tile_rows);
  HeadlessScreen screen(1600, 900);
  Random random(2);
  for (int n = 0; n < trials(12); ++n) {
    RunConfig config;
    const Index devices = 2 + random.below(200), tokens = devices * (256 + random.below(1 << 20));
    config.sequence = {tokens, static_cast<int>(devices)};
    const auto recording = record_run(config).recording;
    const ReadTrace trace(recording->events());
    const Seen seen = seen_panel(screen, *recording, trace, 0, "bars");
    const auto N = static_cast<double>(tokens), P = static_cast<double>(devices);
    // By the tokens of all devices
    const auto all_scores = [&](double all) { return one.without_scores(all) + 4 * all * all; };
    const auto tiles = [&](double all) { return one.without_scores(all) + tile; };
    const auto shards = [&](double all) { return ring.without_scores(all / P) + tile; };
    const std::vector<std::function<double(double)>> ways{all_scores, tiles, shards};

    const std::vector<std::string> bytes = seen.texts(" on each device$"), rooms = seen.texts("^room for");
    std::vector<std::string> beyond = seen.texts(" \xc3\x97 as much$");
    REQUIRE(bytes.size() == 3);
    REQUIRE(rooms.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
      INFO(bytes[i] << ", " << rooms[i]);
      const double need = ways[i](N), have = 80.0 * (1 << 30);
      CHECK(is_size(need, bytes[i]));
      // Three digits
      const double most = tokens_in(rooms[i]);
      CHECK(ways[i](0.994 * most) <= have);
      CHECK(ways[i](1.006 * most) >= have);
      if (need <= have) continue;
      REQUIRE_FALSE(beyond.empty());
      CHECK(rounds_to(std::ceil(need / have), number_in(beyond.front()), 4));
      beyond.erase(beyond.begin());
    }
    CHECK(beyond.empty());
  }
}

TEST_CASE("the panel of growing memory compares its formula with the bytes that the run has counted") {
  HeadlessScreen screen(1600, 900);
  Random random(3);
  for (int n = 0; n < trials(20); ++n) {
    RunConfig config = random_config(random);
    config.rotate = Rotation::kv, config.backward = false;
    config.sequence = {1 << 20, 64};
    const auto recording = record_run(config).recording;
    const ReadTrace trace(recording->events());
    double most = 0;
    for (int device = 0; device < recording->devices(); ++device)
      most = std::max(most, static_cast<double>(trace.peak_bytes(device, trace.duration())));
    const Seen seen = seen_panel(screen, *recording, trace, 0, "growth");
    const std::vector<double> shown = numbers_in(seen.texts("the engine counted").at(0));
    REQUIRE(shown.size() == 4);
    CHECK(shown[0] == static_cast<double>(recording->header().Sq));
    CHECK(shown[1] == recording->devices());
    CHECK(rounds_to(most, shown[2], 4));
    CHECK(rounds_to(most, shown[3], 4));
  }
}

// ---- The scene `recall` --------------------------------------------------------------------------------

namespace {

// The weights of the keys that the events of row 0 have brought until t, from q and K of the run
std::map<Index, double> weights(const Recording& recording, const std::vector<const Event*>& updates) {
  const auto& inputs = *recording.inputs;
  const Index D = inputs.Q.shape().D;
  std::map<Index, double> weights;
  double sum = 0;
  for (const Event* event : updates)
    for (const Index key :
         recording.key_rows(recording.header().queries_rotate() ? event->id.device : event->owner)) {
      double score = 0;
      for (Index d = 0; d < D; ++d) score += inputs.Q(0, 0, 0, d) * inputs.K(0, key, 0, d);
      sum += weights[key] = std::exp(score * inputs.scoring.scale(D));
    }
  for (auto& [key, weight] : weights) weight /= sum;
  return weights;
}

}  // namespace

TEST_CASE("the state and the largest weight of a recall are those of the row events and of the scores") {
  HeadlessScreen screen(1600, 900);
  Random random(4);
  int compared = 0;
  const std::vector<std::string> prompts{"the slings", "the slings and", "so it", "all that", "and"};
  for (int n = 0; n < trials(20); ++n) {
    RunConfig config;
    config.devices = 2 + static_cast<int>(random.below(3));
    config.rotate = random.below(2) ? Rotation::kv : Rotation::q, config.dtype = "f32";
    config.text =
        "to suffer the slings and arrows or so it goes and then all that he has and so it is the end";
    config.prompt = prompts[static_cast<std::size_t>(random.below(std::ssize(prompts)))];
    const auto recording = record_run(config).recording;
    const ReadTrace trace(recording->events());
    const double t = random.below(3) ? random_moment(random, trace) : trace.duration();
    std::vector<const Event*> updates = trace.updates(0, t);
    std::erase_if(updates, [t](const Event* event) { return event->t > t; });
    const Seen seen = seen_panel(screen, *recording, trace, t, "recall");
    const std::vector<std::string> states = seen.texts("^m = "), found = seen.texts("largest weight");
    // A block that is almost absorbed counts
    if (trace.updates(0, t).size() != updates.size()) continue;
    CHECK(states.empty() == updates.empty());
    if (updates.empty()) continue;
    ++compared;
    const RowUpdate& row = *updates.back()->row;
    const std::vector<double> state = numbers_in(states.at(0));
    CHECK(std::abs(state.at(0) - row.m_after) <= 0.0051);
    CHECK(std::abs(state.at(1) - row.l_after) <= 0.0051);
    CHECK(state.at(2) == static_cast<double>(recording->header().v_dim));

    const std::map<Index, double> all = weights(*recording, updates);
    double largest = 0;
    for (const auto& [key, weight] : all) largest = std::max(largest, weight);
    CHECK(std::abs(numbers_in(found.at(0)).back() - largest) <= 0.0051);
    // The word is one of those with this weight
    bool named = false;
    for (const auto& [key, weight] : all)
      named = named || (weight >= largest * (1 - 1e-5) &&
                        found.at(0).find(": " + recording->words[static_cast<std::size_t>(key)] + ", ") !=
                            std::string::npos);
    CHECK(named);
  }
  CHECK(compared > 5);
}
