#pragma once

#include <optional>

#include "reference/oracle/backward_simulation.h"
#include "reference/oracle/catalogue.h"
#include "reference/oracle/gauge.h"
#include "reference/oracle/gauge_vjp.h"
#include "reference/oracle/likeness.h"
#include "reference/oracle/submission.h"

namespace ringattn {

// One reading of one mistake, or of two at once, held against what was handed in.
struct Suspect {
  const Mistake* mistake = nullptr;
  Reading reading;

  // The mistake that is made on top of the former, which has changed the problem; mostly none
  const Mistake* second = nullptr;
  Reading second_reading = {};

  Likeness likeness = {};  // of the result to what the mistake gives
  double effect = 0;       // how far the mistake is from the truth on this input, in allowances
};

// "O1", or "S1+M1"
std::string id_of(const Suspect& suspect);

// out and lse, where the suspect is the one
Attended<double> made_by(const Suspect& suspect, const Simulation& simulation);

// Which results the suspects are compared by
struct Compared {
  bool out = false, lse = false;            // forward
  bool dq = false, dk = false, dv = false;  // backward
};

// What was handed in on the rows of a simulation, with the truth beside it.
struct Evidence {
  Tensor<double> out, lse;
  const GaugedForward& gauged;
  Compared compared;

  Evidence(const Submission& submission, const Simulation& simulation, const GaugedForward& truth,
           Compared by);

  // Adds to the likeness and the effect of a suspect that gives _made_
  void hold_against(Suspect& suspect, const Attended<double>& made) const;
};

// Every reading of every mistake of the forward; _gauged_ belongs to the rows that are simulated
std::vector<Suspect> forward_suspects(const Simulation& simulation, const GaugedForward& gauged,
                                      const Submission& submission, const Compared& compared);

// The same suspects on other rows
std::vector<Suspect> again(const std::vector<Suspect>& suspects, const Simulation& simulation,
                           const GaugedForward& gauged, const Submission& submission,
                           const Compared& compared);

// Every reading of every mistake of the backward; all rows
std::vector<Suspect> backward_suspects(const BackwardSimulation& simulation, const Simulation& forward,
                                       const GaugedGradients& gauged, const Submission& submission,
                                       const Compared& compared);

}  // namespace ringattn
