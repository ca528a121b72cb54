// Tests of the statements of the scenes: the numbers in their texts follow from their runs.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <map>

#include "tests/support/error_message.h"
#include "tests/support/special_values.h"
#include "visualizer/model/costs/long_sequence.h"
#include "visualizer/model/costs/memory_model.h"
#include "visualizer/model/pictures/merge_trees.h"
#include "visualizer/model/pictures/recall_picture.h"
#include "visualizer/model/pictures/softmax_picture.h"
#include "visualizer/model/time_use.h"
#include "visualizer/run/record_run.h"
#include "visualizer/session/scene.h"
#include "visualizer/view/panels/labels.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

// The runs of a scene, and its texts.
struct RecordedScene {
  explicit RecordedScene(const std::string& id) : scene(find_scene(id)) {
    for (const SceneRun& run : scene.runs) runs.push_back(record_run(run.config).recording);
  }

  const Recording& run(std::size_t i) const { return *runs[i]; }

  // Arithmetic for a pair of blocks without mask, in nanoseconds
  double step(std::size_t i) const {
    const RunConfig& c = scene.runs[i].config;
    return c.cost.ns_per_pair * static_cast<double>(c.queries * c.keys) / (c.devices * c.devices);
  }
  double steps(std::size_t i) const { return run(i).duration(Clock::modelled) / step(i); }
  double efficiency(std::size_t i) const { return viz::efficiency(run(i), Clock::modelled); }

  bool mentions(const std::string& words) const {
    for (const Beat& beat : scene.beats)
      if (contains(beat.text + beat.question + beat.answer, words)) return true;
    return false;
  }

  // The row event of a step
  const RowUpdate& row(std::size_t i, int step, Index which = 0) const {
    for (const Event& event : run(i).events())
      if (event.kind == EventKind::row && event.step == step && event.row->row == which) return *event.row;
    throw std::runtime_error("no such row");
  }
  // The largest difference between the final output of a row and full attention
  double error(std::size_t i, Index which) const {
    const RowUpdate& last = row(i, run(i).devices() - 1, which);
    const std::vector<double> truth = run(i).dense_out(which), found = normalize(last.l_after, last.O_after);
    double most = 0;
    for (std::size_t d = 0; d < truth.size(); ++d) {
      const double difference = std::abs(found[d] - truth[d]);
      if (!(difference <= most)) most = difference;
    }
    return most;
  }

  const Scene& scene;
  std::vector<std::shared_ptr<Recording>> runs;
};

std::int64_t live_pairs(const Recording& recording, int device) {
  std::int64_t pairs = 0;
  for (const Span& span : recording.spans().of(device))
    if (span.begin->kind == EventKind::compute) pairs += span.begin->live_pairs;
  return pairs;
}

// Bytes and messages of each kind that device 0 sends
struct Sent {
  std::int64_t bytes = 0;
  int messages = 0;
};
std::map<std::string, Sent, std::less<>> sent(const Recording& recording, int pass) {
  std::map<std::string, Sent, std::less<>> all;
  for (const Span& span : recording.spans().of(0))
    if (span.begin->kind == EventKind::send && recording.pass_of(span) == pass) {
      Sent& of = all[std::string(span.begin->what)];
      of.bytes += span.begin->bytes, ++of.messages;
    }
  return all;
}

// The time at which a device first waits, in steps
double first_wait(const RecordedScene& recorded, std::size_t run, int device) {
  for (const Span& span : recorded.run(run).spans().of(device))
    if (span.begin->kind == EventKind::wait && span.end && span.end->t > span.begin->t)
      return span.begin->t / recorded.step(run);
  return std::numeric_limits<double>::infinity();
}

}  // namespace

// ---- All scenes ----------------------------------------------------------------------

TEST_CASE("no text of a scene has more than 220 characters") {
  for (const Scene& scene : scenes())
    for (const Beat& beat : scene.beats)
      for (const std::string& text : {beat.text, beat.question, beat.answer, scene.takeaway}) {
        std::size_t letters = 0;
        for (const char c : text) letters += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
        INFO(scene.id << ": " << text);
        CHECK(letters <= 220);
        CHECK(beat.text != "");
        CHECK(beat.question.empty() == beat.answer.empty());
      }
}

