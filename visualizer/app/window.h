#pragma once

#include <functional>
#include <string>

#include "visualizer/layout/geometry.h"
#include "visualizer/raster/image.h"
#include "visualizer/draw/color.h"

struct GLFWwindow;

namespace ringattn::viz {

// What a spectator does to the window, in points and in the names of keys that the table of commands uses.
struct WindowListener {
  std::function<void(const std::string& key)> key;
  std::function<void(Point)> moved;
  std::function<void(Point, bool down)> button;
};

// A window with GL, and Dear ImGui in it.
class Window {
 public:
  // Throws BadInput where there is no display or no GL
  Window(int width, int height, const std::string& title, WindowListener listener);
  ~Window();
  Window(const Window&) = delete;

  // Waits for the next frame at most _seconds_, and hears what happened
  void poll_events(double seconds);
  bool closed() const;
  double seconds() const;  // since it was opened
  void copy(const std::string& text) const;
  void full_screen(bool on);
  // No faster than the display, or as fast as it goes
  void vsync(bool on) const;

  int width() const;  // in pixels
  int height() const;
  // The atlas of ImGui has new fonts, for so many pixels a point; before anything is heard or drawn
  void update_font_texture(float unit);

  void begin_frame(Color background);
  void end_frame();
  // What the last frame drew
  Image picture() const;

 private:
  void render() const;

  // Where it stands when it does not fill the screen
  struct Place {
    int x = 60, y = 60, width = 1600, height = 900;
  };

  static void on_key(GLFWwindow*, int key, int scancode, int action, int mods);
  static void on_character(GLFWwindow*, unsigned codepoint);
  static void on_move(GLFWwindow*, double x, double y);
  static void on_button(GLFWwindow*, int button, int action, int mods);

  GLFWwindow* window_ = nullptr;
  WindowListener listener_;
  Point pointer_;
  Color background_;
  float unit_ = 1;
  Place place_;
  bool has_fonts_ = false;  // as a texture
};

}  // namespace ringattn::viz
