#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "visualizer/draw/fonts.h"
#include "visualizer/interaction/pointer.h"
#include "visualizer/session/session.h"

namespace ringattn::viz {

// The visualizer on the canvas of a page: draws a session with WebGL, and hands it the events of the page. Positions of
// the pointer are in pixels.
class Page {
 public:
  // Throws BadInput if the browser has no WebGL 2
  Page();

  // ---- What is shown

  // Opens the moment of a deep link, or a live run: "live=1&devices=4". An invalid link leaves a notice
  void open_link(const std::string& link);
  void open_trace(const std::string& name, std::string_view bytes);
  // A run of the session as a trace file
  std::string trace(int run, bool wall_times) const;

  // ---- Events

  // _unit_: pixels per point at the display scale 1
  void resize(int width, int height, float unit);
  // Return whether the visualizer uses the event
  bool key(const std::string& name);
  bool scroll(Point pixel, double across, double up);
  void move(Point pixel);
  void leave();  // the pointer left the canvas
  void button(Point pixel, bool down);
  // Whether a drag from here moves something
  bool can_drag(Point pixel) const;
  // Moves the time by a part of the run
  void scrub(double part);
  // Two fingers: zooms the timeline or the matrix under them, elsewhere everything
  void pinch(Point pixel, double factor);
  void command(const std::string& id);
  // Ends the text input with this text
  void enter_text(const std::string& text);
  void show_panel(const std::string& name) { panel_ = name; }

  // ---- Drawing

  // Advances the session by _seconds_ and draws it
  void draw(double seconds);
  // What the page shows beside the canvas, as JSON
  std::string state();

 private:
  Point points(Point pixel) const { return {pixel.x / unit_, pixel.y / unit_}; }
  Size size() const { return {static_cast<float>(width_) / unit_, static_cast<float>(height_) / unit_}; }
  std::string link() const;
  std::string spoken_text() const;
  void open_live(const std::string& fields);
  void update_fonts();
  template <class F>
  void show_errors(F&& f);

  Session session_;
  Pointer pointer_;
  Drawing drawing_;
  std::unique_ptr<Fonts> fonts_;
  std::string live_;   // the link of the live run; empty: none
  std::string panel_;  // the panel that a small screen shows, if there is one of this name
  int width_ = 64, height_ = 64;
  float base_unit_ = 1, unit_ = 0;
};

}  // namespace ringattn::viz