TEST_CASE("rings of a scene without a fault are correct, row by row") {
  for (const Scene& scene : scenes()) {
    const RecordedScene recorded(scene.id);
    for (std::size_t i = 0; i < recorded.runs.size(); ++i) {
      const RunConfig& config = scene.runs[i].config;
      if (!config.fault.empty() || config.strategy != Strategy::ring) continue;
      const double bound = scene.runs[i].config.dtype == "f64" ? 1e-12 : 1e-5;
      for (Index row = 0; row < recorded.run(i).header().Sq; ++row) CHECK(recorded.error(i, row) < bound);
    }
  }
}

// ---- One after the other -------------------------------------------------------------

TEST_CASE("why split: 1024 scores, four times the time, 4 TiB against 29 MiB") {
  const RecordedScene recorded("why");
  CHECK(live_pairs(recorded.run(1), 0) == 1024);
  for (int device = 0; device < 4; ++device) CHECK(live_pairs(recorded.run(0), device) == 256);
  CHECK(recorded.run(1).duration(Clock::modelled) == 4 * recorded.run(0).duration(Clock::modelled));
  CHECK(bytes_text(long_naive_memory()) == "4.0 TiB");
  CHECK(std::round(long_ring_memory(64) / (1 << 20)) == 29);
  CHECK(recorded.mentions("4\xc2\xa0TiB"));
  CHECK(recorded.mentions("29\xc2\xa0MiB"));

  // No more than two blocks of keys and values in any device
  const std::int64_t block = 8 * (4 + 4) * 4;
  for (const Event& event : recorded.run(0).events())
    if (event.kind == EventKind::alloc && event.what == "K V") CHECK(event.bytes / block <= 2);
}

TEST_CASE("memory: 256 GiB of scores, 64 KiB for each token, and 6 GiB in a ring of 64") {
  const RecordedScene recorded("memory");
  constexpr double GiB = 1 << 30;
  const LongSequence middle = recorded.run(2).sequence, longest = recorded.run(3).sequence;
  CHECK(memory_need(MemoryWay::all_scores, middle).buffers[2].second == 256 * GiB);
  CHECK(memory_need(MemoryWay::tiles, middle).bytes() / static_cast<double>(middle.tokens) / 1024 ==
        doctest::Approx(64).epsilon(0.01));
  CHECK(memory_need(MemoryWay::tiles, longest).bytes() > 3 * LongSequence::device_bytes);
  CHECK(memory_need(MemoryWay::ring, longest).bytes() / GiB == doctest::Approx(6).epsilon(0.02));
  for (const MemoryWay way : memory_ways)
    CHECK(memory_need(way, recorded.run(1).sequence).bytes() < LongSequence::device_bytes);
}

TEST_CASE("recall: each prompt goes on as in the text, and one word alone is ambiguous") {
  const RecordedScene recorded("recall");
  const auto picture = [&](std::size_t i, double t) {
    return *recall_picture(recorded.run(i), moment(recorded.run(i), t, Clock::modelled));
  };
  const char* const expected[] = {"of", "outrageous", "of"};
  const std::size_t agreeing[] = {4, 5, 6};
  for (std::size_t i = 0; i < 3; ++i) {
    const RecallPicture end = picture(i, recorded.run(i).duration(Clock::modelled));
    CHECK(end.continuation == expected[i]);
    CHECK(end.agreeing.size() == agreeing[i]);
    CHECK(end.weights[static_cast<std::size_t>(end.best)] > 0.99);
  }
  const RecallPicture ambiguous = picture(3, recorded.run(3).duration(Clock::modelled));
  CHECK(ambiguous.weights[static_cast<std::size_t>(ambiguous.best)] < 0.5);
  CHECK(ambiguous.continuation == "suffer");
  // On device 0, before the place is found
  const double before = *EventSelector("compute device=0 step=1 99%").time(recorded.run(0), Clock::modelled);
  const RecallPicture guess = picture(0, before);
  CHECK(recorded.run(0).words[static_cast<std::size_t>(guess.best)] == "thousand");
  CHECK(guess.agreeing.size() == 2);
}

