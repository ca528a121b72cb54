// Tests of the softmax microscope: its picture of a row agrees with the row events.

#include <doctest/doctest.h>

#include <cmath>

#include "tests/support/special_values.h"
#include "tests/support/trials.h"
#include "tests/visualizer/support/random_config.h"
#include "visualizer/model/pictures/softmax_picture.h"
#include "visualizer/run/record_run.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

using State = SoftmaxPicture::State;

std::shared_ptr<Recording> recorded(const RunConfig& config) { return record_run(config).recording; }

SoftmaxPicture picture_at(const Recording& recording, double part, Index row) {
  const double t = part * recording.duration(Clock::modelled);
  return softmax_picture(recording, moment(recording, t, Clock::modelled), row);
}

// Calls f for some rows of random runs at random moments
template <class F>
void at_random_moments(std::uint64_t seed, F&& f) {
  Random random(seed);
  for (int n = 0; n < trials(60); ++n) {
    const RunConfig config = completed(random_config(random));
    const auto recording = recorded(config);
    for (int m = 0; m < 4; ++m)
      f(*recording, picture_at(*recording, random.uniform(), random.below(config.queries)));
  }
}

RunConfig faulty(const std::string& fault, double score_scale) {
  RunConfig config;
  config.fault = fault, config.score_scale = score_scale;
  return config;
}

}  // namespace

TEST_CASE("the contributions of the blocks add up to l, at every moment") {
  at_random_moments(1, [](const Recording&, const SoftmaxPicture& picture) {
    if (!picture.shown) return;
    double sum = 0;
    for (const Contribution& each : picture.sum) sum += each.after;
    CHECK(sum == doctest::Approx(picture.row_update().l_after).epsilon(1e-3));
    CHECK(picture.adds_up);
  });
}

TEST_CASE("alpha rescales the earlier contributions, and a new block starts at zero") {
  at_random_moments(2, [](const Recording&, const SoftmaxPicture& picture) {
    if (!picture.shown) return;
    for (std::size_t i = 0; i + 1 < picture.sum.size(); ++i)
      CHECK(picture.sum[i].after == picture.sum[i].before * picture.row_update().alpha);
    CHECK(picture.sum.back().before == 0);
    CHECK(picture.sum.back().event == picture.shown->id);
  });
}

TEST_CASE("after the last block the output of each row is that of full attention") {
  Random random(3);
  for (int n = 0; n < trials(40); ++n) {
    const RunConfig config = completed(random_config(random));
    const auto recording = recorded(config);
    for (Index row = 0; row < config.queries; ++row) {
      const SoftmaxPicture picture = picture_at(*recording, 1, row);
      CHECK(picture.state == State::finished);
      CHECK(picture.dense);
      REQUIRE(picture.normalized_outputs.back().size() == picture.final_output.size());
      for (std::size_t d = 0; d < picture.final_output.size(); ++d)
        CHECK(picture.normalized_outputs.back()[d] ==
              doctest::Approx(picture.final_output[d]).epsilon(2e-3).scale(1));
    }
  }
}

TEST_CASE("without full attention, a row converges to its own last output") {
  const auto whole = recorded({});
  const Recording copy(whole->header(), whole->events(), TraceExtent::complete);
  const SoftmaxPicture picture = picture_at(copy, 0.5, 3), end = picture_at(copy, 1, 3);
  CHECK_FALSE(picture.dense);
  CHECK(picture.final_output == end.normalized_outputs.back());
}

TEST_CASE("a row is neutral until its first block, and unrecorded without events in the trace") {
  const auto recording = recorded({});
  CHECK(picture_at(*recording, -1, 3).state == State::neutral);
  CHECK(picture_at(*recording, 0.01, 3).state == State::absorbing);
  CHECK(picture_at(*recording, 0.5, 16).state == State::unrecorded);
}

TEST_CASE("a row absorbs its blocks one by one") {
  at_random_moments(4, [](const Recording& recording, const SoftmaxPicture& picture) {
    if (!picture.shown) return;
    CHECK(picture.blocks == picture.shown->step + 1);
    CHECK((picture.state == State::finished) ==
          (picture.blocks == recording.devices() && picture.fraction == 1));
  });
}

TEST_CASE("a row absorbs its blocks in step order if all of them take no time") {
  RunConfig config;
  config.rotate = Rotation::q, config.cost.ns_per_pair = 0;
  const auto recording = recorded(config);
  for (Index row = 0; row < config.queries; ++row) {
    const SoftmaxPicture picture = picture_at(*recording, 1, row);
    CHECK(picture.shown->step == recording->devices() - 1);
    CHECK(picture.adds_up);
    const int owner = recording->owner_of_query(row);
    for (int step = 0; step < recording->devices(); ++step)
      CHECK(picture.sum[static_cast<std::size_t>(step)].owner == (owner + step) % recording->devices());
  }
}

