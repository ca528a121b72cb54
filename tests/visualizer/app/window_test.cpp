// Tests of the window on a virtual display (Xvfb), with simulated keys and mouse events.

#include <doctest/doctest.h>

#include <cctype>
#include <cmath>

#include "tests/visualizer/support/picture_difference.h"
#include "tests/visualizer/support/program.h"
#include "visualizer/interaction/commands.h"
#include "visualizer/raster/headless_screen.h"
#include "visualizer/run/record_run.h"
#include "visualizer/view/screen_view.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

constexpr int width = 1600, height = 900;

struct Pixels {
  int width, height;
};

bool can_be_tried() {
  for (const std::string program : {"Xvfb", "xdotool"})
    if (!is_installed(program)) {
      MESSAGE("left out: there is no " << program);
      return false;
    }
  return true;
}

// A virtual display with a keyboard and a mouse.
class Display {
 public:
  Display() {
    // Xvfb prints the number of the display
    REQUIRE(eventually([this] { return server_.out().find('\n') != std::string::npos; }));
    name_ = "DISPLAY=:" + server_.out().substr(0, server_.out().find('\n'));
  }

  const std::string& name() const { return name_; }
  void press(const std::string& keys) const { xdotool({"key", keys}); }
  void click(Point pixel) const {
    xdotool({"mousemove", whole(pixel.x), whole(pixel.y)});
    xdotool({"click", "1"});
  }
  void resize(int w, int h) const {
    xdotool({"search", "--name", "ringviz", "windowsize", std::to_string(w), std::to_string(h)});
  }

 private:
  static std::string whole(float x) { return std::to_string(std::lround(x)); }
  void xdotool(std::vector<std::string> words) const {
    words.insert(words.begin(), "xdotool");
    const ProcessResult answer = Program(words, {name_}).answer();
    INFO(answer.err);
    CHECK(answer.status == 0);
  }

  Program server_{{"Xvfb", "-displayfd", "1", "-screen", "0", "1600x900x24", "-nolisten", "tcp"}};
  std::string name_;
};

// ringviz on that display.
class Window {
 public:
  Window(const Display& display, std::vector<std::string> arguments)
      : program_(with_state(std::move(arguments)), {display.name(), "WAYLAND_DISPLAY="}) {
    REQUIRE(eventually([this] { return !state().empty(); }));
  }

  std::string state() const { return read_file(directory_.path / "state"); }
  std::string field(const std::string& name) const {
    const std::string all = std::string("&") + state(), key = std::string("&") + name + "=";
    const std::size_t begin = all.find(key);
    return begin == std::string::npos
               ? ""
               : all.substr(begin + key.size(), all.find_first_of("&\n", begin + 1) - begin - key.size());
  }
  bool comes_to(const std::string& name, const std::string& value) const {
    INFO(name << " to be " << value << ", in: " << state());
    const bool came = eventually([&] { return field(name) == value; });
    CHECK(came);
    return came;
  }
  bool ends_well() {
    const ProcessResult answer = program_.answer();
    INFO(answer.err);
    CHECK(answer.err == "");
    CHECK(answer.status == 0);
    return answer.status == 0;
  }
  std::filesystem::path shot() const { return directory_.path / "shot.png"; }

 private:
  std::vector<std::string> with_state(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--state-out", directory_.path / "state", "--shot-out", shot()});
    return ringviz(arguments);
  }

  TemporaryDirectory directory_;
  Program program_;
};

// The position of a target on the screen of a scene
Point pixel_of(const std::string& scene, const Target& target) {
  Session session;
  session.open_scene(find_scene(scene));
  HeadlessScreen screen(width, height);
  const Drawing drawing =
      screen.log(theme("dark"), [&](Canvas& canvas) { draw_screen(canvas, screen.size(), session); });
  for (const Element& element : drawing.elements)
    if (element.target == target) return element.rect.centre() * unit_of(width, height, 1);
  FAIL("it is not on the screen");
  return {};
}

// Closes the window, and compares its last picture with that of its last state on the CPU
void expect_picture_of_the_rasteriser(const Display& display, Window& window, Pixels size) {
  const std::string state = window.state().substr(0, window.state().find('\n'));
  INFO(state);
  display.press("ctrl+q");
  window.ends_well();
  const TemporaryDirectory directory;
  const std::string pixels = std::to_string(size.width) + "x" + std::to_string(size.height);
  run_successfully({"shot", "--state", state, "--size", pixels, "--out", directory.path / "cpu.png"});
  const Image gl = read_png(window.shot()), cpu = read_png(directory.path / "cpu.png");
  INFO(gl.width << "x" << gl.height);
  REQUIRE(same_size(gl, cpu));
  CHECK(PictureDifference(gl, cpu, 8).share() <= 0.0005);
}

}  // namespace

