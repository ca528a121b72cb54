// `ringviz` without a command: shows a scene, a trace or a live run in a window.

#include <imgui.h>

#include <cstdio>

#include "reference/cli/args/command.h"
#include "reference/cli/args/rule.h"
#include "reference/definition/input/bad_input.h"
#include "reference/files/output_file.h"
#include "visualizer/app/commands.h"
#include "visualizer/app/live_options.h"
#include "visualizer/app/session_options.h"
#include "visualizer/app/window.h"
#include "visualizer/draw/fonts.h"
#include "visualizer/interaction/deep_link.h"
#include "visualizer/interaction/pointer.h"
#include "visualizer/raster/headless_screen.h"
#include "visualizer/run/live_run.h"
#include "visualizer/view/screen_view.h"

namespace ringattn::viz {

namespace {

struct WindowOptions {
  SessionOptions options;
  LiveOptions live;
  int frames = -1;
  std::string state_out, shot_out;
};

// A file with the current state of the window, rewritten after every change.
class StateFile {
 public:
  // Throws BadInput if the file cannot be written
  explicit StateFile(std::string path) : path_(std::move(path)) {
    if (!path_.empty()) OutputFile file(path_);
  }

  void follow(const Session& session) {
    if (path_.empty()) return;
    const std::string state = deep_link(session);
    if (state == written_) return;
    OutputFile file(path_);
    file.stream() << state << "\n";
    file.commit();
    written_ = state;
  }

 private:
  std::string path_, written_;
};

// The window of a session: handles events, advances time, draws.
class WindowSession {
 public:
  WindowSession(Session& session, int width, int height)
      : session_(session),
        window_(width, height, "ringviz: " + session.title(),
                {[this](const std::string& key) { key_pressed(key); },
                 [this](Point p) { show_errors([&] { pointer_.moved(session_, drawing_, p); }); },
                 [this](Point p, bool down) {
                   show_errors([&] { pointer_.button(session_, drawing_, p, down); });
                 },
                 [this](Point p, double across, double up) {
                   show_errors([&] { pointer_.scrolled(session_, drawing_, p, across, up); });
                 }}) {}

  // Runs until the window is closed; or, if max_frames > 0, draws this many frames as fast as possible
  void run(int max_frames, StateFile& state) {
    if (max_frames > 0) window_.vsync(false);
    const double began = window_.seconds();
    double before = began;
    for (int frame = 0; !window_.closed() && !session_.quit && frame != max_frames; ++frame) {
      window_.poll_events(animating() || max_frames > 0 ? 0 : 0.25);
      const double now = window_.seconds();
      session_.advance(std::min(now - before, 0.1));
      before = now;
      draw();
      state.follow(session_);
    }
    if (max_frames > 0) {
      const double seconds = window_.seconds() - began;
      std::printf("%d frames in %.2f s, %.0f per second\n", max_frames, seconds, max_frames / seconds);
    }
  }

  Image picture() { return window_.picture(); }

 private:
  // A still picture is drawn four times per second only
  bool animating() const { return session_.playing() || (session_.live() && session_.live()->running()); }

  // Shows errors in the window: exceptions must not pass through the callbacks of GLFW
  template <class F>
  void show_errors(F&& f) {
    try {
      f();
    } catch (const std::exception& error) {
      session_.notice = error.what();
    }
  }

  void key_pressed(const std::string& key) {
    show_errors([&] { press_key(session_, key); });
    if (!session_.to_copy.empty()) window_.copy(session_.to_copy);
    session_.to_copy.clear();
  }

  void draw() {
    window_.full_screen(session_.settings.presenting);
    const int width = window_.width(), height = window_.height();
    if (width <= 0 || height <= 0) return;
    const float unit = unit_of(width, height, session_.settings.display_scale());
    if (!fonts_ || unit != unit_) {
      unit_ = unit;
      fonts_ = std::make_unique<Fonts>(*ImGui::GetIO().Fonts, unit);
      window_.update_font_texture(unit);
    }
    const Theme& session_theme = theme(session_.settings.theme);
    window_.begin_frame(session_theme.paper);
    Canvas canvas(*ImGui::GetBackgroundDrawList(), *fonts_, session_theme, unit);
    draw_screen(canvas, {static_cast<float>(width) / unit, static_cast<float>(height) / unit}, session_);
    drawing_ = canvas.drawing();
    window_.end_frame();
  }

  Session& session_;
  Window window_;
  Pointer pointer_;
  Drawing drawing_;
  std::unique_ptr<Fonts> fonts_;
  float unit_ = 0;
};

int run_window(const WindowOptions& o) {
  Session session;
  if (o.live.wanted)
    o.live.open(session, o.options);
  else
    o.options.open(session);
  StateFile state(o.state_out);
  WindowSession window_session(session, o.options.width(), o.options.height());
  window_session.run(o.frames, state);
  if (!o.shot_out.empty()) write_png(o.shot_out, window_session.picture());
  return 0;
}

}  // namespace

void add_window(Program& program) {
  const auto o = std::make_shared<WindowOptions>();
  o->options.add_trace_and_scene(program);
  o->options.add_beat(program);
  o->options.add_state(program);
  o->options.add_style_options(program);
  o->live.add_options(program);
  const char* const group = "Scripting";
  program.add_option("--frames", o->frames, "draw N frames as fast as possible and report the frame rate")
      ->type_name("N")
      ->check(cli::whole_number(1, 1000000))
      ->group(group);
  program.add_option("--state-out", o->state_out, "keep the current state in this file")
      ->type_name("FILE")
      ->group(group);
  program.add_option("--shot-out", o->shot_out, "save a picture of the window when it closes")
      ->type_name("FILE")
      ->group(group);
  program.action([o] { return run_window(*o); });
}

}  // namespace ringattn::viz
