#pragma once

#include <functional>
#include <string>

#include "visualizer/draw/color.h"
#include "visualizer/layout/geometry.h"
#include "visualizer/raster/image.h"

struct GLFWwindow;

namespace ringattn::viz {

// Receives the input events of the window. Positions are in points, keys are named as in the table of commands.
struct WindowListener {
  std::function<void(const std::string& key)> key;
  std::function<void(Point)> moved;
  std::function<void(Point, bool down)> button;
  // Steps of the wheel to the right and up
  std::function<void(Point, double across, double up)> scrolled;
};

// A window with an OpenGL context, and Dear ImGui in it.
class Window {
 public:
  // Throws BadInput if there is no display or no OpenGL
  Window(int width, int height, const std::string& title, WindowListener listener);
  ~Window();
  Window(const Window&) = delete;

  // Waits for events, at most _seconds_, and calls the listener
  void poll_events(double seconds);
  bool closed() const;
  double seconds() const;  // since it was opened
  void copy(const std::string& text) const;
  void full_screen(bool on);
  // Limits frames to the refresh rate of the display, or not
  void vsync(bool on) const;

  int width() const;  // in pixels
  int height() const;
  // Uploads the fonts of ImGui's atlas, rendered for _unit_ pixels per point. Call before the first event or frame
  void update_font_texture(float unit);

  void begin_frame(Color background);
  void end_frame();
  // The picture of the last frame
  Image picture() const;

 private:
  void render() const;

  // Position and size outside of full screen
  struct Place {
    int x = 60, y = 60, width = 1600, height = 900;
  };

  static void on_key(GLFWwindow*, int key, int scancode, int action, int mods);
  static void on_character(GLFWwindow*, unsigned codepoint);
  static void on_move(GLFWwindow*, double x, double y);
  static void on_scroll(GLFWwindow*, double x, double y);
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
