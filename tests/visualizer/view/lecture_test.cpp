// A whole lecture: on a projector of each size, in each theme, with all scenes, a live run with interventions, and
// a text from the audience.

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <thread>

#include "tests/visualizer/support/screen_fixtures.h"
#include "visualizer/interaction/commands.h"
#include "visualizer/interaction/pointer.h"
#include "visualizer/run/threaded_run.h"
#include "visualizer/session/parameters.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

// Where a click runs a command
Rect rect_of_command(const Drawing& drawing, const std::string& command) {
  for (const Element& element : drawing.elements)
    if (element.target.command == command) return element.rect;
  FAIL("no element for " << command);
  return {};
}

// The share of the pixels of a panel that differ from its background
double drawn_share(const Image& image, const Rect& panel, float unit, Color background) {
  const auto pixels = [unit](float points) { return static_cast<int>(points * unit); };
  int drawn = 0, all = 0;
  for (int y = pixels(panel.y) + 2; y < pixels(panel.bottom()) - 2; y += 2)
    for (int x = pixels(panel.x) + 2; x < pixels(panel.right()) - 2; x += 2, ++all) {
      const std::uint8_t* rgba = image.pixel(x, y);
      drawn += Color{rgba[0], rgba[1], rgba[2]} != background;
    }
  return all == 0 ? 0 : static_cast<double>(drawn) / all;
}

// A projector, to which a session is shown after every key.
class Projector {
 public:
  Projector(int width, int height) : width_(width), height_(height) {}

  void resize(int width, int height) { width_ = width, height_ = height, screen_.reset(); }

  // From now on, the pixels must be drawn, too
  void look_at_pixels() { pixels_ = true; }

  void show(const Session& session) {
    const double scale = session.settings.display_scale();
    if (!screen_ || scale != scale_) screen_ = std::make_unique<HeadlessScreen>(width_, height_, scale);
    scale_ = scale;
    const Drawing drawing = drawn(*screen_, session);
    INFO(session.title() << " at " << width_ << "x" << height_ << ", scale " << scale << ", "
                         << session.settings.theme);
    check_writings(drawing, screen_->size());
    CHECK(drawing.texts.size() > 5);
    if (!pixels_) return;
    const Theme& colors = theme(session.settings.theme);
    const Image image =
        screen_->picture(colors, [&](Canvas& canvas) { draw_screen(canvas, screen_->size(), session); });
    const Size size = screen_->size();
    // In the theme of high contrast panels have the colour of the paper
    CHECK(drawn_share(image, {0, 0, size.w, size.h}, unit_of(width_, height_, scale), colors.paper) > 0.1);
  }

  void press(Session& session, const std::vector<std::string>& keys) {
    for (const std::string& key : keys) {
      press_key(session, key);
      session.advance(0.04);
      show(session);
    }
  }

 private:
  int width_, height_;
  double scale_ = 0;
  bool pixels_ = false;
  std::unique_ptr<HeadlessScreen> screen_;
};

void hold_lecture(Projector& projector, std::string_view theme) {
  Session session;
  session.settings.theme = theme;
  session.open_scene(scenes().front());
  projector.press(session, {"F5"});
  // All scenes with the clicker, the last one is free play
  for (int texts = 0; !session.free_config() && texts < 200; ++texts) projector.press(session, {"PageDown"});
  REQUIRE(session.free_config());

  // A text from the audience, and other parameters
  projector.press(session, {"E"});
  for (const char* const letter : {"\xc3\x9c", "n", "\xc3\xaf", "c", "\xc3\xb6", "d", "\xc3\xa9", "Space",
                                   "i", "s", "Space", "f", "u", "n"})
    projector.press(session, {letter});
  projector.press(session, {"Enter", "Right", "Shift+Right"});
  CHECK(session.recording().words.front() ==
        "\xc3\x9cn\xc3\xaf"
        "c\xc3\xb6"
        "d\xc3\xa9");
  for (const char* const knob : {"devices", "mask", "layout", "rotate", "backward", "hop", "fault"}) {
    session.adjust(knob, 1);
    projector.show(session);
  }
  // Questions: code, memory, a pinned device, one panel, keys, scenes
  session.selection.hovered = Target::device(1);
  projector.press(session, {"F5", "P", "C", "M", "M", "Z", "Z", "H", "H", "Ctrl+K", "Esc", "T", "K", "X", "V",
                            "O", "Ctrl+=", "Ctrl+-"});
}

void show_live_run(Projector& projector) {
  RunConfig config;
  config.backward = true;
  Session session;
  session.open_live(std::make_unique<ThreadedRun>(config), "Live");
  projector.press(session, {"Right", "Right", "Tab", "F", "Right", "Tab", "L", "Right", "Right", "Left",
                            "End", "Shift+Tab", "F"});
  CHECK(session.live_controls()->stalled.empty());
  session.live()->open();
  for (int n = 0; session.live()->running() && n < 10000; ++n) {
    session.advance(0);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  session.advance(0);
  CHECK_FALSE(session.live()->running());
  projector.show(session);
}

}  // namespace