TEST_CASE("a sum without rescaling does not add up, a correct one does") {
  CHECK_FALSE(picture_at(*recorded(faulty("no_rescale", 4)), 1, 5).adds_up);
  CHECK(picture_at(*recorded(faulty("", 4)), 1, 5).adds_up);
}

TEST_CASE("the stack of a faulty run is the sum that it computed, with and without rescaling") {
  for (const char* const fault : {"", "no_rescale"}) {
    const auto recording = recorded(faulty(fault, 4));
    for (Index row = 0; row < 16; ++row)
      for (const double part : {0.3, 0.6, 1.0}) {
        const SoftmaxPicture picture = picture_at(*recording, part, row);
        double stacked = 0;
        for (const Contribution& each : picture.sum) stacked += each.after;
        CHECK(stacked == doctest::Approx(picture.row_update().l_after).epsilon(1e-9));
      }
  }
}

TEST_CASE("two runs side by side have the same scales") {
  const auto correct = recorded(faulty("", 4)), wrong = recorded(faulty("no_rescale", 4));
  for (Index row = 0; row < 16; ++row) {
    const Moment left = moment(*correct, 100, Clock::modelled), right = moment(*wrong, 100, Clock::modelled);
    const SoftmaxPicture a = softmax_picture(*correct, left, row, {wrong.get()}),
                         b = softmax_picture(*wrong, right, row, {correct.get()});
    for (const auto range : {&SoftmaxPicture::scores, &SoftmaxPicture::l, &SoftmaxPicture::O_size,
                             &SoftmaxPicture::output_range}) {
      CHECK((a.*range).low == (b.*range).low);
      CHECK((a.*range).high == (b.*range).high);
    }
  }
}

TEST_CASE("ranges of very different sizes are not shared, because one of them could not be read") {
  Range small{0, 1}, large{0, 100}, similar{-1, 2};
  small.share(large);
  CHECK(small.high == 1);
  large.share(Range{0, 1});
  CHECK(large.high == 100);
  small.share(similar);
  CHECK(small.low == -1);
  CHECK(small.high == 2);
}

TEST_CASE("numbers that are not finite do not affect the scales") {
  RunConfig config = faulty("no_maximum", 4000);
  config.dtype = "f32";
  const auto recording = recorded(config);
  const SoftmaxPicture picture = picture_at(*recording, 1, 5);
  CHECK_FALSE(std::isfinite(picture.row_update().l_after));
  for (const Range& range : {picture.scores, picture.l, picture.output_range, picture.O_size}) {
    CHECK(std::isfinite(range.low));
    CHECK(std::isfinite(range.high));
  }
  Range range{-1, 2};
  for (const double none : {std::nan(""), infinity, -infinity}) range.include(none);
  CHECK(range.low == -1);
  CHECK(range.high == 2);
  CHECK(range.part(infinity) == 1);
}

TEST_CASE("if Q rotates, states are merged from the second step on") {
  RunConfig config;
  config.rotate = Rotation::q;
  const auto recording = recorded(config);
  for (const double part : {0.05, 0.3, 0.6, 0.9, 1.0}) {
    const SoftmaxPicture picture = picture_at(*recording, part, 3);
    if (picture.shown) CHECK(picture.merged == (picture.shown->step > 0));
  }
  CHECK(picture_at(*recording, 1, 3).merged);
  // A device without keys also takes part in the merge
  config.keys = 2;
  CHECK(picture_at(*recorded(config), 1, 15).merged);
  config.keys = 16;
  config.rotate = Rotation::kv;
  CHECK_FALSE(picture_at(*recorded(config), 1, 3).merged);
}

TEST_CASE("the phases of absorbing a block follow one another, and reduced motion skips to their end") {
  double before = 0;
  for (double fraction = 0; fraction <= 1; fraction += 1.0 / 64) {
    const AbsorbPhases now = absorb_phases(fraction, false);
    CHECK((now.maximum == 0 || now.scores == 1));
    CHECK((now.rescale == 0 || now.maximum == 1));
    CHECK((now.add == 0 || now.rescale == 1));
    const double all = now.scores + now.maximum + now.rescale + now.add;
    CHECK(all >= before);
    before = all;
    CHECK(absorb_phases(fraction, true).add == 1);
  }
  CHECK(before == 4);
}
