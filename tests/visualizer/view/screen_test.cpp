// Tests of the whole screen: everything is readable, on every screen and at every scale.

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/support/trials.h"
#include "tests/visualizer/support/screen_fixtures.h"
#include "visualizer/draw/fonts.h"
#include "visualizer/interaction/commands.h"
#include "visualizer/interaction/pointer.h"
#include "visualizer/run/hop_ratio.h"
#include "visualizer/run/record_run.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

// ---- The ring ----------------------------------------------------------------------

bool is_card(const Element& element) {
  return element.target.kind == Target::Kind::device && !element.label.empty();
}
bool is_flight(const Element& element) {
  return element.target.kind == Target::Kind::block && contains(element.label, " from ");
}

// The cards of each ring on the screen, and the messages between them
void check_rings(const Drawing& drawing) {
  for (const Element& panel : drawing.elements) {
    if (panel.target != Target::panel("ring")) continue;
    std::vector<Rect> cards, flights;
    for (const Element& element : drawing.elements) {
      if (element.layer != panel.layer || !panel.rect.contains(element.rect)) continue;
      if (is_card(element)) cards.push_back(element.rect);
      if (is_flight(element)) flights.push_back(element.rect);
    }
    for (std::size_t i = 0; i < cards.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) CHECK_FALSE(cards[i].overlaps(cards[j]));
      for (const Rect& flight : flights) CHECK_FALSE(cards[i].overlaps(flight));
    }
  }
}

// ---- What has happened -------------------------------------------------------------

bool happened(const Session& session, EventId id) {
  for (int run = 0; run < session.runs(); ++run)
    if (id && session.recording(run).spans().find(id)) return true;
  return false;
}

void check_events(const Drawing& drawing, const Session& session) {
  for (const Element& element : drawing.elements) {
    const Target::Kind kind = element.target.kind;
    const bool quantity =
        kind == Target::Kind::event || kind == Target::Kind::tile || kind == Target::Kind::block;
    if (quantity && !happened(session, element.event)) FAIL_CHECK("no event says so: " << element.label);
  }
}

void check_screen(HeadlessScreen& screen, const Session& session) {
  const Drawing drawing = drawn(screen, session);
  check_writings(drawing, screen.size());
  check_rings(drawing);
  check_events(drawing, session);
}

}  // namespace

// ---- Scenes --------------------------------------------------------------------------

TEST_CASE("every beat of every scene is readable on every screen") {
  Random random(1);
  for_sampled_screens(random, 0.35, [&](HeadlessScreen& screen, const ScreenSize& size) {
    for (const Scene& scene : scenes()) {
      Session session;
      session.open_scene(scene);
      for (int beat = 0; beat < session.beats(); ++beat)
        for (const bool presenting : {false, true}) {
          if (!chosen(random, 0.15)) continue;
          INFO(scene.id << ", beat " << beat + 1 << " on " << size
                        << std::string(presenting ? ", presented" : ""));
          session.settings.presenting = presenting;
          session.go_to_beat(beat);
          check_screen(screen, session);
          if (session.current_beat()->question.empty()) continue;
          session.proceed();
          REQUIRE(session.answered());
          check_screen(screen, session);
        }
    }
  });
}

TEST_CASE("in presentation mode at 1080p captions have at least 24 pixels and no text has less than 18") {
  ViewSettings presented;
  presented.presenting = true;
  const double scale = presented.display_scale();
  HeadlessScreen screen(1920, 1080, scale);
  const double pixels = unit_of(1920, 1080, scale);
  for (const Scene& scene : scenes()) {
    SceneSession session(scene.id);
    session.settings.presenting = true;
    for (int beat = 0; beat < session.beats(); ++beat) {
      session.go_to_beat(beat);
      for (const DrawnText& writing : drawn(screen, session).texts) {
        INFO(scene.id << ", beat " << beat + 1 << ": " << writing.text);
        const bool caption = contains(writing.text, session.current_beat()->text);
        CHECK(Fonts::points(writing.face) * pixels >= (caption ? 24 : 18));
      }
    }
  }
}

TEST_CASE("in presentation mode every panel of every beat has room") {
  ViewSettings presented;
  presented.presenting = true;
  for (const auto& [width, height] : {std::pair{1280, 720}, {1600, 900}, {1920, 1080}, {1920, 1200}}) {
    HeadlessScreen screen(width, height, presented.display_scale());
    for (const Scene& scene : scenes()) {
      SceneSession session(scene.id);
      session.settings.presenting = true;
      for (int beat = 0; beat < session.beats(); ++beat) {
        session.go_to_beat(beat);
        INFO(scene.id << ", beat " << beat + 1 << " at " << width << "x" << height);
        for (const DrawnText& writing : drawn(screen, session).texts)
          if (contains(writing.text, "no room for")) FAIL_CHECK(writing.text);
      }
    }
  }
}