TEST_CASE("one row: the sum, and the factors of its rescaling") {
  const RecordedScene recorded("row");
  CHECK(recorded.row(0, 0).l_after == 1);
  CHECK(recorded.row(0, 0).m_after == 1);
  CHECK(recorded.row(0, 1).l_after - 1 == doctest::Approx(0.449).epsilon(0.001));
  CHECK(recorded.row(0, 1).m_after == 1);
  CHECK(recorded.row(0, 2).m_after == 2.5);
  CHECK(recorded.row(0, 2).alpha == doctest::Approx(0.223).epsilon(0.001));
  CHECK(recorded.row(0, 2).l_after == doctest::Approx(0.2231 * 1.4493 + 1).epsilon(0.001));
  CHECK(recorded.row(0, 5).m_before == 2.5);
  CHECK(recorded.row(0, 5).m_after == 3);
  CHECK(recorded.row(0, 5).alpha == doctest::Approx(0.607).epsilon(0.001));
  for (int step = 3; step < 8; ++step)
    if (step != 5) CHECK(recorded.row(0, step).alpha == 1);
  CHECK(recorded.error(0, 0) < 1e-15);
}

TEST_CASE("one tile: only the maximum of row 4 grows in the second block, and its factor is 0.359") {
  const RecordedScene recorded("tile");
  for (const Index row : {3, 4, 5}) CHECK((recorded.row(0, 1, row).alpha == 1) == (row != 4));
  CHECK(recorded.row(0, 0, 4).m_after == doctest::Approx(0.51));
  CHECK(recorded.row(0, 1, 4).m_after == doctest::Approx(1.535));
  CHECK(recorded.row(0, 1, 4).alpha == doctest::Approx(0.359).epsilon(0.001));
  for (const Tensor<double>* tensor :
       {&recorded.run(0).inputs->Q, &recorded.run(0).inputs->K, &recorded.run(0).inputs->V})
    for (Index i = 0; i < tensor->size(); ++i)
      CHECK(tensor->data()[i] * 10 == doctest::Approx(std::round(tensor->data()[i] * 10)));
}

TEST_CASE("the maximum: where float32 overflows, and the output afterwards") {
  const RecordedScene recorded("maximum");
  CHECK(std::log(static_cast<double>(std::numeric_limits<float>::max())) ==
        doctest::Approx(88.7).epsilon(0.001));
  CHECK(static_cast<double>(std::numeric_limits<float>::max()) == doctest::Approx(3.4e38).epsilon(0.001));
  CHECK(recorded.row(1, 0).l_after == doctest::Approx(2.4e17).epsilon(0.02));
  CHECK(std::exp(88.0) == doctest::Approx(1.65e38).epsilon(0.002));
  CHECK(std::isfinite(recorded.row(1, 2).l_after));
  CHECK(recorded.row(1, 4).l_after == infinity);
  CHECK(std::isnan(recorded.error(1, 0)));
  CHECK(recorded.row(0, 4).m_after == doctest::Approx(104));
  CHECK(recorded.row(0, 4).l_after == doctest::Approx(1));
}

TEST_CASE(
    "merging: 15 trees agree to within 2 units in the last place, and the mean is wrong in the first digit") {
  const RecordedScene recorded("merge");
  const auto chain = merge_tree(recorded.run(0), 0, MergeOrder::chain);
  const auto all = all_merge_orders(recorded.run(0), 0);
  REQUIRE((chain && all));
  CHECK(chain->states[0].m == doctest::Approx(-0.45).epsilon(0.01));
  CHECK(chain->states[1].m == doctest::Approx(0.96).epsilon(0.01));
  CHECK(chain->merges[0].alpha == doctest::Approx(0.245).epsilon(0.002));
  CHECK(chain->merges[0].beta == 1);
  CHECK(all->outputs.size() == 15);
  CHECK(all->largest_difference() <= 2);
  for (const std::size_t d : {0u, 1u}) CHECK(std::abs(all->mean[d] - all->exact[d]) > 0.3);
}

TEST_CASE("the ring: P steps, P minus 1 hops, and no waits") {
  const RecordedScene recorded("ring");
  CHECK(recorded.steps(0) == doctest::Approx(4));
  CHECK(sent(recorded.run(0), 0).at("K V").messages == 3);
  for (int device = 0; device < 4; ++device) CHECK(first_wait(recorded, 0, device) == infinity);
  for (int device = 0; device < 4; ++device) CHECK(live_pairs(recorded.run(0), device) == 64);
}