TEST_CASE("a window receives keys and mouse events") {
  if (!can_be_tried()) return;
  const Display display;
  Window window(display, {"--scene", "ring"});
  CHECK(window.field("scene") == "ring");
  window.comes_to("present", "");

  display.press("Tab");
  window.comes_to("device", "1");
  display.press("shift+Tab");
  window.comes_to("device", "0");
  display.click(pixel_of("ring", Target::device(2)));
  window.comes_to("device", "2");
  display.press("t");
  window.comes_to("theme", "light");
  display.press("Next");
  window.comes_to("beat", "2");
  display.press("bracketright");
  window.comes_to("scene", "recall");
  display.press("ctrl+equal");
  window.comes_to("scale", "1.1000000000000001");
  display.press("e");
  window.comes_to("scene", "free");
  // The keyboard has no such key: xdotool gives one this character, and the window may see the old one first
  const bool typed = eventually([&] {
    display.press("udiaeresis");
    return window.field("text").find("%C3%BC") != std::string::npos;
  });
  CHECK(typed);
  display.press("Escape");
  display.press("ctrl+q");
  window.ends_well();
}

TEST_CASE(
    "the window shows the picture of the CPU rasteriser after F5, a resize, and every change of size or "
    "theme") {
  if (!can_be_tried()) return;
  const Display display;
  // Keys in the order in which they are pressed, the field of the state that then has this value, and the size of the
  // window at the end. "1280x720" resizes the window
  struct Change {
    std::vector<std::string> keys;
    const char *field, *value;
    int width, height;
  };
  const Change changes[] = {
      {{"F5"}, "present", "1", 1600, 900},
      {{"F5", "F5"}, "present", "", 1024, 576},
      {{"F5", "F5", "F5", "t"}, "theme", "light", 1600, 900},
      {{"1280x720", "t"}, "theme", "light", 1280, 720},
      {{"1280x720", "640x700", "t", "t"}, "theme", "contrast", 640, 700},
      {{"ctrl+equal"}, "scale", "1.1000000000000001", 1024, 576},
      {{"ctrl+equal", "ctrl+minus", "ctrl+minus", "ctrl+minus"}, "scale", "0.80000000000000004", 1024, 576},
  };
  for (const Change& change : changes) {
    Window window(display, {"--scene", "ring", "--size", "1024x576"});
    for (const std::string& key : change.keys) {
      INFO(key);
      if (const std::size_t cross = key.find('x'); std::isdigit(key.front()))
        display.resize(std::stoi(key), std::stoi(key.substr(cross + 1)));
      else
        display.press(key);
    }
    window.comes_to(change.field, change.value);
    expect_picture_of_the_rasteriser(display, window, {change.width, change.height});
  }
}

TEST_CASE("the window shows the same picture as the CPU rasteriser") {
  if (!can_be_tried()) return;
  const Display display;
  for (const std::string state :
       {"scene=ring&t=200", "scene=row&beat=4&theme=light", "scene=causal&scale=1.5"}) {
    Window window(display, {"--state", state});
    expect_picture_of_the_rasteriser(display, window, {width, height});
  }
}

TEST_CASE("in a live run the right arrow releases the devices, and F stalls one of them") {
  if (!can_be_tried()) return;
  const Display display;
  Window window(display, {"--live", "--devices", "2", "--seq", "4"});
  // Virtual time advances with the devices
  const auto time = [&] { return std::stod(window.field("t")); };
  const auto comes_beyond = [&](double t) {
    return eventually([&] {
      display.press("Right");
      return time() > t;
    });
  };
  CHECK(time() == 0);

  // Device 1 can use its own block, but waits for the block of device 0 without end
  display.press("f");
  CHECK(comes_beyond(0));
  const double own_block = time();
  for (int i = 0; i < 12; ++i) display.press("Right");
  display.press("t");
  window.comes_to("theme", "light");
  CHECK(time() == own_block);

  display.press("f");
  CHECK(comes_beyond(own_block));
  display.press("ctrl+q");
  window.ends_well();
}

TEST_CASE("closing the window ends a live run whose devices wait") {
  if (!can_be_tried()) return;
  const Display display;
  Window window(display, {"--live", "--devices", "4", "--backward"});
  display.press("Right");
  display.press("ctrl+q");
  window.ends_well();
}
