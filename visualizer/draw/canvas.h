#pragma once

#include <array>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "visualizer/draw/drawing.h"
#include "visualizer/draw/theme.h"
#include "visualizer/layout/geometry.h"

struct ImDrawList;

namespace ringattn::viz {

class Fonts;

enum class Align { left, centre, right };

// The drawing surface of the panels, in points. It also logs what was drawn.
class Canvas {
 public:
  // _unit_: pixels per point
  Canvas(ImDrawList& list, const Fonts& fonts, const Theme& theme, float unit);

  const Theme& theme() const { return theme_; }
  const Drawing& drawing() const { return drawing_; }

  // ---- Shapes

  void fill(const Rect& rect, Color color, float radius = 0);
  void frame(const Rect& rect, Color color, float thickness = 1, float radius = 0);
  void hatch(const Rect& rect, Color color, float distance = 6, float thickness = 1.2f);
  void line(Point a, Point b, Color color, float thickness = 1);
  void polyline(const std::vector<Point>& points, Color color, float thickness = 1);
  void dashed(Point a, Point b, Color color, float thickness = 1, float dash = 6);
  void disc(Point centre, float radius, Color color);
  void circle(Point centre, float radius, Color color, float thickness = 1);
  // Angles in radians, clockwise from the right
  void arc(Point centre, float radius, float from, float to, Color color, float thickness = 1);
  void triangle(Point a, Point b, Point c, Color color);
  // The head of an arrow whose tip is _tip_, pointing along _direction_
  void arrow_head(Point tip, Point direction, float length, Color color);
  // A block in the colour of its owner, striped for owners 8 to 15 (mod 16)
  void block(const Rect& rect, int owner, float radius = 3);

  // ---- Text

  Size text_size(std::string_view text, Face face) const;
  float line_height(Face face) const { return text_size("Ag", face).h; }

  // Draws one line, vertically centred in _rect_ and cut with an ellipsis if it does not fit. Returns its rectangle.
  // For a text that may be left out, use fitting_text
  Rect text(const Rect& rect, std::string_view text, Face face, Color color, Align align = Align::left);
  // Draws the first of _texts_ that fits; nothing if none does
  void fitting_text(const Rect& rect, std::initializer_list<std::string> texts, Face face, Color color,
                    Align align = Align::left);
  void fitting_text(const Rect& rect, std::span<const std::string> texts, Face face, Color color,
                    Align align = Align::left);
  // Draws a text broken into lines at spaces and returns its height. Lines below _rect_ are cut
  float paragraph(const Rect& rect, std::string_view text, Face face, Color color);
  float paragraph_height(float width, std::string_view text, Face face) const;

  // ---- The log

  // Registers an element at _rect_ for the pointer and for the tests
  void element(const Rect& rect, const Target& target, EventId event = {}, std::string label = {});

  // Sets the run to which the following elements belong
  void show_run(int run) { run_ = run; }

  // Everything drawn until leave_overlay() is on top and may cover what is below: a tooltip, the help
  void enter_overlay() { ++layer_; }
  void leave_overlay() { --layer_; }

  void clip(const Rect& rect);
  void unclip();

 private:
  struct Pixels {
    float x0, y0, x1, y1;
  };
  Pixels pixels(const Rect& rect, float radius) const;
  float whole_pixels(float points) const;
  Point at(Point p) const { return p * unit_; }
  // The part of a rectangle, in points, inside the clip rectangle
  Rect visible_part(const Rect& rect) const;
  void stripes(const Rect& rect, float radius, Color color, float distance, float thickness);

  bool fits(const Rect& rect, const Size& size) const;
  std::string shortened(std::string_view text, float width, Face face) const;
  Rect line_of_text(const Rect& rect, std::string_view text, Face face, Color color, Align align);
  std::vector<std::string> lines_of(float width, std::string_view text, Face face) const;
  void log(std::string_view text, const Rect& rect, Face face, bool cut);

  ImDrawList& list_;
  const Fonts& fonts_;
  const Theme& theme_;
  float unit_;
  int layer_ = 0, run_ = 0;
  Drawing drawing_;
};

}  // namespace ringattn::viz