TEST_CASE("overlap: 4, 6.1, 5.5 and 9.4 steps, and the first devices to wait for the slow link") {
  const RecordedScene recorded("overlap");
  const double expected[] = {4, 6.1, 5.5, 9.4};
  for (std::size_t i = 0; i < 4; ++i) CHECK(recorded.steps(i) == doctest::Approx(expected[i]));
  for (const char* number : {"6.1 steps", "5.5 steps", "9.4 steps"}) CHECK(recorded.mentions(number));
  CHECK(first_wait(recorded, 3, 1) == doctest::Approx(1));
  CHECK(first_wait(recorded, 3, 2) == doctest::Approx(1));
  CHECK(first_wait(recorded, 3, 0) == doctest::Approx(2));
  CHECK(first_wait(recorded, 3, 3) == doctest::Approx(2));
}

TEST_CASE("hiding: 27.5 against 7.0 microseconds, and blocks of 1040 and 24960 tokens") {
  const RecordedScene recorded("hide");
  const auto machine = [&](std::size_t i) { return recorded.run(i).machine; };
  CHECK(machine(1).compute_ns() == doctest::Approx(27.5e3).epsilon(0.002));
  CHECK(machine(1).transfer_ns() == doctest::Approx(7.0e3).epsilon(0.002));
  CHECK(machine(1).smallest_block() == doctest::Approx(1040));
  CHECK(machine(2).transfer_ns() / machine(2).compute_ns() == doctest::Approx(4).epsilon(0.02));
  CHECK(machine(3).smallest_block() == doctest::Approx(24960));
  for (const char* number : {"27.5\xc2\xa0\xc2\xb5s", "1040 tokens", "24960"})
    CHECK(recorded.mentions(number));
  // The engine charges these costs: a step, and the waits for the link
  for (std::size_t i = 1; i < 4; ++i) {
    const double steps = recorded.run(i).duration(Clock::modelled) / machine(i).compute_ns();
    const double hop = machine(i).transfer_ns() / machine(i).compute_ns();
    CHECK(steps == doctest::Approx(1 + 3 * std::max(1.0, hop)).epsilon(1e-4));
    CHECK(machine(i).hides() == (first_wait(recorded, i, 0) == infinity));
  }
}

TEST_CASE("causal: the pairs of each device, and efficiencies of 58, 92 and 100 percent") {
  const RecordedScene recorded("causal");
  const std::int64_t pairs[] = {36, 100, 164, 228};
  for (int device = 0; device < 4; ++device) {
    CHECK(live_pairs(recorded.run(0), device) == pairs[device]);
    CHECK(live_pairs(recorded.run(2), device) == 132);
  }
  CHECK(recorded.efficiency(0) == doctest::Approx(528 / (4 * 228.0)));
  const char* const percents[] = {"58\xc2\xa0%", "92\xc2\xa0%", "100\xc2\xa0%"};
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(std::to_string(std::lround(100 * recorded.efficiency(i))) + "\xc2\xa0%" == percents[i]);
    CHECK(recorded.mentions(percents[i]));
  }
  // 4/7 for long texts
  RunConfig config = recorded.scene.runs[0].config;
  config.queries = config.keys = 512;
  CHECK(efficiency(*record_run(config).recording, Clock::modelled) ==
        doctest::Approx(4 / 7.0).epsilon(0.002));
}

TEST_CASE("what travels: bytes on each link, equal link speeds, and steps") {
  const RecordedScene recorded("rotate");
  CHECK(recorded.scene.runs[0].config.cost.link_gbps ==
        doctest::Approx(recorded.scene.runs[1].config.cost.link_gbps));
  CHECK(sent(recorded.run(0), 0).at("K V").bytes == 1920);
  CHECK(sent(recorded.run(1), 0).at("Q").bytes == 288);
  CHECK(sent(recorded.run(1), 0).at("m l O").bytes == 384);
  CHECK(sent(recorded.run(1), 0).at("Q").messages == 3);
  CHECK(sent(recorded.run(1), 0).at("m l O").messages == 4);
  CHECK(recorded.steps(0) == doctest::Approx(5.5));
  CHECK(recorded.steps(1) == doctest::Approx(4.2).epsilon(0.01));
}