TEST_CASE("in free play every value of every parameter is on the screen between its arrows") {
  for (const auto& [width, height] : {std::pair{1280, 1024}, {1920, 1080}}) {
    ViewSettings presented;
    presented.presenting = true;
    HeadlessScreen screen(width, height, presented.display_scale());
    for (const Parameter& parameter : parameters()) {
      SceneSession session("free");
      session.settings = presented;
      std::set<std::string> values;
      for (int n = 0; n < 16; ++n) {
        const std::string value = parameter.value(*session.free_config());
        if (!values.insert(value).second) break;
        const Drawing drawing = drawn(screen, session);
        const Rect left = rect_of_command(drawing, "knob:" + parameter.id + ":-"),
                   right = rect_of_command(drawing, "knob:" + parameter.id + ":+");
        const Rect between{left.right(), left.y, right.x - left.right(), left.h};
        INFO(parameter.title << " = " << value << " at " << width << "x" << height);
        CHECK(std::any_of(drawing.texts.begin(), drawing.texts.end(), [&](const DrawnText& text) {
          return text.text == value && between.contains(text.rect.centre());
        }));
        run_command(session, "knob:" + parameter.id + ":+");
      }
    }
  }
}

TEST_CASE("no panel of any beat is empty") {
  ViewSettings presented;
  presented.presenting = true;
  const auto [width, height] = std::pair{1280, 720};
  const double scale = presented.display_scale();
  HeadlessScreen screen(width, height, scale);
  for (const Scene& scene : scenes()) {
    SceneSession session(scene.id);
    session.settings.presenting = true;
    for (int beat = 0; beat < session.beats(); ++beat) {
      session.go_to_beat(beat);
      Drawing drawing;
      const Theme& dark = theme("dark");
      const Image image = screen.picture(
          dark, [&](Canvas& canvas) { draw_screen(canvas, screen.size(), session); }, &drawing);
      for (const Element& element : drawing.elements) {
        if (element.target.kind != Target::Kind::panel || !element.label.empty()) continue;
        INFO(scene.id << ", beat " << beat + 1 << ": " << element.target.command);
        CHECK(drawn_share(image, element.rect, unit_of(width, height, scale), dark.panel) > 0.005);
      }
    }
  }
}

TEST_CASE("in a whole lecture no text is cut or covered, on four projectors and in three themes") {
  const std::pair<int, int> projectors[] = {{1280, 720}, {1920, 1080}, {1024, 768}, {3840, 2160}};
  std::size_t lecture = 0;
  for (const auto& [width, height] : projectors) {
    Projector projector(width, height);
    hold_lecture(projector, themes()[lecture++ % themes().size()].name);
    show_live_run(projector);
  }
}

TEST_CASE(
    "through a lecture with resizes, themes and a stalled device no picture is blank and no text is cut") {
  constexpr std::pair<int, int> sizes[] = {{1280, 720}, {1024, 768}, {1920, 1080}, {1600, 900}};
  Projector projector(1280, 720);
  projector.look_at_pixels();
  Session session;
  session.open_scene(scenes().front());
  projector.show(session);

  // All texts of all scenes: with each scene another size and F5, with every sixth one another theme
  const Scene* scene = session.scene();
  std::set<std::string> themes_shown = {session.settings.theme};
  std::size_t opened = 0;
  for (int texts = 0; !session.free_config() && texts < 300; ++texts) {
    projector.press(session, {"PageDown"});
    if (session.scene() == scene) continue;
    scene = session.scene(), ++opened;
    projector.resize(sizes[opened % 4].first, sizes[opened % 4].second);
    projector.press(session, {"F5"});
    if (opened % 6 == 0) projector.press(session, {"T"});
    themes_shown.insert(session.settings.theme);
  }
  CHECK(opened + 1 == scenes().size());
  CHECK(themes_shown.size() == 3);

  // Free play with a text, and a live run whose first device is stalled while a note is written
  const std::vector<std::string> letters = {"\xc3\x9c", "n", "\xc3\xaf", "c", "\xc3\xb6", "d", "\xc3\xa9"};
  projector.press(session, {"E"});
  projector.press(session, letters);
  projector.press(session, {"Enter", "Right", "End"});
  session.open_live(std::make_unique<ThreadedRun>(RunConfig{}), "Live");
  projector.press(session, {"F", "L", "Right", "Right", "Tab", "Right", "W", "D", "S", "N"});
  CHECK(session.live_controls()->stalled == std::set<int>{0});
  projector.press(session, letters);
  projector.press(session, {"Enter", "F5", "T", "F5", "Shift+Tab", "F", "L", "Right", "Right", "End"});
  CHECK(session.notes().size() == 1);
  CHECK(session.live_controls()->stalled.empty());
}
