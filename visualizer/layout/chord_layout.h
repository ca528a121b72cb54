#pragma once

#include "visualizer/layout/ring_layout.h"

namespace ringattn::viz {

// The positions of devices that send to any other device: around a free middle, which messages cross on curves from the
// sender to the receiver.
//
//     [0] [1] [2]
//       \  |  /
//     [5] [4] [3]
class ChordLayout {
 public:
  ChordLayout(const Rect& room, int devices);

  const std::vector<Rect>& cards() const { return devices_.cards(); }
  const RingLayout& devices() const { return devices_; }

  // The rectangle of a message that has completed _fraction_ of the way
  Rect flight(int from, int to, double fraction) const;
  // The curve from the card of the sender to the card of the receiver. The curves of the two directions are apart
  std::vector<Point> chord(int from, int to) const;

 private:
  struct Curve {
    Point begin, control, end;
    Point at(float t) const;
  };
  Curve curve(int from, int to, float clearance) const;
  float depth(Point direction) const;

  RingLayout devices_;
  Rect room_;
  Size flight_;
};

}  // namespace ringattn::viz
