#pragma once

#include <vector>

#include "visualizer/model/moment.h"

namespace ringattn::viz {

// What one block gives to the sum l of a row.
struct Contribution {
  int owner = -1;                // of its keys
  EventId event;                 // the row event that added it
  double before = 0, after = 0;  // what it counts before and after the event that is shown
};

// The numbers from the lowest to the highest that a row has in its run, so that scales stand still.
struct Range {
  double low = 0, high = 0;

  void include(double x);  // unless it is no finite number
  // Where x stands between low and high, 0 .. 1
  double part(double x) const;
};

// The online softmax of one row at a moment, as its row events have it (first sequence and head).
struct SoftmaxPicture {
  enum class State {
    unrecorded,  // the trace has no row events of this row
    neutral,     // no key seen yet
    absorbing,   // the event that is shown is going on
    absorbed,    // it is over
    finished     // and it was the last
  };
  State state = State::unrecorded;
  const Event* shown = nullptr;   // null: unrecorded or neutral
  double fraction = 1;            // of the event that is shown
  std::vector<const Event*> met;  // the events until now, the one that is shown last
  int blocks = 0;                 // that it has met, with the one that is shown

  // Of the event that is shown
  std::vector<Contribution> sum;  // in the order in which they came
  double added = 0;               // what its block gives to l
  bool adds_up = true;            // the contributions are l, as the event says it is

  // What the row converges on, and how it gets there, the event that is shown last
  std::vector<double> final_output;
  bool dense = false;  // it is what full attention gives; else the last answer of the run
  std::vector<std::vector<double>> normalized_outputs;

  // Of all row events of the row in the run
  Range scores{0, 0}, l{0, 0}, output_range;
  double largest_O = 0;

  // The event joined two states, or nobody knows the scores
  bool merged = false;

  const RowUpdate& row_update() const { return *shown->row; }
};

SoftmaxPicture softmax_picture(const Recording& recording, const Moment& moment, Index row);

// O / l; 0 where the row has seen no key
std::vector<double> normalize(double l, const std::vector<double>& O);

// How far the acts of absorbing a block have come, each from 0 to 1.
struct AbsorbPhases {
  double scores = 1;   // they appear
  double maximum = 1;  // it moves
  double rescale = 1;  // l and O shrink by alpha
  double add = 1;      // the new part is added
};
AbsorbPhases absorb_phases(double fraction, bool reduced_motion);

}  // namespace ringattn::viz
