#pragma once

#include <optional>

#include "reference/oracle/backward_simulation.h"
#include "reference/oracle/catalogue.h"
#include "reference/oracle/gauge.h"
#include "reference/oracle/gauge_vjp.h"
#include "reference/oracle/likeness.h"
#include "reference/oracle/submission.h"

namespace ringattn {

// One reading of one mistake, held against what was handed in.
struct Suspect {
  const Mistake* mistake = nullptr;
  Reading reading;
  Likeness likeness;  // of the result to what the mistake gives
  double effect = 0;  // how far the mistake is from the truth on this input, in allowances
};

// Which results the suspects are compared by
struct Compared {
  bool out = false, lse = false;            // forward
  bool dq = false, dk = false, dv = false;  // backward
};

// Every reading of every mistake of the forward; _gauged_ belongs to the rows that are simulated
std::vector<Suspect> forward_suspects(const Simulation& simulation, const GaugedForward& gauged,
                                      const Submission& submission, const Compared& compared);

// The same readings on other rows
std::vector<Suspect> again(const std::vector<Suspect>& suspects, const Simulation& simulation,
                           const GaugedForward& gauged, const Submission& submission,
                           const Compared& compared);

// Every reading of every mistake of the backward; all rows
std::vector<Suspect> backward_suspects(const BackwardSimulation& simulation, const Simulation& forward,
                                       const GaugedGradients& gauged, const Submission& submission,
                                       const Compared& compared);

}  // namespace ringattn
