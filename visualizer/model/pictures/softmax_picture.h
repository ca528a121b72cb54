#pragma once

#include <vector>

#include "visualizer/model/moment.h"
#include "visualizer/model/pictures/update_rule.h"

namespace ringattn::viz {

// The contribution of one block to the sum l of a row.
struct Contribution {
  int owner = -1;                // of the block; -1: the sink, with which the row begins
  EventId event;                 // the row event that added the contribution
  double before = 0, after = 0;  // its value before and after the shown event
};

// The range of a quantity of a row over the whole run, so that scales do not change during the run.
struct Range {
  double low = 0, high = 0;

  void include(double x);  // ignores values that are not finite
  // Includes another range, unless one of the two would then be too small to be read
  void share(const Range& other);
  // The position of x between low and high, 0 .. 1
  double part(double x) const;
};

// The online softmax of one row at a moment, from its row events (first sequence and head).
struct SoftmaxPicture {
  enum class State {
    unrecorded,  // the trace has no row events of this row
    neutral,     // no key absorbed yet, not even a part of one; the sum may hold a sink
    absorbing,   // the shown event is in progress
    absorbed,    // the shown event is over
    finished     // and it was the last event
  };
  State state = State::unrecorded;
  const Event* shown = nullptr;   // neutral: the first event; null: unrecorded
  double fraction = 1;            // completed share of the shown event
  std::vector<const Event*> met;  // the events until now, ending with the shown one
  int blocks = 0;                 // number of events in met

  // Of the shown event
  std::vector<Contribution> sum;  // in order of arrival
  Update update;
  double correct_l = 0;  // the sum of exp(S - m) over all keys until now
  bool adds_up = true;   // and l is this sum

  // The output that the row converges to, and O / l after each event in met
  std::vector<double> final_output;
  bool dense = false;  // final_output is that of full attention; otherwise the last output of the run
  std::vector<std::vector<double>> normalized_outputs;

  // Over all row events of the row in the run, and in the runs beside it
  Range scores{0, 0}, l{0, 0}, output_range, O_size{0, 0};

  // The event merged two states, or its scores are unknown
  bool merged = false;

  const RowUpdate& row_update() const { return *shown->row; }
};

// _beside_: the runs with which the row is compared; the pictures of all of them have the same scales
SoftmaxPicture softmax_picture(const Recording& recording, const Moment& moment, Index row,
                               const std::vector<const Recording*>& beside = {});

// O / l; 0 if no key has been visible to the row
std::vector<double> normalize(double l, const std::vector<double>& O);

// The progress of the phases of absorbing a block, each from 0 to 1.
struct AbsorbPhases {
  double scores = 1;   // the scores appear
  double maximum = 1;  // m moves
  double rescale = 1;  // l and O shrink by alpha
  double add = 1;      // the new contribution is added
};
AbsorbPhases absorb_phases(double fraction, bool reduced_motion);

}  // namespace ringattn::viz