TEST_CASE("a panel without room is named on the screen") {
  HeadlessScreen screen(1280, 720, 2);
  SceneSession session("ring");
  bool named = false;
  for (const DrawnText& writing : drawn(screen, session).texts)
    named = named || contains(writing.text, "no room for ");
  CHECK(named);
}

TEST_CASE("docked panels and the inspector of a pinned device cover neither the caption nor another panel") {
  HeadlessScreen screen(1600, 900);
  for (const Scene& scene : scenes()) {
    SceneSession session(scene.id);
    run_command(session, "code");
    session.selection.pinned = Target::device(0);
    const Drawing drawing = drawn(screen, session);
    std::vector<const Element*> panels;
    for (const Element& element : drawing.elements)
      if (element.target.kind == Target::Kind::panel && element.label.empty()) panels.push_back(&element);
    INFO(scene.id);
    CHECK(std::any_of(panels.begin(), panels.end(),
                      [](const Element* each) { return each->target.command == "inspector"; }));
    for (const Element* a : panels) {
      CHECK(a->layer == 0);
      for (const Element* b : panels)
        if (a != b && a->rect.overlaps(b->rect, 0.5f))
          FAIL_CHECK(a->target.command << " overlaps " << b->target.command);
    }
    check_screen(screen, session);
  }
}

// ---- Many devices, and long sequences ------------------------------------------------

TEST_CASE("a ring of 17 to 64 devices shows every device, its block and the messages between them") {
  Random random(7);
  for (const int devices : {17, 32, 40, 64})
    for (const auto& [width, height] : {std::pair{1280, 720}, {1920, 1080}}) {
      RunConfig config;
      config.devices = devices, config.queries = config.keys = 128;
      config.layout = static_cast<Layout>(random.below(3));
      set_hop_ratio(config, 0.6);
      Session session;
      session.open_recording(record_run(config).recording, "run");
      // In step 9, half way through the hop
      session.seek(9.3 / devices * session.duration());
      HeadlessScreen screen(width, height);
      INFO(devices << " devices at " << width << "x" << height);
      check_screen(screen, session);
      const Drawing drawing = drawn(screen, session);
      int cells = 0, flights = 0, labels = 0;
      for (const Element& element : drawing.elements) {
        cells += is_card(element), flights += is_flight(element);
        if (!is_card(element)) continue;
        for (const DrawnText& writing : drawing.texts) labels += element.rect.contains(writing.rect, 1);
      }
      CHECK(cells == devices);
      CHECK(flights > 0);
      if (devices <= 40 || width > 1280) CHECK(labels == devices);
    }
}

TEST_CASE("a sequence that is too long for single pairs is shown as one tile for each pair of blocks") {
  RunConfig config;
  config.devices = 5, config.queries = config.keys = 300, config.causal = true;
  for (const Layout layout : all_layouts) {
    config.layout = layout;
    Session session;
    session.open_recording(record_run(config).recording, "run");
    session.seek(session.duration());
    session.settings.zoomed = "matrix";
    HeadlessScreen screen(1280, 720);
    check_screen(screen, session);
    int tiles = 0, visible = 0;
    for (const Element& element : drawn(screen, session).elements)
      tiles += element.target.kind == Target::Kind::tile;
    for (const Span& span : session.recording().spans().all())
      visible += span.begin->kind == EventKind::compute && span.begin->mask_class != "skipped";
    CHECK(tiles == visible);
  }
}

namespace {

// The rectangles of a block in the drawing: in flight, and in the slots of the cards
std::vector<Rect> places_of_block(const Drawing& drawing, int owner) {
  std::vector<Rect> places;
  for (const Element& element : drawing.elements)
    if (element.target == Target::block(owner) && (element.label.empty() || is_flight(element)))
      places.push_back(element.rect);
  return places;
}

bool near(const Rect& a, const Rect& b) {
  return std::abs(a.x - b.x) + std::abs(a.y - b.y) + std::abs(a.w - b.w) + std::abs(a.h - b.h) < 2;
}

}  // namespace

TEST_CASE("a block slides from slot to slot: wherever it is at a moment, it was near before") {
  RunConfig config;
  config.devices = 5, config.queries = config.keys = 15;
  HeadlessScreen screen(1600, 900);
  for (const double hop : {0.4, 1.0, 1.7}) {
    set_hop_ratio(config, hop);
    Session session;
    session.open_recording(record_run(config).recording, "run");
    session.settings.zoomed = "ring";
    std::vector<double> moments;
    for (const Event& event : session.recording().events()) moments.push_back(event.t);
    const double moment = 1e-7 * session.duration();
    for (const double t : moments) {
      if (t <= 0 || t >= session.duration()) continue;
      session.seek(t - moment);
      const Drawing before = drawn(screen, session);
      session.seek(t + moment);
      const Drawing after = drawn(screen, session);
      for (int owner = 0; owner < config.devices; ++owner) {
        const std::vector<Rect> was = places_of_block(before, owner);
        for (const Rect& is : places_of_block(after, owner)) {
          INFO("block " << owner << " at " << t << " ns, hop " << hop);
          CHECK(std::any_of(was.begin(), was.end(), [&](const Rect& place) { return near(place, is); }));
        }
      }
    }
  }
}

