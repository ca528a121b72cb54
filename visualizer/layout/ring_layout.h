#pragma once

#include <vector>

#include "visualizer/layout/geometry.h"

namespace ringattn::viz {

// Where the devices of a ring stand, clockwise around a free middle, and the track outside of them on which
// blocks travel.
class RingLayout {
 public:
  // _tracks_: how many run side by side; 2 where results follow the blocks
  RingLayout(const Rect& room, int devices, int tracks);

  const std::vector<Rect>& cards() const { return cards_; }
  // What is free within the ring
  Rect middle() const { return middle_; }

  // Where a message stands that has gone _fraction_ of the way from one device to the next; track 0 is the
  // inner one. Each way is a piece of the track of its own: messages never stand upon one another
  Rect flight(int from, double fraction, int track) const;
  // The middle of that way, and the direction in which it goes there
  struct Way {
    Point at, direction;
  };
  Way way(int from, int track) const;
  // The whole of a track, a frame about all cards
  Rect track(int track) const;

 private:
  enum class Side { top, right, bottom, left };  // of the track, where a device takes and gives
  struct Grid {
    int columns, rows;
    Size card;
    float score;  // how large its cards are
  };

  void measure_lanes(const Rect& room, int tracks);
  Grid grid(int columns, int rows) const;
  Grid best_grid() const;
  void place_cards(const Grid& grid);
  void place_middle(const Grid& grid);
  void fit_flights();

  float port(int device, const Rect& frame) const;
  float clearance(int device) const;
  std::pair<float, float> span(int from, int track) const;

  int devices_;
  Rect room_;  // of the cards
  Size flight_, lane_;
  std::vector<Rect> cards_;
  std::vector<Side> sides_;
  Rect middle_;
};

}  // namespace ringattn::viz