TEST_CASE("strategies: the bytes that a device sends, its memory, and 4.9 steps instead of 4") {
  const RecordedScene recorded("strategies");
  const std::int64_t bytes[] = {4896, 4896, 3024};
  const char* const peaks[] = {"5.4 KiB", "8.6 KiB", "8.4 KiB"};
  const double steps[] = {4, 4, 4.93};
  for (std::size_t i = 0; i < 3; ++i) {
    std::int64_t all = 0;
    for (const auto& [what, of] : sent(recorded.run(i), 0)) all += of.bytes;
    CHECK(all == bytes[i]);
    const Moment end = moment(recorded.run(i), recorded.run(i).duration(Clock::modelled), Clock::modelled);
    CHECK(bytes_text(static_cast<double>(memory(recorded.run(i), end).front().peak)) == peaks[i]);
    // The scores of all heads
    CHECK(recorded.steps(i) / 4 == doctest::Approx(steps[i]).epsilon(0.001));
    CHECK(recorded.scene.runs[i].config.cost.link_gbps == recorded.scene.runs[0].config.cost.link_gbps);
  }
  for (const char* number : {"4896 bytes", "3024 bytes", "5.4 KiB", "8.6 KiB", "4.9 steps instead of 4"})
    CHECK(recorded.mentions(number));

  // The slots of a ring do not grow with the devices, at the same number of rows on each; those of an all-gather do
  const auto slots = [&](std::size_t i, int devices) {
    RunConfig config = recorded.scene.runs[i].config;
    config.devices = devices, config.queries = config.keys = 6 * devices;
    const auto recording = record_run(config).recording;
    int count = 0;
    for (const Span& span : recording->spans().of(0))
      count += span.begin->kind == EventKind::alloc && span.begin->what == "K V";
    return count;
  };
  for (const int devices : {4, 8}) CHECK(slots(0, devices) == 2);
  for (const int devices : {4, 8}) CHECK(slots(1, devices) == devices);

  // Messages and arithmetic of Ulysses
  CHECK(first_wait(recorded, 0, 0) == infinity);
  CHECK(first_wait(recorded, 1, 0) == infinity);
  CHECK(first_wait(recorded, 2, 0) == 0);
  for (int device = 0; device < 4; ++device) CHECK(live_pairs(recorded.run(2), device) == 24 * 24);
}

TEST_CASE("backward: gradients make P hops, keys and values P minus 1") {
  const RecordedScene recorded("backward");
  CHECK(sent(recorded.run(0), 1).at("K V").messages == 3);
  CHECK(sent(recorded.run(0), 1).at("dK dV").messages == 4);
}

TEST_CASE("mistakes: each fault has the described effect at the described place") {
  const RecordedScene recorded("traps");
  // No rescale: the sum is too large after the first increase of the maximum, and the output is finite
  CHECK(recorded.row(1, 1).l_after == recorded.row(0, 1).l_after);
  CHECK(recorded.row(1, 2).l_after == doctest::Approx(1 + recorded.row(0, 1).l_after));
  CHECK(recorded.error(1, 0) > 0.1);
  CHECK(std::isfinite(recorded.error(1, 0)));

  // A stale buffer: rows of devices 2 and 3, block 1 instead of block 0
  for (Index row = 0; row < 16; ++row) {
    INFO("row " << row);
    if (row < 8)
      CHECK(recorded.error(3, row) < 1e-12);
    else
      CHECK(recorded.error(3, row) > 1e-3);
  }
  CHECK(recorded.row(3, 2, 9).scores == recorded.row(3, 1, 9).scores);

  // All send first: the deadlock is reported
  const RecordedRun deadlock = record_run(recorded.scene.runs[4].config);
  CHECK(contains(deadlock.failure, "deadlock"));

  // A masked block: no key of it is visible to row 1, which becomes NaN
  for (const double score : recorded.row(6, 1, 1).scores) CHECK(score == -infinity);
  CHECK(std::isnan(recorded.row(6, 1, 1).l_after));
  CHECK(std::isnan(recorded.error(6, 1)));
}
