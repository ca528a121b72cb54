// Tests of the panels: for any run, moment and size, all texts are readable and all elements belong to past events.

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "tests/support/trials.h"
#include "tests/visualizer/support/strategy_config.h"
#include "visualizer/raster/headless_screen.h"
#include "visualizer/view/panels/panel.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

// A run, a moment of it, and what is selected
struct Shown {
  std::shared_ptr<Recording> recording;
  Moment now;
  Selection selection;
  ViewSettings settings;

  Frame frame() const { return {*recording, now, selection, settings}; }
};

Target random_target(Random& random, const Recording& recording) {
  const int d = static_cast<int>(random.below(recording.devices())),
            e = static_cast<int>(random.below(recording.devices()));
  const Event& event = recording.events()[static_cast<std::size_t>(
      random.below(static_cast<std::int64_t>(recording.events().size())))];
  switch (random.below(6)) {
    case 0:
      return Target::device(d);
    case 1:
      return Target::block(d);
    case 2:
      return Target::tile(d, e);
    case 3:
      return Target::row(static_cast<int>(random.below(20)));
    default:
      return Target::event(event.id.device, event.id.sequence);
  }
}

RunConfig drawn_run(Random& random, int devices) {
  static const char* const faults[] = {
      "", "", "", "", "no_rescale", "no_maximum", "masked_row_nan", "stale", "lost", "twice"};
  if (random.below(3) == 0)
    return strategy_config(random, shown_strategies[random.below(std::ssize(shown_strategies))], devices);
  RunConfig config = random_config(random);
  config.devices = devices, config.slow_link = -1;
  if (config.scores.empty() && config.text.empty()) {
    config.queries = config.keys = 1 + random.below(40);
    config.v_dim = 1 + random.below(24);
  }
  config.fault = faults[random.below(devices < 3 ? 7 : 10)];
  if (!config.fault.empty()) config.rotate = Rotation::kv, config.backward = false;
  if (config.fault == "masked_row_nan") config.causal = true;
  if (config.fault == "no_maximum") config.score_scale = 300, config.dtype = "f32";
  return config;
}

Shown drawn_moment(Random& random, std::shared_ptr<Recording> recording) {
  Shown shown{recording, {}, {}, {}};
  const Clock clock = random.below(4) ? Clock::modelled : Clock::measured;
  const double part = random.below(8) ? random.uniform() : random.below(2) ? 1 : -1;
  shown.now = moment(*recording, part * recording->duration(clock), clock);
  shown.selection.device = static_cast<int>(random.below(recording->devices()));
  shown.selection.row = random.below(recording->header().Sq + 1);
  if (random.below(4)) shown.selection.pinned = random_target(random, *recording);
  if (random.below(2)) shown.selection.hovered = random_target(random, *recording);
  shown.settings.reduced_motion = random.below(4) == 0;
  return shown;
}

// Calls f(rect, drawing, shown) for panels of every size
template <class F>
void on_random_screens(std::uint64_t seed, F&& f) {
  HeadlessScreen screen(1600, 900);
  Random random(seed);
  for (const int devices : {1, 2, 4, 8, 16})
    for (int n = 0; n < trials(12); ++n) {
      const RecordedRun run = record_run(drawn_run(random, devices));
      for (int m = 0; m < 4; ++m) {
        const Shown shown = drawn_moment(random, run.recording);
        for (const auto& [name, draw] : run_panels()) {
          const Rect rect{static_cast<float>(random.below(600)), static_cast<float>(random.below(200)),
                          static_cast<float>(240 + random.below(661)),
                          static_cast<float>(160 + random.below(541))};
          const Drawing drawing = screen.log(
              theme("dark"), [&, &draw = draw](Canvas& canvas) { draw(canvas, rect, shown.frame()); });
          INFO(name << " of " << rect.w << " x " << rect.h << ", " << devices << " devices");
          f(rect, drawing, shown);
        }
      }
    }
}

Drawing drawn(const Shown& shown, const std::string& panel, Size size) {
  HeadlessScreen screen(1600, 900);
  const Rect rect{0, 0, size.w, size.h};
  return screen.log(theme("dark"),
                    [&](Canvas& canvas) { run_panels().at(panel)(canvas, rect, shown.frame()); });
}

// A panel showing the first run at half of its duration
Shown small_run() {
  Shown shown{record_run({}).recording, {}, {}, {}};
  shown.now = moment(*shown.recording, 0.5 * shown.recording->duration(Clock::modelled), Clock::modelled);
  return shown;
}

}  // namespace

TEST_CASE("in a panel of any size no text is cut, except lines of code that are not highlighted") {
  on_random_screens(1, [](const Rect&, const Drawing& drawing, const Shown&) {
    for (const DrawnText& writing : drawing.texts) {
      if (!writing.cut) continue;
      INFO(writing.text);
      CHECK(writing.face == Face::code);
      for (const Element& element : drawing.elements)
        CHECK_FALSE(element.rect.contains(writing.rect.centre()));
    }
  });
}