// ---- Free play -----------------------------------------------------------------------

namespace {

// A run of free play with random values of all parameters that affect the picture
RunConfig drawn_run(RunConfig config, Random& random) {
  constexpr Index positions[] = {4, 8, 12, 16, 24, 32, 48, 64};
  config.devices = 2 + static_cast<int>(random.below(15));
  config.queries = config.keys = positions[random.below(std::size(positions))];
  config.causal = random.below(3) > 0;
  config.window_left = config.causal && random.below(2) ? 5 : -1;
  config.layout = static_cast<Layout>(random.below(3));
  config.rotate = random.below(2) ? Rotation::q : Rotation::kv;
  config.backward = random.below(2), config.overlap = random.below(4);
  set_hop_ratio(config, static_cast<double>(random.below(7)) / 2);
  return config;
}

}  // namespace

TEST_CASE("in free play any ring is readable, on every screen and at every moment") {
  Random random(2);
  for_sampled_screens(random, 0.35, [&](HeadlessScreen& screen, const ScreenSize& size) {
    for (int n = 0; n < trials(3); ++n) {
      Session session;
      session.open_scene(find_scene("free"));
      session.set_run(drawn_run(*session.free_config(), random));
      REQUIRE(session.notice == "");
      for (int moment = 0; moment < 3; ++moment) {
        session.seek(random.uniform() * session.duration());
        session.settings.presenting = random.below(2);
        const RunConfig& config = *session.free_config();
        INFO(config.devices << " devices, " << config.queries << " positions, "
                            << std::string(name(config.layout))
                            << std::string(config.rotate == Rotation::q ? ", Q travels" : "")
                            << std::string(config.backward ? ", backward" : "") << " on " << size);
        check_screen(screen, session);
      }
    }
  });
}

TEST_CASE("tooltips and the pinned inspector are readable") {
  Random random(5);
  for_sampled_screens(random, 0.35, [&](HeadlessScreen& screen, const ScreenSize& size) {
    for (const Scene& scene : scenes()) {
      Session session;
      session.open_scene(scene);
      session.go_to_beat(static_cast<int>(random.below(session.beats())));
      Pointer pointer;
      const Drawing drawing = drawn(screen, session);
      for (int n = 0; n < trials(6); ++n) {
        const auto any =
            static_cast<std::size_t>(random.below(static_cast<std::int64_t>(drawing.elements.size())));
        const Element& element = drawing.elements[any];
        if (element.target.kind == Target::Kind::command) continue;
        pointer.moved(session, drawing, element.rect.centre());
        if (random.below(2)) pointer.button(session, drawing, element.rect.centre(), true);
        pointer.button(session, drawing, element.rect.centre(), false);
        INFO(scene.id << ": " << element.label << " on " << size);
        check_screen(screen, session);
      }
    }
  });
}

// ---- Overlays ------------------------------------------------------------------------

namespace {

bool shows(const Drawing& drawing, const Target& target) {
  return std::any_of(drawing.elements.begin(), drawing.elements.end(),
                     [&](const Element& element) { return element.target == target; });
}

bool has_text(const Drawing& drawing, const std::string& text) {
  return std::any_of(drawing.texts.begin(), drawing.texts.end(),
                     [&](const DrawnText& writing) { return writing.text == text; });
}

}  // namespace

TEST_CASE("the help shows every command, or how to show all") {
  Random random(3);
  for_sampled_screens(random, 0.5, [&](HeadlessScreen& screen, const ScreenSize& size) {
    INFO("on " << size);
    Session session;
    session.open_scene(scenes().front());
    session.overlay = Overlay::help;
    const Drawing drawing = drawn(screen, session);
    check_writings(drawing, screen.size());
    for (const Command& command : commands()) {
      INFO(command.title);
      CHECK((shows(drawing, Target::to_command(command.id)) ||
             has_text(drawing, "press Ctrl+- to show all keys")));
    }
    if (size.scale <= 2) CHECK_FALSE(has_text(drawing, "press Ctrl+- to show all keys"));
  });
}

TEST_CASE("the list of scenes shows every scene on every screen") {
  Random random(4);
  for_sampled_screens(random, 0.5, [&](HeadlessScreen& screen, const ScreenSize& size) {
    INFO("on " << size);
    Session session;
    session.open_scene(scenes().front());
    session.overlay = Overlay::scenes;
    const Drawing drawing = drawn(screen, session);
    check_writings(drawing, screen.size());
    for (const Scene& scene : scenes()) {
      INFO(scene.title);
      CHECK(has_text(drawing, scene.title));
    }
  });
}
