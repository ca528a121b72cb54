#pragma once

#include <vector>

#include "visualizer/layout/geometry.h"

namespace ringattn::viz {

// The positions of the devices of a ring, clockwise around a free middle, and the track around them on which blocks
// travel:
//
//     +--->--->--->---+
//     |  [0] [1] [2]  |
//     ^    middle     v
//     |  [5] [4] [3]  |
//     +---<---<---<---+
class RingLayout {
 public:
  // _tracks_: number of parallel tracks; 2 if results travel after the blocks. 0: messages cross the middle, which is
  // wider then
  RingLayout(const Rect& room, int devices, int tracks);

  const std::vector<Rect>& cards() const { return cards_; }
  // The free rectangle inside the ring
  Rect middle() const { return middle_; }
  // The middle of the side of a card that faces the others, or its corner, and the direction to them
  struct Way {
    Point at, direction;
  };
  Way inner_side(int device) const;

  // The rectangle of a message that has completed _fraction_ of the way from device _from_ to the next; track 0 is the
  // inner one. Each hop has its own section of the track, so messages never overlap
  Rect flight(int from, double fraction, int track) const;
  // The midpoint of a hop, and its direction there
  Way way(int from, int track) const;
  // A whole track: a frame around all cards
  Rect track(int track) const;

 private:
  enum class Side { top, right, bottom, left };  // of the track to which a device is connected
  struct Grid {
    int columns, rows;
    Size card;
    float score;  // size of its cards relative to the usual one
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
  bool crossed_;          // by messages
  bool columns_ = false;  // devices are beside the middle, too
  Rect room_;             // of the cards
  Size flight_, lane_;
  std::vector<Rect> cards_;
  std::vector<Side> sides_;
  Rect middle_;
};

}  // namespace ringattn::viz