TEST_CASE("in a panel of any size no two texts overlap") {
  on_random_screens(2, [](const Rect&, const Drawing& drawing, const Shown&) {
    for (std::size_t i = 0; i < drawing.texts.size(); ++i)
      for (std::size_t j = 0; j < i; ++j) {
        const DrawnText &a = drawing.texts[i], &b = drawing.texts[j];
        if (a.layer != b.layer || !a.rect.overlaps(b.rect, 1)) continue;
        FAIL_CHECK("\"" << a.text << "\" and \"" << b.text << "\"");
      }
  });
}

TEST_CASE("the outline of the selected row crosses no number of the matrix") {
  HeadlessScreen screen(1600, 900);
  Random random(17);
  int numbers = 0;
  for (int n = 0; n < trials(40); ++n) {
    RunConfig config;
    config.devices = 2 + static_cast<int>(random.below(5));
    config.queries = config.keys = config.devices * (1 + random.below(9));
    Shown shown{record_run(config).recording, {}, {}, {}};
    shown.now = moment(*shown.recording, shown.recording->duration(Clock::modelled), Clock::modelled);
    shown.selection.row = random.below(config.queries);
    const Size size{static_cast<float>(240 + random.below(500)), static_cast<float>(200 + random.below(500))};
    const Drawing drawing = drawn(shown, "matrix", size);
    const auto row = std::find_if(drawing.elements.begin(), drawing.elements.end(), [&](const Element& each) {
      return each.target == Target::row(static_cast<int>(shown.selection.row));
    });
    REQUIRE(row != drawing.elements.end());
    const Rect outline{row->rect.right(), row->rect.y, size.w, row->rect.h};
    for (const DrawnText& text : drawing.texts) {
      if (text.text.find_first_not_of("0123456789") != std::string::npos) continue;
      INFO("step " << text.text << " of row " << shown.selection.row << " in " << size.w << " x " << size.h);
      CHECK_FALSE(outline.overlaps(text.rect, 1));
      ++numbers;
    }
  }
  CHECK(numbers > 0);
}

TEST_CASE("panels stay within their rectangle") {
  on_random_screens(3, [](const Rect& rect, const Drawing& drawing, const Shown&) {
    for (const Element& element : drawing.elements) {
      INFO(element.label);
      CHECK(rect.contains(element.rect, 0.5f));
    }
    for (const DrawnText& writing : drawing.texts) {
      INFO(writing.text);
      CHECK(rect.contains(writing.rect, 0.5f));
    }
  });
}

TEST_CASE("elements for events, tiles and blocks name an event of the run") {
  on_random_screens(4, [](const Rect&, const Drawing& drawing, const Shown& shown) {
    for (const Element& element : drawing.elements) {
      using Kind = Target::Kind;
      const Kind kind = element.target.kind;
      INFO(element.label);
      if (kind == Kind::event || kind == Kind::tile || kind == Kind::block || element.event)
        CHECK(shown.recording->spans().find(element.event) != nullptr);
    }
  });
}

TEST_CASE("panels are pure: equal frames give equal pictures") {
  const Shown shown = small_run();
  for (const auto& [name, draw] : run_panels()) {
    const Drawing once = drawn(shown, name, {700, 500}), again = drawn(shown, name, {700, 500});
    REQUIRE(once.texts.size() == again.texts.size());
    CHECK(once.elements.size() == again.elements.size());
    for (std::size_t i = 0; i < once.texts.size(); ++i) CHECK(once.texts[i].text == again.texts[i].text);
  }
}

TEST_CASE("the microscope shows each key of the block with the score in the event") {
  const Shown shown = small_run();
  const RowHistory history = row_history(*shown.recording, shown.now, shown.selection.row);
  const Event& event = history.now ? *history.now : *history.past.back();
  const Drawing drawing = drawn(shown, "microscope", {700, 500});
  std::size_t keys = 0;
  for (const Element& element : drawing.elements) keys += element.label.substr(0, 4) == "key ";
  CHECK(keys == event.row->scores.size());
}

TEST_CASE("the code pane highlights lines, and shows highlighted lines in full") {
  Shown shown = small_run();
  for (const Span& span : shown.recording->spans().of(0))
    if (span.begin->kind == EventKind::compute)
      shown.now = moment(*shown.recording, (span.begin->t + span.end->t) / 2, Clock::modelled);
  const Drawing drawing = drawn(shown, "code", {700, 500});
  CHECK(drawing.elements.size() >= 3);
}

TEST_CASE("the inspector links to the causes of an event") {
  Shown shown = small_run();
  const Event* recv = nullptr;
  for (const Event& event : shown.recording->events())
    if (event.kind == EventKind::recv) recv = &event;
  REQUIRE(recv);
  shown.selection.pinned = Target::event(recv->id.device, recv->id.sequence);
  const Drawing drawing = drawn(shown, "inspector", {400, 400});
  const Target cause = Target::event(recv->cause[0].device, recv->cause[0].sequence);
  CHECK(std::any_of(drawing.elements.begin(), drawing.elements.end(),
                    [&](const Element& element) { return element.target == cause; }));
}
